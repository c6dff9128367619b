"""The tree of exceptions is the one its docstring draws."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from classifier import errors
from classifier.errors import FenbanError


def _tree(root: type[FenbanError]) -> Iterator[type[FenbanError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


def _drawn() -> dict[str, tuple[str, int]]:
    """Class name to code and depth, as the docstring draws them."""
    assert errors.__doc__
    lines = re.findall(r"^    ([│├└─ ]*)(\w+Error) +([\w-]+)", errors.__doc__, re.MULTILINE)
    return {name: (code, len(indent) // 4) for indent, name, code in lines}


CLASSES = tuple(_tree(FenbanError))


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_class_is_drawn_with_its_code_at_its_depth(error: type[FenbanError]) -> None:
    drawn = _drawn()
    assert error.__name__ in drawn
    code, depth = drawn[error.__name__]
    assert depth == len(error.__mro__) - len(FenbanError.__mro__)
    assert code == (error.code if error is not FenbanError else "code")


def test_nothing_is_drawn_that_does_not_exist() -> None:
    assert set(_drawn()) == {error.__name__ for error in CLASSES}


def test_codes_are_unique_and_each_class_has_its_own() -> None:
    codes = [error.code for error in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all("code" in vars(error) for error in CLASSES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


def test_codes_are_stable() -> None:
    """Scripts match on these. A new class adds a line; an old line never changes."""
    assert {error.__name__: error.code for error in CLASSES}.items() >= {
        "FenbanError": "error",
        "InputError": "bad-input",
        "EmptyTextError": "empty-text",
        "TextTooLongError": "text-too-long",
        "UnreadableFileError": "unreadable-file",
        "ColumnError": "unknown-columns",
        "UnknownCodeError": "unknown-code",
        "DateError": "bad-date",
        "ReferenceDataError": "bad-reference-data",
        "TaxonomyError": "bad-taxonomy",
        "DirectoryError": "bad-directory",
        "CorpusError": "bad-corpus",
        "BundleError": "bad-bundle",
        "BundleMissingError": "no-bundle",
        "BundleTamperedError": "bundle-tampered",
        "BundleIncompatibleError": "bundle-incompatible",
        "SecretError": "bad-key",
        "SecretMissingError": "key-missing",
        "SecretMismatchError": "key-mismatch",
        "StoreError": "store-failed",
        "StoreUnavailableError": "store-unavailable",
        "SchemaTooNewError": "store-too-new",
        "NotFoundError": "not-found",
        "ConflictError": "conflict",
        "IdempotencyError": "idempotency-key-reused",
        "AccessError": "access-denied",
        "UnauthenticatedError": "unauthenticated",
        "ForbiddenError": "forbidden",
    }.items()


def test_reference_data_errors_keep_every_problem() -> None:
    error = errors.TaxonomyError("两处不对", ("第 2 行", "第 3 行"))
    assert str(error) == "两处不对"
    assert error.problems == ("第 2 行", "第 3 行")
    assert errors.CorpusError("没有").problems == ()
