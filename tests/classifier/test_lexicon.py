"""The words people use for a category."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.errors import CorpusError
from classifier.lexicon import Lexicon, load_lexicon, parse_lexicon
from classifier.taxonomy import Taxonomy, load_taxonomy
from classifier.tokenise import Tokeniser

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return load_taxonomy(_ROOT / "corpora" / "taxonomy")


@pytest.fixture(scope="module")
def shipped(taxonomy: Taxonomy) -> Lexicon:
    return load_lexicon(_ROOT / "corpora" / "lexicon", taxonomy)


@pytest.mark.parametrize("branch", [f"{number:02}" for number in range(1, 16)])
def test_every_level_three_node_of_the_shipped_lexicon_has_terms(
    shipped: Lexicon, taxonomy: Taxonomy, branch: str
) -> None:
    nodes = [category.code for category in taxonomy.level(3) if category.code.startswith(branch)]
    without = [code for code in nodes if code not in shipped.entries or not shipped.entries[code].terms]
    assert nodes
    assert without == []


def test_no_node_excludes_its_own_terms(shipped: Lexicon) -> None:
    assert [code for code, entry in shipped.entries.items() if set(entry.terms) & set(entry.excludes)] == []


def test_the_dictionary_keeps_most_shipped_terms_whole(shipped: Lexicon) -> None:
    terms = shipped.dictionary()
    assert list(terms) == sorted(set(terms))
    assert all(2 <= len(term) <= 6 for term in terms)
    tokeniser = Tokeniser(terms)
    torn = [term for term, cut in zip(terms, tokeniser.cut_many(terms), strict=True) if len(cut) > 1]
    assert len(torn) <= 0.03 * len(terms)


def test_terms_are_normalised_split_and_unique(taxonomy: Taxonomy) -> None:
    lexicon = parse_lexicon(
        "code,terms,excludes\n010101,違章、ＡＢ、 违章 、、房,\n010102,甲,乙、丙\n", taxonomy
    )
    assert lexicon.entries["010101"].terms == ("违章", "AB", "房")
    assert lexicon.entries["010102"].excludes == ("乙", "丙")
    assert lexicon.dictionary() == ("违章",)


def test_the_written_form_reads_back(shipped: Lexicon, taxonomy: Taxonomy) -> None:
    assert parse_lexicon(shipped.to_csv(), taxonomy) == shipped


@pytest.mark.parametrize(
    ("row", "problem"), [("990101,词", "代码“990101”不在分类表里"), ("010101,又", "代码 010101 重复")]
)
def test_a_wrong_line_is_named_with_its_file_and_line(
    tmp_path: Path, taxonomy: Taxonomy, row: str, problem: str
) -> None:
    (tmp_path / "a.csv").write_text("code,terms\n010101,词\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text(f"code,terms\n\n{row}\n", encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        load_lexicon(tmp_path, taxonomy)
    (found,) = caught.value.problems
    assert found == f"b.csv 第 3 行：{problem}"


def test_a_missing_column_is_named(taxonomy: Taxonomy) -> None:
    with pytest.raises(CorpusError, match="缺少列 terms"):
        parse_lexicon("code,words\n010101,词\n", taxonomy)


def test_no_folder_is_an_empty_lexicon(tmp_path: Path, taxonomy: Taxonomy) -> None:
    assert load_lexicon(tmp_path / "none", taxonomy) == Lexicon({})
