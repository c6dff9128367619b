"""What petitions looked like when the model learnt: the measure that later weeks are held against (classifier/drift.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from classifier.doubt import unseen_share
from classifier.drift import Sample, Unknown, in_bins
from classifier.petition import Kind
from training.corpus import Example
from training.fit import Fitted

# Fewer of an office's own held-out petitions than this are no measure of what comes in there.
_FEWEST_OF_THE_OFFICE = 100


def reference(examples: Sequence[Example], labels: Sequence[str], category: Fitted) -> dict[str, Any] | None:
    """The held-out petitions as a sample, with `office`: whether they are the office's own or, for want of those, the seed's.

    `examples` and `labels` are the rows `category` was fitted on. A word that only its own text has counts as unknown, as it would
    have been without that text. Accusations are left out, as they are of the weeks that are compared with this (api/drift.py). None
    when nothing was held out.
    """
    every = [
        (place, row) for place, row in enumerate(category.tested) if examples[row].kind != Kind.ACCUSATION
    ]
    own = [(place, row) for place, row in every if not examples[row].is_seed]
    office = len(own) >= _FEWEST_OF_THE_OFFICE
    tested = own if office else every
    if not tested:
        return None
    places, rows = zip(*tested, strict=True)
    probabilities = category.model.calibration.probabilities(category.held_out)[list(places)]
    predicted = [category.model.classes[best][:4] for best in probabilities.argmax(axis=1)]
    truth = [labels[row][:4] for row in rows]
    seen, wrong = Counter(predicted), Counter(p for p, t in zip(predicted, truth, strict=True) if p != t)
    texts = Counter(word for example in examples for word in set(example.document.words))
    known = {word for word, count in texts.items() if count > 1}
    sample = Sample(
        Counter(truth),
        in_bins(probabilities.max(axis=1)),
        Unknown.of(unseen_share(examples[row].document.words, known) for row in rows),
        {code: (wrong[code], count) for code, count in seen.items()},
    )
    return {"office": office, **sample.to_report()}
