"""Text as it is stored: composed (NFC), trimmed, free of what a database or a screen cannot take."""

import re
import unicodedata

from crm_graph.errors import Invalid

_EDGES = " \t\r\n\f\v\u00a0\u3000\u200b\u2060\ufeff"
_UNSTORABLE_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSTORABLE_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean(text: str, *, max_length: int, multiline: bool = False) -> str | None:
    """The text to store, or None when nothing is left of it. `max_length` is in characters (code points after NFC).

    Raises Invalid for control characters, NUL, unpaired surrogates, and line breaks where `multiline` is false.
    """
    text = text.strip(_EDGES)
    if not text:
        return None
    if len(text) > 4 * max_length:
        raise Invalid("text_too_long", max=max_length)
    if not text.isprintable():
        text = text.replace("\r\n", "\n")
        if (_UNSTORABLE_LINES if multiline else _UNSTORABLE_LINE).search(text):
            raise Invalid("text_control_characters")
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if len(text) > max_length:
        raise Invalid("text_too_long", max=max_length)
    return text
