"""Running the service: check everything that can be checked before listening, say what to open, then serve."""

from __future__ import annotations

import shutil
import sys

import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.progress import Progress

from api import demo
from api.accounts import first_link
from api.app import create_app
from api.memory import give_back_what_is_freed
from api.service import open_service
from api.settings import Settings, get_settings
from api.store.clock import now


def run(workers: int) -> None:
    """Serve until stopped. Raises FenbanError when database, key, model or directory are not in order."""
    give_back_what_is_freed()
    get_settings.cache_clear()
    settings = get_settings()
    if settings.demo:
        _make_demo(settings)
    service = open_service(settings)
    _announce(settings, service.live.engine().bundle.version, service.problem(), first_link(service))
    options = {"host": settings.host, "port": settings.port, "access_log": False, "log_level": "warning"}
    # Who watches a retraining holds a connection open: it must not keep the service from stopping.
    options |= {"timeout_graceful_shutdown": 10}
    if workers == 1:
        uvicorn.run(create_app(settings, service), **options)  # type: ignore[arg-type]
    else:
        service.close()
        uvicorn.run("api.server:worker", factory=True, workers=workers, **options)  # type: ignore[arg-type]


def worker() -> FastAPI:
    """The application in a process of its own, one of several."""
    give_back_what_is_freed()
    return create_app()


def _make_demo(settings: Settings) -> None:
    """Write the demo office's past, once, under a progress bar. It appears whole: one cut off is begun again."""
    if settings.data_dir.exists():
        return
    aside = settings.data_dir.with_name(f"{settings.data_dir.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    stories = demo.read_stories(settings.corpora / "demo", now())
    service = open_service(settings.model_copy(update={"data_dir": aside}))
    console = Console(stderr=True)
    with Progress(*Progress.get_default_columns(), console=console, transient=True) as bars:
        bar = bars.add_task("准备演示单位", total=len(stories))
        demo.fill(service, stories, lambda: bars.advance(bar))
    service.close()
    aside.rename(settings.data_dir)


def _announce(settings: Settings, version: str, problem: str | None, link: str | None) -> None:
    address = f"http://{settings.host}:{settings.port}"
    lines = [f"fenban 已就绪，模型 {version}。", f"打开  {address}/", f"接口  {address}/docs"]
    if settings.demo:
        names = "、".join(name for name, _, _ in demo.ACCOUNTS)
        lines.append(f"演示  用户名 {names}，密码都是 {demo.PASSWORD}")
    elif link is not None:
        lines.append("演示  想先看看，可以另开一个演示单位：fenban serve --demo")
        lines.append(f"首次登录  {address}{link}")
        lines.append("（管理员 admin 的一次性链接，三天内有效；用它设置密码）")
    if settings.admin_file.exists():
        key = settings.admin_file.read_text(encoding="ascii").strip()
        lines.append(f"凭证  {key}")
        lines.append(f"（管理员凭证，存于 {settings.admin_file}；请妥善保管，交接后可删除该文件）")
    else:
        lines.append("凭证  用 fenban users key 用户名 发新凭证")
    lines += [f"注意  {problem}"] if problem else []
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
