"""What a client takes: media type and encoding of its answer, by the weights in its headers (RFC 9110, 12.5)."""

import re
from collections.abc import Iterable
from functools import lru_cache

RESPONSE_JSON = b"application/graphql-response+json"
JSON = b"application/json"
_QUALITY = re.compile(rb"[01](\.\d{0,3})?")


@lru_cache(maxsize=256)
def media_type(accept: bytes) -> bytes | None:
    """The one of our media types that an Accept header likes best, the first of equals. What fits any gets
    application/json. None where it takes neither.
    """
    liked = {media: quality for media, quality in _weighted(accept) if media in (JSON, RESPONSE_JSON)}
    for media, quality in _weighted(accept):
        if media in (b"*/*", b"application/*"):
            liked.setdefault(JSON, quality)
            liked.setdefault(RESPONSE_JSON, quality)
    best = max(liked, key=lambda media: liked[media], default=JSON)
    return best if liked.get(best, 0.0) > 0 else None


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header takes gzip, and likes it no less than the plain body."""
    liked = dict(_weighted(accept_encoding))
    wanted = liked.get(b"gzip", liked.get(b"x-gzip", liked.get(b"*", 0.0)))
    return wanted > 0 and wanted >= liked.get(b"identity", 0.0)


def _weighted(header: bytes) -> Iterable[tuple[bytes, float]]:
    """What a header lists, and how much each is wanted, from 0 to 1."""
    for item in header.split(b","):
        name, *parameters = (part.strip().lower() for part in item.split(b";"))
        weights = [p.partition(b"=")[2] for p in parameters if p.startswith(b"q=")]
        yield name, float(weights[0]) if weights and _QUALITY.fullmatch(weights[0]) else 1.0
