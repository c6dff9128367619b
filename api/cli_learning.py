"""`fenban retrain` and `fenban models health`: what a timer starts and a person reads. Parses and shows; the work is in use cases.

Exit codes of `retrain`: 0 a version passed the gate, or there was nothing to learn; 1 could not, or was cancelled; 2 wrong usage;
3 the gate refused the version; 4 another retraining is at work.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from classifier.errors import AlreadyRunningError, FenbanError

_REFUSED, _RUNNING = 3, 4


def retrain(
    promote: Annotated[bool, typer.Option("--promote", help="通过检验就立即启用；不写则由人启用")] = False,
    run: Annotated[str, typer.Option("--run", hidden=True)] = "",
    lock: Annotated[int | None, typer.Option("--lock", hidden=True)] = None,
) -> None:
    """用人的认定重新训练一次，经检验存为新版本。适合定时运行；同时只能有一次。

    退出码：0 通过，或没有新的认定；1 没有完成，或被取消；3 没有通过检验；4 已有一次在进行。
    """
    from api.retrain import retrain as run_it
    from api.run_state import RunState, State, Step
    from api.service import open_service
    from api.settings import get_settings

    said: list[str] = []

    def show(step: Step) -> None:
        if step.step not in said[-1:]:
            typer.echo(step.step, err=True)
            said.append(step.step)

    settings = get_settings()
    try:
        service = open_service(settings)
    except FenbanError as problem:
        if run:
            # Nobody reads what a run begun over HTTP prints: whoever began it looks at its state.
            files = RunState(settings.models)
            files.write(files.read().ended(State.FAILED, str(problem)))
        raise
    try:
        with _terminated_as_interrupted():
            done = run_it(service, show, promote, run, lock)
    except AlreadyRunningError as problem:
        typer.echo(f"fenban: {problem}", err=True)
        raise typer.Exit(_RUNNING) from None
    except KeyboardInterrupt:
        raise FenbanError("训练被中断。") from None
    finally:
        service.close()
    if done.state in {State.FAILED, State.CANCELLED}:
        raise FenbanError(done.message)
    typer.echo(done.message)
    if done.state is State.REFUSED:
        raise typer.Exit(_REFUSED)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, as a service manager sends it, and SIGINT, which a shell may have switched off for what it runs in the background, end the
    run alike: child and folder go first."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def health(
    weeks: Annotated[int, typer.Option("--weeks", min=1, max=26, help="看最近几个七天")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="按 JSON 输出")] = False,
) -> None:
    """模型还合不合用：近来的来件与训练时比，类别、把握、新词、改判率变了没有。不含检举控告件。"""
    import json

    from api.drift import health as look
    from api.drift import in_words
    from api.service import open_service
    from api.settings import get_settings

    service = open_service(get_settings())
    try:
        found = look(service, weeks)
    finally:
        service.close()
    text = json.dumps(found, ensure_ascii=False, default=lambda moment: moment.isoformat())
    typer.echo(text if as_json else in_words(found), nl=as_json)
