"""What helps a model of an office's units beyond its own decisions: what tells categories apart, and the units' names and duties.

A unit model is linear in the words of a petition (`training.logistic`). Two things make few decisions go further (docs/decisions/019):
the directions in which the category model looks cost it less, so that a word the seed corpus knows speaks for the units of its
category even where no decision has it; and each unit's name, with the duties of a shipped directory's unit of that name, is a case of its
own, so that a unit with one decision or two is reachable. Nothing of this is left at prediction: all folds into the coefficients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.category import LinearModel
from classifier.directory import Unit, load_directory
from classifier.petition import Petition
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, document_of
from training.fit import Fitted, Matrix

#: A decision of a unit that has n of them weighs as n^-BALANCE (docs/decisions/019 has the sweeps of this and the next).
BALANCE = 0.5
#: Folds drawn from one time choose too weak a ridge for a later one: units take this many times what they choose.
FIRMER = 2.0
#: At most so many units, the most frequent, have coefficients of their own.
MOST_UNITS = 300
# The directories whose duties are taken for a unit of the same name, the nearest to a whole government first.
_SHIPPED = ("county", "township", "company")

Directions = npt.NDArray[np.float32]


def category_directions(category: LinearModel | None, matrix: Matrix) -> Directions | None:
    """What tells categories apart, as columns: shape (width, categories). None without a model of categories.

    Their length is such that the rows of `matrix`, along all of them together, are about 1 long in the mean.
    """
    if category is None:
        return None
    directions = category.coef - category.coef.mean(axis=1, keepdims=True)
    along = np.asarray(matrix @ directions)
    usual = float(np.sqrt(np.einsum("ij,ij->i", along, along).mean()))
    return directions / np.float32(usual) if usual > 0 else None


def widened(matrix: Matrix, directions: Directions | None) -> Matrix:
    """The matrix with how far each row goes along each direction as columns of its own."""
    if directions is None:
        return matrix
    beside = sparse.csr_matrix(matrix @ directions)
    return sparse.csr_matrix(sparse.hstack([matrix, beside], format="csr", dtype=np.float32))


def folded(fitted: Fitted, directions: Directions | None) -> Fitted:
    """The model of a widened matrix as one of the matrix itself: the same scores, no column more."""
    if directions is None:
        return fitted
    model, width = fitted.model, len(directions)
    coef = model.coef[:width] + directions @ model.coef[width:]
    return replace(fitted, model=LinearModel(model.classes, coef, model.intercept, model.calibration))


def described(
    units: Sequence[str], folder: Path, taxonomy: Taxonomy, tokeniser: Tokeniser, weight: float
) -> list[Example]:
    """A case for each unit: its name and, where a shipped directory (below `folder`) has a unit so named, its other names and duties."""
    directories = [load_directory(folder / name, taxonomy) for name in _SHIPPED if (folder / name).is_dir()]
    cases = []
    for name in units:
        known = (unit for directory in directories if (unit := directory.unit_named(name)))
        words = (name, *_words(next(known, None)))
        document = document_of(Petition(name, "", "，".join(words)), tokeniser)
        cases.append(Example(document, unit=name, group=f"unit-{name}", weight=weight, is_terms=True))
    return cases


def _words(unit: Unit | None) -> tuple[str, ...]:
    return (*unit.names, *unit.duties) if unit else ()
