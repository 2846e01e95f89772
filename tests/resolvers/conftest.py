"""What tests of reads run on."""

from reference.compiled import connection

__all__ = ["connection"]
