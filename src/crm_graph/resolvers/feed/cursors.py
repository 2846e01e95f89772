"""Cursors of the feed: places in the log, sealed, since where the log ends tells how much everybody writes.

A statement writes a place as JSON where the cursor stands; it is sealed before the answer leaves. A place is: epoch,
transaction, n, which cluster it is of, the moment up to which its holder has read (seconds since 1970), and a hash of
the rights that they read with.
"""

import re
from typing import Any

import orjson
from cryptography.fernet import InvalidToken

from crm_graph.errors import BadVariables, FeedReset
from crm_graph.replicas.seals import cipher

PLACE = " place"
"""The key under which a statement hands out a place. No name of the API has a space, and a quote within a text is
escaped in JSON: nothing else can look like it.
"""
OTHER_CLUSTER, EXPIRED = "other", "expired"
"""What a statement hands out in place of a place that cannot be gone on from."""

_PURPOSE = b"crm-graph feed"
_LENGTH = 160
_HANDED_OUT = re.compile(rb'\{" place" ?: ?(\[[^\]]*\]|"[a-z]+")\}')
_TEXTS = {OTHER_CLUSTER: "feed_reset", EXPIRED: "feed_expired"}


class FeedCursors:
    """Seals places with a key of the hub that stays as long as the database, and opens them."""

    def __init__(self, key: bytes) -> None:
        sealing = cipher([key], _PURPOSE)
        if sealing is None:
            raise ValueError("there is no key")
        self._fernet = sealing

    def sealed(self, answer: bytes) -> bytes:
        """An answer with its places sealed. Raises FeedReset where a reader has to begin anew."""
        return _HANDED_OUT.sub(self._seal, answer)

    def _seal(self, found: re.Match[bytes]) -> bytes:
        place = found[1]
        if place.startswith(b'"'):
            raise FeedReset(_TEXTS[place[1:-1].decode()])
        # All are equally long; Fernet would tell when they were sealed.
        return b'"%b"' % self._fernet.encrypt_at_time(place.ljust(_LENGTH), 0)

    def __call__(self, raw: Any) -> str:
        """A cursor as a client gives it back, opened: the parser of the argument. Raises BadVariables."""
        if not isinstance(raw, str) or len(raw) > 2 * _LENGTH:
            raise BadVariables("cursor")
        try:
            place = self._fernet.decrypt(raw.encode())
        except (InvalidToken, UnicodeEncodeError):
            raise BadVariables("cursor") from None
        return orjson.dumps(orjson.loads(place)).decode()


def no_cursor(_: Any) -> str:
    """Opens nothing: for what plans without a hub. Raises BadVariables."""
    raise BadVariables("cursor")
