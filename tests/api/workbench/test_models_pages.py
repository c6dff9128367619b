"""The pages about models: what they say, what they move, what they leave on record. No model is trained: versions are copies with verdicts."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import event

from api.drift import health as _drift
from api.live import Live
from api.model_diff import AnswerChange, Difference
from api.model_report import doubtful
from api.run_state import Run, RunState, State, Step, moment
from api.store.audit import Action, broken_at, entries
from api.store.firewall import PRINTED
from classifier.bundle import save_bundle
from classifier.registry import Registry
from classifier.scorecard import Answer, Scorecard

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_REASON = "本单位检验件上一级分类变差：20 件里由答对 18 件变为 9 件（9 件变错，0 件变对）。"


def _card(version, right):
    """Twenty cases, the first `right` of them answered rightly, with falling confidence."""
    answers = tuple(
        Answer(f"gold/{n}", ("04",), "04" if n < right else "15", round(0.99 - n / 40, 4)) for n in range(20)
    )
    return Scorecard(version, {"gold.level1": answers}).to_json()


@pytest.fixture(scope="module")
def bundles(bundle, tmp_path_factory):
    """The tiny bundle under four names."""
    folder = tmp_path_factory.mktemp("bundles")
    for version in ("v1", "v2", "v3"):
        save_bundle(bundle, folder / version, version)
    old = {name: value for name, value in bundle.report.items() if name != "held_out"}
    save_bundle(replace(bundle, report=old), folder / "v0", "v0")
    return folder


@pytest.fixture
def registry(bundles, settings, tmp_path, monkeypatch) -> Registry:
    """v1 in use; v2 passed against it, v3 was refused, v0 is of before curves were kept."""
    # Bundles never change: linked, not copied. A test that spoils one puts another file in its place.
    found = Registry(shutil.copytree(bundles, tmp_path / "models", copy_function=os.link))
    for version, right, passed, reasons in (("v2", 16, True, ["各类都不差"]), ("v3", 9, False, [_REASON])):
        cards = {"candidate": _card(version, right), "incumbent": _card("v1", 18)}
        found.write_scorecards(version, cards)
        verdict = {"version": version, "parent": "v1", "passed": passed, "reasons": reasons, "changes": []}
        found.write_verdict(version, verdict)
    found.promote("v1")
    monkeypatch.setattr(settings, "models", found.root)
    return found


@pytest.fixture
def live(registry, settings) -> Iterator[Live]:
    return Live(registry.root, settings.directory)


@pytest.fixture
def at_work(monkeypatch):
    """A retraining that starts is one at work, until the test ends."""
    held = []
    monkeypatch.setattr(
        "api.retrain.spawn", lambda settings, command, descriptor: held.append(os.dup(descriptor))
    )
    yield
    for descriptor in held:
        os.close(descriptor)


def _replace(path, content):
    path.unlink()
    path.write_text(content)


def _said(answer):
    text = re.sub(r"<(script|style|title).*?</\1>|<[^>]*>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", text).strip()


def _trail(service):
    with service.store.read() as connection:
        assert broken_at(connection) is None
        return [(e.action, e.user, e.detail) for e in entries(connection) if e.action != Action.DECIDED]


def _decide(http, **decision):
    petition = http.submit(_TEXT)
    answer = http.post(f"/v1/petitions/{petition}/decisions", decision or {"category": "040206"})
    assert answer.status_code == 201
    return petition


def test_what_is_in_use_since_when_and_what_there_is(desk, registry):
    said = _said(desk("auditor").get("/models"))
    assert "启用人 命令行" in said
    assert all(version in said for version in registry.versions())
    assert said.count("没有通过检验") == 1
    assert _REASON in said
    assert "没有做启用前检验" in said
    assert "现在不用重新训练" in said
    assert "本进程" not in said, "it answers with the version that is in use"
    assert (said.count("还没有重新训练过"), said.count("没有训练过")) == (1, 0)
    assert "没有随机抽取的信访件" in said
    assert "开始重新训练" not in said, "an auditor may look only"
    assert "开始重新训练" in _said(desk("admin").get("/models"))


def test_new_decisions_are_counted_until_a_run_has_seen_them(desk, http, registry, service):
    for _ in range(2):
        petition = _decide(http)
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "15"})
    page = desk("reviewer").get("/models")
    assert "有 2 件新认定，可以重新训练" in _said(page), "a petition decided on twice is one"
    http.post(f"/v1/petitions/{petition}/undo", {"reason": "认错了"})
    seen = Run(state=State.REFUSED, parent="v1", version="v3", newest="2/0/0/0", started_at=moment())
    RunState(registry.root).write(seen)
    assert "新认定" not in _said(desk("reviewer").get("/models"))
    _decide(http)
    assert "有 1 件新认定" in _said(desk("reviewer").get("/models"))


def test_what_the_version_in_use_has_learnt_is_not_new(desk, http, registry, bundle):
    _decide(http)
    lineage = {
        "parent": "v1",
        "snapshot": "0" * 64,
        "last_decision": moment().replace("+00:00", ".999999+00:00"),
    }
    save_bundle(replace(bundle, report=bundle.report | {"lineage": lineage}), registry.root / "v4", "v4")
    registry.promote("v4")
    said = _said(desk().get("/models"))
    assert "新认定" not in said
    assert "种子语料和本单位的认定（到 20" in said


def test_promotion_tells_what_changes_moves_once_and_is_on_record(desk, registry, live, service):
    admin = desk()
    live.look()
    said = _said(admin.get("/models/v2/promote"))
    assert "现在使用 v1 换成 v2 检验结论 通过检验" in said
    assert "各类都不差" in said
    assert "环境保护" in said.partition("会变差的类")[2]
    for _ in range(2):
        answer = admin.post("/models/v2/promote", {"expected": "v1"})
        assert answer.status_code == 303
    assert answer.headers["location"] == "/models?done=model-already"
    assert [(move.version, move.by) for move in registry.history()] == [("v1", "命令行"), ("v2", "admin")]
    assert _trail(service) == [(Action.PROMOTED, "admin", {"version": "v2", "before": "v1"})]
    page = admin.get("/models?done=model-promoted")
    assert "约两秒内换上" in page.text
    assert "启用的是 v2 ，本进程还在用 v1" in _said(page)
    assert "data-running" in admin.get("/models/serving").text
    live.look()
    assert 'data-state="done"' in admin.get("/models/serving").text


def test_somebody_else_was_quicker(desk, registry, service):
    admin = desk()
    page = admin.get("/models/v2/promote")
    assert 'name="expected" value="v1"' in page.text
    registry.promote("v0")
    answer = admin.post("/models/v2/promote", {"expected": "v1"})
    assert answer.status_code == 409
    assert "已不是 v1，而是 v0" in _said(answer)
    assert 'name="expected" value="v0"' in answer.text, "the page shows how it is now"
    assert "检验时与它比较的是 v1" in _said(answer)
    assert admin.post("/models/v2/promote").status_code == 409, "a form must say what it replaces"
    assert (registry.active_version(), _trail(service)) == ("v0", [])


def test_a_refused_version_stays_out_and_the_page_says_why(desk, registry, service):
    admin = desk()
    page = admin.get("/models/v3/promote")
    assert page.status_code == 200
    assert "没有通过检验，不能启用" in _said(page)
    assert _REASON in page.text
    assert "确认启用" not in page.text
    answer = admin.post("/models/v3/promote", {"expected": "v1"})
    assert (answer.status_code, registry.active_version(), _trail(service)) == (409, "v1", [])
    assert "启用…" not in admin.get("/models/v3").text
    assert "/models/v3/promote" not in admin.get("/models").text


def test_a_version_that_does_not_load_is_told(desk, registry):
    _replace(registry.root / "v2" / "taxonomy.csv", "x")
    answer = desk().post("/models/v2/promote", {"expected": "v1"})
    assert (answer.status_code, registry.active_version()) == (503, "v1")
    assert "没有执行" in _said(answer)
    assert desk().post("/models/none/promote", {"expected": "v1"}).status_code == 404
    assert desk().get("/models/none").status_code == 404


def test_rollback_is_asked_once_more_and_goes_back_once(desk, registry, service):
    admin = desk()
    said = _said(admin.get("/models/rollback"))
    assert "没有可以退回的上一个模型" in said
    assert "确认退回" not in said
    assert admin.post("/models/rollback", {"expected": "v1"}).status_code == 409
    registry.promote("v2")
    assert "现在使用 v2 退回到 v1" in _said(admin.get("/models/rollback"))
    assert admin.post("/models/rollback", {"expected": "v2"}).headers["location"].endswith("rolled-back")
    again = admin.post("/models/rollback", {"expected": "v2"})
    assert (again.status_code, registry.active_version()) == (409, "v1")
    assert _trail(service) == [(Action.ROLLED_BACK, "admin", {"version": "v1", "before": "v2"})]


def test_the_api_leaves_the_same_record(http, registry, service, at_work):
    http.post("/v1/models/v2/promote")
    http.post("/v1/models/rollback?expected=v2")
    http.post("/v1/retrain")
    http.request("DELETE", "/v1/retrain")
    assert _trail(service)[::-1] == [
        (Action.PROMOTED, "admin", {"version": "v2", "before": "v1"}),
        (Action.ROLLED_BACK, "admin", {"version": "v1", "before": "v2"}),
        (Action.RETRAINED, "admin", {}),
        (Action.RETRAINED, "admin", {"cancelled": True}),
    ]


def test_one_retraining_at_a_time_and_it_can_be_cancelled(desk, registry, service, at_work):
    admin = desk()
    assert admin.post("/models/retrain").headers["location"] == "/models#retrain"
    second = admin.post("/models/retrain")
    assert second.status_code == 409
    assert "已有一次重新训练在进行" in _said(second)
    assert "取消训练" in second.text
    assert "data-running" in admin.get("/models/retrain/progress").text
    assert admin.post("/models/retrain/cancel").status_code == 303
    assert "已经要求取消" in admin.get("/models").text
    assert [(action, detail) for action, _, detail in _trail(service)] == [
        (Action.RETRAINED, {"cancelled": True}),
        (Action.RETRAINED, {}),
    ]


def test_cancelling_what_has_ended_shows_how_it_ended(desk, registry, service):
    assert desk().post("/models/retrain/cancel").status_code == 303
    assert _trail(service) == []


def test_progress_in_steps(desk, registry):
    files = RunState(registry.root)
    steps = (Step("导出认定"), Step("检验新旧两个模型", 30, 400), Step("写入模型"))
    with files.held():
        files.write(Run("1", State.RUNNING, "王芳", moment(), steps=steps[:2], message=""))
        shown = desk("reviewer").get("/models/retrain/progress")
        assert 'max="400" value="30"' in shown.text
        assert "导出认定 完成 检验新旧两个模型 30 / 400" in _said(shown)
        assert "由 王芳 开始" in _said(shown)
        files.write(Run("1", State.RUNNING, "王芳", moment(), steps=steps, message=""))
        assert '<progress aria-label="写入模型">' in desk("reviewer").get("/models/retrain/progress").text
    assert "中途没有了" in desk("reviewer").get("/models/retrain/progress").text


@pytest.mark.parametrize(("state", "version"), [(State.PASSED, "v2"), (State.REFUSED, "v3")])
def test_the_outcome_with_its_reasons(desk, registry, state, version):
    verdict = {
        "version": version,
        "passed": state is State.PASSED,
        "reasons": [_REASON],
        "changes": ["变好的有：甲"],
    }
    run = Run("1", state, "admin", moment(), moment(), version=version, parent="v1", verdict=verdict)
    RunState(registry.root).write(run)
    page = desk().get("/models")
    assert 'data-state="done"' in desk().get("/models/retrain/progress").text
    assert f'href="/models/{version}"' in page.text
    said = _said(page)
    assert said.count(_REASON) >= 1
    assert "变好的有：甲" in said
    assert ("查看并启用 v2" in said) is (state is State.PASSED)


def test_one_version_with_its_curves(desk, registry, bundle):
    page = desk("auditor").get("/models/v2")
    assert page.text.count('role="img"') == 2
    assert "弃权线：把握" in page.text
    said = _said(page)
    assert "训练时留出" in said
    assert "自带检验件（20 件）" in said
    assert re.search(r"超过这条线的建议占 \d+%，其中 (9[5-9]|100)% 是对的", said)
    assert "姓名、性别、民族" in said
    row = next(iter(bundle.report["held_out"]["classes"]))
    assert bundle.taxonomy.path(row) in said
    assert "启用…" not in page.text, "an auditor may look only"
    assert "启用…" in desk().get("/models/v2").text


def test_an_older_version_says_that_it_has_no_curves(desk, registry):
    page = desk().get("/models/v0")
    assert "没有画曲线用的数" in page.text
    assert '<svg class="chart"' not in page.text
    broken = json.loads((registry.root / "v0" / "report.json").read_text())
    broken["held_out"] = {"level1": {"n": "x"}, "classes": [3]}
    _replace(registry.root / "v0" / "report.json", json.dumps(broken))
    assert "没有画曲线用的数" in desk().get("/models/v0").text


def test_doubtful_decisions_link_to_the_petitions_one_may_see(desk, http, registry, service, administrator):
    harmless, secret = _decide(http), _decide(http, kind="检举控告")
    verdict = registry.verdict("v2")
    verdict["suspicious"] = [
        {"id": id_, "task": "level1", "given": "04", "likely": "15", "probability": 0.9}
        for id_ in (secret, harmless, "gone")
    ]
    registry.write_verdict("v2", verdict)
    page = desk("reviewer").get("/models/v2")
    assert f'href="/petitions/{harmless}"' in page.text
    assert "像是标错的认定 2 条" in page.text
    assert "gone" not in page.text
    assert "一级分类 环境保护" in _said(page)
    for viewer, expected in ((administrator, [secret, harmless]), (PRINTED, [harmless])):
        found, count = doubtful(service, verdict, viewer, 50)
        assert ([line.petition_id for line in found], count) == (expected, len(expected))


def test_as_many_queries_for_fifty_as_for_five(desk, http, registry, service):
    ids = [_decide(http) for _ in range(3)]
    found = []
    for many in (5, 50):
        verdict = registry.verdict("v2")
        verdict["suspicious"] = [
            {"id": ids[n % 3], "task": "kind", "given": "咨询", "likely": "申诉求决", "probability": 0.9}
            for n in range(many)
        ]
        registry.write_verdict("v2", verdict)
        someone, asked = desk(), []

        def count(*arguments, asked=asked):
            asked.append(arguments[2])

        event.listen(service.store.engine, "before_cursor_execute", count)
        for path in ("/models", "/models/v2", "/models/v2/promote"):
            assert someone.get(path).status_code == 200
        event.remove(service.store.engine, "before_cursor_execute", count)
        found.append(len(asked))
    assert found[0] == found[1] <= 20


def test_comparing_is_done_when_asked_for(desk, registry, monkeypatch):
    someone, asked = desk("auditor"), []

    def compare(settings, before, after):
        asked.append((before, after))
        change = AnswerChange("04-001", ("环境保护", "劳动保障"), ("咨询", "咨询"))
        return Difference(before, after, {}, (), 20, (change,))

    monkeypatch.setattr("api.models.compare", compare)
    monkeypatch.setattr("api.models.gold_titles", lambda settings: {"04-001": "河水发黑"})
    assert "开始比较" in someone.get("/models/compare?before=v1&after=v2").text
    assert asked == []
    said = _said(someone.get("/models/compare?before=v1&after=v2&go=1"))
    assert asked == [("v1", "v2")]
    assert "20 件里，1 件的回答变了" in said
    assert "河水发黑 04-001 环境保护 → 劳动保障" in said
    assert someone.get("/models/compare?before=v1&after=v1&go=1").status_code == 422


def test_what_got_better_and_worse_and_which_texts_changed(desk, registry, bundle):
    """Asks two models for real, on the tiny gold set's branches among the whole one."""
    said = _said(desk().get("/models/compare?before=v1&after=v2&go=1"))
    assert "自带检验件，一级分类 20 18 16 −2" in said
    assert "变差 环境保护" in said
    assert "0 件的回答变了" in said, "they are one model under two names"


