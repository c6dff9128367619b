"""Fixtures all tests share: a really trained tiny bundle, the day-one model, real databases."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from api.service import Service, open_service
from api.settings import Settings
from api.store.session import Store
from api.store.tables import metadata
from classifier.bundle import Bundle, load_bundle
from classifier.directory import load_directory
from classifier.registry import Registry
from classifier.routing import Router
from training.publish import publish
from training.train import Sources, train

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
#: Branches of the seed corpus that the tiny bundle is trained on: few enough to take two seconds.
_TINY_BRANCHES = ("04", "15")
#: Empties PostgreSQL's tables and starts their numbers anew. The append-only ones let go of a row only in the role of a replica.
_EMPTY = "; ".join(
    (
        "SET LOCAL session_replication_role = replica",
        *(str(table.delete()) for table in metadata.sorted_tables),
        "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'",
    )
)


class _NoProgress:
    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests first: one that starts last would keep a worker busy while the others have nothing left to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def tiny_corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpora folder with the whole taxonomy and directories but two branches of seed, gold set and lexicon."""
    folder = tmp_path_factory.mktemp("corpora")
    shutil.copytree(ROOT / "corpora" / "taxonomy", folder / "taxonomy")
    shutil.copytree(ROOT / "corpora" / "units", folder / "units")
    shutil.copytree(ROOT / "corpora" / "gate", folder / "gate")
    for kind, suffix in (("seed", "jsonl"), ("gold", "jsonl"), ("lexicon", "csv")):
        (folder / kind).mkdir()
        for branch in _TINY_BRANCHES:
            shutil.copy(ROOT / "corpora" / kind / f"{branch}.{suffix}", folder / kind)
    return folder


@pytest.fixture(scope="session")
def models(tiny_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose active version is the tiny bundle."""
    folder = tmp_path_factory.mktemp("registry") / "models"
    publish(train(Sources(tiny_corpora), _NoProgress()), folder, promote=True)
    return folder


@pytest.fixture(scope="session")
def bundle(models: Path) -> Bundle:
    """The tiny bundle, loaded from disk."""
    return load_bundle(Registry(models).active())


WriteSnapshot = Callable[..., Path]


@pytest.fixture(scope="session")
def write_snapshot() -> WriteSnapshot:
    """Writes a label snapshot as `fenban export labels` does; rows need an id and a text, links two ids and a verdict."""

    def write(
        folder: Path, rows: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]] = ()
    ) -> Path:
        empty = dict.fromkeys(("title", "channel", "district", "petitioner_group", "matter_group", "category", "kind", "unit", "model_version"), "")  # fmt: skip
        moment = "2026-03-02T09:00:00+00:00"
        whole = [
            {**empty, "received_at": moment, "registered_at": moment, "decided_at": moment, "joint_units": [], "returned": [], "suggested": {}, "sampled": False, **row}
            for row in rows
        ]  # fmt: skip
        judged = [{"kind": "SharedMatter", "score": 0.9, "decided_at": moment, **link} for link in links]
        contents = {
            name: "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items).encode()
            for name, items in (("petitions.jsonl", whole), ("links.jsonl", judged))
        }
        manifest = {
            "format": 1,
            "petitions": len(whole),
            "decided": sum(bool(row["category"] or row["kind"] or row["unit"]) for row in whole),
            "links": len(judged),
            "taxonomy": "",
            "last_decision": max((row["decided_at"] for row in whole), default=""),
            "files": {name: sha256(content).hexdigest() for name, content in contents.items()},
        }
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def router(bundle: Bundle) -> Router:
    directory = load_directory(ROOT / "corpora" / "units" / "county", bundle.taxonomy)
    return Router(directory, bundle.taxonomy, bundle.tokeniser)


@pytest.fixture(scope="session")
def day_one() -> Bundle:
    """The model that `make` built from the whole corpus."""
    if not (ROOT / "models" / "ACTIVE").exists():
        pytest.skip("no day-one model: run `make model` first")
    return load_bundle(Registry(ROOT / "models").active())


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real messages, for tests marked `shared`."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not here: figures on real messages are not checked")
    return SHARED


@pytest.fixture(scope="session")
def _postgres_url() -> Iterator[str | None]:
    """A database of this run's own on the server of FENBAN_TEST_POSTGRES, dropped at the end; None without one."""
    given = os.environ.get("FENBAN_TEST_POSTGRES")
    if not given:
        yield None
        return
    name = f"fenban_test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(given, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        # What a test stored need not survive a power cut; processes are killed, the server is not.
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    yield make_url(given).set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, _postgres_url: str | None) -> Iterator[str]:
    """An empty, migrated database of each kind; the PostgreSQL half skips where none is configured."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'data' / 'fenban.db'}"
        return
    if _postgres_url is None:
        pytest.skip("FENBAN_TEST_POSTGRES is not set")
    store = Store(_postgres_url)
    store.migrate()
    with store.write() as connection:
        # Deleted, not truncated: TRUNCATE builds every index anew and waits for the disk at each of them.
        connection.exec_driver_sql(_EMPTY)
    store.close()
    yield _postgres_url


@pytest.fixture
def settings(database_url: str, models: Path, tmp_path: Path) -> Settings:
    """Settings of a service on a fresh database with the tiny model."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        models=models,
        corpora=ROOT / "corpora",
        directory=ROOT / "corpora" / "units" / "county",
    )


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    opened = open_service(settings)
    yield opened
    opened.close()
