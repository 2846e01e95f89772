"""Sign-in to the console: at an issuer, or by a link that serves once. It ends in a session cookie, for which
`/console/token` gives a short-lived bearer token; nothing else reads it.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Literal
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from crm_graph.db import DATABASE_FAILURES
from crm_graph.errors import Unauthenticated, Unavailable
from crm_graph.messages import Locale, locale_of
from crm_graph.permissions.authentication import Principals
from crm_graph.permissions.issuers import IssuerRule
from crm_graph.permissions.rate_limits import TooManyWrong, WrongProofs
from crm_graph.permissions.sessions import could_be, end_session, open_session, start_session, use_link
from crm_graph.permissions.sign_in import ATTEMPT_LIFETIME_S, Attempt, SignInRefused, begin, finish
from crm_graph.permissions.store import utc_now
from crm_graph.permissions.tokens import FIRST_PARTY, issue_access_token
from crm_graph.web.oauth import address_of

PAGE_PATH = "/console"
SIGN_IN_PATH = f"{PAGE_PATH}/sign-in"
CALLBACK_PATH = f"{PAGE_PATH}/callback"
LINK_PATH = f"{PAGE_PATH}/link"
TOKEN_PATH = f"{PAGE_PATH}/token"
SIGN_OUT_PATH = f"{PAGE_PATH}/sign-out"
OWN_HEADER = "x-crm-graph-console"
"""What a page under `/console` sends with requests that use its session: no other site can, without being asked for."""

SameSite = Literal["lax", "strict"]

TOKEN_LIFETIME_S = 300
MAX_FORM_BYTES = 4_096
FORM_TIMEOUT_S = 10.0
WAIT_S = 5.0

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:15vh auto;padding:0 1rem;color:#1c2024}"
    "h1{font-size:1.25rem}a,button{display:block;width:100%;box-sizing:border-box;padding:.6rem 1rem;margin:.5rem 0;"
    "border:1px solid #8b8d98;border-radius:.4rem;background:#fff;color:inherit;font:inherit;text-align:center;"
    "text-decoration:none;cursor:pointer}a:focus-visible,button:focus-visible{outline:3px solid #0d74ce}"
)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_NO_STORE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS = {
    **_NO_STORE,
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    ),
}
_TEXTS: Mapping[str, tuple[str, str]] = {
    "title": ("Sign in to crm-graph", "登录 crm-graph"),
    "with": ("Sign in with {name}", "使用 {name} 登录"),
    "none": (
        "No issuer is set up for this page yet. An administrator can print a link: crm-graph sign-in-link --role admin",
        "尚未为本页面配置登录提供方。管理员可打印一次性链接：crm-graph sign-in-link --role admin",
    ),
    "link": ("Sign in", "登录"),
    "again": ("Try again", "重试"),
    "refused": ("You could not be signed in.", "登录未成功。"),
    "not_let_in": ("You have no role here. Ask an administrator.", "您在此没有角色，请联系管理员。"),
    "link_used": (
        "This link was used, or its time is over. Ask for a new one.",
        "此链接已使用或已过期，请重新获取。",
    ),
    "too_many": ("There are too many requests. Try again in a minute.", "请求过于频繁，请一分钟后再试。"),
    "unavailable": ("This is not available now. Try again later.", "服务暂不可用，请稍后重试。"),
}


@dataclass(frozen=True)
class SignIn:
    """What the routes work with. `pool` and `engine` must reach the primary. `secrets` counts sessions and links that
    are none, `answers` what did not come from an issuer, which it is asked about.
    """

    principals: Principals
    pool: "asyncpg.Pool[asyncpg.Record]"
    engine: AsyncEngine
    secrets: WrongProofs
    answers: WrongProofs
    lifetime: timedelta
    clock: Callable[[], datetime] = field(default=utc_now)

    @property
    def base(self) -> str:
        """The public address, to which paths are added."""
        return self.principals.terms.issuer.rstrip("/")

    @property
    def redirect_uri(self) -> str:
        return self.base + CALLBACK_PATH

    @property
    def cookie_path(self) -> str:
        return urlsplit(self.base).path + PAGE_PATH

    @property
    def is_secure(self) -> bool:
        return self.base.startswith("https://")

    def cookie(self, name: str) -> str:
        """The name of a cookie: with the prefix that keeps plain HTTP from setting it (RFC 6265bis)."""
        return f"__Secure-crm_graph_{name}" if self.is_secure else f"crm_graph_{name}"

    def issuers(self) -> list[IssuerRule]:
        """Where people can sign in."""
        people = self.principals.people
        return [issuer for issuer in people.issuers if issuer.sign_in_client] if people else []


class LinkUsed(Exception):
    """A link signs nobody in: it was used, has ended or never was."""


Respond = Callable[[SignIn, Request], Awaitable[Response]]


def routes(sign_in: SignIn) -> list[Route]:
    """Everything under `/console` but the page."""
    return [
        Route(SIGN_IN_PATH, _seen(sign_in, _choose), methods=["GET"]),
        Route(f"{SIGN_IN_PATH}/{{issuer:uuid}}", _seen(sign_in, _leave), methods=["GET"]),
        Route(CALLBACK_PATH, _seen(sign_in, _return), methods=["GET"]),
        Route(LINK_PATH, _seen(sign_in, _show_link), methods=["GET"]),
        Route(LINK_PATH, _seen(sign_in, _use_link), methods=["POST"]),
        Route(TOKEN_PATH, _asked(sign_in, _token), methods=["POST"]),
        Route(SIGN_OUT_PATH, _asked(sign_in, _sign_out), methods=["POST"]),
    ]


def _seen(sign_in: SignIn, respond: Respond) -> Callable[[Request], Awaitable[Response]]:
    """What people look at: what goes wrong is a page too."""
    start = sign_in.base + SIGN_IN_PATH

    async def answer(request: Request) -> Response:
        try:
            return await respond(sign_in, request)
        except (*DATABASE_FAILURES, SQLAlchemyError, Unavailable):
            return _page(request, 503, _told("unavailable", request))
        except SignInRefused:
            return _page(request, 403, _told("refused", request), again=start)
        except LinkUsed:
            return _page(request, 403, _told("link_used", request))
        except TooManyWrong:
            return _page(request, 429, _told("too_many", request))
        except Unauthenticated:
            return _page(request, 403, _told("not_let_in", request), again=start)

    return answer


def _asked(sign_in: SignIn, respond: Respond) -> Callable[[Request], Awaitable[Response]]:
    """What scripts ask: what goes wrong is JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await respond(sign_in, request)
        except (*DATABASE_FAILURES, SQLAlchemyError, Unavailable):
            return JSONResponse({"error": "temporarily_unavailable"}, 503, _NO_STORE)
        except SignInRefused:
            return JSONResponse({"error": "invalid_request"}, 403, _NO_STORE)
        except Unauthenticated:
            return JSONResponse({"error": "no_session"}, 401, _NO_STORE)
        except TooManyWrong as many:
            headers = {**_NO_STORE, "Retry-After": str(many.wait_s)}
            return JSONResponse({"error": "too_many_requests"}, 429, headers)

    return answer


