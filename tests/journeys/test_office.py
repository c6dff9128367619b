"""What an office's administrator does on the command line: directory, users, models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.store.session import Store
from api.store.users import Role, authenticate
from classifier.bundle import Bundle, load_bundle
from classifier.errors import UnauthenticatedError
from classifier.registry import Registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["county", "township", "company"])
def test_the_shipped_directories_have_no_problem(fenban, name: str) -> None:
    done = fenban("directory", "check", ROOT / "corpora" / "units" / name)
    assert f"目录 {name} 没有问题" in done.text
    assert done.err == b""


def test_every_problem_of_a_directory_has_a_line_of_its_own(fenban) -> None:
    folder = shutil.copytree(ROOT / "corpora" / "units" / "county", fenban.folder / "mine")
    lines = {}
    for name, row in (
        ("units.csv", "housing,住建局二,,维修,,"),
        ("categories.csv", "9999,nobody,主管,随便写"),
        ("districts.csv", "D99,新区,,nobody"),
        ("rules.csv", "R999,高,,,表扬,,,petition_office,主办,没有道理"),
    ):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(row + "\n")
        lines[name] = len((folder / name).read_text(encoding="utf-8-sig").splitlines())
    *problems, last = fenban("directory", "check", folder, code=1).said.splitlines()
    assert sorted(problems) == sorted(
        [
            f"units.csv 第 {lines['units.csv']} 行：单位 id“housing”重复",
            f"categories.csv 第 {lines['categories.csv']} 行：分类代码“9999”不在分类表里",
            f"categories.csv 第 {lines['categories.csv']} 行：单位“nobody”不在 units.csv 里",
            f"categories.csv 第 {lines['categories.csv']} 行：角色“主管”应为 主办 或 协办",
            f"districts.csv 第 {lines['districts.csv']} 行：单位“nobody”不在 units.csv 里",
            f"rules.csv 第 {lines['rules.csv']} 行：优先级“高”不是整数",
            f"rules.csv 第 {lines['rules.csv']} 行：诉求类型“表扬”不存在",
        ]
    )
    assert last.startswith("fenban: ")
    assert "另有 2 处" in last


def test_a_directory_that_is_not_there(fenban) -> None:
    assert "找不到单位目录 nowhere" in fenban.refuses("directory", "check", "nowhere")


def test_a_user_from_first_key_to_the_door(fenban) -> None:
    first = fenban("users", "add", "张三", "--role", "reviewer").text.strip()
    assert "已经存在" in fenban.refuses("users", "add", "张三")
    second = fenban("users", "key", "张三").text.strip()
    assert first != second
    assert len(first) > 40
    store = Store(f"sqlite:///{fenban.folder / 'data' / 'fenban.db'}")
    with store.read() as connection:
        for key in (first, second):
            user = authenticate(connection, key)
            assert (user.name, user.role) == ("张三", Role.REVIEWER)
    fenban("users", "disable", "张三")
    for key in (first, second):
        with store.read() as connection, pytest.raises(UnauthenticatedError):
            authenticate(connection, key)
    store.close()
    assert first.encode() not in (fenban.folder / "data" / "fenban.db").read_bytes()


def test_a_user_of_a_unit(fenban) -> None:
    """The unit may be given by any of its names; what is kept is its id."""
    key = fenban("users", "add", "承办甲", "--role", "unit", "--unit", "城管局").text.strip()
    store = Store(f"sqlite:///{fenban.folder / 'data' / 'fenban.db'}")
    with store.read() as connection:
        user = authenticate(connection, key)
    store.close()
    assert (user.role, user.unit) == (Role.UNIT, "urban_management")
    assert "不存在的局" in fenban.refuses("users", "add", "乙", "--role", "unit", "--unit", "不存在的局")
    assert "--unit" in fenban("users", "add", "丙", "--role", "unit", code=2).said
    assert "--unit" in fenban("users", "add", "丁", "--role", "intake", "--unit", "城管局", code=2).said


@pytest.fixture(scope="module")
def two_versions(
    make_fenban: Callable[[Path], Any],
    models: Path,
    tmp_path_factory: pytest.TempPathFactory,
    seed_rows: list[dict[str, str]],
    write_csv: Callable[..., Path],
) -> tuple[Path, str]:
    """A registry after `fenban train` on an office's own file, and what the run said."""
    folder = tmp_path_factory.mktemp("office")
    shutil.copytree(models, folder / "models")
    chosen = [row for row in seed_rows if row["category"][:2] in {"04", "15"}][::4]
    rows = [{"内容": row["text"], "分类": row["category"]} for row in chosen]
    path = write_csv(folder / "标注.csv", [*rows, {"内容": "表扬信", "分类": "火星事务"}])
    done = make_fenban(folder)("train", "--data", path, "--no-seed", models=folder / "models")
    assert done.out == b""
    return folder / "models", done.said


