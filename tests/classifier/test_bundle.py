"""One loadable artefact: the same answers after a round trip, and nothing built from files that were touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from classifier.bundle import FORMAT, Bundle, bundle_version, load_bundle, save_bundle
from classifier.errors import (
    BundleError,
    BundleIncompatibleError,
    BundleMissingError,
    BundleTamperedError,
    CorpusError,
    FenbanError,
    TaxonomyError,
)
from classifier.petition import Petition
from classifier.registry import MANIFEST
from classifier.routing import Router
from classifier.tokenise import SEGMENTER, segmenter_version
from classifier.triage import triage

_FILES = ("dictionary.txt", "headings.csv", "lexicon.csv", "model.safetensors", "report.json", "taxonomy.csv", "vocabulary.json")  # fmt: skip
_PETITIONS = (
    Petition("a", "化工厂夜里排气", "我们村旁边的化工厂每天半夜偷排废气，味道刺鼻，孩子老是咳嗽，请环保部门来查。"),
    Petition("b", "", "我的社保卡里少了两年的养老保险缴费记录，公司说交了，社保局查不到。"),
    Petition("c", "建议", "建议在河边增加垃圾桶，定期公布水质监测结果。"),
)  # fmt: skip


@pytest.fixture(scope="session")
def saved(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "saved"
    save_bundle(bundle, path)
    return path


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    """A copy of the saved bundle, to be damaged."""
    return shutil.copytree(saved, tmp_path / "copy")


def test_a_round_trip_gives_the_same_answers(bundle: Bundle, saved: Path, router: Router) -> None:
    again = load_bundle(saved)
    for petition in _PETITIONS:
        ours = triage(petition, bundle, None, router, b"k" * 16)
        assert triage(petition, again, None, router, b"k" * 16) == ours
    assert again.threshold == bundle.threshold
    assert again.report == bundle.report
    assert again.taxonomy == bundle.taxonomy
    assert again.lexicon == bundle.lexicon
    assert again.tokeniser.dictionary == bundle.tokeniser.dictionary


def test_saving_twice_gives_the_same_bytes_and_version(bundle: Bundle, saved: Path, tmp_path: Path) -> None:
    again = load_bundle(saved)
    version = save_bundle(again, tmp_path / "again")
    assert version == again.version == bundle.version == bundle_version(bundle)
    for name in (*_FILES, MANIFEST):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_any_change_of_content_changes_the_version(bundle: Bundle) -> None:
    assert bundle.kind is not None
    calibration = replace(bundle.kind.calibration, power=bundle.kind.calibration.power + 1)
    kind = type(bundle.kind)(bundle.kind.classes, bundle.kind.coef, bundle.kind.intercept, calibration)
    versions = {
        bundle_version(changed)
        for changed in (
            bundle,
            replace(bundle, threshold=bundle.threshold / 2),
            replace(bundle, report={**bundle.report, "data": ["other.csv"]}),
            replace(bundle, kind=kind),
            replace(bundle, category=None),
        )
    }
    assert len(versions) == 5


def test_a_bundle_without_models_and_with_headings_comes_back(bundle: Bundle, tmp_path: Path) -> None:
    taxonomy = replace(bundle.taxonomy, headings={"01": "民生", "0401": "环境"})
    bare = replace(bundle, taxonomy=taxonomy, category=None, kind=None, unit=None)
    version = save_bundle(bare, tmp_path / "bare", "office-2024.1")
    again = load_bundle(tmp_path / "bare")
    assert version == again.version == "office-2024.1"
    assert again.category is again.kind is again.unit is None
    assert again.taxonomy.headings == {"01": "民生", "0401": "环境"}


def test_a_published_bundle_is_never_written_over(bundle: Bundle, saved: Path) -> None:
    before = (saved / MANIFEST).read_bytes()
    with pytest.raises(BundleError, match="已经存在"):
        save_bundle(bundle, saved, "other")
    assert (saved / MANIFEST).read_bytes() == before


def test_every_file_is_in_the_manifest(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted((*_FILES, MANIFEST))


@pytest.mark.parametrize("where", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("name", _FILES)
def test_one_changed_byte_in_any_file_is_found(copy: Path, name: str, where: float) -> None:
    content = bytearray((copy / name).read_bytes())
    content[int(where * (len(content) - 1))] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleTamperedError, match=name):
        load_bundle(copy)


@pytest.mark.parametrize("name", _FILES)
def test_a_missing_or_longer_file_is_found(copy: Path, name: str) -> None:
    with (copy / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(BundleTamperedError, match=name):
        load_bundle(copy)
    (copy / name).unlink()
    with pytest.raises(BundleTamperedError, match=f"缺少文件 {name}"):
        load_bundle(copy)


def test_without_a_manifest_there_is_no_bundle(copy: Path, tmp_path: Path) -> None:
    (copy / MANIFEST).unlink()
    with pytest.raises(BundleMissingError):
        load_bundle(copy)
    with pytest.raises(BundleMissingError):
        load_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize("kept", [0, 1, 0.5, 0.99])
def test_a_truncated_manifest_is_found(copy: Path, kept: float) -> None:
    content = (copy / MANIFEST).read_bytes()
    (copy / MANIFEST).write_bytes(content[: int(kept if kept == 1 else kept * (len(content) - 2))])
    with pytest.raises(BundleTamperedError):
        load_bundle(copy)


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    change(manifest)
    (path / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda m: m["files"].pop("report.json"), BundleTamperedError),
        (lambda m: m["files"].update({"extra.py": {}}), BundleTamperedError),
        (lambda m: m.pop("files"), BundleTamperedError),
        (lambda m: m.update(files=None), BundleTamperedError),
        (lambda m: m.update(files=3), BundleTamperedError),
        (lambda m: m.update(files=list(m["files"])), BundleTamperedError),
        (lambda m: m["files"]["report.json"].pop("sha256"), BundleTamperedError),
        (lambda m: m["files"].update({"report.json": "sha"}), BundleTamperedError),
        (lambda m: m.pop("version"), BundleTamperedError),
        (lambda m: m.update(version=None), BundleTamperedError),
        (lambda m: m.update(format=FORMAT + 1), BundleIncompatibleError),
        (lambda m: m.update(format=FORMAT - 1), BundleIncompatibleError),
        (lambda m: m.update(format=FORMAT + 1, files={"other.bin": {}}), BundleIncompatibleError),
        (lambda m: m.update(format="1"), BundleTamperedError),
        (lambda m: m.pop("format"), BundleTamperedError),
        (lambda m: m["segmenter"].update(name="jieba"), BundleIncompatibleError),
        (lambda m: m["segmenter"].update(version="0.0.1"), BundleIncompatibleError),
        (lambda m: m["segmenter"].clear(), BundleIncompatibleError),
        (lambda m: m.pop("segmenter"), BundleTamperedError),
        (lambda m: m.update(segmenter=SEGMENTER), BundleTamperedError),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], error: type[BundleError]
) -> None:
    _edit(copy, change)
    with pytest.raises(error):
        load_bundle(copy)


def test_a_manifest_that_is_no_object_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("[]", encoding="utf-8")
    with pytest.raises(BundleTamperedError):
        load_bundle(copy)


def test_the_message_says_which_segmenter_it_wants(copy: Path) -> None:
    _edit(copy, lambda m: m["segmenter"].update(version="0.0.1"))
    with pytest.raises(BundleIncompatibleError) as caught:
        load_bundle(copy)
    assert f"{SEGMENTER} 0.0.1" in str(caught.value)
    assert segmenter_version() in str(caught.value)


def _forge(path: Path, name: str, content: bytes) -> None:
    """Replace a file and make the manifest agree, as someone with write access could."""
    (path / name).write_bytes(content)
    _edit(
        path,
        lambda m: m["files"].update({name: {"sha256": sha256(content).hexdigest(), "bytes": len(content)}}),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.update({"kind.coef": a["kind.coef"][:-1]}),
        lambda a: a.update({"kind.coef": a["kind.coef"].astype(np.float32)}),
        lambda a: a.update({"idf": a["idf"].astype(np.float64)}),
        lambda a: a.update({"buckets": a["buckets"][:-1]}),
        lambda a: a.update({"extra": np.zeros(3, dtype=np.float32)}),
        lambda a: a.pop("kind.intercept"),
        lambda a: a.pop("buckets"),
        lambda a: a.update({"buckets": a["buckets"] * 0 - 1}),
        lambda a: a.update({"buckets": a["buckets"] + (1 << 20)}),
        lambda a: a.update({"buckets": a["buckets"][::-1]}),
        lambda a: a.update({"characters": a["characters"] + 0xA000}),
        lambda a: a.pop("title_buckets"),
    ],
)
def test_arrays_that_do_not_fit_the_vocabulary_are_refused(
    copy: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    arrays = load((copy / "model.safetensors").read_bytes())
    change(arrays)
    _forge(copy, "model.safetensors", save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
    with pytest.raises(BundleTamperedError):
        load_bundle(copy)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"\xff" * 64])
def test_arrays_in_another_format_are_refused(copy: Path, content: bytes) -> None:
    _forge(copy, "model.safetensors", content)
    with pytest.raises(BundleTamperedError):
        load_bundle(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w["words"].append("多一个"),
        lambda w: w["heads"]["kind"]["classes"].append("第五种"),
        lambda w: w["heads"].update(person={"classes": [], "power": 1, "knee": 1}),
        lambda w: w["heads"].pop("kind"),
        lambda w: w["heads"]["category"].pop("pooling"),
        lambda w: w.update(heads=[]),
        lambda w: w.update(threshold="high"),
        lambda w: w.pop("threshold"),
        lambda w: w.pop("scale"),
        lambda w: w["heads"]["kind"].pop("power"),
        lambda w: w["heads"]["kind"]["classes"].__setitem__(0, "第五种"),
        lambda w: w["heads"]["category"]["classes"].__setitem__(0, "9999"),
    ],
)
def test_a_vocabulary_that_does_not_fit_the_arrays_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    words = json.loads((copy / "vocabulary.json").read_bytes())
    change(words)
    _forge(copy, "vocabulary.json", json.dumps(words).encode())
    with pytest.raises(BundleTamperedError):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("report.json", b"{", BundleTamperedError),
        ("lexicon.csv", b"\xff\xfe", BundleTamperedError),
        ("dictionary.txt", b"\xff", BundleTamperedError),
        ("taxonomy.csv", b"code,name\n01,\n", TaxonomyError),
        ("headings.csv", "heading,code\n民生,99\n".encode(), TaxonomyError),
        ("lexicon.csv", "code,terms\n999999,词\n".encode(), CorpusError),
    ],
)
def test_other_contents_that_do_not_belong_are_refused(
    copy: Path, name: str, content: bytes, error: type[FenbanError]
) -> None:
    _forge(copy, name, content)
    with pytest.raises(error):
        load_bundle(copy)
