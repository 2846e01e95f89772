"""Names of files as people read them: never a path, and nothing that misleads a screen or a file system."""

import re
import unicodedata

from crm_graph.errors import Invalid

_NO_FILE_SYSTEM = '/\\:*?"<>|'
_DEVICES = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=\.|$)")
"""Names that Windows takes for devices, whatever their extension (Naming Files, Paths, and Namespaces)."""


def file_name(wished: str, extensions: tuple[str, ...], *, otherwise: str, max_length: int) -> str:
    """A name for a file, ending in one of its extensions: what was wished for, free of what no file system takes, cut
    to its length, or `otherwise` where nothing is left. Raises Invalid for what is no text.
    """
    try:
        wished.encode()
    except UnicodeEncodeError:
        raise Invalid("text_invalid") from None
    # Characters of the category C are invisible, and some turn the direction of what follows: `exe.csv` as `vsc.exe`.
    shown = "".join("_" if c in _NO_FILE_SYSTEM else c for c in wished if not unicodedata.category(c).startswith("C"))
    shown = unicodedata.normalize("NFC", shown).strip(" .")
    ending = next((e for e in extensions if shown.lower().endswith(e)), "")
    stem = (shown[: len(shown) - len(ending)]).rstrip(" .") or otherwise
    if _DEVICES.match(stem):
        stem = f"_{stem}"
    ending = ending or extensions[0]
    return stem[: max_length - len(ending)] + ending
