"""Which version serves: promote and roll back, each after the bundle has been verified whole. Used alike by command line and API.

And what any version must answer before it serves, asked by the gate and by each process that loads one.
"""

from __future__ import annotations

from functools import partial

from classifier.bundle import load_bundle
from classifier.errors import BundleTamperedError
from classifier.petition import Petition
from classifier.registry import COMMAND_LINE, Move, Registry

#: A petition with everything, one without a title, one that says nothing: a unit for each, or the model does not serve.
SMOKE = (
    Petition("smoke-1", "小区物业乱收费", "小区物业擅自提高物业费，业主多次反映没有结果，请有关部门处理。"),
    Petition("smoke-2", "", "厂里三个月没有发工资，请帮忙追讨。"),
    Petition("smoke-3", "", "12345"),
)


def promote(registry: Registry, version: str, by: str = COMMAND_LINE, expected: str = "") -> Move:
    """Make `version` the active one, in place of `expected` where one is.

    Raises BundleMissingError, BundleTamperedError, BundleIncompatibleError when it does not load, BundleRefusedError when the gate refused
    it, ConflictError when another version than `expected` is active; ACTIVE has not moved then.
    """
    _verify(registry, version)
    return registry.promote(version, by, expected)


def roll_back(registry: Registry, by: str = COMMAND_LINE, expected: str = "") -> Move:
    """Make the version before the active one active again. Raises as `promote`, and then nothing has moved."""
    return registry.rollback(by, expected, partial(_verify, registry))


def _verify(registry: Registry, version: str) -> None:
    if load_bundle(registry.path(version)).version != version:
        raise BundleTamperedError(f"文件夹 {version} 里是另一个版本的模型，拒绝启用。请重新训练。")
