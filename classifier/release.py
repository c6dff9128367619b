"""Which version serves: promote and roll back, each after the bundle has been verified whole. Used alike by command line and API."""

from __future__ import annotations

from functools import partial

from classifier.bundle import load_bundle
from classifier.errors import BundleTamperedError
from classifier.registry import COMMAND_LINE, Move, Registry


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