async def _choose(sign_in: SignIn, request: Request) -> Response:
    """Where one can sign in."""
    links = [
        f'<a href="{escape(f"{sign_in.base}{SIGN_IN_PATH}/{issuer.id}")}">'
        f"{escape(_text('with', request).format(name=issuer.name))}</a>"
        for issuer in sign_in.issuers()
    ]
    return _page(request, 200, "".join(links) or _told("none", request))


async def _leave(sign_in: SignIn, request: Request) -> Response:
    """To the issuer, with what the browser keeps until it comes back."""
    people = sign_in.principals.people
    issuer = next((one for one in sign_in.issuers() if one.id == request.path_params["issuer"]), None)
    if people is None or issuer is None:
        raise SignInRefused
    address, attempt = await begin(people, issuer, sign_in.redirect_uri)
    response = RedirectResponse(address, 303, _NO_STORE)
    kept = attempt.sealed(sign_in.principals.keys.secrets, sign_in.clock())
    # The way back comes from another site, so that a strict cookie would not be there.
    _set_cookie(sign_in, response, "attempt", kept, max_age=ATTEMPT_LIFETIME_S, same_site="lax")
    return response


async def _return(sign_in: SignIn, request: Request) -> Response:
    """Back from the issuer."""
    people, now = sign_in.principals.people, sign_in.clock()
    told = parse_qsl(request.url.query, keep_blank_values=True)
    if people is None or len(dict(told)) != len(told):
        raise SignInRefused
    attempt = Attempt.opened(request.cookies.get(sign_in.cookie("attempt"), ""), sign_in.principals.keys.secrets, now)
    if not attempt.is_answered_by(dict(told)):
        raise SignInRefused
    async with sign_in.answers.proving(address_of(request), attempt.issuer, SignInRefused):
        issuer, admitted = await finish(people, attempt, dict(told), sign_in.redirect_uri, now=now)
    if admitted.changed:
        await sign_in.principals.refresh()
    response = await _signed_in(sign_in, admitted.user_id, issuer.id)
    _set_cookie(sign_in, response, "attempt", "", max_age=0, same_site="lax")
    return response


async def _show_link(_: SignIn, request: Request) -> Response:
    """A page with a button: what only looks at a link does not use it up."""
    token = request.query_params.get("token", "")
    form = (
        f'<form method="post"><input type="hidden" name="token" value="{escape(token)}">'
        f"<button autofocus>{escape(_text('link', request))}</button></form>"
    )
    # Under `no-referrer` a form has the origin `null`, by which a browser without Sec-Fetch-Site would not be known.
    return _page(request, 200, form, referrer="same-origin")


async def _use_link(sign_in: SignIn, request: Request) -> Response:
    if not _is_of_our_pages(sign_in, request):
        raise SignInRefused
    token = (await _form(request)).get("token", "")
    if not could_be(token):
        raise LinkUsed
    async with sign_in.secrets.proving(address_of(request), "link", LinkUsed):
        user_id = await use_link(sign_in.engine, token, now=sign_in.clock())
        if user_id is None:
            raise LinkUsed
    return await _signed_in(sign_in, user_id, None)


