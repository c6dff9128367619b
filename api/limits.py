"""Bounds on what one request may send, kept while it is read: a body without a length header is counted, not trusted."""

from __future__ import annotations

from contextlib import suppress

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors


class _TooLarge(Exception):
    pass


class BodyLimit:
    """Answers 413 to a request body of more than `most` bytes, before the application has parsed any of it."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._most:
            await self._refuse(scope, receive, send)
            return
        seen, over = 0, False

        async def counted() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                over = True
                raise _TooLarge
            return message

        async def unless_over(message: Message) -> None:
            # The framework answers 400 to any error while it reads a body: that answer is dropped, ours is sent.
            if not over:
                await send(message)

        with suppress(_TooLarge):
            await self._app(scope, counted, unless_over)
        if over:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"请求超过 {self._most} 字节。请分批发送。"
        response = errors.answer(Request(scope), 413, "body-too-large", text)
        await response(scope, receive, send)
