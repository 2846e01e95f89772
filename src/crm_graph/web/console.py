"""The page of the console and its files, served from the package as they were written: no build, no other host."""

from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crm_graph.web import assets as files
from crm_graph.web.assets import Asset, digest
from crm_graph.web.sign_in import PAGE_PATH

PREFIX = f"{PAGE_PATH}/static"
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_FOLDER = files.FOLDER / "console"
_PAGE = "page.html"


@cache
def assets() -> tuple[Asset, ...]:
    """Every file that the page loads. Modules name each other by relative paths, so that they share one digest."""
    found = sorted(file for file in _FOLDER.iterdir() if file.name != _PAGE)
    shared = digest(found)
    return tuple(Asset(file, shared, PREFIX) for file in found)


@cache
def page() -> bytes:
    """The HTML. Its links are relative to `/console`, so that it works behind a proxy that adds a prefix."""
    html = (_FOLDER / _PAGE).read_text(encoding="utf-8")
    modules = [asset for asset in assets() if asset.file.suffix == ".js"]
    for asset in assets():
        html = html.replace(f'="{asset.file.name}"', f'="{asset.url.removeprefix("/")}"')
    ahead = "".join(f'<link rel="modulepreload" href="{asset.url.removeprefix("/")}">' for asset in modules)
    return html.replace("</head>", f"{ahead}</head>").encode()


def routes() -> list[BaseRoute]:
    """The page and its files."""
    return [Route(PAGE_PATH, _show, methods=["GET"]), *files.routes(assets())]


async def _show(_: Request) -> Response:
    return Response(page(), media_type="text/html", headers=HEADERS)
