"""Who asks over HTTP: the bearer token of a request."""

from collections.abc import Mapping
from datetime import datetime

from crm_graph.errors import Unauthenticated
from crm_graph.permissions.authentication import Bearer, Principals
from crm_graph.permissions.principals import Principal


def known(principals: Principals, headers: Mapping[bytes, bytes], now: datetime) -> Principal | None:
    """The principal of a token that was seen before and still holds, without asking anybody."""
    return principals.known(headers.get(b"authorization", b""), now)


async def authenticate(principals: Principals, headers: Mapping[bytes, bytes]) -> Principal:
    """The principal of the request's token. Raises Unauthenticated."""
    return await principals.authenticate(_token(headers))


async def bearer(principals: Principals, headers: Mapping[bytes, bytes]) -> Bearer:
    """The same, for an answer that goes on for long. Raises Unauthenticated."""
    return await principals.bearer(_token(headers))


def _token(headers: Mapping[bytes, bytes]) -> str:
    token = _presented(headers)
    if not token:
        raise Unauthenticated
    try:
        return token.decode("ascii")
    except UnicodeDecodeError:
        raise Unauthenticated from None


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    """What stands for a bearer token in a request, if anything."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def challenge(headers: Mapping[bytes, bytes]) -> bytes:
    """The WWW-Authenticate header. A request without a bearer token is told no error code (RFC 6750, section
    3.1).
    """
    return b'Bearer error="invalid_token"' if _presented(headers) else b"Bearer"
