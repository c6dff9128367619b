"""Whether the office has seen it before: three kinds, never mixed, symmetric, with evidence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.features import Document
from classifier.identity import Keys
from classifier.links.evidence import shared_passages
from classifier.links.find import find_links
from classifier.links.history import (
    COMMON,
    KEY_SHORTLIST,
    POSTING_CAP,
    MemoryHistory,
    Posting,
    PostingLists,
    archive_rarity,
    exact_key,
)
from classifier.links.score import score_candidates
from classifier.links.terms import (
    LinkEntry,
    TermWeights,
    link_entry,
    link_terms,
    pack,
    resemblance,
    shingles,
    term_hash,
    unpack,
    unpack_views,
    views_of,
)
from classifier.petition import Link, LinkKind, Petition, Petitioner
from classifier.predict import predict
from classifier.triage import entry_of, read

_SEED = Path(__file__).resolve().parents[2] / "corpora" / "seed"
_SECRET = b"0123456789abcdef"
_ZHANG = Petitioner("张三", phone="13812345678")
_LI = Petitioner("李四", phone="13987654321")
_NOBODY = Petitioner()

_FIRST = (
    "金桂园小区二期电梯频繁困人\n我住金桂园小区二期6号楼，去年12月以来电梯已经困人九次，物业公司只贴维修通知，"
    "不更换曳引机。请住建和市场监管部门督促物业公司尽快更换电梯曳引机，并公开电梯维保记录。"
)
_AGAIN = (
    "第二次反映金桂园电梯问题\n上个月我反映过金桂园小区二期6号楼电梯困人的事，物业公司换了个按钮就说修好了，"
    "前天又困人两个小时，曳引机一直没有更换，维保记录也没有公开。"
)
_NEIGHBOUR = (
    "金桂园二期电梯又把老人困住了\n我们是金桂园小区二期6号楼的邻居，电梯困人已经是家常便饭，物业公司说曳引机老化要更换，"
    "却一直拖着，要求市场监管部门查电梯维保记录。"
)
_UNRELATED = "村里低保评定不公\n我们村今年评低保，家里有车有房的评上了，残疾老人却没有，请民政局重新核实。"


def _document(bundle: Bundle, text: str) -> tuple[Document, Keys]:
    title, _, body = text.partition("\n")
    reading = read(Petition("x", title, body), bundle.tokeniser, _SECRET)
    return reading.document, reading.keys


class _Desk:
    """A history with short ways to fill and ask it."""

    def __init__(self, bundle: Bundle, most: int | None = None) -> None:
        self._bundle = bundle
        weights = bundle.term_weights
        self.history = MemoryHistory(weights) if most is None else MemoryHistory(weights, most)

    def _read(
        self, id_: str, text: str, petitioner: Petitioner, agent: Petitioner = _NOBODY
    ) -> tuple[LinkEntry, Document]:
        title, _, body = text.partition("\n")
        reading = read(Petition(id_, title, body, petitioner, agent=agent), self._bundle.tokeniser, _SECRET)
        predictions = predict(self._bundle, [reading.document])
        return entry_of(self._bundle, predictions, 0, reading), reading.document

    def add(self, id_: str, text: str, petitioner: Petitioner = _ZHANG, agent: Petitioner = _NOBODY) -> None:
        self.history.add(self._read(id_, text, petitioner, agent)[0])

    def links(
        self,
        text: str,
        petitioner: Petitioner = _ZHANG,
        min_score: float | None = None,
        agent: Petitioner = _NOBODY,
    ) -> tuple[Link, ...]:
        entry, document = self._read("new", text, petitioner, agent)
        return find_links(
            entry, document, self.history, self._bundle.term_weights, self._bundle.links, min_score
        )


@pytest.fixture
def desk(bundle: Bundle) -> _Desk:
    desk = _Desk(bundle)
    desk.add("first", _FIRST, _ZHANG)
    desk.add("other", _UNRELATED, _LI)
    return desk


@pytest.mark.parametrize("petitioner", [_ZHANG, _LI, Petitioner()])
def test_a_copy_is_a_duplicate_whoever_sends_it(desk: _Desk, petitioner: Petitioner) -> None:
    copy = (
        _FIRST.replace("，", ",").replace("。", "！ ").replace("金桂园小区二期电梯", "關於金桂园小区二期電梯")
    )
    (link,) = desk.links(copy, petitioner)
    assert (link.id, link.kind) == ("first", LinkKind.DUPLICATE_TEXT)
    assert link.score >= 0.8


def test_the_same_person_with_the_same_matter_is_a_repeat(desk: _Desk) -> None:
    (link,) = desk.links(_AGAIN, _ZHANG)
    assert (link.id, link.kind) == ("first", LinkKind.REPEAT_PETITION)
    assert link.evidence.keys == ("phone",)


def test_another_person_with_the_same_matter_shares_it(desk: _Desk) -> None:
    (link,) = desk.links(_NEIGHBOUR, _LI)
    assert (link.id, link.kind) == ("first", LinkKind.SHARED_MATTER)
    assert link.evidence.keys == ()


_LAWYER = Petitioner(name="王律师", phone="13600000001")


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (_ZHANG, _LI, LinkKind.SHARED_MATTER),  # one lawyer, two clients
        (_ZHANG, _NOBODY, LinkKind.REPEAT_PETITION),
        (_NOBODY, _LI, LinkKind.REPEAT_PETITION),
        (_NOBODY, _NOBODY, LinkKind.REPEAT_PETITION),
        (_ZHANG, _ZHANG, LinkKind.REPEAT_PETITION),
    ],
)
def test_an_agent_speaks_for_a_petitioner_but_is_none(
    bundle: Bundle, first: Petitioner, second: Petitioner, kind: LinkKind
) -> None:
    desk = _Desk(bundle)
    desk.add("first", _FIRST, first, _LAWYER)
    (link,) = desk.links(_AGAIN, second, agent=_LAWYER)
    assert link.kind == kind
    assert "agent_phone" in link.evidence.keys
    assert "同一代理人" in link.evidence.reasons


def test_the_agent_of_one_is_not_the_petitioner_of_another(bundle: Bundle) -> None:
    desk = _Desk(bundle)
    desk.add("first", _FIRST, _ZHANG, _LAWYER)
    (link,) = desk.links(_AGAIN, _LAWYER)
    assert (link.kind, link.evidence.keys) == (LinkKind.SHARED_MATTER, ())


def test_the_same_person_with_an_unrelated_matter_is_a_new_petition(desk: _Desk) -> None:
    assert desk.links(_UNRELATED.replace("低保", "五保").replace("村里", "本村"), _ZHANG)[0].id == "other"
    assert desk.links("路灯不亮\n城东大道的路灯坏了半年，晚上骑车看不见路。", _ZHANG) == ()
    assert desk.links("路灯不亮\n城东大道的路灯坏了半年，晚上骑车看不见路。", _LI) == ()


def test_evidence_stands_in_both_texts(desk: _Desk) -> None:
    (link,) = desk.links(_NEIGHBOUR, _LI)
    evidence = link.evidence
    assert evidence.terms
    for term in evidence.terms:
        assert term in _FIRST
        assert term in _NEIGHBOUR
    assert "金桂园小区二期6号楼" in [passage.text for passage in evidence.passages]
    for passage in evidence.passages:
        assert _NEIGHBOUR[passage.start : passage.end] == passage.text
        assert _FIRST[passage.other_start : passage.other_end] == passage.text
    assert "小区：金桂园" in evidence.facts
    assert evidence.contradictions == ()
    assert evidence.reasons
    assert 0 < evidence.similarity <= 1


def test_a_short_copy_without_any_term_is_still_a_duplicate(desk: _Desk) -> None:
    text = "\n1 2 3 4 5 6 7 8 9 1 2 3"
    desk.add("numbers", text, _ZHANG)
    entry, _ = desk._read("new", text, _ZHANG)
    assert len(entry.hashes) == 0
    (link,) = desk.links(text, _ZHANG)
    assert (link.id, link.kind) == ("numbers", LinkKind.DUPLICATE_TEXT)


def test_the_least_score_is_kept_to_and_the_best_come_first(bundle: Bundle) -> None:
    desk = _Desk(bundle)
    for id_, text in (("a", _FIRST), ("b", _AGAIN), ("c", _NEIGHBOUR), ("d", _UNRELATED)):
        desk.add(id_, text, _LI)
    everything = desk.links(_FIRST, _ZHANG, min_score=0.0)
    assert everything[0].id == "a"
    assert [link.score for link in everything] == sorted((link.score for link in everything), reverse=True)
    assert {link.id for link in desk.links(_FIRST, _ZHANG, min_score=0.9)} == {
        link.id for link in everything if link.score >= 0.9
    }


@pytest.fixture(scope="module")
def entries(bundle: Bundle) -> list[LinkEntry]:
    lines = [
        line
        for branch in ("01", "13")
        for line in (_SEED / f"{branch}.jsonl").read_text(encoding="utf-8").splitlines()[::7]
    ]
    made = []
    for i, line in enumerate(lines):
        row = json.loads(line)
        petition = Petition(row["id"], row["title"], row["text"], (_ZHANG, _LI, Petitioner())[i % 3])
        reading = read(petition, bundle.tokeniser, _SECRET)
        made.append(entry_of(bundle, predict(bundle, [reading.document]), 0, reading))
    return made


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_scores_are_symmetric(bundle: Bundle, entries: list[LinkEntry], data: st.DataObject) -> None:
    a, *others = data.draw(st.lists(st.sampled_from(entries), min_size=2, max_size=4))
    for scored, b in zip(score_candidates(a, others, bundle.term_weights, bundle.links), others, strict=True):
        (back,) = score_candidates(b, [a], bundle.term_weights, bundle.links)
        assert (scored.other.id, back.other.id) == (b.id, a.id)
        assert (scored.kind, scored.score, scored.keys) == (back.kind, back.score, back.keys)
        np.testing.assert_allclose(scored.values, back.values, rtol=1e-9)
        assert 0 <= scored.score <= 1


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_cosines_are_what_a_plain_sum_gives(
    bundle: Bundle, entries: list[LinkEntry], data: st.DataObject
) -> None:
    a, b = data.draw(st.tuples(st.sampled_from(entries), st.sampled_from(entries)))
    idf = {
        h: float(v)
        for e in (a, b)
        for h, v in zip(e.hashes.tolist(), bundle.term_weights.idf(e.hashes), strict=True)
    }
    vectors = [
        {h: (1 + np.log(n)) * idf[h] for h, n in zip(e.hashes.tolist(), e.counts.tolist(), strict=True)}
        for e in (a, b)
    ]
    dot = sum(weight * vectors[1].get(h, 0) for h, weight in vectors[0].items())
    norms = [sum(w * w for w in vector.values()) ** 0.5 for vector in vectors]
    shared = sorted((idf[h] for h in vectors[0].keys() & vectors[1].keys()), reverse=True)[:3]
    for with_norms in (True, False):
        (cosine,), (rarest,) = bundle.term_weights.likeness(a, views_of({7: b}, with_norms))
        assert cosine == pytest.approx(dot / (norms[0] * norms[1]), abs=1e-5)
        assert rarest == pytest.approx(sum(shared), abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_text_is_its_own_copy(bundle: Bundle, entries: list[LinkEntry], data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(entries))
    (scored,) = score_candidates(entry, [entry], bundle.term_weights, bundle.links)
    assert (scored.kind, scored.score) == (LinkKind.DUPLICATE_TEXT, 1.0)


_SURNAMES, _GIVEN = "王李张刘陈杨赵周", ("建国", "玉兰", "志强", "秀英", "海燕", "文博")
people = st.tuples(
    st.sampled_from(_SURNAMES), st.sampled_from(_GIVEN), st.sampled_from("35789"), st.integers(0, 10**9 - 1)
)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), one=people, other=people)
def test_who_writes_changes_no_score(
    bundle: Bundle, data: st.DataObject, one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    """Name and phone in the narrative are redacted before anything is compared."""
    first, second = data.draw(st.tuples(*[st.sampled_from([_FIRST, _AGAIN, _NEIGHBOUR, _UNRELATED])] * 2))

    def scored(person: tuple[str, str, str, int]) -> tuple[object, ...]:
        surname, given, digit, number = person
        title, _, body = second.partition("\n")
        letter = Petition("b", title, f"我叫{surname}{given}，电话1{digit}{number:09}。{body}")
        entries = []
        for petition in (Petition("a", *first.split("\n")), letter):
            reading = read(petition, bundle.tokeniser, _SECRET)
            entries.append(entry_of(bundle, predict(bundle, [reading.document]), 0, reading))
        (found,) = score_candidates(entries[0], entries[1:], bundle.term_weights, bundle.links)
        return found.kind, found.score, found.keys, found.values.tolist()

    assert scored(one) == scored(other)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_one_petitioner_more_never_makes_a_link_less_likely(
    bundle: Bundle, entries: list[LinkEntry], data: st.DataObject
) -> None:
    a, b = data.draw(st.tuples(st.sampled_from(entries), st.sampled_from(entries)))
    strangers, one = (
        score_candidates(replace(a, keys=keys), [replace(b, keys=keys)], bundle.term_weights, bundle.links)[0]
        for keys in (frozenset[tuple[str, str]](), frozenset({("phone", "k" * 32)}))
    )
    assert one.score >= strangers.score
    if a.text != b.text:
        assert (strangers.kind, one.kind) == (LinkKind.SHARED_MATTER, LinkKind.REPEAT_PETITION) or (
            strangers.kind == one.kind == LinkKind.DUPLICATE_TEXT
        )


def test_copied_wording_about_another_estate_or_line_is_no_copy(bundle: Bundle) -> None:
    desk = _Desk(bundle)
    desk.add("first", _FIRST, _ZHANG)
    desk.add(
        "bus", "105路公交车半夜才来\n105路公交车早高峰四十分钟不来一趟，学生天天迟到，请公交公司加班次。", _LI
    )
    elsewhere = desk.links(_FIRST.replace("金桂园", "翠竹轩"), _LI, min_score=0.0)
    line = desk.links(
        "208路公交车半夜才来\n208路公交车早高峰四十分钟不来一趟，学生天天迟到，请公交公司加班次。",
        _ZHANG,
        min_score=0.0,
    )
    for links, copied in ((elsewhere, "first"), (line, "bus")):
        (link,) = (link for link in links if link.id == copied)
        assert link.kind != LinkKind.DUPLICATE_TEXT
        assert link.evidence.contradictions


def test_a_petition_is_no_candidate_of_its_own(desk: _Desk, bundle: Bundle) -> None:
    entry, document = desk._read("first", _FIRST, _ZHANG)
    assert find_links(entry, document, desk.history, bundle.term_weights, bundle.links) == ()
    assert len(desk.history) == 2


def test_a_key_finds_what_no_term_does(bundle: Bundle) -> None:
    desk = _Desk(bundle)
    desk.add("mine", _UNRELATED, _ZHANG)
    entry, _ = desk._read("new", "路灯\n坏了", _ZHANG)
    assert [found.id for found in desk.history.candidates(entry, bundle.term_weights)] == ["mine"]
    stranger, _ = desk._read("new", "路灯\n坏了", _LI)
    assert desk.history.candidates(stranger, bundle.term_weights) == []


def test_postings_keep_only_the_latest(bundle: Bundle) -> None:
    desk = _Desk(bundle, most=1_000)
    for number in range(POSTING_CAP + 5):
        desk.add(f"{number:03}", _FIRST, Petitioner())
    entry, _ = desk._read("new", _FIRST, Petitioner())
    found = {candidate.id for candidate in desk.history.candidates(entry, bundle.term_weights)}
    assert found == {f"{number:03}" for number in range(5, POSTING_CAP + 5)}
    assert len(desk.history) == POSTING_CAP + 5


@pytest.mark.parametrize("most", [1, 3])
def test_candidates_are_capped(bundle: Bundle, most: int) -> None:
    desk = _Desk(bundle, most)
    for number in range(12):
        desk.add(str(number), _FIRST, Petitioner())
    for number in range(12):
        desk.add(f"mine-{number}", _UNRELATED, _ZHANG)
    entry, _ = desk._read("new", _FIRST, _ZHANG)
    found = [candidate.id for candidate in desk.history.candidates(entry, bundle.term_weights)]
    assert found[:most] == [str(number) for number in range(11, 11 - most, -1)]
    assert found[most:] == [f"mine-{number}" for number in range(11, 11 - KEY_SHORTLIST, -1)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(st.integers(1, 4), max_size=3), max_size=40), st.integers(0, 3))
def test_postings_are_the_latest_of_all_that_were_filed(filed: list[set[int]], exact: int) -> None:
    """Against a list of everything, with the caps of the product reached by filing each petition many times over."""
    lists, seq = PostingLists(), 0
    everything: dict[int, list[int]] = {}
    for terms in filed:
        for _ in range(40):
            seq += 1
            lists.file(seq, sorted(terms), exact or None)
            for term in terms:
                everything.setdefault(term, []).append(seq)
            if exact:
                everything.setdefault(-exact, []).append(seq)
    for term in (1, 2, 3, 4):
        # A number that is both a term and an exact key is no case of the product.
        if term == exact or term not in everything:
            continue
        seqs = everything[term]
        latest = b"".join(number.to_bytes(4, "little") for number in seqs[-POSTING_CAP:])
        assert lists.by_term[term] == Posting(len(seqs), latest if len(seqs) <= COMMON else None)


def test_a_common_term_stays_common_and_an_exact_key_stays_known() -> None:
    lists = PostingLists()
    for seq in range(1, COMMON + 50):
        lists.file(seq, [7], 8)
        assert (lists.by_term[7].seqs is None) == (seq > COMMON)
    assert lists.by_term[7] == Posting(COMMON + 49, None)
    assert lists.by_term[8].df == COMMON + 49
    assert np.frombuffer(lists.by_term[8].seqs or b"", "<u4").tolist() == list(
        range(COMMON - 50, COMMON + 50)
    )


def test_a_copy_of_common_words_only_is_found_among_thousands(bundle: Bundle) -> None:
    desk = _Desk(bundle)
    desk.add("letter", "路灯坏了，请修", Petitioner())
    for number in range(COMMON + 1):
        desk.add(
            f"{number}", f"请修路灯，{'一二三四五六七八九十'[number % 10]}路灯都坏了{number}", Petitioner()
        )
    entry, _ = desk._read("new", "路灯坏了请修！", Petitioner())
    terms = desk.history.postings([int(h) for h in entry.hashes])
    assert terms
    assert all(posting.seqs is None for posting in terms.values())
    assert [found.id for found in desk.history.candidates(entry, bundle.term_weights)] == ["letter"]


def test_exact_keys_ignore_punctuation_case_and_marks() -> None:
    assert exact_key("电梯，坏了ABc〈手机号〉") == exact_key("\n电梯坏了abC 〈姓名〉。")
    assert exact_key("电梯坏了") != exact_key("电梯坏")
    assert exact_key("电梯") != term_hash("电梯")
    assert exact_key("，。〈手机号〉 ") is None
    assert exact_key("x" * 100_000) is not None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2_000_000), st.integers(0, 1_000), st.floats(1, 12), st.floats(1, 12))
def test_rarity_falls_with_frequency_in_archive_and_background(
    stored: int, df: int, idf: float, other: float
) -> None:
    def rarity(df: int, idf: float) -> float:
        return float(archive_rarity(np.array([df]), np.array([idf], dtype=np.float32), stored)[0])

    df = min(df, stored)
    assert rarity(df, idf) >= rarity(min(df + 1, stored), idf) >= 0
    assert rarity(df, max(idf, other)) >= rarity(df, min(idf, other))
    if not stored:
        assert rarity(0, idf) == pytest.approx(idf - 1, abs=1e-5)


def test_a_large_archive_outweighs_the_background() -> None:
    background = np.array([9.0, 2.0], dtype=np.float32)
    few = archive_rarity(np.array([5, 0]), background, 50)
    many = archive_rarity(np.array([5_000, 10]), background, 100_000)
    assert few[0] > few[1]
    assert many[0] < many[1]
    assert many == pytest.approx(np.log([100_000 / 5_000, 100_000 / 10]), rel=0.6)


def test_terms_are_words_and_long_numbers(bundle: Bundle) -> None:
    document, _ = _document(bundle, "电梯\n电梯坏了，6号楼，801路，2019年，手机13812345678")
    terms = link_terms(document)
    assert terms["电梯"] == 2
    assert {"801", "2019"} <= set(terms)
    assert not {"6", "，", "13812345678", "手机号"} & set(terms)


def test_term_hashes_are_stable_and_fit_a_bigint() -> None:
    assert term_hash("电梯") == -8647961303331649867  # stored in databases: must never change
    assert all(-(2**63) <= term_hash(str(number)) < 2**63 for number in range(1_000))
    assert term_hash("电梯") != term_hash("路灯")


def test_unknown_terms_are_the_rarest(bundle: Bundle) -> None:
    weights = bundle.term_weights
    known = weights.idf(np.array([term_hash("小区")]))
    unknown = weights.idf(np.array([term_hash("曳引机曳引机")]))
    assert unknown[0] > known[0]
    document, _ = _document(bundle, "电梯\n小区电梯曳引机坏了坏了坏了")
    entry = link_entry("x", document, {}, weights)
    rarest = weights.rarest(entry)
    idf = weights.idf(np.array(rarest))
    assert (np.diff(idf) <= 0).all()
    assert weights.rarest(entry, 2) == rarest[:2]


def test_weights_of_an_empty_vocabulary_are_all_alike() -> None:
    weights = TermWeights((), np.zeros(0, dtype=np.float32))
    assert weights.idf(np.array([1, 2])).tolist() == [1.0, 1.0]
    nothing = LinkEntry("x", "", np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32))
    assert [found.tolist() for found in weights.likeness(nothing, views_of({1: nothing}))] == [[0.0], [0.0]]


def test_shingles_ignore_punctuation_case_and_marks() -> None:
    left = shingles("电梯，坏了！没有人ABc修〈手机号〉好")[0]
    right = shingles("电梯坏了 没有人abC修\n好〈姓名〉。")[0]
    assert (left == right).all()
    assert len(left) == len("电梯坏了没有人abc修好") - 5


@pytest.mark.parametrize("text", ["", "电梯坏", "，。〈手机号〉", "12345"])
def test_short_texts_have_no_shingles(text: str) -> None:
    assert len(shingles(text)[0]) == 0
    assert resemblance(shingles(text)[0], shingles("电梯坏了没有人修理")[0]) == 0


def test_resemblance_is_dice() -> None:
    assert resemblance(np.array([1, 2, 3]), np.array([2, 3, 4])) == pytest.approx(2 * 2 / 6)
    assert resemblance(np.array([1]), np.array([1])) == 1


texts = st.text(st.sampled_from("电梯坏了物业不修请处理，。 AbC12〈手机号〉"), max_size=40)


@settings(max_examples=80, deadline=None)
@given(texts, texts, texts)
def test_shared_passages_stand_in_both_texts(before: str, shared: str, after: str) -> None:
    left, right = before + shared, shared + after
    plain_left, plain_right = shingles(left)[2], shingles(right)[2]
    passages = shared_passages(left, right)
    assert len(passages) <= 6
    lengths = [passage.end - passage.start for passage in passages]
    assert lengths == sorted(lengths, reverse=True)
    for passage in passages:
        own, other = left[passage.start : passage.end], right[passage.other_start : passage.other_end]
        assert own == passage.text
        assert shingles(own)[2] == shingles(other)[2]
        assert len(shingles(own)[2]) >= 8
    common = shingles(shared)[2]
    if len(common) >= 8 and common in plain_left and common in plain_right:
        assert max(len(shingles(passage.text)[2]) for passage in passages) >= 8


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_packed_entries_come_back_whole(entries: list[LinkEntry], data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(entries))
    again = unpack(entry.id, entry.text, entry.keys, pack(entry))
    assert (again.hashes == entry.hashes).all()
    assert (again.counts == entry.counts).all()
    for name in ("id", "text", "keys", "title_length", "rare", "facts", "categories", "received"):
        assert getattr(again, name) == getattr(entry, name)
    assert again.norm == pytest.approx(entry.norm, rel=1e-6)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_views_are_the_same_from_a_store_and_from_memory(
    bundle: Bundle, entries: list[LinkEntry], data: st.DataObject
) -> None:
    """Packed by this version or an earlier one, which kept no norm: cosines agree, and a later version's is left out."""
    first, *others = data.draw(st.lists(st.sampled_from(entries), min_size=1, max_size=6))
    earlier = data.draw(st.lists(st.booleans(), min_size=len(others), max_size=len(others)))
    packed = [
        b"\2" + whole[1:5] + whole[9:] if early else whole
        for early, whole in zip(earlier, map(pack, others), strict=True)
    ]
    stored = unpack_views(
        [*((i, o.id, p) for i, (o, p) in enumerate(zip(others, packed, strict=True))), (99, "x", b"\x09")]
    )
    held = views_of(dict(enumerate(others)))
    assert stored.seqs.tolist() == held.seqs.tolist()
    assert list(stored.ids) == list(held.ids)
    for theirs, ours in zip(
        bundle.term_weights.likeness(first, stored), bundle.term_weights.likeness(first, held), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), least=st.floats(0, 1))
