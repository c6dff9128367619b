"""The page of `fenban evaluate --html`: its sums, what must never stand in it, and the command that writes it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from api.cli import app as command_line
from classifier.bundle import Bundle
from classifier.category import Span
from classifier.curves import reliability, risk_coverage
from classifier.errors import InputError
from training.__main__ import main
from training.evaluate import Evaluation, evaluation
from training.metrics import coverage_at, expected_calibration_error, macro_f1
from training.report import (
    _marked,
    _of_100,
    _percent,
    check_place,
    render,
    write_report,
)
from training.tallies import confusion, tallies

ROOT = Path(__file__).resolve().parents[2]
COUNTY = ROOT / "corpora" / "units" / "county"
_HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"
_PHONE = "13912345678"


@pytest.fixture
def rows() -> list[dict[str, str]]:
    """The gold petitions of both branches, some labelled wrongly on purpose, so that there are sure errors to show."""
    files = (ROOT / "corpora" / "gold" / f"{branch}.jsonl" for branch in ("04", "15"))
    gold = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    kept = [
        {
            "title": row["title"],
            "text": row["text"],
            "category": row["category"][:4],
            "alternative": "",
            "kind": row["kind"],
            "unit": "人社局",
        }
        for row in gold
    ]
    for row in kept[::6]:
        row["category"] = "1501" if row["category"].startswith("04") else "0401"
    return kept


@pytest.fixture
def scored(rows: list[dict[str, str]], bundle: Bundle, write_csv) -> Evaluation:
    return evaluation(write_csv("a.csv", rows), bundle, COUNTY)


class _Page(HTMLParser):
    """The tags, the attributes and the shown text of a page; asserts that every tag is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_petition_stands_once_in_the_matrix(scored: Evaluation) -> None:
    for ranking in scored.rankings:
        codes, counts = confusion(ranking.truth, ranking.suggested)
        assert counts.sum() == len(ranking.rows) == scored.figures["n"]
        assert counts.trace() == ranking.correct.sum()
        assert 0 < counts.trace() < counts.sum()
        assert set(codes) == {*ranking.truth, *ranking.suggested}
    assert confusion(["04", "04", "15"], ["04", "15", "15"])[1].tolist() == [[1, 1], [0, 1]]


def test_the_matrix_on_the_page_adds_up(scored: Evaluation, bundle: Bundle) -> None:
    matrix = re.search(r"<table class=matrix>(.*?)</table>", render(scored, bundle, "a.csv"))
    assert matrix
    cells = re.findall(r'<td style="[^"]*">(\d+)</td>', matrix[1])
    sums = re.findall(r"<td class=sum>(\d+)</td>", matrix[1])
    assert sum(map(int, cells)) == sum(map(int, sums)) == scored.figures["n"]
    assert len(sums) == 2


def test_reliability_bins_add_up_and_give_the_calibration_error(scored: Evaluation) -> None:
    for ranking in scored.rankings:
        bins = reliability(ranking.confidence, ranking.correct)
        assert [b.low for b in bins] == [i / 10 for i in range(10)]
        assert sum(b.count for b in bins) == len(ranking.rows)
        assert sum(b.count * b.accuracy for b in bins) == pytest.approx(ranking.correct.sum())
        assert all(b.low <= b.confidence <= b.high for b in bins if b.count)
        error = sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / len(ranking.rows)
        assert error == pytest.approx(expected_calibration_error(ranking.confidence, ranking.correct))
    ends = reliability(np.array([0.0, 1.0]), np.array([False, True]))
    assert (ends[0].count, ends[-1].count) == (1, 1)


@pytest.mark.parametrize("accuracy", [0.5, 0.8, 0.9, 0.95])
def test_the_curve_passes_through_the_figure(accuracy: float) -> None:
    random = np.random.default_rng(7)
    for size in (1, 2, 40, 300):
        confidence = np.round(random.random(size), 2)  # with ties
        correct = random.random(size) < confidence
        coverage, risk = risk_coverage(confidence, correct)
        within = coverage[1 - risk >= accuracy - 1e-12]
        share = coverage_at(confidence, correct, accuracy)[0]
        assert share == pytest.approx(within[-1] if len(within) else 0.0)
        assert coverage[-1] == 1
        assert risk[-1] == pytest.approx(1 - correct.mean())


