"""Text to sparse matrix: the array code against a slow oracle that shares nothing with it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.features import Document, Vectoriser, blank_marks, is_word
from classifier.tokenise import Tokeniser

_TEXTS = (
    "小区物业费乱涨价\n我们小区的物业费从1.2元涨到3元，没有公示，物业公司说是业委会同意的。",
    "电梯坏了没人修\n小区3号楼电梯坏了两个月，物业公司推诿，老人上下楼困难。WiFi也断了。",
    "\n村里路灯不亮，晚上出门不安全，希望安装路灯和wifi。电话〈手机号〉，联系人〈姓名〉。",
    "拖欠农民工工资\n我们在工地干活，老板拖欠工资，工资工资工资，劳动监察说要等。",
    "",
    "😀𠀀!!!123\n，。",
    "只有标题没有正文\n",
)  # fmt: skip


def _document(text: str, tokeniser: Tokeniser) -> Document:
    return Document(text, max(text.find("\n"), 0), tuple(tokeniser.cut(blank_marks(text))))


@pytest.fixture(scope="module")
def documents(bundle: Bundle) -> list[Document]:
    return [_document(text, bundle.tokeniser) for text in _TEXTS]


@pytest.fixture(scope="module")
def fitted(documents: list[Document]) -> Vectoriser:
    return Vectoriser.fit(documents)


def _grams(text: str, *sizes: int) -> Iterator[str]:
    """Character n-grams within runs of letters and ideographs, marks and all else being gaps."""
    plain = re.sub("〈[^〈〉]*〉", lambda mark: " " * len(mark.group()), text)
    lower = "".join(c.lower() if c.isascii() else c for c in plain)
    for run in re.findall("[a-z\u3400-\u4dbf\u4e00-\u9fff]+", lower):
        for size in sizes:
            yield from (run[i : i + size] for i in range(len(run) - size + 1))


def _blocks(document: Document) -> tuple[Counter[str], ...]:
    return (
        Counter(filter(is_word, document.words)),
        Counter(_grams(document.text[: document.title_length], 2, 3)),
        Counter(_grams(document.text, 1)),
        Counter(_grams(document.text, 2, 3)),
    )


def _expected(
    corpus: Sequence[Document], document: Document, fewest: int, block: int, scale: float
) -> list[float]:
    """The weights of one block of one document, in rising order: no columns, no hashes."""
    df = Counter(term for other in corpus for term in _blocks(other)[block])
    weights = [
        (1 + math.log(tf)) * (math.log((1 + len(corpus)) / (1 + df[term])) + 1)
        for term, tf in _blocks(document)[block].items()
        if df[term] >= fewest
    ]
    norm = math.sqrt(sum(weight**2 for weight in weights)) or 1.0
    return sorted(scale * weight / norm for weight in weights)


@pytest.mark.parametrize("row", range(len(_TEXTS)))
def test_a_row_is_what_the_oracle_computes(documents: list[Document], fitted: Vectoriser, row: int) -> None:
    matrix = fitted.transform(documents)[row]
    bounds = fitted.bounds
    for block, (fewest, scale) in enumerate(((1, 1.0), (2, 0.85), (2, 0.4), (2, 1.4))):
        inside = (matrix.indices >= bounds[block]) & (matrix.indices < bounds[block + 1])
        assert sorted(matrix.data[inside].tolist()) == pytest.approx(
            _expected(documents, documents[row], fewest, block, scale), abs=1e-5
        )


def test_a_words_column_is_that_words(documents: list[Document], fitted: Vectoriser) -> None:
    matrix = fitted.transform(documents).toarray()
    for column, word in enumerate(fitted.vocabulary):
        assert (matrix[:, column] > 0).tolist() == [word in document.words for document in documents]


pieces = st.lists(
    st.sampled_from(["小区", "物业费", "电梯", "Wifi", "12", "，", " ", "〈手机号〉", "〈姓名〉", "😀", "𠀀", "a", "〈", "\n"]), max_size=12
)  # fmt: skip


@st.composite
def made(draw: st.DrawFn) -> Document:
    """A document of any words at all: the vectoriser knows no segmenter."""
    words = draw(pieces)
    text = "".join(words)
    cut = tuple(" " * len(word) if re.fullmatch("〈..+〉", word) else word for word in words)
    return Document(text, max(text.find("\n"), 0), cut)


@settings(max_examples=60, deadline=None)
@given(st.lists(made(), min_size=1, max_size=5))
def test_a_batch_is_its_documents_one_by_one(fitted: Vectoriser, batch: list[Document]) -> None:
    together = fitted.transform(batch).toarray()
    alone = [fitted.transform([document]).toarray()[0] for document in batch]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(made())
def test_each_block_has_its_length_or_is_empty(fitted: Vectoriser, document: Document) -> None:
    row = fitted.transform([document]).toarray()[0]
    for block, length in zip(np.split(row, fitted.bounds[1:-1]), fitted.scale, strict=True):
        assert np.linalg.norm(block) == pytest.approx(length, abs=1e-5) or not block.any()


@settings(max_examples=60, deadline=None)
@given(st.lists(made(), min_size=1, max_size=4), st.data())
def test_occurrences_agree_with_the_columns_and_the_text(
    fitted: Vectoriser, batch: list[Document], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(batch) - 1))
    document = batch[row]
    found = fitted.occurrences(batch).of(row)
    assert set(found.columns.tolist()) == set(fitted.transform([document]).indices.tolist())
    _, titles, characters, grams, _ = fitted.bounds
    for column, start, end in zip(
        found.columns.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True
    ):
        passage = blank_marks(document.text)[start:end]
        if column < titles:
            assert passage == fitted.vocabulary[column]
        elif column < characters:
            assert passage.lower() in set(_grams(document.text[: document.title_length], 2, 3))
        elif column < grams:
            assert passage.lower() == chr(fitted.characters[column - characters])
        else:
            assert passage.lower() in set(_grams(document.text, 2, 3))


def test_marks_are_no_features(bundle: Bundle) -> None:
    plain, other, blank = (
        _document(text, bundle.tokeniser)
        for text in (
            "路灯坏了\n电话〈手机号〉找〈姓名〉。",
            "路灯坏了\n电话〈车牌号〉找〈籍贯〉。",
            "路灯坏了\n电话     找    。",
        )
    )
    matrix = bundle.vectoriser.transform([plain, other, blank]).toarray()
    assert (matrix[0] == matrix[1]).all()
    assert (matrix[0] == matrix[2]).all()
    for document in (plain, other):
        found = bundle.vectoriser.occurrences([document])
        for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True):
            assert "〈" not in document.text[start:end]
            assert not set(range(start, end)) & set(
                range(document.text.index("〈"), document.text.index("〉"))
            )


def test_a_bracket_that_is_no_mark_stays_text(bundle: Bundle) -> None:
    assert blank_marks("〈手机号〉和〈通知〉") == " " * 5 + "和〈通知〉"


def test_an_empty_document_is_an_empty_row(fitted: Vectoriser) -> None:
    matrix = fitted.transform([Document("", 0, ())])
    assert matrix.shape == (1, fitted.width)
    assert matrix.nnz == 0
    assert len(fitted.occurrences([Document("", 0, ())]).columns) == 0


def test_the_most_frequent_columns_are_kept(documents: list[Document]) -> None:
    documents = documents * 2  # every n-gram in two documents
    small = Vectoriser.fit(documents, max_words=8, max_title_grams=2, max_grams=5)
    df = Counter(word for document in documents for word in set(filter(is_word, document.words)))
    assert len(small.vocabulary) == 8
    assert len(small.title_buckets) == 2
    assert len(small.buckets) == 5
    assert min(df[word] for word in small.vocabulary) >= max(
        count for word, count in df.items() if word not in small.vocabulary
    )
    assert small.width == 15 + len(small.characters)


def test_fitting_twice_gives_the_same_columns(documents: list[Document], fitted: Vectoriser) -> None:
    again = Vectoriser.fit(list(documents))
    assert again.vocabulary == fitted.vocabulary
    assert (again.buckets == fitted.buckets).all()
    assert (again.idf == fitted.idf).all()


@pytest.mark.parametrize(
    ("token", "word"),
    [("路灯", True), ("a", True), ("12", False), ("，", False), ("3号", True), ("😀", False), ("", False)],
)
def test_what_a_word_is(token: str, word: bool) -> None:
    assert is_word(token) is word


def test_words_joined_are_the_text_again(bundle: Bundle) -> None:
    for text in _TEXTS:
        assert "".join(bundle.tokeniser.cut(text)) == text
    assert bundle.tokeniser.cut_many(_TEXTS) == [bundle.tokeniser.cut(text) for text in _TEXTS]


def test_words_of_the_dictionary_are_kept_whole() -> None:
    sentence = "反映飞线充电无人管"
    assert "飞线充电" not in Tokeniser().cut(sentence)
    assert "飞线充电" in Tokeniser(["飞线充电", "飞线充电"]).cut(sentence)


@pytest.mark.parametrize(
    ("word", "is_grammar"),
    [
        *((word, True) for word in ("往回", "我刚", "一直", "于是", "今年", "多次", "这样", "第四次")),
        *((word, False) for word in ("地漏", "坡度", "退款", "跃尚", "谷满仓", "上海", "锦绣家园", "飞线充电", "ABC", "300路")),
    ],
)  # fmt: skip
def test_words_that_only_serve_others(word: str, is_grammar: bool) -> None:
    assert Tokeniser(["飞线充电"]).is_grammar(word) == is_grammar
