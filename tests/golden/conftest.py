"""What golden tests run on."""

from reference.compiled import connection

__all__ = ["connection"]
