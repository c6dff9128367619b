"""The demo office: its stories are whole, and told as they happened."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from api import demo
from api.accounts import sign_in
from api.store.audit import broken_at
from api.store.tables import decisions, matters, petitions, returns
from classifier.errors import CorpusError
from classifier.redact import redact
from classifier.taxonomy import load_taxonomy

_FOLDER = Path(__file__).parents[2] / "corpora" / "demo"
_TODAY = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
_STORIES = demo.read_stories(_FOLDER, _TODAY)


def test_stories_fit_the_taxonomy_and_the_directory(live):
    taxonomy = load_taxonomy(_FOLDER.parent / "taxonomy")
    units = live.engine().router.directory.units
    unknown = [
        story["id"]
        for story in _STORIES
        if story["category"] not in taxonomy
        or not {story["unit"], *story["joint_units"], *filter(None, [story["first_unit"]])} <= set(units)
    ]
    assert unknown == []
    assert len({story["id"] for story in _STORIES}) == len(_STORIES) > 400


def test_stories_name_nobodys_number():
    kinds = {found.kind for story in _STORIES for found in redact(f"{story['title']}\n{story['text']}")[2]}
    assert kinds <= {"姓名", "住址", "性别"}


def test_nothing_lies_in_the_future():
    assert all(story.received < _TODAY for story in _STORIES)
    assert _STORIES[0].received < _TODAY - timedelta(days=600)
    letters = [story for story in _STORIES if story["channel"] != "网络"]
    assert all(story.received.weekday() < 5 for story in letters)


def test_nobody_shares_a_number():
    people = [story.row for story in _STORIES if story["person"]]
    numbers = {(row["person"], demo._person(row).phone) for row in people}
    assert len({phone for _, phone in numbers}) == len({person for person, _ in numbers})


@pytest.fixture(scope="module")
def few():
    """One whole matter, one petition that was sent back and decided anew, one that waits."""
    matter = [story for story in _STORIES if story["matter"] == "mu07"]
    back = next(story for story in _STORIES if story["first_unit"] and story["state"] == "decided")
    waits = next(story for story in _STORIES if story["state"] == "pending")
    return sorted({story["id"]: story for story in (*matter, back, waits)}.values(), key=lambda s: s.received)


def test_the_past_is_told_as_it_happened(service, few):
    ticks = []
    demo.fill(service, few, lambda: ticks.append(1))
    assert len(ticks) == len(few)
    with service.store.read() as connection:
        stored = connection.execute(select(petitions).order_by(petitions.c.seq)).mappings().all()
        decided = connection.execute(select(decisions)).mappings().all()
        sent_back = connection.execute(select(returns)).mappings().all()
        assert broken_at(connection) is None
        assert connection.execute(select(matters)).first()
    assert [row["created_at"] for row in stored] == [story.received for story in few]
    assert {row["status"] for row in stored} == {"待认定", "已认定"}
    when = {row["id"]: row["created_at"] for row in stored}
    assert all(row["created_at"] > when[row["petition_id"]] for row in (*decided, *sent_back))
    assert len(sent_back) == sum(bool(story["first_unit"]) for story in few)
    assert sign_in(service, "审核", demo.PASSWORD, "here").user.role == "reviewer"


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "D1"}), encoding="utf-8")
    with pytest.raises(CorpusError, match=r"x\.jsonl 第 1 行"):
        demo.read_stories(tmp_path, _TODAY)
    (tmp_path / "x.jsonl").unlink()
    with pytest.raises(CorpusError, match="没有信访件"):
        demo.read_stories(tmp_path, _TODAY)
