"""The rules that import-linter cannot see, as functions of source text, so that each is also shown to catch its breach."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("classifier", "api", "training")

Checker = Callable[[str], list[int]]

_FILE_WORK = {
    "open",
    "read_text",
    "read_bytes",
    "write_text",
    "write_bytes",
    "fdopen",
    "from_path",
    "loadtxt",
    "mkstemp",
    "mkdtemp",
}


def _modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of every module that is imported anywhere, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__"}:
            yield from (
                (node.lineno, arg.value)
                for arg in node.args
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def imports_of(*roots: str) -> Checker:
    """Lines that import one of the top-level packages `roots`."""

    def check(source: str) -> list[int]:
        return [line for line, name in _modules(ast.parse(source)) if name.split(".")[0] in roots]

    return check


def commits(source: str) -> list[int]:
    """Lines that end a transaction."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]


def relative_imports(source: str) -> list[int]:
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level
    ]


def file_work_at_import(source: str) -> list[int]:
    """Lines that open, read or write a file as soon as the module is imported."""

    def at_import(node: ast.AST) -> Iterator[ast.AST]:
        """Everything that runs on import: bodies of functions do not, their defaults and decorators do."""
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            inner: list[ast.AST] = [
                *node.decorator_list,
                *node.args.defaults,
                *filter(None, node.args.kw_defaults),
            ]
        elif isinstance(node, ast.Lambda):
            inner = [*node.args.defaults]
        else:
            inner = list(ast.iter_child_nodes(node))
        for child in inner:
            yield from at_import(child)

    return [
        node.lineno
        for node in at_import(ast.parse(source))
        if isinstance(node, ast.Call) and _called(node) in _FILE_WORK
    ]


def classes_that_can_change(source: str) -> list[int]:
    """Lines of classes that are neither enumerations nor frozen, slotted dataclasses."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
        and not _is_enum(node)
        and not any(map(_freezes, node.decorator_list))
    ]


def _is_enum(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases)


def _freezes(decorator: ast.expr) -> bool:
    if not (isinstance(decorator, ast.Call) and _called(decorator) == "dataclass"):
        return False
    on = {
        word.arg
        for word in decorator.keywords
        if isinstance(word.value, ast.Constant) and word.value.value is True
    }
    return {"frozen", "slots"} <= on


def _sources() -> dict[str, str]:
    return {
        path.relative_to(_ROOT).as_posix(): path.read_text(encoding="utf-8")
        for package in _PACKAGES
        for path in sorted((_ROOT / package).rglob("*.py"))
    }


def _breaches(checker: Checker, only: str = "") -> list[str]:
    return [
        f"{name}:{line}" for name, source in _sources().items() if name != only for line in checker(source)
    ]


_segmenters = imports_of("rjieba", "jieba", "pkuseg", "hanlp")
_artefacts = imports_of(
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "skops", "safetensors", "marshal", "shelve"
)

RULES: dict[str, tuple[Checker, str]] = {
    "transactions end in one place": (commits, "api/store/session.py"),
    "the segmenter is imported in one place": (_segmenters, "classifier/tokenise.py"),
    "artefacts are read and written in one place": (_artefacts, "classifier/bundle.py"),
    "imports are absolute": (relative_imports, ""),
    "importing a module opens no file": (file_work_at_import, ""),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_packages_keep_the_rule(rule: str) -> None:
    checker, only = RULES[rule]
    assert _breaches(checker, only) == []


@pytest.mark.parametrize(
    "rule", ["the segmenter is imported in one place", "artefacts are read and written in one place"]
)
def test_the_one_place_is_really_used(rule: str) -> None:
    """Else the rule has moved away from what it guards."""
    checker, only = RULES[rule]
    assert checker(_sources()[only])


def test_the_nouns_of_the_kernel_are_frozen() -> None:
    source = _sources()["classifier/petition.py"]
    assert classes_that_can_change(source) == []
    assert source.count("@dataclass(") >= 8


def test_all_three_packages_are_looked_at() -> None:
    assert {name.split("/")[0] for name in _sources()} == set(_PACKAGES)
    assert len(_sources()) > 40


@pytest.mark.parametrize(
    ("checker", "source", "lines"),
    [
        (commits, "with a as b:\n    b.commit()\n", [2]),
        (commits, "def f(s):\n    return s.connection.commit\n", [2]),
        (commits, "commit = 1\nprint('x.commit()')\n# s.commit()\n", []),
        (_segmenters, "import rjieba\n", [1]),
        (_segmenters, "def f():\n    from jieba.posseg import cut\n", [2]),
        (_segmenters, "import importlib\nimportlib.import_module('jieba')\n", [2]),
        (_segmenters, "__import__('rjieba')\n", [1]),
        (_segmenters, "name = 'jieba'\nimport jieba_free\n", []),
        (_artefacts, "import os, pickle\n", [1]),
        (_artefacts, "from sklearn.externals import joblib\n", []),
        (_artefacts, "from joblib import load\n", [1]),
        (_artefacts, "from safetensors.numpy import load\n", [1]),
        (_artefacts, "import skops.io as sio\n", [1]),
        (relative_imports, "from . import a\nfrom ..b import c\nfrom b import c\n", [1, 2]),
        (file_work_at_import, "TEXT = open('a').read()\n", [1]),
        (file_work_at_import, "from pathlib import Path\nTEXT = Path('a').read_text()\n", [2]),
        (file_work_at_import, "class A:\n    text = Path('a').read_bytes()\n", [2]),
        (file_work_at_import, "def f(text=open('a').read()):\n    pass\n", [1]),
        (file_work_at_import, "if True:\n    with open('a') as file:\n        pass\n", [2]),
        (file_work_at_import, "def f():\n    return open('a')\ng = lambda: open('b')\n", []),
        (classes_that_can_change, "class A:\n    pass\n", [1]),
        (classes_that_can_change, "@dataclass\nclass A:\n    pass\n", [2]),
        (classes_that_can_change, "@dataclass(frozen=True)\nclass A:\n    pass\n", [2]),
        (classes_that_can_change, "@dataclass(frozen=False, slots=True)\nclass A:\n    pass\n", [2]),
        (classes_that_can_change, "@dataclass(frozen=True, slots=True)\nclass A:\n    x: int\n", []),
        (classes_that_can_change, "class A(StrEnum):\n    X = 'x'\n", []),
    ],
)
def test_a_checker_finds_its_breach_and_nothing_else(checker: Checker, source: str, lines: list[int]) -> None:
    assert checker(source) == lines
