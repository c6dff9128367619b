"""kill -9 at random points of publish, promote, roll back and prune: always a loadable ACTIVE, never a half version.

The suite kills 40 times; FENBAN_TEST_KILLS=300 as often as the target says.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from itertools import count
from pathlib import Path

import pytest

from classifier.bundle import Bundle, load_bundle
from classifier.lexicon import Lexicon
from classifier.registry import Registry
from classifier.tokenise import Tokeniser
from training.publish import publish

_KILLS = int(os.environ.get("FENBAN_TEST_KILLS", "40"))


def _work(bundle: Bundle, registry: Registry, version: str) -> None:
    """A version comes, becomes active, is rolled back from, is active again; older ones go."""
    registry.write_verdict(version, {"passed": True})
    publish(replace(bundle, version=version), registry.root, promote=True)
    registry.rollback()
    registry.promote(version)
    registry.prune(2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_loadable_version_is_active_whenever_a_process_is_killed(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each load would spend a fifth of a second on the segmenter's dictionary, which is not what is tested.
    monkeypatch.setattr("classifier.bundle.Tokeniser", lru_cache(Tokeniser))
    # Small, so that the kills fall between writes as often as into them.
    bare = replace(bundle, category=None, kind=None, unit=None, lexicon=Lexicon({}), tokeniser=Tokeniser(()))
    registry = Registry(tmp_path / "models")
    publish(replace(bare, version="v0"), registry.root, promote=True)
    started = time.perf_counter()
    _work(bare, registry, "v1")
    round_seconds = time.perf_counter() - started
    chance = random.Random(300)  # noqa: S311  no secret
    seen: Counter[str] = Counter()
    whole: set[str] = set()  # published versions never change
    halfway = 0
    patience = 1.5 * round_seconds
    for kill in range(_KILLS):
        child = os.fork()
        if child == 0:
            try:
                for number in count():
                    _work(bare, registry, f"v{kill}.{number}")
            finally:
                os._exit(1)  # only by a failure: it works until it is killed
        time.sleep(chance.random() * patience)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the child failed by itself"
        active = registry.active()
        assert load_bundle(active).version == active.name
        for version in set(registry.versions()) - whole:
            assert load_bundle(registry.path(version)).version == version
            whole.add(version)
        # A machine that others keep busy works more slowly than when it was timed.
        patience = patience * 1.3 if active.name in seen else max(patience / 1.3, 1.5 * round_seconds)
        seen[active.name] += 1
        halfway += any(path.name.startswith(".") for path in registry.root.iterdir())
        for path in registry.root.glob(".*"):
            os.utime(path, (1, 1))  # a day later
    registry.prune(2)
    assert not any(path.name.startswith(".") for path in registry.root.iterdir())
    # The kills fell into the work: many versions were reached, many writes cut short.
    assert len(seen) > _KILLS / 10
    assert halfway > _KILLS / 10
