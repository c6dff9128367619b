"""What makes a corpus unfit, each rule broken once; and the shipped corpus, which breaks none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from training import __main__ as command
from training.audit import audit

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT / "corpora"

Change = Callable[[list[dict[str, str]]], object]


@pytest.fixture(scope="module")
def branch(small_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """The corpora of two branches, which take a tenth of the time, and what is wrong with them: there is not enough."""
    folder = shutil.copytree(small_corpora, tmp_path_factory.mktemp("audit") / "corpora")
    for part in ("gold", "pairs"):
        (folder / part).mkdir()
        shutil.copy(CORPORA / part / "04.jsonl", folder / part)
    return folder, set(audit(folder).problems)


@pytest.fixture
def corpora(branch: tuple[Path, set[str]], tmp_path: Path) -> Path:
    return shutil.copytree(branch[0], tmp_path / "corpora")


@pytest.fixture
def new_problems(branch: tuple[Path, set[str]], corpora: Path) -> Callable[..., set[str]]:
    """What an audit of the changed corpora finds that was not there before."""
    return lambda *foreign: set(audit(corpora, *foreign).problems) - branch[1]


def _change(corpora: Path, change: Change, file: str = "seed/04.jsonl") -> None:
    path = corpora / file
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(rows)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")


def test_the_shipped_corpora_hold_to_their_rules() -> None:
    found = audit(CORPORA)
    assert found.problems == ()
    assert found.figures["seed"]["petitions"] >= 4_000
    assert found.figures["gold"]["petitions"] >= 400
    assert len(found.figures["seed"]["level2"]) == len(found.figures["gold"]["level2"]) == 118


def _set(index: int, **fields: str) -> Change:
    return lambda rows: rows[index].update(fields)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows.append({**rows[0], "id": "S040101-99"}), "几乎相同"),
        (
            lambda rows: [
                row.update(text=row["text"] + "此事关系全镇几万老百姓的切身利益") for row in rows[:3]
            ],
            "在 3 件里重复",
        ),
        (_set(0, text="请打我电话 13912345678 联系，河里污水横流没有人管"), "像真的手机号"),
        (_set(0, text="河水臭"), "正文 3 字"),
        (lambda rows: rows.__delitem__(slice(0, len(rows) - 30)), "应不少于 24 件"),
    ],
    ids=["copy", "template", "number", "short", "thin"],
)
def test_a_broken_rule_is_named(corpora: Path, new_problems, change: Change, words: str) -> None:
    _change(corpora, change)
    assert any(words in problem for problem in new_problems())


def test_a_gold_petition_may_not_be_a_seed_petition(corpora: Path, new_problems) -> None:
    seed = json.loads((corpora / "seed/04.jsonl").read_text(encoding="utf-8").splitlines()[5])
    _change(corpora, lambda rows: rows.append({**seed, "id": "G040101-99"}), "gold/04.jsonl")
    assert any("G040101-99" in problem and "几乎相同" in problem for problem in new_problems())


def test_a_sentence_of_others_is_found_whatever_its_punctuation(corpora: Path, new_problems) -> None:
    text = json.loads((corpora / "gold/04.jsonl").read_text(encoding="utf-8").splitlines()[0])["text"]
    foreign = " ".join(text)  # blanks between all characters
    found = new_problems([foreign])
    assert found
    assert all("不是为本项目写的" in problem for problem in found)


def test_terms_must_be_enough(corpora: Path, new_problems) -> None:
    path = corpora / "lexicon/04.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:1], *lines[2:]]) + "\n", encoding="utf-8")
    assert any("词表里" in problem and "有 0 个词" in problem for problem in new_problems())


def test_the_command_says_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["corpora", "--corpora", str(CORPORA), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    for part in ("taxonomy", "lexicon", "seed", "pairs"):
        shutil.copytree(CORPORA / part, tmp_path / part)
    assert command.main(["corpora", "--corpora", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "金标准信访件 0 件" in shown.out
    assert "1 处不合规则" in shown.err
    against = tmp_path / "others.csv"
    seed = json.loads((CORPORA / "seed/04.jsonl").read_text(encoding="utf-8").splitlines()[0])
    against.write_text(f"标题,内容\n一件,{seed['text'].replace(',', '，')}\n", encoding="utf-8")
    assert command.main(["corpora", "--corpora", str(CORPORA), "--against", str(against)]) == 1
    assert "不是为本项目写的" in capsys.readouterr().out


@pytest.mark.shared
def test_no_sentence_stands_in_real_messages(shared: Path) -> None:
    files = [
        shared / f"{name}.csv" for name in ("petitions_l1_dev", "petitions_l2_dev", "messages_unlabelled")
    ]
    arguments = [item for file in files for item in ("--against", str(file))]
    assert command.main(["corpora", "--corpora", str(CORPORA), *arguments]) == 0
