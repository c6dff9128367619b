"""An evaluation as one HTML page for an office chief: no script, no outside address, readable on paper.

Here stand the tallies that only the page shows, their charts and their words. What is scored, and how, is in `training.evaluate`.
Everything that comes from the file or the taxonomy passes through `escape`.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from classifier.bundle import Bundle
from classifier.category import Explainer, Span
from classifier.errors import InputError
from classifier.intervals import wilson
from classifier.predict import predict
from classifier.taxonomy import Taxonomy
from training.evaluate import Evaluation, Ranking
from training.metrics import Probabilities, coverage_at
from training.report_charts import LEVELS, reliability_chart, risk_chart, side_by_side
from training.tallies import FEW, Tally, confusion, tallies

_CONFUSIONS, _WORST, _UNITS, _EXCERPT = 10, 20, 20, 160


def check_place(path: Path) -> None:
    """Raises InputError when no file could be written there. Worth asking before minutes of scoring."""
    if not path.parent.is_dir():
        raise InputError(f"文件夹 {path.parent} 不存在，报告没有地方写。请先建好文件夹，或换一个路径。")
    if path.is_dir():
        raise InputError(f"{path} 是一个文件夹。请给出报告的文件名，例如 {path / 'report.html'}。")


def write_report(path: Path, page: str) -> None:
    """All of the page or nothing: a reader never meets half a file. Raises InputError as `check_place` does, OSError."""
    check_place(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(page, encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def render(scored: Evaluation, bundle: Bundle, file_name: str) -> str:
    """The whole page. `file_name` is shown, nothing is read from it."""
    sections: list[tuple[str, str]] = []
    if scored.rankings:
        finest, broad = scored.rankings[0], scored.rankings[-1]
        name = _namer(bundle.taxonomy)
        charts = side_by_side(reliability_chart(finest), risk_chart(scored.rankings))
        sections += [("把握可信吗，能放手多少", charts)]
        sections += [("哪些大类容易混", _matrix(broad, bundle.taxonomy) + _confusions(finest, name))]
        sections += [(f"各类分得怎样（{LEVELS[finest.level]}）", _categories(finest, name))]
        sections += [("最有把握却分错的", _worst(finest, scored, bundle))]
    if "kind" in scored.figures:
        pairs = [(e.kind, k) for e, k in zip(scored.examples, scored.answers.kinds, strict=True) if e.kind]
        sections += [("诉求类型", _plain_table("诉求类型", pairs))]
    if "unit" in scored.figures:
        answers = scored.answers
        pairs = [(d, u[0]) for d, u in zip(answers.decided, answers.units, strict=True) if d]
        words = (
            f"<p>建议的前三个单位里有实际承办单位的：每 100 件 {_of_100(scored.figures['unit']['top3'])} 件。"
        )
        ever = {unit for ranked in answers.units for unit in ranked}
        if never := sum(decided not in ever for decided, _ in pairs):
            words += f"有 {never} 件的承办单位从没有被建议过，请核对单位目录里有没有这些单位。"
        sections += [("承办单位", f"{words}</p>" + _plain_table("承办单位", pairs))]
    numbered = zip("一二三四五六七", sections, strict=False)
    body = "".join(f"<section><h2>{n}、{title}</h2>{text}</section>" for n, (title, text) in numbered)
    left_out = f"，另有 {scored.rejected} 行用不上、未计入" if scored.rejected else ""
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>评测报告 {escape(file_name)}</title><style>{_CSS}</style></head><body><header>"
        "<p class=over>分办评测报告</p><h1>机器分得准不准</h1><dl>"
        f"<div><dt>评测文件</dt><dd>{escape(file_name)}</dd></div>"
        f"<div><dt>件数</dt><dd>{len(scored.examples)} 件{left_out}</dd></div>"
        f"<div><dt>模型版本</dt><dd>{escape(bundle.version)}</dd></div>"
        f"<div><dt>日期</dt><dd>{time.strftime('%Y-%m-%d')}</dd></div></dl></header>"
        f"<div class=lead>{''.join(_headline(scored))}</div>{body}"
        "<footer>机器只提建议，由人认定。</footer></body></html>\n"
    )


def _headline(scored: Evaluation) -> Iterable[str]:
    """The plain sentences on top: four where there are categories, else one for kinds and two for units."""
    figures = scored.figures
    if not scored.rankings:
        for key, what in (("kind", "诉求类型"), ("unit", "第一个建议单位")):
            if key in figures:
                yield _sentence(f"每 100 件里，{what}对的有", _of_100(figures[key]["accuracy"]), "件。", "")
        if "unit" in figures:
            yield _sentence("前三个建议单位里有对的", _of_100(figures["unit"]["top3"]), "件。", "")
        return
    finest, own = scored.rankings[0], figures["category"]
    low, high = wilson(int(finest.correct.sum()), len(finest.rows))
    sample = f"按{LEVELS[finest.level]}，{len(finest.rows)} 件。换一批同类信访件，大致在 {_of_100(low)} 到 {_of_100(high)} 件之间。"
    yield _sentence("每 100 件里，第一候选分对", _of_100(own["accuracy"]), "件。", sample)
    top3 = _of_100(own["top3"])
    rest = "办件人从三个里挑一个即可" + (f"；其余 {100 - top3} 件要另找分类。" if top3 < 100 else "。")
    yield _sentence("前三候选里有对的", top3, "件。", rest)
    covered, least = coverage_at(finest.confidence, finest.correct)
    if covered:
        after = f"也就是把握在 {least:.0%} 以上的；其余 {100 - _of_100(covered)} 件交人细看。"
        yield _sentence("如果只自动采用把握最大的，可以覆盖", _of_100(covered), "件而保持 95% 正确。", after)
    else:
        yield _sentence("能自动采用而保持 95% 正确的有", 0, "件。", "不论把握多大，每件都要有人看。")
    if len(scored.rankings) > 1:
        broad = figures["category_level1"]
        after = f"大类就是一级分类。只认大类时，自动采用可以覆盖 {_of_100(broad['coverage_at_95'])} 件而保持 95% 正确。"
        yield _sentence("如果只看大类，第一候选分对", _of_100(broad["accuracy"]), "件。", after)
    else:
        after = "相差越小，机器说的把握越可以当真。"
        yield _sentence("机器报的把握与实际平均相差", _of_100(own["ece"]), "个百分点。", after)


def _sentence(before: str, number: int, after: str, small: str) -> str:
    return f"<div><p class=big>{before} <b>{number}</b> {after}</p><p class=small>{small}</p></div>"


def _of_100(share: float) -> int:
    """Rounded, but "all" and "none" only when it is all or none."""
    return round(share) * 100 if share in (0, 1) else min(max(round(share * 100), 1), 99)


def _percent(probability: float) -> str:
    """A probability is never shown as certain or as nothing."""
    return "不到 1%" if probability < 0.01 else "99% 以上" if probability >= 0.995 else f"{probability:.0%}"


def _namer(taxonomy: Taxonomy) -> Callable[[str], str]:
    """Names of codes; one that stands twice on its level (其他) gets its branch in front."""
    often = Counter((c.level, c.name) for c in taxonomy.categories.values())

    def name(code: str) -> str:
        category = taxonomy[code]
        return category.name if often[category.level, category.name] == 1 else taxonomy.path(code)

    return name


def _matrix(ranking: Ranking, taxonomy: Taxonomy) -> str:
    codes, counts = confusion(ranking.truth, ranking.suggested)
    names = [escape(taxonomy[code].name) for code in codes]
    head = "".join(f"<th scope=col><span>{name}</span></th>" for name in names)
    rows = []
    for i, name in enumerate(names):
        total = int(counts[i].sum())
        cells = "".join(_cell(int(count), total, i == j) for j, count in enumerate(counts[i]))
        rows.append(f"<tr><th scope=row>{name}</th>{cells}<td class=sum>{total}</td></tr>")
    return (
        "<p>每一行是一个大类的全部信访件，看它们被建议到了哪里。绿格是分对的，灰格是分错的；颜色越深，占这一行的比例越大。"
        "标注有第二答案的，两个都算对。</p><table class=matrix><thead><tr><th class=corner>应为 ↓　建议 →</th>"
        f"{head}<th scope=col><span>合计</span></th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _cell(count: int, total: int, right: bool) -> str:
    if not count:
        return "<td></td>"
    shade = 0.1 + 0.9 * count / total
    colour = "26,107,92" if right else "90,102,112"
    ink = ";color:#fff" if shade > 0.55 else ""
    return f'<td style="background:rgba({colour},{shade:.2f}){ink}">{count}</td>'


def _confusions(ranking: Ranking, name: Callable[[str], str]) -> str:
    pairs = Counter((t, s) for t, s in zip(ranking.truth, ranking.suggested, strict=True) if t != s)
    if not pairs:
        return ""
    lines = "".join(
        f"<li>把“{escape(name(truth))}”当成“{escape(name(said))}”：<b>{count}</b> 件</li>"
        for (truth, said), count in sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:_CONFUSIONS]
    )
    return f"<h3>最常见的混淆（{LEVELS[ranking.level]}）</h3><ol class=pairs>{lines}</ol>"


def _categories(ranking: Ranking, name: Callable[[str], str]) -> str:
    found = tallies(ranking.truth, ranking.suggested)
    never = Counter(said for said in ranking.suggested if said not in set(ranking.truth))
    also = "、".join(f"{escape(name(code))} {count} 件" for code, count in never.most_common())
    return _table("分类", found, name) + (
        f"<p class=small>文件里没有、却被建议过的：{also}。</p>" if also else ""
    )


def _plain_table(head: str, pairs: Sequence[tuple[str, str]]) -> str:
    found = tallies([truth for truth, _ in pairs], [said for _, said in pairs])
    rest = found[_UNITS:]
    more = f"<p class=small>另有 {len(rest)} 个，共 {sum(t.count for t in rest)} 件。</p>" if rest else ""
    return _table(head, found[:_UNITS], str) + more


def _table(head: str, found: Sequence[Tally], name: Callable[[str], str]) -> str:
    most = found[0].count
    rows = []
    for t in found:
        bar = f'<i style="width:{100 * t.right / most:.1f}%"></i><s style="width:{100 * (t.count - t.right) / most:.1f}%"></s>'
        precision = f"{t.precision:.0%}" if t.suggested else "—"
        rows.append(
            f"<tr{' class=few' if t.count < FEW else ''}><th scope=row>{escape(name(t.name))}</th><td>{t.count}</td><td>{t.right}</td>"
            f"<td class=bar>{bar}</td><td>{t.recall:.0%}</td><td>{precision}</td><td>{t.f1:.2f}</td></tr>"
        )
    note = f"少于 {FEW} 件的一类，百分比只供参考，颜色较浅。" if any(t.count < FEW for t in found) else ""
    return (
        f"<table class=classes><thead><tr><th scope=col>{head}</th><th scope=col>件数</th><th scope=col>分对</th>"
        "<th class=bar><i></i> 分对 <s></s> 分错</th><th scope=col>查全率</th><th scope=col>查准率</th><th scope=col>F1</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><p class=small>查全率：这一类的信访件里，有多少被分到这一类。"
        f"查准率：被分到这一类的里面，有多少真是这一类；没有建议过的写作“—”。F1 是两者的折中，1 为最好。{note}</p>"
    )


def _worst(ranking: Ranking, scored: Evaluation, bundle: Bundle) -> str:
    """The surest errors with what carried them; read off the finest class within the suggestion."""
    wrong = np.flatnonzero(~ranking.correct)
    places = wrong[np.argsort(-ranking.confidence[wrong], kind="stable")][:_WORST].tolist()
    if not places or bundle.category is None:
        return "<p>没有分错的。</p>"
    documents = [scored.examples[ranking.rows[place]].document for place in places]
    predictions = predict(bundle, documents)
    items = []
    for row, (place, document) in enumerate(zip(places, documents, strict=True)):
        said = ranking.ranked[place][0]
        within = [i for i, code in enumerate(bundle.category.classes) if code.startswith(said)]
        index = max(within, key=lambda i: _of(predictions.category, row, i))
        explainer = Explainer(bundle.category, document, predictions.found.of(row), predictions.matrix[row])
        spans = explainer.spans(index)
        body = document.title_length + (document.text[document.title_length :].startswith("\n"))
        end = body + _EXCERPT
        later = [escape(document.text[s.start : s.end]) for s in spans if s.start >= end]
        title = _marked(document.text, 0, document.title_length, spans)
        items.append(
            f"<li><p class=said>建议 <b>{escape(bundle.taxonomy.path(said))}</b> <em>把握{_percent(ranking.confidence[place])}</em></p>"
            f"<p class=said>应为 <b>{_should(ranking, place, bundle.taxonomy)}</p>"
            + (f"<h4>{title}</h4>" if title else "")
            + f"<p>{_marked(document.text, body, end, spans)}{'……' if len(document.text) > end else ''}</p>"
            + (f"<p class=small>后文的依据：<mark>{'</mark> <mark>'.join(later)}</mark></p>" if later else "")
            + "</li>"
        )
    return (
        f"<p>按把握从大到小，共 {len(items)} 件。底色标出的字词是机器分错的依据。有的可能是标注错了，值得一并核对。</p>"
        "<p class=note>以下文字已由机器脱敏，个别姓名可能遗漏，仍属个人信息：只供改进分类时核对，不得外传，用完请删除。</p>"
        f"<ol class=worst>{''.join(items)}</ol>"
    )


def _of(probabilities: Probabilities | None, row: int, index: int) -> float:
    return 0.0 if probabilities is None else float(probabilities[row, index])


def _should(ranking: Ranking, place: int, taxonomy: Taxonomy) -> str:
    """The accepted answers, closed by where the first of them stood among the suggestions."""
    accepted = ranking.accepted[place]
    names = "</b> 或 <b>".join(escape(taxonomy.path(code)) for code in accepted)
    if accepted[0] not in ranking.codes:
        return f"{names}</b> <em>模型没有学过这一类</em>"
    own = ranking.probabilities[place, ranking.codes.index(accepted[0])]
    rank = 1 + int((ranking.probabilities[place] > own).sum())
    return f"{names}</b> <em>排在第 {rank}，把握{_percent(own)}</em>"


def _marked(text: str, start: int, end: int, spans: Sequence[Span]) -> str:
    """`text[start:end]` escaped, with what the spans cover of it in `<mark>`. Spans do not overlap."""
    parts, at = [], start
    for span in sorted(spans, key=lambda span: span.start):
        low, high = max(span.start, at), min(span.end, end)
        if low < high:
            parts += [escape(text[at:low]), "<mark>", escape(text[low:high]), "</mark>"]
            at = high
    return "".join([*parts, escape(text[at:end])])


_CSS = """
:root{color:#1f2933;font:15px/1.7 "Noto Sans CJK SC","Source Han Sans SC","Microsoft YaHei","PingFang SC",sans-serif;
 -webkit-print-color-adjust:exact;print-color-adjust:exact}