@pytest.fixture
def registry(two_versions: tuple[Path, str], tmp_path: Path) -> Registry:
    """The two versions, in a copy the test may change."""
    return Registry(shutil.copytree(two_versions[0], tmp_path / "two"))


def _new(registry: Registry, old: str) -> str:
    (version,) = set(registry.versions()) - {old}
    return version


def test_training_adds_a_version_and_leaves_the_active_one(
    two_versions: tuple[Path, str], bundle: Bundle
) -> None:
    folder, said = two_versions
    new = _new(Registry(folder), bundle.version)
    assert Registry(folder).active().name == bundle.version
    assert load_bundle(folder / new).report["data"] == ["标注.csv"]
    assert f"模型 {new} 已写入" in said
    assert "未启用" in said
    assert "标注.csv：1 行用不上" in said
    assert "火星事务" in said


def test_models_are_listed_shown_promoted_and_rolled_back(fenban, registry: Registry, bundle: Bundle) -> None:
    old, new = bundle.version, _new(registry, bundle.version)
    for active, command in ((old, ()), (new, ("promote", new)), (old, ("rollback",))):
        if command:
            assert active in fenban("models", *command, models=registry.root).text
        listed = fenban("models", "list", models=registry.root).text.splitlines()
        assert sorted(listed) == sorted(f"{'*' if v == active else ' '} {v}" for v in (old, new))
    card = fenban("models", "show", new, models=registry.root).text
    assert new in card
    assert "弃权" in card
    assert "局限" in card
    assert f"{load_bundle(registry.root / new).report['category']['accuracy']:.1%}" in card
    shown = json.loads(fenban("models", "show", new, "--json", models=registry.root).text)
    assert shown["version"] == new
    assert shown["seed"] is False
    assert shown["category"]["n"] == shown["petitions"]
    assert "没有模型 m0" in fenban.refuses("models", "promote", "m0", models=registry.root)


def test_a_damaged_version_is_neither_promoted_nor_rolled_back_to(
    fenban, registry: Registry, bundle: Bundle
) -> None:
    new = _new(registry, bundle.version)
    _damage(registry.root / new)
    pointers = {name: (registry.root / name) for name in ("ACTIVE", "PREVIOUS")}
    assert "与清单不符" in fenban.refuses("models", "promote", new, models=registry.root)
    assert registry.active().name == bundle.version
    registry.promote(new)  # as if it had been damaged later
    registry.promote(bundle.version)
    before = {name: path.read_text() for name, path in pointers.items()}
    assert "与清单不符" in fenban.refuses("models", "rollback", models=registry.root)
    assert {name: path.read_text() for name, path in pointers.items()} == before


def test_a_damaged_or_missing_model_is_said_in_one_line(fenban, own_models: Path) -> None:
    _damage(Registry(own_models).active())
    assert "拒绝加载" in fenban.refuses("triage", "厂里欠薪", models=own_models)
    assert "不是模型包" in fenban.refuses("triage", "厂里欠薪", "--model", fenban.folder)
    assert "还没有启用的模型" in fenban.refuses("serve", "--port", 0, models=fenban.folder / "none")


def _damage(folder: Path) -> None:
    """One bit of the weights."""
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-100] ^= 1
    weights.write_bytes(content)
