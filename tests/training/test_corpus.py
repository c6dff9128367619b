"""The seed loader names what is wrong; the shipped seed keeps its own rules."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from stdnum.cn import ric

from classifier.errors import CorpusError
from classifier.taxonomy import Taxonomy, load_taxonomy
from training.corpus import load_labelled, load_seed

ROOT = Path(__file__).resolve().parents[2]
_RUN = 20

SeedRow = dict[str, str]


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load_taxonomy(ROOT / "corpora" / "taxonomy")


@pytest.fixture(scope="session")
def shipped(taxonomy: Taxonomy) -> list[SeedRow]:
    return load_seed(ROOT / "corpora" / "seed", taxonomy)


def _row(**changed: str) -> str:
    row = {
        "id": "S040101-01",
        "title": "题",
        "text": "河里污水横流",
        "category": "040101",
        "kind": "咨询",
        "channel": "网络",
        "unit_role": "ecology",
    }
    return json.dumps(row | changed, ensure_ascii=False)


def test_each_wrong_row_is_named_by_file_and_line(tmp_path: Path, taxonomy: Taxonomy) -> None:
    missing = json.loads(_row(id="S040101-08"))
    del missing["text"], missing["kind"]
    (tmp_path / "04.jsonl").write_text(
        "\n".join(
            [
                _row(),
                "{ not json",
                json.dumps(missing),
                "",
                _row(id="S040101-02", category="0401"),
                _row(id="S040101-03", category="049999"),
                _row(id="S040101-04", kind="表扬"),
                "[1, 2]",
                _row(id="S040101-05"),
            ]
        ),
        encoding="utf-8",
    )
    (tmp_path / "15.jsonl").write_text(_row(), encoding="utf-8")
    with pytest.raises(CorpusError) as caught:
        load_seed(tmp_path, taxonomy)
    assert caught.value.problems == (
        "04.jsonl 第 2 行：不是 JSON",
        "04.jsonl 第 3 行：缺少 text、kind",
        "04.jsonl 第 5 行：分类 0401 不是三级代码",
        "04.jsonl 第 6 行：分类 049999 不是三级代码",
        "04.jsonl 第 7 行：诉求类型“表扬”不存在",
        "04.jsonl 第 8 行：缺少 id、title、text、category、kind、channel、unit_role",
        "15.jsonl 第 1 行：编号 S040101-01 重复",
    )


def test_no_seed_at_all_is_an_error(tmp_path: Path, taxonomy: Taxonomy) -> None:
    with pytest.raises(CorpusError, match="没有任何种子"):
        load_seed(tmp_path, taxonomy)


def test_a_seed_file_in_another_encoding_is_read_and_garbage_is_named(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    (tmp_path / "04.jsonl").write_bytes(_row().encode("gb18030"))
    assert [row["text"] for row in load_seed(tmp_path, taxonomy)] == ["河里污水横流"]
    (tmp_path / "15.jsonl").write_bytes(b"\xff\xff\xff\xff")
    with pytest.raises(CorpusError, match=r"15\.jsonl"):
        load_seed(tmp_path, taxonomy)


def test_only_a_newline_ends_a_row(tmp_path: Path, taxonomy: Taxonomy) -> None:
    text = "一段\u2028另一段\x85又一段"
    (tmp_path / "04.jsonl").write_text(_row(text=text) + "\n", encoding="utf-8")
    assert [row["text"] for row in load_seed(tmp_path, taxonomy)] == [text]


def test_labels_may_be_codes_names_or_paths(tmp_path: Path, bundle) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "内容,二级分类,备选分类,诉求类型,责任单位\n"
        "河里污水横流,0402,04,求决,生态环境局\n"
        "河里污水又横流,环境污染,,,\n"
        "河里污水还横流,环境保护 › 环境污染,,,\n"
        "河里污水仍横流,402,,,\n"
        "没有标注的一行,,,,\n",
        encoding="utf-8",
    )
    labelled = load_labelled(path, bundle.taxonomy, bundle.tokeniser)
    assert [example.category for example in labelled.examples] == ["0402"] * 4
    first = labelled.examples[0]
    assert (first.alternative, first.kind, first.unit) == ("04", "申诉求决", "生态环境局")
    assert labelled.rejects == ()


def test_every_node_is_taught(shipped: list[SeedRow], taxonomy: Taxonomy) -> None:
    fine = Counter(row["category"] for row in shipped)
    middle = Counter(row["category"][:4] for row in shipped)
    assert [node.code for node in taxonomy.level(3) if fine[node.code] < 3] == []
    assert [node.code for node in taxonomy.level(2) if middle[node.code] < 24] == []


def test_ids_are_unique_and_say_where_the_petition_belongs(shipped: list[SeedRow]) -> None:
    assert len({row["id"] for row in shipped}) == len(shipped) >= 4_000
    assert [
        row["id"] for row in shipped if not re.fullmatch(rf"S{row['category']}-\d{{2,3}}", row["id"])
    ] == []
    for file in (ROOT / "corpora" / "seed").glob("*.jsonl"):
        lines = file.read_text(encoding="utf-8").splitlines()
        assert {json.loads(line)["category"][:2] for line in lines if line.strip()} == {file.stem}


def test_units_and_channels_are_those_of_the_readme(shipped: list[SeedRow]) -> None:
    units = (ROOT / "corpora" / "units" / "county" / "units.csv").read_text(encoding="utf-8-sig")
    known = {row["id"] for row in csv.DictReader(units.splitlines())}
    assert {row["unit_role"] for row in shipped} <= known
    assert {row["channel"] for row in shipped} == {"网络", "来信", "来访", "电话"}


def test_texts_are_as_long_as_letters_are(shipped: list[SeedRow]) -> None:
    assert [row["id"] for row in shipped if not 10 <= len(row["text"]) <= 1_300] == []


def test_no_identity_number_and_no_phone(shipped: list[SeedRow]) -> None:
    found = []
    for row in shipped:
        plain = unicodedata.normalize("NFKC", row["title"] + "\n" + row["text"])
        digits = re.sub(r"(?<=\d)[ \-—.·](?=[\dXx])", "", plain)
        found += [row["id"] for number in re.findall(r"(?=(\d{17}[\dXx]))", digits) if ric.is_valid(number)]
        found += [row["id"] for _ in re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", digits)]
    assert found == []


def test_no_two_petitions_share_a_run_of_twenty_characters(shipped: list[SeedRow]) -> None:
    owner: dict[str, str] = {}
    shared = set()
    for row in shipped:
        for run in {row["text"][i : i + _RUN] for i in range(len(row["text"]) - _RUN + 1)}:
            first = owner.setdefault(run, row["id"])
            if first != row["id"]:
                shared.add((first, row["id"]))
    assert shared == set()


@pytest.mark.shared
def test_nothing_was_copied_from_real_messages(shipped: list[SeedRow], shared: Path) -> None:
    seed = "\n".join(row["title"] + "\n" + row["text"] for row in shipped)
    known = np.unique(_runs(seed))
    copied = 0
    for file in sorted(shared.glob("*.csv")):
        text = file.read_text(encoding="utf-8-sig")
        runs = _runs(text)
        at = np.flatnonzero(known[np.minimum(np.searchsorted(known, runs), len(known) - 1)] == runs)
        # A hash may collide, and the seed's own line ends are no sentence: the words themselves decide.
        passages = (text[i : i + _RUN] for i in at.tolist())
        copied += sum("\n" not in passage and passage in seed for passage in passages)
    assert copied == 0  # the number only: a failure must not print a real message


def _runs(text: str) -> np.ndarray:
    """A 64-bit polynomial hash of every run of twenty characters."""
    code = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    count = max(len(code) - _RUN + 1, 0)
    hashed = np.zeros(count, dtype=np.uint64)
    for offset in range(_RUN):
        hashed = hashed * np.uint64(0x9E3779B97F4A7C15) + code[offset : offset + count]
    return hashed


def test_the_run_hash_finds_a_copy() -> None:
    passage = "小区门口的河里污水横流已经三年没有人来管过"
    one, other = _runs("我住在柳湾。" + passage + "。"), _runs("来访人称" + passage + "，请查处")
    assert len(np.intersect1d(one, other)) == len(passage) - _RUN + 1


@pytest.mark.shared
def test_the_taxonomy_is_the_boards(taxonomy: Taxonomy, shared: Path) -> None:
    nodes: dict[str, str] = {}
    with (shared / "taxonomy.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            nodes |= {row[f"l{level}_code"]: row[f"l{level}"] for level in (1, 2, 3)}
    assert {code: node.name for code, node in taxonomy.categories.items()} == nodes
    assert [len(taxonomy.level(level)) for level in (1, 2, 3)] == [15, 118, 517]
