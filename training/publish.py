"""A trained bundle onto disk: whole or not at all, and never over a good one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from classifier.bundle import Bundle, load_bundle, save_bundle
from classifier.errors import BundleError
from classifier.registry import MANIFEST, Registry


@dataclass(frozen=True, slots=True)
class Published:
    """Where a bundle went, and whether it is the active one now."""

    path: Path
    version: str
    active: bool


def publish(bundle: Bundle, out: Path, *, promote: bool, versions: bool = False) -> Published:
    """Write `bundle` to `out`.

    A folder that keeps versions (it is meant to, `versions`, is called `models`, or has an ACTIVE pointer or versions inside) gets a new
    version; any other path becomes the bundle itself, ready for `--model`. The first version of a registry becomes active at once; later ones only when
    `promote`. A damaged folder of that version is replaced. What was written is loaded back before anything points at it. Raises
    BundleError when `out` is something else already.
    """
    registry = Registry(out)
    versions = versions or keeps_versions(out)
    check_free(out, versions)
    if not versions:
        if out.is_dir():
            out.rmdir()
        save_bundle(bundle, out, bundle.version)
        load_bundle(out)
        return Published(out, bundle.version, active=False)
    target = out / bundle.version
    if not _is_good(target):  # the same corpus gives the same version: nothing to write again
        shutil.rmtree(target, ignore_errors=True)
        save_bundle(bundle, target, bundle.version)
    load_bundle(target)
    active = promote or not (out / "ACTIVE").exists()
    if active:
        registry.promote(bundle.version)
    return Published(target, bundle.version, active)


def keeps_versions(out: Path) -> bool:
    return out.name == "models" or (out / "ACTIVE").exists() or bool(Registry(out).versions())


def check_free(out: Path, versions: bool) -> None:
    """Raises BundleError when `out` is something that a bundle, or a folder of `versions`, would not overwrite. Worth asking before minutes
    of training."""
    if out.exists() and not out.is_dir():
        raise BundleError(f"{out} 是一个文件，不会覆盖。请换一个输出目录。")
    if not versions and out.is_dir() and any(out.iterdir()):
        if not (out / MANIFEST).exists():
            raise BundleError(f"{out} 里已有别的文件，不会覆盖。请换一个输出目录。")
        raise BundleError(f"{out} 里已有模型，不会覆盖。请换一个输出目录，或先删除它。")


def _is_good(target: Path) -> bool:
    try:
        load_bundle(target)
    except BundleError:
        return False
    return True
