"""Contact points as people write them, made comparable: kind, E.164 number or lower-case address, extension. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from crm_graph.errors import Invalid, MaskedValue, UserFault
from crm_graph.models.customers import ContactPointKind
from crm_graph.services.texts import clean

MAX_LENGTH = 254
"""Characters of a contact point; also the longest address that RFC 5321 (4.5.3.1.3, less the brackets) lets through."""


class ContactPointValue(NamedTuple):
    """`raw` is what was entered. `e164` is the number in ITU-T E.164 form, or the lower-case e-mail address.

    It is None for what belongs to no person: service numbers (400, 95xxx, 12345) and relay numbers of platforms.
    `text` is the one canonical writing, which reads back to an equal value (extensions as in RFC 3966, section 3).
    """

    kind: ContactPointKind
    raw: str
    e164: str | None
    extension: str | None
    text: str

    @property
    def identifies(self) -> bool:
        """Whether an equal value on another record hints at the same person or organisation."""
        return self.e164 is not None and self.extension is None


# The mobile ranges of the Chinese plan; libphonenumber's own pattern, so that both paths agree.
_MOBILE = r"1(?:[38]\d|4[57]|[59][0-35-9]|6[25-7]|7[0-35-8])\d{8}"
_PLAIN_MOBILE = re.compile(rf"(?:\+86)?({_MOBILE})", re.ASCII)

_FOLD = {ord(dash): "-" for dash in "‐‑‒–—―−－ー﹣"} | {
    ord(invisible): None for invisible in "\u200b\u200c\u200d\u200e\u200f\u202a\u202c\u202d\u2060\ufeff"
}
_LABEL = re.compile(
    r"^(?:(?:联系|移动|公司|办公|家庭)?(?:手机|电话|座机|固话|固定电话|热线)(?:号码?)?"
    r"|tel(?:ephone)?|phone|mobile|mob|cell|office|home|work|[tm](?=[:. ]))\s*[:.]?\s*",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\([^()\d+]*\)")
_EXTENSION = re.compile(
    r"(?:;?\bext(?:ension|n)?\b[.=:]?|ext\.?|转|轉|分机号?|分機|#|\bx|(?<=\d)x)\s*[:.]?\s*(\d{1,8})$", re.IGNORECASE
)
_HYPHEN_EXTENSION = re.compile(r"(.*\d)\s*-\s*(\d{1,6})")
_TAKES_EXTENSION = re.compile(
    rf"(?:\+?86)?(?:{_MOBILE}|0\d{{9,11}}|[48]00\d{{7}}|95\d{{3,4}}|95\d{{8,14}})|\+86[2-9]\d{{8,10}}|\+8610\d{{8}}"
)
_SEVERAL = re.compile(r"\d[\s)]*(?:[/,;、|&\n]|或|和|及)\s*[(+\d]")
_TWO_MOBILES = re.compile(rf"(?:{_MOBILE})\D+(?:\+?86)?(?:{_MOBILE})")
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?E\+?\d+", re.IGNORECASE)
_SPREADSHEET_FLOAT = re.compile(r"(\d{5,})\.0")
_SEPARATORS = re.compile(r"[\s().\-_·•]+")
_NUMBER = re.compile(r"\+?\d{3,20}", re.ASCII)
_AREA = r"(?:0\d{2,3})?"
_SERVICE = re.compile(
    rf"0?[48]00\d{{7}}|{_AREA}9[56]\d{{3,4}}|{_AREA}1[0-2]\d{{3}}|100\d{{3}}|116\d{{3}}|1010\d{{4}}|11[0249]|12[02]|106\d{{5,17}}",
    re.ASCII,
)
_RELAY = re.compile(r"95\d{8,14}", re.ASCII)
_LOCAL = re.compile(r"[2-8]\d{6,7}", re.ASCII)

_KINDS = {
    phonenumbers.PhoneNumberType.MOBILE: ContactPointKind.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: ContactPointKind.MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE: ContactPointKind.SERVICE_NUMBER,
    phonenumbers.PhoneNumberType.SHARED_COST: ContactPointKind.SERVICE_NUMBER,
    phonenumbers.PhoneNumberType.PREMIUM_RATE: ContactPointKind.SERVICE_NUMBER,
    phonenumbers.PhoneNumberType.UAN: ContactPointKind.SERVICE_NUMBER,
}

_PLAIN_EMAIL = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}", re.ASCII
)
_EMAIL_LABEL = re.compile(r"^(?:mailto:|(?:电子)?(?:邮箱|邮件|邮址)(?:地址)?\s*:|e-?mail\s*:)\s*", re.IGNORECASE)
_SEVERAL_EMAILS = re.compile(r"@[^@]*[\s,;、/|][^@]*@")


def normalise_phone(raw: str, region: str = "CN") -> ContactPointValue:
    """A phone number as people write it; `region` (ISO 3166-1) is where numbers without a country code are.

    A Chinese mobile number with an extension is a relay number of a platform (隐私号, "AXN with extension"): many
    people share the number, the extension is for one of them, and both change with the order.
    Raises Invalid, and MaskedValue for a redacted number (138****8000).
    """
    plain = _PLAIN_MOBILE.fullmatch(raw) if region == "CN" else None
    if plain:
        e164 = f"+86{plain[1]}"
        return ContactPointValue(ContactPointKind.MOBILE, raw, e164, None, e164)
    return _written_phone(_stored(raw, "phone_invalid"), region)


def normalise_email(raw: str) -> ContactPointValue:
    """An e-mail address (RFC 5321, RFC 6531), checked by syntax alone; compared in lower case.

    Raises Invalid, and MaskedValue for a redacted address.
    """
    lowered = raw.strip().lower()
    if len(lowered) <= MAX_LENGTH and lowered.find("@") <= 64 and _PLAIN_EMAIL.fullmatch(lowered):
        return ContactPointValue(ContactPointKind.EMAIL, raw.strip(), lowered, None, lowered)
    return _written_email(_stored(raw, "email_invalid"))


def normalise(kind: ContactPointKind | None, raw: str, region: str = "CN") -> ContactPointValue:
    """A contact point of a stated kind. A phone number tells its own kind, but for a relay number without an extension,
    which only its sender can know. Raises Invalid or MaskedValue.
    """
    if kind is ContactPointKind.EMAIL or (kind is None and "@" in raw):
        return normalise_email(raw)
    if kind in (ContactPointKind.WECHAT, ContactPointKind.WECOM, ContactPointKind.OTHER):
        text = _stored(raw, "contact_point_invalid")
        return ContactPointValue(kind, text, None, None, text)
    phone = normalise_phone(raw, region)
    if kind is ContactPointKind.PRIVACY_NUMBER and phone.kind is not kind:
        return ContactPointValue(kind, phone.raw, None, phone.extension, phone.text)
    return phone


def normalise_phones(raws: Iterable[str], region: str = "CN") -> list[ContactPointValue | UserFault]:
    """The value of each number, or what is wrong with it, in order."""
    results: list[ContactPointValue | UserFault] = []
    for raw in raws:
        try:
            results.append(normalise_phone(raw, region))
        except UserFault as fault:
            results.append(fault)
    return results


def _stored(raw: str, template: str) -> str:
    text = clean(raw, max_length=MAX_LENGTH, multiline=True)
    if text is None:
        raise Invalid(template)
    return text


def _written_phone(raw: str, region: str) -> ContactPointValue:
    text = unicodedata.normalize("NFKC", raw).translate(_FOLD).strip(" '\"")
    _refuse_damaged(text)
    text = _NOTE.sub("", _LABEL.sub("", text)).replace("(0)", "").strip()
    text, extension = _split_extension(text)
    if _SEVERAL.search(text) or _TWO_MOBILES.search(text):
        raise Invalid("phone_several")
    number = _SEPARATORS.sub("", text)
    if not _NUMBER.fullmatch(number):
        raise Invalid("phone_invalid")
    if number.startswith("00"):
        number = f"+{number[2:]}"
    return _chinese(raw, number, extension, region) or _international(raw, number, extension, region)


def _refuse_damaged(text: str) -> None:
    if "*" in text:
        raise MaskedValue("phone_masked")
    if _SCIENTIFIC.fullmatch(text):
        raise Invalid("phone_scientific")


def _split_extension(text: str) -> tuple[str, str | None]:
    found = _EXTENSION.search(text)
    if found:
        return text[: found.start()].rstrip(" ,-("), found[1]
    spreadsheet = _SPREADSHEET_FLOAT.fullmatch(text)
    if spreadsheet:
        return spreadsheet[1], None
    hyphen = _HYPHEN_EXTENSION.fullmatch(text)
    if hyphen:
        number = _SEPARATORS.sub("", hyphen[1])
        if _TAKES_EXTENSION.fullmatch(f"+{number[2:]}" if number.startswith("00") else number):
            return hyphen[1], hyphen[2]
    return text, None


def _chinese(raw: str, number: str, extension: str | None, region: str) -> ContactPointValue | None:
    """What libphonenumber does not know of the Chinese plan (电信网编号计划): short codes and relay numbers."""
    if number.startswith("+86"):
        national = number[3:]
    elif region == "CN" and not number.startswith("+"):
        national = number[2:] if number.startswith("86") and _PLAIN_MOBILE.fullmatch(number[2:]) else number
    else:
        return None
    if _PLAIN_MOBILE.fullmatch(national):
        if extension is None:
            return ContactPointValue(ContactPointKind.MOBILE, raw, f"+86{national}", None, f"+86{national}")
        return _unowned(ContactPointKind.PRIVACY_NUMBER, raw, f"+86{national}", extension)
    if _SERVICE.fullmatch(national):
        return _unowned(ContactPointKind.SERVICE_NUMBER, raw, national, extension)
    if _RELAY.fullmatch(national):
        return _unowned(ContactPointKind.PRIVACY_NUMBER, raw, national, extension)
    if _LOCAL.fullmatch(national):
        raise Invalid("phone_area_code")
    return None


def _unowned(kind: ContactPointKind, raw: str, number: str, extension: str | None) -> ContactPointValue:
    return ContactPointValue(kind, raw, None, extension, _with_extension(number, extension))


def _with_extension(number: str, extension: str | None) -> str:
    return f"{number};ext={extension}" if extension else number


def _international(raw: str, number: str, extension: str | None, region: str) -> ContactPointValue:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException as fault:
        raise Invalid("phone_invalid") from fault
    if not phonenumbers.is_valid_number(parsed):
        raise Invalid("phone_invalid")
    kind = _KINDS.get(phonenumbers.number_type(parsed), ContactPointKind.LANDLINE)
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if kind is ContactPointKind.SERVICE_NUMBER:
        return _unowned(kind, raw, e164, extension)
    if kind is ContactPointKind.MOBILE and extension:
        if parsed.country_code == 86:
            return _unowned(ContactPointKind.PRIVACY_NUMBER, raw, e164, extension)
        kind = ContactPointKind.LANDLINE
    return ContactPointValue(kind, raw, e164, extension, _with_extension(e164, extension))


def _written_email(raw: str) -> ContactPointValue:
    text = unicodedata.normalize("NFKC", raw).translate(_FOLD).strip()
    text = _EMAIL_LABEL.sub("", text).lstrip(" <'\"").rstrip(" >;,.。'\"")
    if "*" in text:
        raise MaskedValue("email_masked")
    if _SEVERAL_EMAILS.search(text):
        raise Invalid("email_several")
    try:
        address = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as fault:
        raise Invalid("email_invalid") from fault
    lowered = address.normalized.lower()
    local_octets = len(address.local_part.encode())
    if "." not in address.domain or local_octets > 64 or len(lowered) > MAX_LENGTH:
        raise Invalid("email_invalid")
    return ContactPointValue(ContactPointKind.EMAIL, raw, lowered, None, lowered)
