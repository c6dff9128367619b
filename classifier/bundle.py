"""One loadable, verified model artefact: verify before construct.

A bundle is a folder. `manifest.json` names every file with its SHA-256 and size, the format, the segmenter; the files are the
taxonomy, the lexicon, the segmenter's dictionary, the vocabulary, the training report and `model.safetensors`, the arrays. Loading checks
every digest first, then audits names, types and shapes of the arrays against the vocabulary and the taxonomy, and only
then builds anything. The format can hold nothing but arrays (docs/decisions/003 says why it is not skops).

Upgrade rule: FORMAT rises whenever an old reader would misread a new bundle; a reader refuses every other format and says
which fenban wrote it. Bundles are rebuilt from corpora and labels, never migrated.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from classifier.category import Calibration, LevelThree, LinearModel, Pooling
from classifier.errors import BundleIncompatibleError, BundleMissingError, BundleTamperedError
from classifier.features import CHARACTERS, HASH_BITS, Vectoriser
from classifier.lexicon import Lexicon, parse_lexicon
from classifier.links.compare import FEATURES
from classifier.links.model import UNTRAINED, LinkModel
from classifier.links.terms import TermWeights
from classifier.petition import Kind
from classifier.registry import MANIFEST, publishing
from classifier.taxonomy import Taxonomy, parse_headings, parse_taxonomy
from classifier.tokenise import SEGMENTER, Tokeniser, segmenter_version

FORMAT = 3
_MODEL, _WORDS, _TAXONOMY, _HEADINGS, _LEXICON, _DICTIONARY, _REPORT = (
    "model.safetensors", "vocabulary.json", "taxonomy.csv", "headings.csv", "lexicon.csv", "dictionary.txt", "report.json",
)  # fmt: skip
_FILES = (_MODEL, _WORDS, _TAXONOMY, _HEADINGS, _LEXICON, _DICTIONARY, _REPORT)
_HEADS = ("category", "kind", "unit")
# The vectoriser's tables of buckets, in the order of its columns, and how many buckets each can name.
_BUCKETS = {"title_buckets": 1 << HASH_BITS, "characters": CHARACTERS, "buckets": 1 << HASH_BITS}

Arrays = dict[str, npt.NDArray[Any]]


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
    links: LinkModel = UNTRAINED

    @cached_property
    def level_three(self) -> LevelThree:
        return LevelThree(self.taxonomy, self.lexicon)

    @cached_property
    def known_words(self) -> frozenset[str]:
        """Every word the model has a column for."""
        return frozenset(self.vectoriser.vocabulary)

    @cached_property
    def term_weights(self) -> TermWeights:
        return TermWeights(self.vectoriser.vocabulary, self.vectoriser.idf, self.vectoriser.bigram_idf())


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

    Raises BundleMissingError (no manifest), BundleTamperedError (a file is missing, differs from the manifest, or holds what
    does not belong there), BundleIncompatibleError (another format or segmenter).
    """
    manifest = _manifest(path)
    contents = _verified(path, manifest)
    words, arrays = _model(contents)
    try:
        return _built(manifest["version"], contents, words, arrays)
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BundleTamperedError(
            f"模型包 {path.name} 的内容无法读取（{type(problem).__name__}），拒绝加载。"
        ) from None


def _built(version: str, contents: dict[str, bytes], words: dict[str, Any], arrays: Arrays) -> Bundle:
    vectoriser = Vectoriser(
        words["words"],
        idf=arrays["idf"],
        scale=words["scale"],
        **{name: arrays[name].astype(np.int64) for name in _BUCKETS},
    )
    taxonomy_text, headings_text = contents[_TAXONOMY].decode(), contents[_HEADINGS].decode()
    categories = parse_taxonomy(taxonomy_text, _TAXONOMY)
    taxonomy = Taxonomy(categories, parse_headings(headings_text, categories, _HEADINGS))
    heads = {name: _head(name, words["heads"].get(name), arrays) for name in _HEADS}
    if not set(_classes(heads["category"])) <= set(categories) or not set(_classes(heads["kind"])) <= set(
        Kind
    ):
        raise ValueError("classes")
    return Bundle(
        version=version,
        taxonomy=taxonomy,
        lexicon=parse_lexicon(contents[_LEXICON].decode(), taxonomy, _LEXICON),
        tokeniser=Tokeniser(contents[_DICTIONARY].decode().split("\n") if contents[_DICTIONARY] else ()),
        vectoriser=vectoriser,
        category=heads["category"],
        kind=heads["kind"],
        unit=heads["unit"],
        threshold=float(words["threshold"]),
        report=json.loads(contents[_REPORT]),
        links=_links(words["links"]),
    )


