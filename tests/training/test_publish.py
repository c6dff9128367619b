"""A bundle goes where it was sent, whole, and never over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.bundle import Bundle, load_bundle
from classifier.errors import BundleError, BundleTamperedError
from classifier.registry import Registry
from training.publish import publish
from training.train import Progress, Sources, train


@pytest.fixture(scope="session")
def other(small_corpora: Path, quiet: Progress) -> Bundle:
    return train(Sources(small_corpora), quiet)


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_folder_becomes_the_bundle_itself(bundle: Bundle, tmp_path: Path) -> None:
    published = publish(bundle, tmp_path / "deep" / "mine", promote=False)
    assert (published.path, published.active) == (tmp_path / "deep" / "mine", False)
    loaded = load_bundle(tmp_path / "deep" / "mine")
    assert loaded.version == published.version == bundle.version
    assert loaded.report == bundle.report
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["mine"]  # nothing half-made beside it


def test_an_empty_folder_will_do(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    publish(bundle, tmp_path / "mine", promote=False)
    assert load_bundle(tmp_path / "mine").version == bundle.version


def test_another_bundle_is_not_overwritten(bundle: Bundle, other: Bundle, tmp_path: Path) -> None:
    publish(other, tmp_path / "mine", promote=False)
    before = _tree(tmp_path)
    with pytest.raises(BundleError, match="不会覆盖"):
        publish(bundle, tmp_path / "mine", promote=True)
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("is_folder", [True, False])
def test_other_peoples_files_are_not_overwritten(bundle: Bundle, tmp_path: Path, is_folder: bool) -> None:
    target = tmp_path / "papers"
    kept = target / "letter.txt" if is_folder else target
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("有用的文件", encoding="utf-8")
    with pytest.raises(BundleError, match="不会覆盖"):
        publish(bundle, target, promote=True)
    assert kept.read_text(encoding="utf-8") == "有用的文件"


def test_the_first_version_of_a_registry_is_active_later_ones_only_when_promoted(
    bundle: Bundle, other: Bundle, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "models")
    first = publish(bundle, registry.root, promote=False)
    assert first.active
    assert first.path == registry.root / bundle.version == registry.active()
    second = publish(other, registry.root, promote=False)
    assert not second.active
    assert registry.active().name == bundle.version
    assert publish(other, registry.root, promote=True).active
    assert registry.active().name == other.version
    assert registry.versions() == sorted([bundle.version, other.version])
    assert registry.rollback().version == bundle.version


def test_a_folder_of_versions_is_a_registry_whatever_its_name(
    bundle: Bundle, other: Bundle, tmp_path: Path
) -> None:
    publish(bundle, tmp_path / "models", promote=True)
    (tmp_path / "models").rename(tmp_path / "模型库")
    assert publish(other, tmp_path / "模型库", promote=False).path == tmp_path / "模型库" / other.version


def test_the_same_version_again_writes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    publish(bundle, tmp_path / "models", promote=True)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "models" / bundle.version).iterdir()}
    publish(bundle, tmp_path / "models", promote=True)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "models" / bundle.version).iterdir()}
    assert after == before


def test_training_again_repairs_a_damaged_version(bundle: Bundle, tmp_path: Path) -> None:
    """The message of a damaged bundle says: train again. The same corpus gives the same version, so this must work."""
    publish(bundle, tmp_path / "models", promote=True)
    weights = tmp_path / "models" / bundle.version / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(BundleTamperedError):
        load_bundle(Registry(tmp_path / "models").active())
    publish(bundle, tmp_path / "models", promote=False)
    assert load_bundle(Registry(tmp_path / "models").active()).version == bundle.version


def test_a_file_is_no_folder_of_models(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("不是目录", encoding="utf-8")
    with pytest.raises(BundleError, match="是一个文件"):
        publish(bundle, tmp_path / "models", promote=True, versions=True)
