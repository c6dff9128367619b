"""The office's own headings: what is saved is shown everywhere, says what it leaves out, and never keeps a model from serving."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import headings
from api.store.audit import Action, entries
from classifier.taxonomy import Category, Taxonomy
from tests.api.workbench.conftest import text_of


@pytest.fixture
def live(settings, follower):
    return follower(settings)


@pytest.fixture
def admin(desk):
    return desk("admin")


def _stamp(admin):
    return re.search(r'name="v" value="(\w+)"', admin.get("/admin/headings").text)[1]


def _save(admin, **given):
    return admin.post("/admin/headings", {"v": _stamp(admin)} | given)


def test_headings_are_shown_wherever_categories_are(admin, http, service, settings, follower):
    answer = _save(admin, h01="民生", h15="民生", h0105="历史 遗留")
    assert answer.headers["location"] == "/admin/headings?done=headings"
    shown = {c["code"]: c["heading"] for c in http.get("/v1/taxonomy").json()["categories"]}
    assert (shown["01"], shown["0101"], shown["0105"], shown["02"]) == ("民生", "民生", "历史 遗留", "")
    assert headings.heading_of(service, "010101") == "民生"
    assert follower(settings).engine().heading_of("0105") == "历史 遗留"
    with service.store.read() as connection:
        entry = next(entries(connection))
    assert (entry.action, entry.detail) == (
        Action.DIRECTORY_CHANGED,
        {"table": "headings", "codes": 3, "headings": 2},
    )


def test_what_is_under_no_heading_is_said(admin, service):
    taxonomy = service.live.engine().bundle.taxonomy
    assert "还没有对照" in text_of(admin.get("/admin/headings"))
    child = taxonomy.children("02")[0].code
    _save(
        admin,
        **{f"h{top.code}": "其余" for top in taxonomy.level(1) if top.code != "02"},
        **{f"h{child}": "党建"},
    )
    found = headings.headings(service)
    assert found.uncovered == ("02", *(c.code for c in taxonomy.children("02") if c.code != child))
    assert f"{len(found.uncovered)} 未归类" in text_of(admin.get("/admin/headings"))
    _save(admin, h02="党建")
    assert headings.headings(service).uncovered == ()
    assert "未归类" not in text_of(admin.get("/admin/headings"))


def test_an_emptied_box_takes_a_heading_away(admin, service):
    _save(admin, h01="民生", h02="党建")
    _save(admin, h01="")
    assert headings.headings(service).by_code == {"02": "党建"}


def test_saving_the_same_again_is_no_change(admin, service, rows):
    _save(admin, h01="民生")
    before = rows()
    assert _save(admin, h01="民生").status_code == 303
    assert rows() == before


def test_two_at_once_are_told(admin, service):
    old = _stamp(admin)
    _save(admin, h01="民生")
    answer = admin.post("/admin/headings", {"v": old, "h02": "党建"})
    assert answer.status_code == 409
    assert 'name="h02" value="党建"' in answer.text
    assert headings.headings(service).by_code == {"01": "民生"}


@pytest.mark.parametrize(
    ("given_fields", "word"), [({"h01": "长" * 21}, "最多 20 个字"), ({"h99": "民生"}, "不存在")]
)
def test_what_is_wrong_is_told(admin, settings, given_fields, word):
    answer = _save(admin, **given_fields)
    assert answer.status_code == 422
    assert word in text_of(answer)
    assert not settings.headings_file.exists()


def test_too_many_headings_are_no_overview(admin, service):
    codes = [c.code for c in service.live.engine().bundle.taxonomy.level(2)][: headings.MOST + 1]
    answer = _save(admin, **{f"h{code}": f"大类{code}" for code in codes})
    assert answer.status_code == 422


def test_a_spoilt_file_leaves_the_model_serving(service, settings, admin):
    before = service.live.engine().bundle.version
    settings.headings_file.write_text("heading,code\n民生,9999\n", encoding="utf-8")
    service.live.look()
    assert service.live.engine().bundle.version == before
    assert "大类对照没有采用" in service.live.problem
    service.live.look()
    assert "大类对照没有采用" in service.live.problem, "it is not forgotten"
    assert admin.get("/admin").status_code == 200
    settings.headings_file.unlink()
    service.live.look()
    assert service.live.problem is None


_TOP = [f"0{n}" for n in range(1, 4)]
_CODES = _TOP + [f"{top}0{n}" for top in _TOP for n in range(1, 4)]
_TAXONOMY = Taxonomy({code: Category(code, code, code[:-2]) for code in _CODES})


@given(st.dictionaries(st.sampled_from(_CODES), st.sampled_from(["甲", "乙"])))
def test_every_code_has_a_heading_or_is_named_as_having_none(by_code):
    found = headings.Headings(by_code, Taxonomy(_TAXONOMY.categories, by_code), "", True)
    level2 = [code for code in _CODES if len(code) == 4]
    assert [code for code in found.uncovered if len(code) == 4] == [
        code for code in level2 if not found.heading(code)
    ]
    assert sum(found.counts.values()) == sum(bool(found.heading(code)) for code in level2)
    for top in _TOP:
        whole = all(found.heading(code) for code in level2 if code.startswith(top))
        assert (top in found.uncovered) == (not whole and not by_code.get(top))