def test_a_second_comparison_is_told_and_an_unknown_version_too(desk, registry, monkeypatch):
    someone = desk()

    def again(*_):
        answer = someone.get("/models/compare?before=v1&after=v2&go=1")
        assert answer.status_code == 409
        assert "已有一次版本比较在进行" in _said(answer)
        return Difference("v1", "v2", {}, (), 0, ())

    monkeypatch.setattr("api.models.difference", again)
    assert someone.get("/models/compare?before=v1&after=v2&go=1").status_code == 200
    unknown = someone.get("/models/compare?before=v1&after=nothing&go=1")
    assert unknown.status_code == 404
    assert "开始比较" in unknown.text


def test_what_comes_in_has_a_page_and_a_part(desk, registry):
    someone = desk("auditor")
    assert 'data-live="/models/drift"' in someone.get("/models").text
    page = someone.get("/models/drift")
    assert "<h1>来件变了没有</h1>" in page.text
    assert "太少，不作判断" in page.text
    someone.headers["X-Fragment"] = "1"
    part = someone.get("/models/drift")
    assert "<html" not in part.text
    assert part.text.count('role="img"') == 4
    assert "data-running" not in part.text


def test_what_takes_seconds_is_kept_for_a_while(desk, registry, live, monkeypatch):
    worked_out = []
    monkeypatch.setattr("api.drift.health", lambda service: worked_out.append(1) or _drift(service))
    someone = desk("auditor")
    for _ in range(2):
        assert someone.get("/models/drift").status_code == 200
    assert len(worked_out) == 1
    registry.promote("v2")
    live.look()
    someone.get("/models/drift")
    assert len(worked_out) == 2, "another version is another matter"
    monkeypatch.setattr("api.drift.KEPT_SECONDS", -1.0)
    someone.get("/models/drift")
    assert len(worked_out) == 3


def test_pages_stand_without_a_model_in_use(desk, registry, live):
    (registry.root / "ACTIVE").unlink()
    page = desk().get("/models")
    assert page.status_code == 200
    assert "还没有启用的模型" in _said(page)
    assert desk().get("/models/v2").status_code == 200
    assert desk().post("/models/v2/promote", {"expected": ""}).headers["location"].endswith("promoted")
    assert registry.active_version() == "v2"


def test_nothing_that_the_policy_forbids(desk, registry):
    admin = desk()
    for path in (
        "/models",
        "/models/v2",
        "/models/compare",
        "/models/v2/promote",
        "/models/rollback",
        "/models/drift",
    ):
        assert not re.search(r'\s(style|on\w+)="|<script>|<style', admin.get(path).text), path
