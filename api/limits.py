"""Bounds on what one request may send, kept while it is read: a body without a length header is counted, not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors


class _TooLarge(Exception):
    pass


#: What a browser sends around a file: boundaries, the other fields of the form.
FORM_BYTES = 64 * 1024


def keep_uploads_in_memory(most: int) -> None:
    """A form's file would go to a temporary file, in clear, from its second mebibyte on; now it stays in memory, which BodyLimit bounds."""
    MultiPartParser.spool_max_size = most + FORM_BYTES


class BodyLimit:
    """Answers 413 to a request body of more than `most` bytes, before the application has parsed any of it.

    `uploads` gives single paths another bound, in bytes of the one file that is posted there, and what is said beyond it.
    """

    def __init__(
        self, app: ASGIApp, most: int, uploads: Mapping[str, tuple[int, str]] = MappingProxyType({})
    ) -> None:
        self._app = app
        self._most = most
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most, text = self._most, f"请求超过 {self._most} 字节。请分批发送。"
        if scope["method"] == "POST" and scope["path"] in self._uploads:
            most, text = self._uploads[scope["path"]]
            most += FORM_BYTES
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > most:
            await self._refuse(text, scope, receive, send)
            return
        seen, over = 0, False

        async def counted() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
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
            await self._refuse(text, scope, receive, send)

    async def _refuse(self, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        response = errors.answer(Request(scope), 413, "body-too-large", text)
        await response(scope, receive, send)