def _contents(bundle: Bundle) -> dict[str, bytes]:
    heads = {name: head for name in _HEADS if (head := getattr(bundle, name)) is not None}
    arrays: Arrays = {name: getattr(bundle.vectoriser, name).astype(np.int32) for name in _BUCKETS}
    arrays["idf"] = bundle.vectoriser.idf
    for name, head in heads.items():
        arrays[f"{name}.coef"] = head.coef.astype(np.float16)
        arrays[f"{name}.intercept"] = head.intercept
    words = {
        "words": list(bundle.vectoriser.vocabulary),
        "scale": list(bundle.vectoriser.scale),
        "heads": {
            name: {
                "classes": list(head.classes),
                "power": head.calibration.power,
                "knee": head.calibration.knee,
                "pooling": [head.pooling.exponent, head.pooling.power],
            }
            for name, head in heads.items()
        },
        "threshold": bundle.threshold,
        "links": {"features": [name for name, _, _ in FEATURES], **asdict(bundle.links)},
    }
    return {
        _MODEL: save_arrays({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}),
        _WORDS: json.dumps(words, ensure_ascii=False, sort_keys=True).encode(),
        _TAXONOMY: bundle.taxonomy.to_csv().encode(),
        _HEADINGS: bundle.taxonomy.headings_csv().encode(),
        _LEXICON: bundle.lexicon.to_csv().encode(),
        _DICTIONARY: "\n".join(bundle.tokeniser.dictionary).encode(),
        _REPORT: json.dumps(bundle.report, ensure_ascii=False, indent=1, sort_keys=True).encode(),
    }


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleMissingError(f"{path} 不是模型包：没有 {MANIFEST}。请检查 --model 的路径。") from None
    except (ValueError, OSError):
        raise BundleTamperedError(
            f"模型包 {path.name} 的 {MANIFEST} 已损坏。请重新训练或换一个版本。"
        ) from None
    # Another format may list other files: it is refused for what it is, before anything else is asked of it.
    other = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(other, int) and other != FORMAT:
        raise BundleIncompatibleError(
            f"模型包 {path.name} 是格式 {other}，本程序只读格式 {FORMAT}。请用本程序重新训练。"
        )
    if other != FORMAT or not _is_complete(manifest):
        raise BundleTamperedError(f"模型包 {path.name} 的清单不完整。请重新训练或换一个版本。")
    segmenter = manifest["segmenter"]
    if (segmenter.get("name"), segmenter.get("version")) != (SEGMENTER, segmenter_version()):
        raise BundleIncompatibleError(
            f"模型包 {path.name} 用的分词器是 {segmenter.get('name')} {segmenter.get('version')}，"
            f"这里装的是 {SEGMENTER} {segmenter_version()}。请重新训练，或安装那个版本。"
        )
    return manifest


def _is_complete(manifest: dict[str, Any]) -> bool:
    return (
        isinstance(manifest.get("version"), str)
        and isinstance(manifest.get("segmenter"), dict)
        and isinstance(manifest.get("files"), dict)
        and set(manifest["files"]) == set(_FILES)
        and all(isinstance(file, dict) for file in manifest["files"].values())
    )


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


def _model(contents: dict[str, bytes]) -> tuple[dict[str, Any], Arrays]:
    """Vocabulary and arrays, audited: the arrays that belong there, no other, each of the type and shape the rest implies."""
    try:
        words = json.loads(contents[_WORDS])
        arrays: Arrays = load_arrays(contents[_MODEL])
        width = len(words["words"]) + sum(len(arrays[name]) for name in _BUCKETS)
        expected: dict[str, tuple[type, tuple[int, ...]]] = {
            name: (np.int32, (len(arrays[name]),)) for name in _BUCKETS
        }
        expected["idf"] = (np.float32, (width,))
        for name, head in words["heads"].items():
            expected[f"{name}.coef"] = (np.float16, (width, len(head["classes"])))
            expected[f"{name}.intercept"] = (np.float32, (len(head["classes"]),))
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise BundleTamperedError(
            f"模型文件 {_MODEL} 无法读取（{type(problem).__name__}），拒绝加载。"
        ) from None
    found = {name: (array.dtype.type, array.shape) for name, array in arrays.items()}
    sound = all(_are_buckets(arrays[name], most) for name, most in _BUCKETS.items())
    if found != expected or not set(words["heads"]) <= set(_HEADS) or not sound:
        raise BundleTamperedError(f"模型文件 {_MODEL} 的内容与词表对不上，拒绝加载。")
    return words, arrays


def _are_buckets(array: npt.NDArray[np.int32], most: int) -> bool:
    """Rising, and each one of `most` buckets."""
    return not len(array) or bool(array[0] >= 0 and array[-1] < most and (np.diff(array) > 0).all())


def _links(found: dict[str, Any]) -> LinkModel:
    """Raises ValueError when the model weighs other numbers than `classifier.links.compare` makes."""
    features = [name for name, _, _ in FEATURES]
    model = LinkModel(
        tuple(map(float, found["center"])),
        tuple(map(float, found["weights"])),
        float(found["intercept"]),
        float(found["threshold"]),
        # Bundles of before it was learnt show repeats from the one threshold on.
        float(found.get("again", found["threshold"])),
    )
    if found["features"] != features or {len(model.center), len(model.weights)} != {len(features)}:
        raise ValueError("links")
    return model


def _classes(head: LinearModel | None) -> tuple[str, ...]:
    return head.classes if head else ()


def _head(name: str, head: dict[str, Any] | None, arrays: Arrays) -> LinearModel | None:
    if head is None:
        return None
    coef = arrays[f"{name}.coef"].astype(np.float32)
    return LinearModel(
        tuple(head["classes"]),
        coef,
        arrays[f"{name}.intercept"],
        Calibration(float(head["power"]), float(head["knee"])),
        Pooling(*map(float, head["pooling"])),
    )