def test_tallies_agree_with_the_metrics(scored: Evaluation) -> None:
    ranking = scored.rankings[0]
    found = tallies(ranking.truth, ranking.suggested)
    assert sum(t.count for t in found) == len(ranking.rows)
    assert sum(t.right for t in found) == ranking.correct.sum()
    assert [t.count for t in found] == sorted((t.count for t in found), reverse=True)
    assert sum(t.f1 for t in found) / len(found) == pytest.approx(macro_f1(ranking.truth, ranking.suggested))
    one = tallies(["a", "a", "b"], ["a", "c", "a"])[0]
    assert (one.name, one.count, one.suggested, one.right, one.recall, one.precision) == (
        "a",
        2,
        2,
        1,
        0.5,
        0.5,
    )


def test_all_and_none_are_said_only_of_all_and_none() -> None:
    assert [_of_100(share) for share in (0.0, 0.001, 0.77, 0.999, 1.0)] == [0, 1, 77, 99, 100]


def test_no_probability_is_shown_as_certain() -> None:
    assert [_percent(p) for p in (0.0, 0.004, 0.01, 0.774, 0.994, 0.9999)] == [
        "不到 1%",
        "不到 1%",
        "1%",
        "77%",
        "99%",
        "99% 以上",
    ]


def test_the_figures_stand_in_plain_sentences(scored: Evaluation, bundle: Bundle) -> None:
    text = _Page(render(scored, bundle, "a.csv")).text
    own, broad = scored.figures["category"], scored.figures["category_level1"]
    assert f"每 100 件里，第一候选分对 {_of_100(own['accuracy'])} 件。" in text
    assert f"前三候选里有对的 {_of_100(own['top3'])} 件。" in text
    assert f"如果只看大类，第一候选分对 {_of_100(broad['accuracy'])} 件。" in text
    assert f"{scored.figures['n']} 件" in text
    assert bundle.version in text
    for title in ("放手与差错", "哪些大类容易混", "各类分得怎样", "最有把握却分错的", "诉求类型", "承办单位"):
        assert title in text


def test_nothing_of_the_file_becomes_markup(rows: list[dict[str, str]], bundle: Bundle, write_csv) -> None:
    clean = render(evaluation(write_csv("a.csv", rows), bundle, COUNTY), bundle, "a.csv")
    for row in rows:
        row["title"] = f"{row['title']}{_HOSTILE}"
        row["text"] = f"{_HOSTILE}{row['text']}"
        row["unit"] = _HOSTILE
    page = render(evaluation(write_csv("b.csv", rows), bundle, COUNTY), bundle, f"{_HOSTILE}.csv")
    seen = _Page(page)
    assert "<script" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;") > 3
    assert {*seen.tags} <= {*_Page(clean).tags}
    assert not {name for name, _ in seen.attributes} & {"src", "href", "onerror", "onload"}
    assert "http" not in re.sub("http-equiv", "", page)
    assert "url(" not in page


def test_no_phone_number_reaches_the_page(rows: list[dict[str, str]], bundle: Bundle, write_csv) -> None:
    for row in rows:
        row["title"] = f"{row['title']}，电话{_PHONE}"
        row["text"] = f"我的手机{_PHONE}。{row['text']}请回电 139 1234 5678。"
    page = render(evaluation(write_csv("a.csv", rows), bundle, COUNTY), bundle, "a.csv")
    assert "〈手机号〉" in page
    assert _PHONE not in re.sub(r"\s|<[^>]*>", "", page)
    assert not re.search(r"1[3-9]\d{9}", re.sub(r"<[^>]*>", "", page))


def test_the_worst_errors_come_surest_first_with_what_carried_them(
    scored: Evaluation, bundle: Bundle
) -> None:
    page = render(scored, bundle, "a.csv")
    worst = page[page.index("<ol class=worst>") :]
    worst = worst[: worst.index("</ol>")]
    items = [_Page(item.replace("</li>", "")) for item in worst.split("<li>")[1:]]
    ranking = scored.rankings[0]
    wrong = np.flatnonzero(~ranking.correct)
    surest = sorted(wrong, key=lambda place: -ranking.confidence[place])[:20]
    assert len(items) == len(surest) > 3
    for item, place in zip(items, surest, strict=True):
        text = scored.examples[ranking.rows[place]].document.text
        assert text.replace("\n", "")[:60] in item.text
        assert bundle.taxonomy.path(ranking.suggested[place]) in item.text
        assert bundle.taxonomy.path(ranking.truth[place]) in item.text
        assert "mark" in item.tags
        assert len(item.text) < 400
    assert "仍属个人信息" in page


