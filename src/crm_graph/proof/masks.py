"""Masks, written a second time from what they promise, not from how SQL makes them."""

import re
from collections.abc import Callable, Mapping

from crm_graph.models.fields import Mask

FIRST_CJK = 0x2E80


def phone(value: str) -> str:
    """The first three digits after +86 and the last four; fewer of shorter numbers, so that four stay hidden."""
    national = re.sub(r"^\s*(\+|00)86", "", value)
    digits = "".join(c for c in national if c in "0123456789")
    if len(digits) < 7:
        return "****"
    hidden = 4
    last = min(4, len(digits) - hidden)
    first = min(3, len(digits) - hidden - last)
    return f"{digits[:first]}****{digits[-last:]}"


def email(value: str) -> str:
    """The first letter and the domain."""
    local, at, domain = value.rpartition("@")
    return f"{local[:1]}***@{domain}" if at else "****"


def person(value: str) -> str:
    """The first character of a name in Chinese, Japanese or Korean, the initials of others."""
    name = value.lstrip(" ")
    if name and ord(name[0]) >= FIRST_CJK:
        return f"{name[0]}**"
    return " ".join(f"{word[0]}." for word in name.split()).upper()


def contact(value: str) -> str:
    """An e-mail address or a phone number."""
    return email(value) if "@" in value else phone(value)


def tail(value: str) -> str:
    """The last four of at least eight characters."""
    return f"****{value[-4:]}" if len(value) >= 8 else "****"


MASKS: Mapping[Mask, Callable[[str], str]] = {
    Mask.PHONE: phone,
    Mask.EMAIL: email,
    Mask.NAME: person,
    Mask.CONTACT: contact,
    Mask.TAIL: tail,
}
