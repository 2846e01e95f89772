"""The GraphiQL page and its files, all served from the package: the page asks no other host for anything."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from crm_graph.web.compression import SMALL, gzipped
from crm_graph.web.negotiation import takes_gzip

PREFIX = "/graphql/static"
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
"""What the page is sent with. Its content security policy stands in the page, but for framing, ruled by header only."""

_FOLDER = Path(__file__).parent / "static" / "graphiql"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_ASSETS = (
    "icon.svg",
    "page.css",
    "page.js",
    "vendor/graphiql.min.css",
    "vendor/graphiql.min.js",
    "vendor/react-dom.production.min.js",
    "vendor/react.production.min.js",
)
_ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page. Its URL names its content, so that a browser may keep it for good."""

    name: str
    digest: str

    @property
    def file(self) -> Path:
        return _FOLDER / self.name

    @property
    def url(self) -> str:
        return f"{PREFIX}/{self.digest}/{self.file.name}"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.file.suffix]


@cache
def assets() -> tuple[Asset, ...]:
    """Every file that the page loads."""
    return tuple(Asset(name, hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest()[:16]) for name in _ASSETS)


@cache
def page() -> bytes:
    """The HTML. Its links are relative to `/graphql`, so that it works behind a proxy that adds a prefix."""
    html = (_FOLDER / "page.html").read_text(encoding="utf-8")
    for asset in assets():
        html = html.replace(f'="{asset.name}"', f'="{asset.url.removeprefix("/")}"')
    return html.encode()


def routes() -> list[BaseRoute]:
    """One fixed route for each file; no path is ever made from a request."""
    return [Route(asset.url, _serve(asset), methods=["GET"]) for asset in assets()]


def _serve(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        gzip = takes_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
        tag = f'"{asset.digest}-gzip"' if gzip else f'"{asset.digest}"'
        headers = {**_ASSET_HEADERS, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if not gzip:
            return FileResponse(asset.file, headers=headers, media_type=asset.media_type)
        body = await asyncio.to_thread(_packed, asset)
        return Response(body, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)

    return serve


@cache
def _packed(asset: Asset) -> bytes:
    """The file as gzip, compressed once for a process."""
    return gzipped(asset.file.read_bytes(), SMALL)
