"""After the model changed: every stored petition is cut anew, its place in the link index and its suggested links made again.

Petition after petition as if each had just come in, into an index beside the one that serves; the two change places at the end. Texts
in the store are redacted, so nothing is decrypted. Progress is kept in the transaction of the work: killed at any moment, the next
run goes on there, and the outcome is the same. Links are looked for on a reader's connection; only writing them takes the lock, for
some thirty milliseconds a batch.

One process does it. Cutting and hashing take 0.1 ms a petition, its look-up 5 to 10: sending texts to other processes would win a
fiftieth, and look-ups depend on what was filed before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from api.service import Service
from api.store.relink import (
    Progress,
    Rebuild,
    Relinked,
    Stored,
    advance,
    begin,
    clear,
    count_after,
    stored_after,
    supersede,
    swap,
)
from api.store.terms import take_turn, whole_text
from classifier.bundle import Bundle
from classifier.features import Document, blank_marks
from classifier.links.find import find_links
from classifier.predict import predict
from classifier.triage import entry_for

# Large enough that a commit is cheap beside it, small enough that intake never waits noticeably.
BATCH = 50


def relink(service: Service, show: Callable[[int, int], object]) -> Progress:
    """Relink all petitions with the active model. `show` is told how many are done and how many there are.

    Raises ConflictError when another relink is at work, BundleError, StoreError; what was done stays done.
    """
    bundle = service.live.engine().bundle
    with service.store.write() as connection:
        state = begin(connection, bundle.version)
    with service.store.read() as connection:
        left, total = count_after(connection, state.upto), count_after(connection, 0)
    done = total - left
    show(done, total)
    while True:
        with service.store.read() as reading:
            batch = stored_after(reading, state.upto, BATCH)
            if len(batch) < BATCH:
                break
            index = Rebuild(reading, bundle.term_weights, state.upto)
            found = _relinked(bundle, index, batch)
            with service.store.write() as writing:
                index.flush(writing)
                supersede(writing, state.run, found)
                advance(writing, state, after := replace(state, upto=batch[-1].seq))
        state, done = after, done + len(batch)
        show(done, max(done, total))
    # The rest, and the change of places, while nobody files anything.
    with service.store.write() as writing:
        take_turn(writing)
        batch = stored_after(writing, state.upto, None)
        index = Rebuild(writing, bundle.term_weights, state.upto)
        supersede(writing, state.run, _relinked(bundle, index, batch))
        index.flush(writing)
        swap(writing)
        last = replace(state, upto=batch[-1].seq if batch else state.upto, done=True)
        advance(writing, state, last)
    show(done + len(batch), done + len(batch))
    with service.store.write() as writing:
        clear(writing)
    return last


def _relinked(bundle: Bundle, index: Rebuild, batch: Sequence[Stored]) -> list[Relinked]:
    if not batch:
        return []
    documents = [document_of(bundle, stored) for stored in batch]
    predictions = predict(bundle, documents)
    done = []
    for row, (stored, document) in enumerate(zip(batch, documents, strict=True)):
        entry = entry_for(bundle, predictions, row, stored.id, document, stored.keys, stored.received)
        index.same_key_before(stored.seq)
        links = find_links(entry, document, index, bundle.term_weights, bundle.links)
        index.file(stored.seq, entry)
        done.append(Relinked(stored.seq, entry, links))
    return done


def document_of(bundle: Bundle, stored: Stored) -> Document:
    """As `classifier.triage.read` made it from the original, cut by the active model."""
    text = whole_text(stored.title, stored.text)
    return Document(text, len(stored.title), tuple(bundle.tokeniser.cut(blank_marks(text))))
