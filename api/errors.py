"""Each error of the kernel as one documented problem type (RFC 9457). A problem says what to do next and carries no petition text."""

from __future__ import annotations

import re
import traceback
from http import HTTPStatus
from typing import Protocol

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from classifier.errors import (
    AccessError,
    BundleError,
    BundleRefusedError,
    ConflictError,
    EmptyTextError,
    FenbanError,
    ForbiddenError,
    IdempotencyError,
    InputError,
    NotFoundError,
    SecretError,
    StoreError,
    StoreUnavailableError,
    TextTooLongError,
    ThrottledError,
    UnauthenticatedError,
    UnknownCodeError,
)

PROBLEM_JSON = "application/problem+json"

#: HTTP status of each kind of error; the nearest ancestor counts.
STATUS: dict[type[FenbanError], int] = {
    InputError: 422,
    EmptyTextError: 422,
    TextTooLongError: 413,
    UnknownCodeError: 422,
    UnauthenticatedError: 401,
    ForbiddenError: 403,
    ThrottledError: 429,
    AccessError: 403,
    NotFoundError: 404,
    IdempotencyError: 409,
    ConflictError: 409,
    BundleError: 503,
    BundleRefusedError: 409,
    SecretError: 503,
    StoreUnavailableError: 503,
    StoreError: 500,
    FenbanError: 500,
}

TITLES: dict[int, str] = {
    400: "请求无法识别",
    401: "没有有效凭证",
    403: "没有权限",
    404: "没有找到",
    405: "不支持这种请求方法",
    409: "冲突",
    413: "内容过长",
    415: "不支持的内容类型",
    422: "内容有误",
    429: "尝试太多",
    500: "服务出错",
    503: "服务暂不可用",
}

_log = structlog.get_logger("fenban")


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """`type` is stable: `urn:fenban:problem:<code>`."""
    body = {
        "type": f"urn:fenban:problem:{code}",
        "title": TITLES.get(status, "出错"),
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status, headers, PROBLEM_JSON)


def status_of(error: FenbanError) -> int:
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


class Pages(Protocol):
    """How a problem looks on a page; the workbench says."""

    def is_page(self, request: Request) -> bool: ...

    def problem(self, request: Request, status: int, text: str) -> Response: ...


def answer(
    request: Request, status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """What programs ask gets a problem, a page gets a page."""
    pages: Pages = request.app.state.pages
    if pages.is_page(request):
        return pages.problem(request, status, detail)
    return problem(status, code, detail, headers)


def install(app: FastAPI, pages: Pages) -> None:
    """Give `app` its error handlers."""
    app.state.pages = pages

    @app.exception_handler(FenbanError)
    def known(request: Request, error: FenbanError) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthenticatedError) else None
        return answer(request, status_of(error), error.code, str(error), headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        # Only where and what kind: pydantic's own text would repeat the input.
        found = error.errors()
        first = found[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "请求体"
        more = f"，另有 {len(found) - 1} 处" if len(found) > 1 else ""
        reason = _reason(first["type"], first.get("ctx", {}))
        return answer(request, 422, "bad-input", f"“{where[:80]}”有误：{reason}{more}。")

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        status = error.status_code
        if pages.is_page(request):
            return pages.problem(
                request,
                status,
                "没有这个页面。请检查地址，或回到首页。"
                if status == 404
                else f"{TITLES.get(status, '出错')}。",
            )
        detail = TITLES.get(status, "出错") + "。请对照 /docs 检查地址和方法。"
        headers = dict(error.headers or {})
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names the methods of the first route of this address only.
            headers["Allow"] = ", ".join(_methods(request)) or headers.get("Allow", "")
        return problem(status, f"http-{status}", detail, headers)


def _methods(request: Request) -> list[str]:
    """What may be done with this address, as the interface describes it; an address that stands there word for word is no id of another."""
    paths: dict[str, dict[str, object]] = request.app.openapi()["paths"]
    path = request.url.path
    if path in paths:
        fitting = [path]
    else:
        fitting = [
            template
            for template in paths
            if re.fullmatch("[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", template))), path)
        ]
    return sorted({method.upper() for template in fitting for method in paths[template]})


def unexpected(request: Request, error: Exception) -> Response:
    """The answer to an exception nobody raised on purpose.

    Its message may hold anything, also petition text, and a server prints what it is given: it ends here, and only
    its type and place are logged.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error("unexpected", error=type(error).__name__, at=f"{frame.filename}:{frame.lineno}")
    return answer(request, 500, "error", "服务内部出错，这次没有存上。请联系管理员查看日志。")


def _reason(kind: str, context: dict[str, object]) -> str:
    reasons = {
        "missing": "没有填写",
        "json_invalid": "不是合法的 JSON",
        "extra_forbidden": "没有这个字段",
        "too_long": f"最多 {context.get('max_length')} 项",
        "too_short": f"至少 {context.get('min_length')} 项",
        "string_too_long": f"最多 {context.get('max_length')} 个字符",
        "string_too_short": f"至少 {context.get('min_length')} 个字符",
        "greater_than_equal": f"不能小于 {context.get('ge')}",
        "less_than_equal": f"不能大于 {context.get('le')}",
        "enum": "不在可用的取值里",
        "literal_error": "不在可用的取值里",
    }
    return reasons.get(kind, "类型或格式不对")