def test_leaving_out_what_cannot_reach_a_score_changes_no_score(
    bundle: Bundle, entries: list[LinkEntry], data: st.DataObject, least: float
) -> None:
    a, *others = data.draw(st.lists(st.sampled_from(entries), min_size=2, max_size=6))
    weights, model = bundle.term_weights, bundle.links
    everyone = score_candidates(a, others, weights, model)
    some = score_candidates(a, others, weights, model, least)
    assert len(everyone) == len(others)
    reached = [(s.other.id, s.kind, s.score) for s in everyone if s.score >= least]
    assert [(s.other.id, s.kind, s.score) for s in some if s.score >= least] == reached


def test_the_first_packed_form_is_read_and_an_unknown_one_refused(entries: list[LinkEntry]) -> None:
    entry = entries[0]
    first = b"\1" + len(entry.hashes).to_bytes(4, "little") + entry.hashes.tobytes() + entry.counts.tobytes()
    again = unpack("x", entry.text, {}, first)
    assert (again.hashes == entry.hashes).all()
    assert again.rare == ()
    with pytest.raises(ValueError, match="another version"):
        unpack("x", entry.text, {}, b"\x09" + first[1:])


def test_a_key_that_agrees_asks_for_less(bundle: Bundle) -> None:
    """Between the two thresholds the same person's letter is shown, a stranger's is not."""
    likely = {who: _shown(bundle, who, 0.0, 0.0)["first"] for who in (_ZHANG, _LI)}
    between = max(likely.values()) + 0.01
    assert "first" in _shown(bundle, _ZHANG, between, min(likely.values()) - 0.01)
    assert "first" not in _shown(bundle, _LI, between, min(likely.values()) - 0.01)


def _shown(bundle: Bundle, who: Petitioner, threshold: float, again: float) -> dict[str, float]:
    desk = _Desk(replace(bundle, links=replace(bundle.links, threshold=threshold, again=again)))
    desk.add("first", _FIRST, _ZHANG)
    return {link.id: link.score for link in desk.links(_NEIGHBOUR, who)}
