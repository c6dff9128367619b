"""Versions and the pointer: whatever is killed whenever, a loadable model stays active."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from classifier.bundle import Bundle, load_bundle, save_bundle
from classifier.errors import BundleError, BundleMissingError, BundleTamperedError
from classifier.registry import MANIFEST, Registry, manifest_digest, publishing, replacing
from training.publish import publish


class _KilledError(BaseException):
    """Stands for the process dying: nothing that catches Exception may catch it."""


@pytest.fixture
def registry(models: Path, tmp_path: Path) -> Registry:
    """A registry of its own with the tiny bundle active."""
    shutil.copytree(models, tmp_path / "models")
    return Registry(tmp_path / "models")


@pytest.fixture
def two(registry: Registry, bundle: Bundle) -> Registry:
    """With a second, promotable version."""
    save_bundle(bundle, registry.root / "second", "second")
    return registry


def _leftovers(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.name.startswith(".")]


def test_an_empty_registry_has_nothing_active(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    assert registry.versions() == []
    with pytest.raises(BundleMissingError, match="make model"):
        registry.active()
    with pytest.raises(BundleMissingError, match="没有可以退回"):
        registry.rollback()


def test_promote_and_roll_back(two: Registry, bundle: Bundle) -> None:
    assert two.versions() == sorted([bundle.version, "second"])
    two.promote("second")
    assert load_bundle(two.active()).version == "second"
    assert two.rollback() == bundle.version
    assert two.active().name == bundle.version
    assert two.rollback() == "second"
    assert two.active().name == "second"


def test_promoting_the_active_version_again_keeps_the_way_back(two: Registry, bundle: Bundle) -> None:
    two.promote("second")
    two.promote("second")
    assert two.rollback() == bundle.version


def test_a_registry_with_one_version_has_no_way_back(registry: Registry) -> None:
    with pytest.raises(BundleMissingError, match="没有可以退回"):
        registry.rollback()


def test_a_way_back_to_a_version_that_is_gone_is_refused(two: Registry, bundle: Bundle) -> None:
    two.promote("second")
    shutil.rmtree(two.root / bundle.version)
    with pytest.raises(BundleMissingError):
        two.rollback()
    assert two.active().name == "second"


@pytest.mark.parametrize(
    "version", ["nothing", "", "..", "../models", "a/b", ".hidden", "x" * 65, "ACTIVE", "版本"]
)
def test_what_is_no_version_is_refused(registry: Registry, version: str) -> None:
    before = registry.active()
    with pytest.raises(BundleMissingError):
        registry.promote(version)
    assert registry.active() == before


@pytest.mark.parametrize("content", [b"", b"only-version", b"a b c", b"\xff\xfe", "版本 摘要".encode()])
def test_a_broken_pointer_is_found(registry: Registry, content: bytes) -> None:
    (registry.root / "ACTIVE").write_bytes(content)
    with pytest.raises(BundleTamperedError, match="ACTIVE"):
        registry.active()


def test_a_broken_pointer_can_be_promoted_away(two: Registry) -> None:
    (two.root / "ACTIVE").write_bytes(b"\xff\xfe")
    two.promote("second")
    assert two.active().name == "second"
    with pytest.raises(BundleError):
        two.rollback()


def test_a_manifest_changed_after_promotion_is_found(registry: Registry) -> None:
    manifest = registry.active() / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(BundleTamperedError, match="清单与启用时不同"):
        registry.active()


def test_a_pointer_to_a_version_that_is_gone_is_found(registry: Registry) -> None:
    shutil.rmtree(registry.active())
    with pytest.raises(BundleMissingError):
        registry.active()


def test_folders_without_a_manifest_are_no_versions(registry: Registry) -> None:
    before = registry.versions()
    (registry.root / "half").mkdir()
    (registry.root / "file").write_text("", encoding="utf-8")
    assert registry.versions() == before


# --- killed at any step --------------------------------------------------------------------------------------


def _assert_as_before(registry: Registry, version: str) -> None:
    assert registry.active().name == version
    assert load_bundle(registry.active()).version == version
    assert _leftovers(registry.root) == []


@pytest.mark.parametrize("files_written", range(9))
def test_killed_while_writing_files(
    registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, files_written: int
) -> None:
    left = iter([True] * files_written)
    write = Path.write_bytes

    def dying(self: Path, data: bytes) -> int:
        if not next(left, False):
            write(self, data[: len(data) // 2])
            raise _KilledError
        return write(self, data)

    write_text = Path.write_text

    def dying_text(self: Path, data: str, **keywords: str) -> int:
        if not next(left, False):
            raise _KilledError
        return write_text(self, data, **keywords)

    monkeypatch.setattr(Path, "write_bytes", dying)
    monkeypatch.setattr(Path, "write_text", dying_text)
    if files_written == 8:  # seven contents and the manifest: nothing is left to die at
        save_bundle(bundle, registry.root / "new", "new")
        assert load_bundle(registry.root / "new").version == "new"
    else:
        with pytest.raises(_KilledError):
            save_bundle(bundle, registry.root / "new", "new")
        assert not (registry.root / "new").exists()
    _assert_as_before(registry, bundle.version)


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_killed_before_the_rename(
    registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def dying(*_: object) -> None:
        raise _KilledError

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", dying)
    else:
        monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(_KilledError):
        publish(_renamed(bundle), registry.root, promote=True)
    monkeypatch.undo()
    assert registry.versions() == [bundle.version]
    _assert_as_before(registry, bundle.version)


def _renamed(bundle: Bundle) -> Bundle:
    from dataclasses import replace

    return replace(bundle, version="new")


@pytest.mark.parametrize("replacements", [1, 2])
def test_killed_between_publishing_and_pointing(
    registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, replacements: int
) -> None:
    """The new version is there, or its way back is written, but ACTIVE has not moved."""
    left = iter([True] * replacements)
    rename = Path.replace

    def dying(self: Path, target: Path) -> Path:
        if not next(left, False):
            raise _KilledError
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(_KilledError):
        publish(_renamed(bundle), registry.root, promote=True)
    monkeypatch.undo()
    _assert_as_before(registry, bundle.version)
    assert publish(_renamed(bundle), registry.root, promote=True).active
    assert registry.active().name == "new"
    assert registry.rollback() == bundle.version


def test_killed_while_rolling_back(two: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    two.promote("second")

    def dying(*_: object) -> None:
        raise _KilledError

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(_KilledError):
        two.rollback()
    monkeypatch.undo()
    _assert_as_before(two, "second")
    assert two.rollback() == bundle.version


def test_what_was_written_badly_never_becomes_active(
    registry: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that loses bytes: what was published is loaded back before anything points at it."""
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, data: write(self, data[:-1]))
    with pytest.raises(BundleError):
        publish(_renamed(bundle), registry.root, promote=True)
    monkeypatch.undo()
    _assert_as_before(registry, bundle.version)


def test_a_failed_block_leaves_neither_target_nor_temporary(tmp_path: Path) -> None:
    def write_and_die(target: Path) -> None:
        with publishing(target) as folder:
            (folder / "half").write_text("x", encoding="utf-8")
            raise _KilledError

    with pytest.raises(_KilledError):
        write_and_die(tmp_path / "deep" / "target")
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old", encoding="utf-8")

    def write_and_die() -> None:
        with replacing(target) as temporary:
            temporary.write_text("new", encoding="utf-8")
            raise _KilledError

    with pytest.raises(_KilledError):
        write_and_die()
    assert target.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with replacing(target) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert target.read_text(encoding="utf-8") == "new"
    assert target.stat().st_mode & 0o777 == 0o644


def test_publishing_over_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BundleError, match="已经存在"), publishing(tmp_path / "there"):
        pytest.fail("the block must not run")


def test_the_digest_is_the_manifests(registry: Registry) -> None:
    from hashlib import sha256

    path = registry.active()
    assert manifest_digest(path) == sha256((path / MANIFEST).read_bytes()).hexdigest()
