"""The GraphiQL page and its files, all served from the package: the page asks no other host for anything."""

from functools import cache

from starlette.routing import BaseRoute

from crm_graph.web import assets as files
from crm_graph.web.assets import Asset, digest

PREFIX = "/graphql/static"
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)
"""What the page is sent with. Its content security policy stands in the page, but for framing, ruled by header only."""

_FOLDER = files.FOLDER / "graphiql"
_ASSETS = (
    "icon.svg",
    "page.css",
    "page.js",
    "vendor/graphiql.min.css",
    "vendor/graphiql.min.js",
    "vendor/react-dom.production.min.js",
    "vendor/react.production.min.js",
)


@cache
def assets() -> tuple[Asset, ...]:
    """Every file that the page loads."""
    return tuple(Asset(_FOLDER / name, digest([_FOLDER / name]), PREFIX) for name in _ASSETS)


@cache
def page() -> bytes:
    """The HTML. Its links are relative to `/graphql`, so that it works behind a proxy that adds a prefix."""
    html = (_FOLDER / "page.html").read_text(encoding="utf-8")
    for name, asset in zip(_ASSETS, assets(), strict=True):
        html = html.replace(f'="{name}"', f'="{asset.url.removeprefix("/")}"')
    return html.encode()


def routes() -> list[BaseRoute]:
    """The files."""
    return files.routes(assets())
