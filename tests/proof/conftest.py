"""What tests of proofs run on."""

from reference.compiled import connection

__all__ = ["connection"]
