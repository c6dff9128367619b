"""A real server as a process: first credential to stored petition, stop and start, and the whole circle of learning."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from pathlib import Path

import pytest

from classifier.bundle import Bundle

_PETITION = {
    "title": "化工厂夜里偷排废气",
    "text": "我住在青石镇柏垭村，村口的宏达化工厂每天夜里偷排废气，味道刺鼻。请环保部门查处。我的电话13812345678。",
    "channel": "网络",
    "petitioner": {"name": "王小明", "phone": "13812345678"},
}


def test_a_server_from_first_start_to_second(fenban, serving) -> None:
    with serving(fenban) as server:
        admin = server.key
        assert admin
        assert admin == (fenban.folder / "data" / "admin.key").read_text().strip()
        server.ask("/v1/petitions", _PETITION, 401, Authorization="Bearer fenban_made-up")
        first = server.ask("/v1/petitions", _PETITION, 201, Idempotency_Key="desk-3-0001")
        again = server.ask("/v1/petitions", _PETITION, 200, Idempotency_Key="desk-3-0001")
        assert first["id"] == again["id"]
        assert first["suggestion"] == again["suggestion"]
        assert first["suggestion"]["categories"][0]["code"][:4] == "0402"
        # The port is taken: a second server must say so and leave the first alone.
        port = server.address.rsplit(":", 1)[1]
        assert f"127.0.0.1:{port} 不能监听" in fenban.refuses("serve", "--port", port)
        _, err = server.stop()
        assert server.process.returncode == 0
        assert "Traceback" not in err
        for secret in ("13812345678", "王小明", "柏垭村", admin):
            assert secret not in err  # the log

    with serving(fenban) as server:
        assert server.key == admin
        (kept,) = server.ask("/v1/petitions")["items"]
        assert kept["id"] == first["id"]
        assert "13812345678" not in json.dumps(kept)
        original = server.ask(f"/v1/petitions/{kept['id']}/original")
        assert original["text"] == _PETITION["text"]
        assert original["petitioner"]["name"] == "王小明"
        server.stop()
        assert server.process.returncode == 0


@pytest.mark.slow
def test_what_people_decide_becomes_the_next_model(
    fenban, own_models: Path, bundle: Bundle, seed_rows: list[dict[str, str]], serving
) -> None:
    """Intake, list, decide, return, export, train, promote: the running server goes on with the new model."""
    chosen = [row for row in seed_rows if row["category"][:2] in {"04", "15"}][::40]
    with serving(fenban, models=own_models) as server:
        ids = [
            server.ask("/v1/petitions", {"title": row["title"], "text": row["text"]}, 201)["id"]
            for row in chosen
        ]
        listed = server.ask("/v1/petitions?limit=200")["items"]
        assert [item["id"] for item in listed] == ids[::-1]  # newest first
        assert {item["status"] for item in listed} == {"待认定"}
        for petition_id, row in zip(ids, chosen, strict=True):
            decision = {
                "category": row["category"],
                "kind": row["kind"],
                "unit": row["unit_role"],
                "reason": "看过原件",
            }
            assert server.ask(f"/v1/petitions/{petition_id}/decisions", decision, 201)["status"] == "已认定"
        refusal = {"unit": chosen[0]["unit_role"], "reason": "不属于本单位职责"}
        returned = server.ask(f"/v1/petitions/{ids[0]}/returns", refusal, 201)
        assert (returned["status"], returned["returns"][0]["reason"]) == ("已退回", "不属于本单位职责")

        out = fenban.folder / "labels"
        assert f"已导出 {len(ids)} 条认定" in fenban("export", "labels", "-o", out, models=own_models).text
        lines = (out / "petitions.jsonl").read_text(encoding="utf-8").splitlines()
        labels = [json.loads(line) for line in lines]
        assert [row["id"] for row in labels] == ids
        assert [row["category"] for row in labels] == [row["category"] for row in chosen]
        assert labels[0]["unit"] == ""  # it was sent back: known to be wrong
        assert all(row["unit"] for row in labels[1:])
        assert {row["model_version"] for row in labels} == {bundle.version}

        fenban("train", "--labels", out, "--no-seed", "--promote", models=own_models)
        end = time.monotonic() + 30
        while (now := server.ask("/readyz")["model_version"]) == bundle.version:
            assert time.monotonic() < end, "the server does not follow"
            time.sleep(0.2)
        answer = server.ask("/v1/petitions", _PETITION, 201)["suggestion"]
        assert answer["model_version"] == now != bundle.version
        learnt = sha256((out / "manifest.json").read_bytes()).hexdigest()
        assert server.ask(f"/v1/models/{now}")["report"]["lineage"]["snapshot"] == learnt
        # What was suggested before stays as it was said.
        assert server.ask(f"/v1/petitions/{ids[1]}")["suggestion"]["model_version"] == bundle.version


@pytest.mark.slow
def test_a_correction_is_learnt_judged_promoted_and_rolled_back_over_http(
    fenban, own_models: Path, bicycle_letters, serving
) -> None:
    """Decide, retrain, read the verdict, promote: the same text answers as corrected; roll back: it answers as before."""
    text, letters = bicycle_letters
    corrected = "1501"

    def answer(server) -> tuple[str, str]:
        (found,) = server.ask("/v1/triage", {"petitions": [{"text": text}]})["results"]
        return found["model_version"], found["categories"][0]["code"][:4]

    def wait_for(server, version: str) -> None:
        end = time.monotonic() + 30
        while server.ask("/readyz")["model_version"] != version:
            assert time.monotonic() < end, "the server does not follow"
            time.sleep(0.2)

    with serving(fenban, models=own_models) as server:
        parent, before = answer(server)
        assert before != corrected
        for letter in letters:
            petition = server.ask("/v1/petitions", {"text": letter["text"]}, 201)["id"]
            decision = {"category": corrected, "kind": letter["kind"]}
            server.ask(f"/v1/petitions/{petition}/decisions", decision, 201)

        assert server.ask("/v1/retrain", {}, 202)["state"] == "running"
        end = time.monotonic() + 300
        while (run := server.ask("/v1/retrain"))["state"] == "running":
            assert time.monotonic() < end, run
            time.sleep(0.5)
        assert run["state"] == "passed", run
        made = server.ask(f"/v1/models/{run['version']}")
        assert made["verdict"]["passed"]
        assert made["report"]["lineage"]["parent"] == parent
        assert answer(server) == (parent, before)  # nobody has promoted it

        server.ask(f"/v1/models/{run['version']}/promote", {})
        wait_for(server, run["version"])
        assert answer(server) == (run["version"], corrected)
        changed = server.ask(f"/v1/models/diff?before={parent}&after={run['version']}")
        assert changed["series"]["gold.level1"]["cases"] > 30
        server.ask("/v1/models/rollback", {})
        wait_for(server, parent)
        assert answer(server) == (parent, before)
        # Nothing new was decided: nothing to learn.
        assert "没有新的认定" in fenban("retrain", models=own_models).text
