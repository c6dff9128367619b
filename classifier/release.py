"""Which version serves: promote and roll back, each after the bundle has been verified whole. Used alike by command line and API."""

from __future__ import annotations

from classifier.bundle import load_bundle
from classifier.errors import BundleTamperedError
from classifier.registry import COMMAND_LINE, Registry


def promote(registry: Registry, version: str, by: str = COMMAND_LINE) -> None:
    """Make `version` the active one.

    Raises BundleMissingError, BundleTamperedError, BundleIncompatibleError when it does not load, BundleRefusedError when the gate refused
    it; ACTIVE has not moved then.
    """
    _verify(registry, version)
    registry.promote(version, by)


def roll_back(registry: Registry, by: str = COMMAND_LINE) -> str:
    """Make the version before the active one active again; returns it. Raises as `promote`, and then nothing has moved."""
    _verify(registry, registry.previous())
    return registry.rollback(by)


def _verify(registry: Registry, version: str) -> None:
    if load_bundle(registry.path(version)).version != version:
        raise BundleTamperedError(f"文件夹 {version} 里是另一个版本的模型，拒绝启用。请重新训练。")
