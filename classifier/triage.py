"""THE SPINE: one petition in, the whole suggestion out. A reader who knows this file knows where everything happens.

normalise → redact → tokenise and features, once → category → links → routing. Nothing after `redact` sees raw text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date
from itertools import islice

from classifier.align import Alignment
from classifier.bundle import Bundle
from classifier.category import Explainer
from classifier.features import Document, blank_marks, is_word
from classifier.identity import Keys, petition_keys
from classifier.links.find import find_links
from classifier.links.history import History
from classifier.links.terms import LinkEntry, link_entry
from classifier.normalise import normalise, normalised
from classifier.petition import EvidenceSpan, Petition, Redaction, Suggestion, Triage
from classifier.predict import (
    Predictions,
    best_classes,
    categories_of,
    kind_of,
    learned_unit,
    predict,
    units_of,
)
from classifier.redact import redact
from classifier.routing import Router
from classifier.tokenise import Tokeniser

# Evidence is read off for this many of the ranked categories.
_WITH_EVIDENCE = 3
# So many likely categories of a petition are compared with another's.
_LINK_CATEGORIES = 5
# Fewer words than this say too little to trust a category.
_FEW_WORDS = 3
_UNRELIABLE = "分类不可靠"


@dataclass(frozen=True, slots=True)
class Reading:
    """A petition after redaction: all that later steps see. `alignment` leads from `document.text` back to `Petition.given`."""

    id: str
    document: Document = field(repr=False)
    alignment: Alignment = field(repr=False)
    redactions: tuple[Redaction, ...]
    warnings: tuple[str, ...]
    keys: Keys = field(repr=False)
    district: str
    received: date | None = None

    @property
    def title(self) -> str:
        return self.document.text[: self.document.title_length]

    @property
    def text(self) -> str:
        """The redacted text without its title."""
        return self.document.text[self.document.title_length :].lstrip("\n")


@dataclass(frozen=True, slots=True)
class Triaged:
    """The suggestion with what a store needs to keep for later petitions.

    `confidence` is the greatest level-1 probability, 0 without a category model; `learned_unit` the name and probability of the unit
    model's first choice before any rule had its say, None without a unit model.
    """

    triage: Triage
    reading: Reading
    entry: LinkEntry
    confidence: float = 0.0
    learned_unit: tuple[str, float] | None = None


def read(petition: Petition, tokeniser: Tokeniser, secret: bytes) -> Reading:
    """Normalise, redact and cut one petition. `secret` keys the identity hashes."""
    normal, to_given = normalise(petition.given)
    people = (petition.petitioner, *petition.joint_petitioners, petition.agent)
    names = tuple(dict.fromkeys(name for person in people if (name := normalised(person.name).strip())))
    redacted, alignment, found = redact(normal, to_given, names)
    # Blank ends are gone: without a title the first line end is the text's own, without a text there is none.
    title_length = len(redacted.partition("\n")[0]) if normalised(petition.title) else 0
    document = Document(redacted, title_length, tuple(tokeniser.cut(blank_marks(redacted))))
    return Reading(
        id=petition.id,
        document=document,
        alignment=alignment,
        redactions=tuple(Redaction(f.kind, *to_given.before(f.start, f.end)) for f in found),
        warnings=_warnings(document),
        keys=petition_keys(petition, secret),
        district=petition.district,
        received=petition.received_at.astimezone(UTC).date() if petition.received_at else None,
    )


def triage(
    petition: Petition, bundle: Bundle, history: History | None, router: Router, secret: bytes, top: int = 3
) -> Triage:
    """The suggestion for one petition; links only where there is a `history`."""
    reading = read(petition, bundle.tokeniser, secret)
    return next(triage_each([reading], bundle, history, router, top=top)).triage


def triage_each(
    readings: Sequence[Reading],
    bundle: Bundle,
    history: History | None,
    router: Router,
    *,
    top: int = 3,
    min_score: float | None = None,
) -> Iterator[Triaged]:
    """Suggestions in the order of `readings`.

    Features and models run over the whole batch at once; links are looked up as the caller takes each answer, so that it
    may remember one petition before the next is linked.
    """
    if not readings:
        return
    predictions = predict(bundle, [reading.document for reading in readings])
    for row, reading in enumerate(readings):
        document = reading.document
        categories = categories_of(bundle, predictions, row, document, top)
        kind = kind_of(bundle, predictions, row)
        entry = entry_of(bundle, predictions, row, reading)
        links = (
            find_links(entry, document, history, bundle.term_weights, bundle.links, min_score)
            if history is not None
            else ()
        )
        units = units_of(
            bundle, predictions, row, document, router, categories, kind.name, reading.district, top
        )
        unsure = predictions.confidence[row] < bundle.threshold or any(
            _UNRELIABLE in w for w in reading.warnings
        )
        answer = Triage(
            id=reading.id,
            model_version=bundle.version,
            categories=_with_evidence(bundle, predictions, row, reading, categories),
            abstained=bool(unsure),
            kind=kind,
            units=units,
            links=links,
            redactions=reading.redactions,
            warnings=reading.warnings,
        )
        confidence = float(predictions.confidence[row])
        yield Triaged(answer, reading, entry, confidence, learned_unit(bundle, predictions, row))


def entry_of(bundle: Bundle, predictions: Predictions, row: int, reading: Reading) -> LinkEntry:
    """What link search keeps of one petition of a batch."""
    return entry_for(bundle, predictions, row, reading.id, reading.document, reading.keys, reading.received)


def entry_for(
    bundle: Bundle,
    predictions: Predictions,
    row: int,
    petition_id: str,
    document: Document,
    keys: Keys,
    received: date | None,
) -> LinkEntry:
    """The same for a petition that was read before."""
    categories: list[tuple[str, float]] = []
    if bundle.category is not None and predictions.category is not None:
        probabilities = predictions.category[row]
        best = best_classes(probabilities, _LINK_CATEGORIES)
        categories = [(bundle.category.classes[i], float(probabilities[i])) for i in best]
    return link_entry(petition_id, document, keys, bundle.term_weights, categories, received)


def _with_evidence(
    bundle: Bundle, predictions: Predictions, row: int, reading: Reading, categories: Sequence[Suggestion]
) -> tuple[Suggestion, ...]:
    """The first few suggestions with the spans that carried them, in positions of the text as given."""
    if bundle.category is None or predictions.category is None:
        return ()
    document = reading.document
    explainer = Explainer(bundle.category, document, predictions.found.of(row), predictions.matrix[row])
    order = best_classes(predictions.category[row], min(len(categories), _WITH_EVIDENCE))
    explained = [
        replace(
            categories[rank],
            evidence=tuple(
                EvidenceSpan(
                    *reading.alignment.before(s.start, s.end), document.text[s.start : s.end], s.weight
                )
                for s in explainer.spans(index)
            ),
        )
        for rank, index in enumerate(order)
    ]
    return (*explained, *categories[len(explained) :])


def _warnings(document: Document) -> tuple[str, ...]:
    warnings = []
    if "\ufffd" in document.text:
        warnings.append("有认不出的字符，原文编码可能有误")
    if not any("\u3400" <= word[0] <= "\u9fff" for word in document.words):
        warnings.append(f"没有中文内容，{_UNRELIABLE}")
    elif len(list(islice(filter(is_word, document.words), _FEW_WORDS))) < _FEW_WORDS:
        warnings.append(f"内容过短，{_UNRELIABLE}")
    return tuple(warnings)
