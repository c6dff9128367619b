"""What the documentation promises: every setting, every problem type, every endpoint; and lists that mirror each other."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from api.errors import status_of
from api.settings import Settings, get_settings
from classifier import errors
from classifier.errors import FenbanError

_ROOT = Path(__file__).parents[2]


def _table(document: str) -> dict[str, list[str]]:
    """The rows of a document's tables by their first cell, code marks removed."""
    rows = {}
    for line in (_ROOT / "docs" / document).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) > 1:
            rows[cells[0]] = cells[1:]
    return rows


def test_every_setting_is_documented_with_its_default():
    documented = {name: row[0] for name, row in _table("deployment.md").items() if name.startswith("FENBAN_")}
    defaults = {}
    for name, field in Settings.model_fields.items():
        value = field.default.get_secret_value() if name == "key" else field.default
        defaults[f"FENBAN_{name.upper()}"] = str(value) or "empty"
        assert field.description, name
    assert documented == defaults


def test_no_document_names_a_setting_there_is_not():
    known = {f"FENBAN_{name.upper()}" for name in Settings.model_fields} | {"FENBAN_TEST_POSTGRES"}
    pages = [_ROOT / "README.md", _ROOT / "CONTRIBUTING.md", *(_ROOT / "docs").rglob("*.md")]
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r"FENBAN_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8"))
    }
    assert {(page, name) for page, name in named if name not in known} == set()


def test_every_problem_type_is_documented_with_its_status():
    classes = {cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FenbanError)}
    expected = {cls.code: str(status_of(cls("x"))) for cls in classes}
    documented = {code: row[0] for code, row in _table("api.md").items() if code in expected}
    assert documented == expected
    assert "body-too-large" in _table("api.md")


def test_every_endpoint_is_documented(app):
    documented = " ".join(_table("api.md"))
    for path in app.openapi()["paths"]:
        assert re.sub(r"{\w+_id}", "{id}", path) in documented, path


def test_development_requirements_mirror_the_project():
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (_ROOT / "requirements" / "dev.in").read_text(encoding="utf-8").splitlines()
    listed = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "-"))]
    assert sorted(listed) == sorted(project["dependency-groups"]["dev"])


def test_locks_hold_hashes_and_no_address():
    for lock in sorted((_ROOT / "requirements").glob("*.txt")):
        text = lock.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9][\w.\[\]-]*==", text, re.MULTILINE | re.IGNORECASE)
        assert len(pinned) > 5, lock.name
        assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", text), lock.name
        blocks = re.split(r"^(?=[a-z0-9][\w.\[\]-]*==)", text, flags=re.MULTILINE | re.IGNORECASE)[1:]
        assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("FENBAN_PORT", "9001")
    monkeypatch.setenv("FENBAN_DATA_DIR", "/srv/fenban")
    monkeypatch.setenv("FENBAN_UNKNOWN", "x")
    get_settings.cache_clear()
    try:
        settings = get_settings()
    finally:
        get_settings.cache_clear()
    assert settings.port == 9001
    assert settings.url == "sqlite:////srv/fenban/fenban.db"
    assert settings.key_file == Path("/srv/fenban/fenban.key")
    assert settings.admin_file.parent == settings.key_file.parent


def test_the_key_is_not_shown():
    settings = Settings(key="c2VjcmV0LXNlY3JldA==")
    assert "c2VjcmV0" not in f"{settings!r} {settings} {settings.model_dump()}"


@pytest.mark.parametrize(("name", "value"), [("port", -1), ("port", 65_536), ("max_body_bytes", 0)])
def test_settings_out_of_bounds(name, value):
    with pytest.raises(ValueError, match=name):
        Settings(**{name: value})
