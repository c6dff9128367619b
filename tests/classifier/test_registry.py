"""Versions and the pointer: whatever is killed whenever, a loadable model stays active."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from classifier import release
from classifier.bundle import Bundle, load_bundle, save_bundle
from classifier.errors import (
    BundleError,
    BundleMissingError,
    BundleRefusedError,
    BundleTamperedError,
    ConflictError,
)
from classifier.registry import COMMAND_LINE, MANIFEST, Registry, manifest_digest, publishing, replacing
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
    assert two.rollback().version == bundle.version
    assert two.active().name == bundle.version
    assert two.rollback().version == "second"
    assert two.active().name == "second"


def test_promoting_the_active_version_again_keeps_the_way_back(two: Registry, bundle: Bundle) -> None:
    two.promote("second")
    two.promote("second")
    assert two.rollback().version == bundle.version


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
    assert registry.rollback().version == bundle.version


def test_killed_while_rolling_back(two: Registry, bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    two.promote("second")

    def dying(*_: object) -> None:
        raise _KilledError

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(_KilledError):
        two.rollback()
    monkeypatch.undo()
    _assert_as_before(two, "second")
    assert two.rollback().version == bundle.version


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
    with replacing(target, 0o600) as temporary:
        temporary.write_text("verdict", encoding="utf-8")
    assert target.stat().st_mode & 0o777 == 0o600


def test_publishing_over_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(BundleError, match="已经存在"), publishing(tmp_path / "there"):
        pytest.fail("the block must not run")


def test_the_digest_is_the_manifests(registry: Registry) -> None:
    from hashlib import sha256

    path = registry.active()
    assert manifest_digest(path) == sha256((path / MANIFEST).read_bytes()).hexdigest()


def test_what_the_gate_refused_is_not_promoted(two: Registry, bundle: Bundle) -> None:
    two.write_verdict("second", {"passed": False, "reasons": ["一级分类变差。", "变慢了。"]})
    with pytest.raises(BundleRefusedError, match="一级分类变差。 变慢了。"):
        release.promote(two, "second")
    assert two.active().name == bundle.version
    two.write_verdict("second", {"passed": True, "reasons": ["通过"]})
    release.promote(two, "second")
    assert two.active().name == "second"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"passed": "yes"}', b"{}"])
def test_a_broken_verdict_is_a_refusal(two: Registry, content: bytes) -> None:
    two.write_verdict("second", {"passed": True})
    (two.root / "verdicts" / "second.json").write_bytes(content)
    with pytest.raises(BundleRefusedError):
        release.promote(two, "second")


def test_verdicts_are_no_versions_and_lie_only_under_version_names(two: Registry) -> None:
    before = two.versions()
    two.write_verdict("second", {"passed": True})
    assert two.versions() == before
    assert two.verdict("second") == {"passed": True}
    assert two.verdict("nothing") is two.verdict("../verdicts/second") is None


def test_every_move_is_on_record(two: Registry, bundle: Bundle) -> None:
    first = bundle.version
    before = len(two.history())
    release.promote(two, "second")
    release.roll_back(two)
    with (two.root / "HISTORY").open("ab") as file:
        file.write(b'{"at": "torn')  # power cut
    release.promote(two, "second", by="retrain --promote")
    moves = [(move.before, move.version, move.by) for move in two.history()[before:]]
    assert moves == [
        (first, "second", COMMAND_LINE),
        ("second", first, COMMAND_LINE),
        (first, "second", "retrain --promote"),
    ]


def test_a_version_that_does_not_load_is_neither_promoted_nor_gone_back_to(
    two: Registry, bundle: Bundle
) -> None:
    weights = two.root / "second" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(BundleTamperedError):
        release.promote(two, "second")
    weights.write_bytes(whole)
    release.promote(two, "second")
    other = two.root / bundle.version / "report.json"
    other.write_bytes(other.read_bytes() + b" ")
    with pytest.raises(BundleTamperedError):
        release.roll_back(two)
    assert load_bundle(two.active()).version == "second"


def test_files_and_folders_swapped_between_versions_are_refused(two: Registry, bundle: Bundle) -> None:
    changed = replace(bundle, threshold=bundle.threshold / 2, report={"other": True}, kind=None)
    save_bundle(changed, two.root / "third", "third")
    for name in (p.name for p in (two.root / "second").iterdir()):
        ours, theirs = (two.root / v / name for v in ("second", "third"))
        kept = ours.read_bytes()
        if kept == theirs.read_bytes():
            continue
        ours.write_bytes(theirs.read_bytes())
        with pytest.raises(BundleTamperedError):
            release.promote(two, "second")
        ours.write_bytes(kept)
    release.promote(two, "second")
    # Whole folders, each sound in itself: the pointer and the name know the difference.
    (two.root / "second").rename(two.root / "aside")
    (two.root / "third").rename(two.root / "second")
    with pytest.raises(BundleTamperedError, match="清单与启用时不同"):
        two.active()
    with pytest.raises(BundleTamperedError, match="另一个版本"):
        release.promote(two, "second")
    release.promote(two, bundle.version)
    with pytest.raises(BundleTamperedError):
        release.roll_back(two)
    assert load_bundle(two.active()).version == bundle.version


def test_a_flipped_byte_anywhere_in_the_active_version_is_refused(registry: Registry) -> None:
    """Every region: the manifest, the tensors' header and data, each of the other files."""
    path = registry.active()
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        regions = {0, 1, 7, 8, 9, 200, *(len(whole) * part // 16 for part in range(16)), len(whole) - 1}
        for at in sorted(region for region in regions if 0 <= region < len(whole)):
            with file.open("r+b") as opened:
                opened.seek(at)
                opened.write(bytes([whole[at] ^ 0x20]))
            with pytest.raises(BundleTamperedError):
                load_bundle(registry.active())
            with file.open("r+b") as opened:
                opened.seek(at)
                opened.write(whole[at : at + 1])
    assert load_bundle(registry.active()).version == path.name


def test_pruning_leaves_what_one_could_want_back(registry: Registry, bundle: Bundle) -> None:
    first = bundle.version
    parents = {"v1": first, "v2": "v1", "v3": "v2", "v4": "v3", "v5": "v4"}
    for age, (version, parent) in enumerate(parents.items()):
        report = {**bundle.report, "lineage": {"parent": parent}}
        save_bundle(replace(bundle, report=report), registry.root / version, version)
        registry.write_verdict(version, {"passed": True})
        registry.write_scorecards(version, {"candidate": {}})
        os.utime(registry.root / version / MANIFEST, (10**9 + age, 10**9 + age))
    os.utime(registry.root / first / MANIFEST, (10**9 - 1, 10**9 - 1))
    registry.promote("v3")
    registry.promote("v4")
    left = registry.root / ".v9.a1b2c3_d"
    left.mkdir()
    half = registry.root / "verdicts" / ".v9.json.a1b2c3_d"
    others = registry.root / ".gitignore"
    for file in (half, others):
        file.touch()
    for path in (left, half, others):
        os.utime(path, (10**9, 10**9))
    young = registry.root / ".v8.a1b2c3_d"
    young.mkdir()
    # The youngest, the active one, the one before it, and their parents.
    assert registry.prune(1) == sorted([first, "v1"])
    assert registry.versions() == ["v2", "v3", "v4", "v5"]
    for folder in ("verdicts", "scorecards"):
        assert sorted(p.stem for p in (registry.root / folder).iterdir()) == ["v2", "v3", "v4", "v5"]
    assert (left.exists(), young.exists(), others.exists()) == (False, True, True)
    assert registry.prune(1) == []
    assert registry.rollback().version == "v3"
    assert registry.lineage("v3") == {"parent": "v2"}
    assert registry.lineage("nothing") == {}


def test_a_pointer_that_is_broken_protects_everything_it_could_mean(two: Registry, bundle: Bundle) -> None:
    (two.root / "ACTIVE").write_bytes(b"\xff")
    with pytest.raises(BundleTamperedError, match="ACTIVE"):
        two.prune(1)
    assert set(two.versions()) == {"second", bundle.version}


def test_of_two_who_go_back_from_the_same_version_the_second_stays(two: Registry, bundle: Bundle) -> None:
    two.promote("second")
    assert release.roll_back(two, expected="second").version == bundle.version
    with pytest.raises(ConflictError, match="已不是 second"):
        release.roll_back(two, expected="second")
    with pytest.raises(ConflictError):
        release.promote(two, "second", expected="second")
    assert two.active().name == bundle.version


def test_pointers_that_name_the_same_version_are_no_way_back(two: Registry) -> None:
    """As a process killed between the two leaves them."""
    two.promote("second")
    shutil.copy(two.root / "ACTIVE", two.root / "PREVIOUS")
    with pytest.raises(BundleMissingError, match="没有可以退回"):
        two.rollback()
    assert two.active().name == "second"


def test_pointers_move_one_process_at_a_time(two: Registry) -> None:
    descriptor = os.open(two.root / "registry.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    moving = [
        threading.Thread(target=move) for move in (partial(two.promote, "second"), partial(two.prune, 1))
    ]
    for thread in moving:
        thread.start()
    before = two.active().name
    moving[0].join(0.2)
    assert all(thread.is_alive() for thread in moving)
    assert two.active().name == before
    os.close(descriptor)
    for thread in moving:
        thread.join(10)
    assert two.active().name == "second"


def test_a_history_that_cannot_be_written_does_not_make_a_move_look_undone(
    two: Registry, bundle: Bundle
) -> None:
    (two.root / "HISTORY").unlink()
    (two.root / "HISTORY").mkdir()
    move = release.promote(two, "second", by="admin")
    assert (move.version, move.before, move.by) == ("second", bundle.version, "admin")
    assert two.active().name == "second"
