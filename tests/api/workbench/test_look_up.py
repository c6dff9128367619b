"""What a type-ahead offers, and what is chosen from it, with script and without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.workbench.look_up import Listed, chosen, name_of, offers
from api.workbench.render import environment
from classifier.errors import UnknownCodeError
from classifier.sounds import initials


@pytest.mark.parametrize(
    ("name", "letters"),
    [("住建局", "zjj"), ("12345热线", "12345rx"), ("银行", "yx yh"), ("安置、补偿", "azbc"), ("APP 投诉", "appts"), ("", "")],
)  # fmt: skip
def test_initials(name, letters):
    assert initials(name) == letters


@given(st.text(alphabet="行重长调会住建局a1 （", max_size=12))
def test_initials_are_few_and_all_of_one_length(name):
    spellings = initials(name).split(" ")
    assert len(spellings) <= 8
    assert {len(spelling) for spelling in spellings} == {sum(character.isalnum() for character in name)}


@pytest.mark.parametrize("listed", list(Listed))
def test_a_list_is_sent_once(desk, listed):
    someone = desk("intake")
    answer = someone.get(f"/look-up/{listed}")
    assert answer.status_code == 200
    rows = answer.json()
    assert len(rows) > 10
    assert all(set(row) == {"code", "name", "path", "initials", "more"} for row in rows)
    assert len({row["code"] for row in rows}) == len(rows)
    someone.headers["If-None-Match"] = answer.headers["etag"]
    again = someone.get(f"/look-up/{listed}")
    assert (again.status_code, again.content) == (304, b"")
    assert "no-store" not in again.headers["cache-control"]


def test_units_are_found_by_their_other_names(desk):
    unit = next(row for row in desk("intake").get("/look-up/units").json() if row["code"] == "housing")
    assert (unit["name"], unit["initials"]) == ("住建局", "zjj")
    assert "房管局" in unit["more"]


def test_every_entry_is_chosen_by_its_code_and_by_what_script_posts(service):
    for listed in Listed:
        for offer in offers(service, listed).all:
            assert chosen(service, listed, offer.code) == offer.code
            assert chosen(service, listed, "", offer.code) == offer.code
            assert chosen(service, listed, offer.code, offer.name) == offer.code
            if offer.path:
                assert chosen(service, listed, offer.code, f" {offer.path} ") == offer.code


def test_what_is_typed_wins_over_what_the_page_was_sent_with(service):
    assert chosen(service, Listed.UNITS, "housing", "房管局") == "housing"
    assert chosen(service, Listed.UNITS, "housing", "公积金中心") == "housing_fund"
    assert chosen(service, Listed.UNITS, "housing", "") == ""
    assert chosen(service, Listed.UNITS, "housing", None) == "housing"
    assert chosen(service, Listed.CATEGORIES, "", "城乡建设›国有土地上房屋征收与补偿").startswith("01")
    assert name_of(service, Listed.UNITS, "housing") == "住建局"
    assert name_of(service, Listed.UNITS, "gone") == "gone"


@pytest.mark.parametrize(
    ("listed", "code", "typed", "word"),
    [
        (Listed.UNITS, "", "住建", "住建局"),
        (Listed.UNITS, "", "gjjzx", "公积金中心"),
        (Listed.UNITS, "", "这样的单位没有", "没有"),
        (Listed.UNITS, "gone", None, "重新选"),
        (Listed.DISTRICTS, "", "青石", "青石镇"),
    ],
)
def test_what_is_unknown_is_told_with_what_is_near(service, listed, code, typed, word):
    with pytest.raises(UnknownCodeError, match=word):
        chosen(service, listed, code, typed)


def test_a_name_that_several_have_asks_for_the_code(service):
    names = [offer.name for offer in offers(service, Listed.CATEGORIES).all]
    twice = next(name for name in names if names.count(name) > 1)
    with pytest.raises(UnknownCodeError, match="不止一个"):
        chosen(service, Listed.CATEGORIES, "", twice)


def test_lists_are_made_once(service):
    assert offers(service, Listed.UNITS) is offers(service, Listed.UNITS)


def test_the_macro_escapes_and_labels():
    html = environment().from_string(
        '{% from "_ahead.html" import ahead %}{{ ahead("u", "unit", "单位", "/look-up/units", "a\\"b", "<b>") }}'
    )
    shown = html.render()
    assert '<label for="u">单位</label>' in shown
    assert 'name="unit" value="a&#34;b"' in shown
    assert 'name="unit_typed" value="&lt;b&gt;"' in shown


def test_a_units_own_name_goes_before_that_of_the_one_above(service):
    directory = service.live.engine().router.directory
    assert directory.units["levy_office"].parent == "housing"
    assert chosen(service, Listed.UNITS, "", "住建局") == "housing"