def test_marks_keep_the_text_and_its_edges() -> None:
    spans = [Span(8, 12, 0.5), Span(1, 3, 0.2)]
    marked = _marked("甲<乙丙丁戊己庚辛壬癸子丑", 0, 10, spans)
    assert marked == "甲<mark>&lt;乙</mark>丙丁戊己庚<mark>辛壬</mark>"
    assert _marked("甲乙丙", 1, 3, [Span(0, 2, 1.0)]) == "<mark>乙</mark>丙"
    assert _marked("甲乙丙", 0, 2, []) == "甲乙"


@pytest.mark.parametrize(
    ("columns", "there", "missing"),
    [
        (("category",), "哪些大类容易混", "诉求类型"),
        (("kind",), "诉求类型", "哪些大类容易混"),
        (("unit",), "承办单位", "诉求类型"),
    ],
)
def test_only_what_the_file_has_is_shown(
    columns: tuple[str, ...],
    there: str,
    missing: str,
    rows: list[dict[str, str]],
    bundle: Bundle,
    write_csv,
) -> None:
    few = [{name: row[name] for name in ("text", *columns)} for row in rows]
    text = _Page(render(evaluation(write_csv("a.csv", few), bundle, COUNTY), bundle, "a.csv")).text
    assert there in text
    assert missing not in text


def test_one_petition_is_enough(rows: list[dict[str, str]], bundle: Bundle, write_csv) -> None:
    for row in (rows[0], rows[1]):  # the first is labelled wrongly, the second rightly
        scored = evaluation(write_csv("a.csv", [row]), bundle, COUNTY)
        _Page(render(scored, bundle, "a.csv"))


def test_level_1_labels_give_the_page_of_level_1(
    rows: list[dict[str, str]], bundle: Bundle, write_csv
) -> None:
    broad = [row | {"category": row["category"][:2]} for row in rows]
    page = render(evaluation(write_csv("a.csv", broad), bundle, COUNTY), bundle, "a.csv")
    text = _Page(page).text
    assert "机器报的把握与实际平均相差" in text
    assert "二级分类" not in text
    # What carried a branch is what carried the surest class within it: the same marks as on the page of level 2.
    fine = render(evaluation(write_csv("b.csv", rows), bundle, COUNTY), bundle, "b.csv")
    bodies, same = (set(re.findall(r"<p>([^\n]*?<mark>.*?)</p>", html)) for html in (page, fine))
    assert len(bodies & same) > len(bodies) / 2 > 1


def test_a_half_written_page_never_replaces_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, "good")
    with pytest.raises(UnicodeEncodeError):
        write_report(path, "half \ud800")
    assert path.read_text(encoding="utf-8") == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_no_place_for_the_page(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="是一个文件夹"):
        check_place(tmp_path)


def test_the_command_writes_the_file_and_says_where(
    rows: list[dict[str, str]], models: Path, tmp_path: Path, write_csv, capfd: pytest.CaptureFixture[str]
) -> None:
    """From the command line that users type, through the process it starts, to the file."""
    from typer.testing import CliRunner

    written = tmp_path / "report.html"
    environment = {"FENBAN_MODELS": str(models), "FENBAN_DIRECTORY": str(COUNTY)}
    arguments = ["evaluate", str(write_csv("a.csv", rows)), "--html", str(written), "--json", "-"]
    assert CliRunner().invoke(command_line, arguments, env=environment).exit_code == 0
    out, err = capfd.readouterr()
    assert f"报告已写入 {written}。" in err
    assert out.startswith("{")
    assert "报告" not in out
    assert _Page(written.read_text(encoding="utf-8")).text.count("a.csv") >= 1
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "report.html"}


def test_a_missing_folder_is_said_before_anything_is_scored(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "none" / "report.html"
    arguments = ["evaluate", str(tmp_path / "absent.csv"), "--models", str(models), "--html", str(place)]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"fenban: 文件夹 {place.parent} 不存在，报告没有地方写。请先建好文件夹，或换一个路径。\n"
    assert not place.parent.exists()