async def _signed_in(sign_in: SignIn, user_id: UUID, issuer_id: UUID | None) -> Response:
    """A session, and to the page. Raises Unauthenticated for who has no role."""
    if not (await sign_in.principals.of_user(user_id)).roles:
        raise Unauthenticated
    secret = await start_session(sign_in.engine, user_id, issuer_id, now=sign_in.clock(), lifetime=sign_in.lifetime)
    response = RedirectResponse(sign_in.base + PAGE_PATH, 303, _NO_STORE)
    _set_cookie(sign_in, response, "session", secret, max_age=int(sign_in.lifetime.total_seconds()), same_site="strict")
    return response


async def _token(sign_in: SignIn, request: Request) -> Response:
    """A bearer token for the session of this browser, for the page to keep in memory."""
    _require_our_script(sign_in, request)
    now, principals = sign_in.clock(), sign_in.principals
    secret = _session_secret(sign_in, request)
    async with _proving_session(sign_in, request):
        async with sign_in.pool.acquire(timeout=WAIT_S) as connection:
            found = await open_session(connection, secret, now=now)
        if found is None:
            raise Unauthenticated
    if not (await principals.of_user(found.user_id)).roles:
        raise Unauthenticated
    lifetime = min(TOKEN_LIFETIME_S, int((found.ends_at - now).total_seconds()))
    token = issue_access_token(
        principals.terms,
        principals.keys,
        subject=found.user_id,
        client_id=FIRST_PARTY,
        scopes=(),
        now=now,
        epoch=found.token_epoch,
        lifetime_s=lifetime,
    )
    body = {"access_token": token, "token_type": "Bearer", "expires_in": lifetime}
    return JSONResponse({**body, "session_ends_at": found.ends_at.isoformat()}, headers=_NO_STORE)


async def _sign_out(sign_in: SignIn, request: Request) -> Response:
    _require_our_script(sign_in, request)
    # Without a session there is nothing to end, and the cookie goes all the same.
    with suppress(Unauthenticated):
        secret = _session_secret(sign_in, request)
        async with _proving_session(sign_in, request):
            if not await end_session(sign_in.engine, secret):
                raise Unauthenticated
    response = Response(status_code=204, headers=_NO_STORE)
    _set_cookie(sign_in, response, "session", "", max_age=0, same_site="strict")
    return response


def _session_secret(sign_in: SignIn, request: Request) -> str:
    """What the session cookie holds. Raises Unauthenticated for what cannot be one, of which nobody is asked."""
    secret = request.cookies.get(sign_in.cookie("session"), "")
    if not could_be(secret):
        raise Unauthenticated
    return secret


def _proving_session(sign_in: SignIn, request: Request) -> AbstractAsyncContextManager[None]:
    """Around looking for a session, which raises Unauthenticated where there is none."""
    return sign_in.secrets.proving(address_of(request), "session", Unauthenticated)


def _require_our_script(sign_in: SignIn, request: Request) -> None:
    """Only a script of our own page: another site's could ask only after a preflight, which nobody answers. Raises
    SignInRefused.
    """
    if OWN_HEADER not in request.headers or not _is_of_our_pages(sign_in, request):
        raise SignInRefused


def _is_of_our_pages(sign_in: SignIn, request: Request) -> bool:
    """Whether a page of this origin makes the request, as browsers tell: by Sec-Fetch-Site, old ones by Origin."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc in {urlsplit(sign_in.base).netloc, request.headers.get("host")}


def _set_cookie(
    sign_in: SignIn, response: Response, name: str, value: str, *, max_age: int, same_site: SameSite
) -> None:
    """A cookie for paths under `/console` alone, that no script reads; one that ends at once takes it away."""
    response.set_cookie(
        sign_in.cookie(name),
        value,
        max_age=max_age,
        path=sign_in.cookie_path,
        secure=sign_in.is_secure,
        httponly=True,
        samesite=same_site,
    )


async def _form(request: Request) -> Mapping[str, str]:
    body = bytearray()
    try:
        async with asyncio.timeout(FORM_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_FORM_BYTES:
                    raise SignInRefused
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=5))
    except (TimeoutError, ClientDisconnect, ValueError):
        raise SignInRefused from None


def _page(
    request: Request, status: int, body: str, *, again: str | None = None, referrer: str = "no-referrer"
) -> Response:
    locale, title = _locale(request), escape(_text("title", request))
    link = f'<a href="{escape(again)}">{escape(_text("again", request))}</a>' if again else ""
    html = (
        f'<!doctype html><html lang="{locale}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}{link}</main></body></html>"
    )
    return HTMLResponse(html, status, {**_PAGE_HEADERS, "Referrer-Policy": referrer})


def _told(key: str, request: Request) -> str:
    return f'<p role="status">{escape(_text(key, request))}</p>'


def _text(key: str, request: Request) -> str:
    return _TEXTS[key][_locale(request) == "zh"]


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language"))
