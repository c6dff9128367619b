"""How likely two petitions concern one matter: a logistic model over the numbers of `classifier.links.compare`.

Each number adds its share to the log odds, so that a link can be explained number by number. Coefficients keep to the sign that a number
can have: more in common never speaks against a link, another estate never for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.links.compare import FEATURES
from classifier.petition import LinkKind

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinkModel:
    """`center` is a typical pair, `weights` what one unit of each number beyond it adds to the log odds; shape (len(FEATURES),).

    From `threshold` on a link is shown: there 95 of 100 suggested links were right on held-out written pairs (training/links.py). Where an
    identity key agrees the same is true from `again` on: of one petitioner's letters far more are on one matter than of any two.
    """

    center: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    threshold: float
    again: float

    def shown_from(self, kind: LinkKind) -> float:
        """The least score with which a link of this kind is shown, 0 to 1."""
        return self.again if kind is LinkKind.REPEAT_PETITION else self.threshold

    def likely(self, values: Values) -> Values:
        """Probability of one matter for each row of numbers, 0 to 1. Shape (pairs, len(FEATURES)) to (pairs,)."""
        logits = self.contributions(values).sum(axis=1) + self.intercept
        # Rounded so that a pair scores alike in either order, whatever the order of the sums.
        likely: Values = np.round(1 / (1 + np.exp(-logits)), 9)
        return likely

    def contributions(self, values: Values) -> Values:
        """What each number adds to the log odds, against a typical pair. Shape as `values`."""
        added: Values = (values - np.array(self.center)) * np.array(self.weights)
        return added


#: For a bundle that was trained without written pairs: set by hand so that only close texts are linked.
UNTRAINED = LinkModel(
    center=tuple(0.3 if name in ("words", "passages", "titles", "rare_both", "rare_one") else 0.0 for name, _, _ in FEATURES),
    weights=tuple({"words": 8.0, "titles": 2.0, "rare_both": 3.0, "named_apart": -1.0, "numbered_apart": -1.0, "same_petitioner": 1.0}.get(name, 0.0) for name, _, _ in FEATURES),
    intercept=-0.5,
    threshold=0.5,
    again=0.5,
)  # fmt: skip
