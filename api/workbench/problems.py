"""What goes wrong on a page becomes a page: what happened and what to do next, in words; a session that ended, the sign-in page."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from api.access import COOKIE, Clerk, SignedOutError, StaleFormError, get_service, known_session
from api.store.accounts import Session
from api.workbench import render
from api.workbench.contexts.base import ProblemPage, ResumePage
from api.workbench.pages.sign_in import clerk_of, keep, local, sign_in_page
from classifier.errors import FenbanError

_HEADINGS = {
    400: "请求无法识别",
    401: "没有登录",
    403: "没有权限",
    404: "没有找到",
    405: "不能这样打开",
    409: "刚有变化",
    413: "内容过长",
    415: "不支持的格式",
    422: "填写有误",
    429: "请稍候",
    503: "服务暂不可用",
}
#: Everything else is a page: what answers programs has addresses of its own.
_NOT_PAGES = ("/v1", "/healthz", "/readyz", "/metrics", "/docs", "/static", "/static-offline-docs")


def is_page(request: Request) -> bool:
    path = request.url.path
    return not any(path == other or path.startswith(f"{other}/") for other in _NOT_PAGES)


def is_fragment(request: Request) -> bool:
    """Whether script asks for a part of a page: it takes the status and one line."""
    return "X-Fragment" in request.headers


def problem(request: Request, status: int, text: str) -> Response:
    """The page of a problem, with the menu of who is signed in; one line for script."""
    if is_fragment(request):
        return PlainTextResponse(text, status)
    shown = ProblemPage(_HEADINGS.get(status, "出错"), text, status, "/")
    return render.page(request, _signed_in(request, status), shown, status)


def _signed_in(request: Request, status: int) -> Clerk | None:
    """Who asked, where that is known: an address that leads nowhere passed no check, and a service in trouble is asked nothing more."""
    service = get_service(request)
    session: Session | None = getattr(request.state, "session", None)
    if session is None and status < 500:
        with suppress(FenbanError):
            known = known_session(request, service)
            session = known[0] if known else None
    return clerk_of(service, session) if session is not None else None


async def signed_out(request: Request, error: SignedOutError) -> Response:
    """The sign-in page; what was typed into a form goes with it."""
    if is_fragment(request):
        return PlainTextResponse(str(error), 401)
    if request.method == "GET":
        onward = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        # Nobody who opens the first page for the first time has done anything wrong.
        said = {"done": "expired"} if COOKIE in request.cookies else {}
        return RedirectResponse(f"/sign-in?{urlencode({'onward': local(onward)} | said)}", 303)
    kept = keep((await request.form()).multi_items())
    return render.page(
        request,
        None,
        sign_in_page(get_service(request), local(request.url.path), kept, problem=str(error)),
        401,
    )


async def stale(request: Request, error: StaleFormError) -> Response:
    """The form again, to be sent by one press: somebody signed in anew, in another window perhaps, while it was filled in."""
    kept = () if is_fragment(request) else keep((await request.form()).multi_items())
    if not kept:
        return problem(request, 403, str(error))
    clerk = clerk_of(get_service(request), error.session)
    return render.page(request, clerk, ResumePage(local(request.url.path), kept), 403)
