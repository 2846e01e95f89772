"""Positions as clients are told them: sealed, since where the log ends tells how much everybody writes."""

import base64
from collections.abc import Callable, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crm_graph.replicas.positions import UNKNOWN

_PURPOSE = b"crm-graph position"
_BYTES = 8


class Seals:
    """Seals positions with the first of the `secrets`, and opens what was sealed with any: all processes share them."""

    def __init__(self, secrets: Callable[[], Sequence[bytes]]) -> None:
        self._secrets = secrets
        self._made_of: Sequence[bytes] = ()
        self._fernet: MultiFernet | None = None

    def seal(self, position: int) -> str | None:
        """A position as a client is told it; None where there is no secret yet."""
        fernet = self._current()
        # Fernet tells when it sealed something; there is nothing that this would be of use for.
        return None if fernet is None else fernet.encrypt_at_time(position.to_bytes(_BYTES), 0).decode("ascii")

    def open(self, told: bytes) -> int:
        """A position as a client gives it back. What cannot be read counts as `UNKNOWN`, which the primary answers."""
        fernet = self._current()
        try:
            return UNKNOWN if fernet is None else int.from_bytes(fernet.decrypt(told))
        except InvalidToken:
            return UNKNOWN

    def _current(self) -> MultiFernet | None:
        secrets = self._secrets()
        if secrets is not self._made_of:
            self._made_of = secrets
            self._fernet = cipher(secrets, _PURPOSE)
        return self._fernet


def cipher(secrets: Sequence[bytes], purpose: bytes) -> MultiFernet | None:
    """What seals for one purpose with the first of the secrets, and opens with all; None where there is none."""
    return MultiFernet([Fernet(_key(secret, purpose)) for secret in secrets]) if secrets else None


def _key(secret: bytes, purpose: bytes) -> bytes:
    """A key for this purpose alone (HKDF, RFC 5869)."""
    return base64.urlsafe_b64encode(HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret))
