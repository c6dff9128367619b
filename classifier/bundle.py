"""One loadable, verified model artefact: verify before construct.

A bundle is a folder. `manifest.json` names every file with its SHA-256 and size, the format, the segmenter; the files are the
taxonomy, the lexicon, the segmenter's dictionary, the training report and `model.skops`. Loading checks every digest first, then
audits the types in `model.skops` (plain containers and NumPy arrays, nothing else), and only then builds anything.

Upgrade rule: FORMAT rises whenever an old reader would misread a new bundle; a reader refuses every other format and says
which fenban wrote it. Bundles are rebuilt from corpora and labels, never migrated.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import skops.io

from classifier.category import LevelThree, LinearModel
from classifier.errors import BundleError, BundleIncompatibleError, BundleMissingError, BundleTamperedError
from classifier.features import Vectoriser
from classifier.lexicon import Lexicon, parse_lexicon
from classifier.links.terms import TermWeights
from classifier.registry import MANIFEST, publishing
from classifier.taxonomy import Taxonomy, parse_headings, parse_taxonomy
from classifier.tokenise import SEGMENTER, Tokeniser, segmenter_version

FORMAT = 1
_MODEL, _TAXONOMY, _HEADINGS, _LEXICON, _DICTIONARY, _REPORT = (
    "model.skops", "taxonomy.csv", "headings.csv", "lexicon.csv", "dictionary.txt", "report.json",
)  # fmt: skip
_FILES = (_MODEL, _TAXONOMY, _HEADINGS, _LEXICON, _DICTIONARY, _REPORT)


@dataclass(frozen=True)
class Bundle:
    """Everything a suggestion depends on. A model is None when nothing taught it.

    `threshold`: below this level-1 probability the model abstains.
    """

    version: str
    taxonomy: Taxonomy
    lexicon: Lexicon
    tokeniser: Tokeniser
    vectoriser: Vectoriser
    category: LinearModel | None
    kind: LinearModel | None
    unit: LinearModel | None
    threshold: float
    report: dict[str, Any]

    @cached_property
    def level_three(self) -> LevelThree:
        return LevelThree(self.taxonomy, self.lexicon)

    @cached_property
    def term_weights(self) -> TermWeights:
        return TermWeights(self.vectoriser.vocabulary, self.vectoriser.idf)


def save_bundle(bundle: Bundle, target: Path, version: str | None = None) -> str:
    """Write a bundle as the new folder `target`, whole or not at all; returns its version.

    The version is `version` or, without one, twelve digits of the hash of its content: the same corpus gives the same version.
    Raises BundleError when `target` exists already.
    """
    contents = _contents(bundle)
    files = {
        name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in contents.items()
    }
    version = version or content_version(files)
    manifest = {
        "format": FORMAT,
        "version": version,
        "segmenter": {"name": SEGMENTER, "version": segmenter_version()},
        "files": files,
    }
    with publishing(target) as folder:
        for name, data in contents.items():
            (folder / name).write_bytes(data)
        (folder / MANIFEST).write_text(
            json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return version


def content_version(files: dict[str, dict[str, Any]]) -> str:
    listing = "\n".join(f"{name} {files[name]['sha256']}" for name in sorted(files))
    return "m" + sha256(listing.encode()).hexdigest()[:12]


def bundle_version(bundle: Bundle) -> str:
    """The version `save_bundle` would give."""
    return content_version(
        {name: {"sha256": sha256(data).hexdigest()} for name, data in _contents(bundle).items()}
    )


def load_bundle(path: Path) -> Bundle:
    """Verify and load a bundle folder.

    Raises BundleMissingError (no manifest), BundleTamperedError (a file is missing, differs from the manifest, or holds types
    that do not belong there), BundleIncompatibleError (another format or segmenter).
    """
    manifest = _manifest(path)
    contents = _verified(path, manifest)
    state = _model_state(contents[_MODEL])
    taxonomy_text, headings_text = contents[_TAXONOMY].decode(), contents[_HEADINGS].decode()
    categories = parse_taxonomy(taxonomy_text, _TAXONOMY)
    taxonomy = Taxonomy(categories, parse_headings(headings_text, categories, _HEADINGS))
    return Bundle(
        version=manifest["version"],
        taxonomy=taxonomy,
        lexicon=parse_lexicon(contents[_LEXICON].decode(), taxonomy, _LEXICON),
        tokeniser=Tokeniser(contents[_DICTIONARY].decode().split("\n") if contents[_DICTIONARY] else ()),
        vectoriser=Vectoriser.from_state(state["vectoriser"]),
        category=LinearModel.from_state(state["category"]) if state["category"] else None,
        kind=LinearModel.from_state(state["kind"]) if state["kind"] else None,
        unit=LinearModel.from_state(state["unit"]) if state["unit"] else None,
        threshold=float(state["threshold"]),
        report=json.loads(contents[_REPORT]),
    )


def _contents(bundle: Bundle) -> dict[str, bytes]:
    state = {
        "vectoriser": bundle.vectoriser.state(),
        "category": bundle.category.state() if bundle.category else None,
        "kind": bundle.kind.state() if bundle.kind else None,
        "unit": bundle.unit.state() if bundle.unit else None,
        "threshold": bundle.threshold,
    }
    return {
        _MODEL: _reproducible(skops.io.dumps(state, compression=zipfile.ZIP_STORED)),
        _TAXONOMY: bundle.taxonomy.to_csv().encode(),
        _HEADINGS: bundle.taxonomy.headings_csv().encode(),
        _LEXICON: bundle.lexicon.to_csv().encode(),
        _DICTIONARY: "\n".join(bundle.tokeniser.dictionary).encode(),
        _REPORT: json.dumps(bundle.report, ensure_ascii=False, indent=1, sort_keys=True).encode(),
    }


def _reproducible(archive: bytes) -> bytes:
    """The same skops archive without what differs from run to run: object ids (memory addresses) and file times."""
    source = zipfile.ZipFile(io.BytesIO(archive))
    schema = json.loads(source.read("schema.json"))
    ids: dict[int, int] = {}
    files: dict[str, str] = {}
    _renumber(schema, ids, files)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist(), key=lambda n: files.get(n, n)):
            data = json.dumps(schema, sort_keys=True).encode() if name == "schema.json" else source.read(name)
            info = zipfile.ZipInfo(files.get(name, name), date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, data)
    return out.getvalue()


def _renumber(node: Any, ids: dict[int, int], files: dict[str, str]) -> None:
    """Give every `__id__` and every array file its number in order of appearance, in place."""
    if isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if isinstance(node.get("file"), str):
            node["file"] = files.setdefault(node["file"], f"array-{len(files):03d}.npy")
        for child in node.values():
            _renumber(child, ids, files)
    elif isinstance(node, list):
        for child in node:
            _renumber(child, ids, files)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleMissingError(f"{path} 不是模型包：没有 {MANIFEST}。请检查 --model 的路径。") from None
    except (ValueError, OSError):
        raise BundleTamperedError(
            f"模型包 {path.name} 的 {MANIFEST} 已损坏。请重新训练或换一个版本。"
        ) from None
    if not isinstance(manifest, dict) or set(_FILES) != set(manifest.get("files", ())):
        raise BundleTamperedError(f"模型包 {path.name} 的清单不完整。请重新训练或换一个版本。")
    if manifest.get("format") != FORMAT:
        raise BundleIncompatibleError(
            f"模型包 {path.name} 是格式 {manifest.get('format')}，本程序只读格式 {FORMAT}。请用本程序重新训练。"
        )
    segmenter = manifest.get("segmenter", {})
    if (segmenter.get("name"), segmenter.get("version")) != (SEGMENTER, segmenter_version()):
        raise BundleIncompatibleError(
            f"模型包 {path.name} 用的分词器是 {segmenter.get('name')} {segmenter.get('version')}，"
            f"这里装的是 {SEGMENTER} {segmenter_version()}。请重新训练，或安装那个版本。"
        )
    return manifest


def _verified(path: Path, manifest: dict[str, Any]) -> dict[str, bytes]:
    contents = {}
    for name in _FILES:
        try:
            data = (path / name).read_bytes()
        except OSError:
            raise BundleTamperedError(
                f"模型包 {path.name} 缺少文件 {name}。请重新训练或换一个版本。"
            ) from None
        if sha256(data).hexdigest() != manifest["files"][name].get("sha256"):
            raise BundleTamperedError(
                f"模型包 {path.name} 的 {name} 与清单不符，可能损坏或被改动，拒绝加载。"
            )
        contents[name] = data
    return contents


def _model_state(archive: bytes) -> dict[str, Any]:
    try:
        unknown = skops.io.get_untrusted_types(data=archive)
        if unknown:
            raise BundleTamperedError(f"模型包里有不该有的类型：{'、'.join(sorted(unknown))}。拒绝加载。")
        state = skops.io.loads(archive, trusted=[])
    except (BundleError, MemoryError):
        raise
    except Exception as problem:  # a file with a good digest that skops cannot read: made by other means
        raise BundleTamperedError(
            f"模型文件 {_MODEL} 无法读取（{type(problem).__name__}）。拒绝加载。"
        ) from None
    if not isinstance(state, dict):
        raise BundleTamperedError(f"模型文件 {_MODEL} 的内容不对。拒绝加载。")
    return state
