"""Files that pages load from the package. The URL of each names its content, so that a browser may keep it for good."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from crm_graph.web.compression import SMALL, gzipped
from crm_graph.web.negotiation import takes_gzip

FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file. `digest` is of its content, or of that of all files that name it by a relative path."""

    file: Path
    digest: str
    prefix: str

    @property
    def url(self) -> str:
        return f"{self.prefix}/{self.digest}/{self.file.name}"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self.file.suffix]


def digest(files: Iterable[Path]) -> str:
    """What names the content of files in a URL."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def routes(assets: Iterable[Asset]) -> list[BaseRoute]:
    """One fixed route for each file; no path is ever made from a request."""
    return [Route(asset.url, _serve(asset), methods=["GET"]) for asset in assets]


def _serve(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        gzip = takes_gzip(request.headers.get("accept-encoding", "").encode("latin-1"))
        tag = f'"{asset.digest}-gzip"' if gzip else f'"{asset.digest}"'
        headers = {**_HEADERS, "ETag": tag}
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