body{max-width:1000px;margin:0 auto;padding:44px 32px 32px;font-variant-numeric:tabular-nums;background:#fff}
h1,h2,h3,h4,p,dl,dd,figure,ol{margin:0;padding:0} h1{font-size:34px;line-height:1.3} h3{font-size:16px;margin-bottom:4px}
h2{font-size:21px;margin-bottom:14px} section{margin-top:52px;padding-top:22px;border-top:1px solid #1f2933}
section>p{margin-bottom:10px} .over{color:#1a6b5c;font-weight:600} dl{display:flex;flex-wrap:wrap;gap:6px 40px;margin-top:14px} dt{color:#66727d;font-size:13px}
.lead{display:grid;grid-template-columns:1fr 1fr;gap:0 48px;margin-top:28px}
.lead>div{border-top:1px solid #e1e5e8;padding:18px 0 20px} .big{font-size:20px;line-height:1.5}
.big b{color:#1a6b5c;font-size:42px;line-height:1;font-weight:600;padding:0 2px}
.small,figcaption p,footer{color:#66727d;font-size:13px} .small{margin-top:8px}
.two{display:grid;grid-template-columns:1fr 1fr;gap:40px} figure{display:flex;flex-direction:column;justify-content:space-between}
figcaption p{margin-bottom:14px} svg{width:100%;display:block} svg text{font-size:13px;fill:#66727d} svg .name{fill:#1f2933}
svg .own{fill:#1a6b5c} svg .mark{font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}
table{border-collapse:collapse;font-size:14px} th{font-weight:400;text-align:left}
.matrix{margin:16px 0 32px} .matrix td{width:46px;min-width:30px;height:34px;text-align:center;border:1px solid #e9ecee;padding:0}
.matrix thead th{vertical-align:bottom;padding:0 0 8px} .matrix thead span{writing-mode:vertical-rl;display:block;margin:0 auto;line-height:1.3;letter-spacing:1px}
.matrix tbody th{padding-right:14px;white-space:nowrap} .matrix .corner{color:#66727d;font-size:13px} .matrix .sum{border:0;color:#66727d}
.pairs{columns:2;column-gap:48px;padding-left:1.6em} .pairs li{break-inside:avoid;padding:3px 0}
.classes{width:100%} .classes th,.classes td{padding:3px 10px 3px 0;border-bottom:1px solid #e9ecee} .classes td,.classes thead th:not(:first-child){text-align:right}
.classes thead th{color:#66727d;font-size:13px;border-bottom-color:#1f2933} .classes .bar{width:30%;text-align:left!important;padding-left:14px}
.bar i,.bar s{display:inline-block;height:10px;background:#1a6b5c;vertical-align:middle} .bar s{background:#c3cbd1} th.bar i,th.bar s{width:10px}
.few td,.few th{color:#66727d} .note{border-left:3px solid #1a6b5c;padding:6px 14px;margin:12px 0 8px;background:#f4f7f6}
.worst{padding-left:2.2em} .worst>li{border-top:1px solid #e1e5e8;padding:14px 0;break-inside:avoid} .worst>li::marker{color:#66727d}
.said{font-size:14px;color:#66727d} .said b{color:#1f2933;font-weight:500} .said em{font-style:normal;margin-left:8px} h4{font-size:15px;margin-top:8px}
.worst p{overflow-wrap:anywhere} mark{background:#cfe5df;color:inherit;padding:1px 0} footer{margin-top:48px;border-top:1px solid #e1e5e8;padding-top:12px}
@media screen and (max-width:760px){.lead,.two{grid-template-columns:1fr}.pairs{columns:1}.matrix{display:block;overflow-x:auto}}
@media print{@page{size:A4;margin:14mm}:root{font-size:12.5px}body{padding:0}section{margin-top:24px;padding-top:14px}h2,h3,section>p{break-after:avoid}
 .two{gap:24px}svg text{font-size:15px}figure,.lead>div,tr,.matrix{break-inside:avoid}
 .big{font-size:16px}.big b{font-size:32px}.lead{margin-top:16px;gap:0 28px}.matrix{margin:8px 0 20px}.matrix td{width:30px;height:25px}.matrix th{line-height:1.3}section>p{break-inside:avoid}.worst>li{padding:8px 0}}
"""
