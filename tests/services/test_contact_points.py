"""Contact points as people write them."""

import timeit

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_graph.errors import CrmError, Invalid, MaskedValue, UserFault
from crm_graph.models.customers import ContactPointKind
from crm_graph.services.contact_points import (
    ContactPointValue,
    normalise,
    normalise_email,
    normalise_phone,
    normalise_phones,
)

MOBILE = ContactPointKind.MOBILE
LANDLINE = ContactPointKind.LANDLINE
SERVICE = ContactPointKind.SERVICE_NUMBER
PRIVACY = ContactPointKind.PRIVACY_NUMBER


@pytest.mark.parametrize(
    "raw",
    [
        "13800138000",
        "+8613800138000",
        "138 0013 8000",
        "138-0013-8000",
        "138.0013.8000",
        "138\u00a00013\u00a08000",
        "138\u30000013\u30008000",
        "１３８００１３８０００",
        "＋８６－１３８－００１３－８０００",
        "+86 138 0013 8000",
        "+86-13800138000",
        "0086 13800138000",
        "00 86 138-0013-8000",
        "86-13800138000",
        "8613800138000",
        "(+86)13800138000",
        "（86）13800138000",
        "013800138000",
        "手机:13800138000",
        "手机号码：138 0013 8000",
        "联系电话 13800138000",
        "Tel. 13800138000",
        "M: +86 138 0013 8000",
        "tel:+86-138-0013-8000",
        "'13800138000",
        "13800138000.0",
        "13800138000（张先生）",
        "\u202a13800138000\u202c",
        "  13800138000\t",
    ],
)
def test_reads_a_mobile_number(raw: str) -> None:
    value = normalise_phone(raw)
    assert (value.kind, value.e164, value.extension, value.text) == (MOBILE, "+8613800138000", None, "+8613800138000")
    assert value.raw.strip() == raw.strip("\t ")
    assert value.identifies


@pytest.mark.parametrize(
    ("raw", "e164", "extension"),
    [
        ("010-88888888", "+861088888888", None),
        ("(010) 8888 8888", "+861088888888", None),
        ("（０１０）８８８８８８８８", "+861088888888", None),
        ("010-8888-8888", "+861088888888", None),
        ("+86 (0)21 6123 4567", "+862161234567", None),
        ("+86-21-61234567", "+862161234567", None),
        ("0086 755 2654 3210", "+8675526543210", None),
        ("0571-87654321", "+8657187654321", None),
        ("0312-5012345", "+863125012345", None),
        ("86-10-88888888", "+861088888888", None),
        ("010-88888888转801", "+861088888888", "801"),
        ("010-88888888 分机 801", "+861088888888", "801"),
        ("021-61234567-801", "+862161234567", "801"),
        ("+86-21-61234567-801", "+862161234567", "801"),
        ("(021)61234567#801", "+862161234567", "801"),
        ("021-61234567 ext. 801", "+862161234567", "801"),
        ("021-61234567 Ext:801", "+862161234567", "801"),
        ("021-61234567x801", "+862161234567", "801"),
        ("+862161234567;ext=801", "+862161234567", "801"),
        ("+852 2123 4567", "+85221234567", None),
        ("0049 30 123456", "+4930123456", None),
        ("+44 (0)20 7946 0958", "+442079460958", None),
        ("+1 (415) 555-2671 x12", "+14155552671", "12"),
    ],
)
def test_reads_a_landline_with_its_extension(raw: str, e164: str, extension: str | None) -> None:
    value = normalise_phone(raw)
    assert (value.kind, value.e164, value.extension) == (LANDLINE, e164, extension)
    assert value.identifies is (extension is None)


@pytest.mark.parametrize(
    ("raw", "text", "extension"),
    [
        ("400-820-8820", "4008208820", None),
        ("4008 208 820", "4008208820", None),
        ("４００－８２０－８８２０", "4008208820", None),
        ("+864008208820", "4008208820", None),
        ("400-820-8820转2", "4008208820;ext=2", "2"),
        ("400-820-8820-2", "4008208820;ext=2", "2"),
        ("800-810-1818", "8008101818", None),
        ("95588", "95588", None),
        ("956006", "956006", None),
        ("12345", "12345", None),
        ("0571-12345", "057112345", None),
        ("10086", "10086", None),
        ("1010 5757", "10105757", None),
        ("+1 800 253 0000", "+18002530000", None),
    ],
)
def test_service_numbers_belong_to_nobody(raw: str, text: str, extension: str | None) -> None:
    value = normalise_phone(raw)
    assert value == ContactPointValue(SERVICE, raw, None, extension, text)
    assert not value.identifies


@pytest.mark.parametrize(
    ("raw", "text", "extension"),
    [
        ("17012345678-1234", "+8617012345678;ext=1234", "1234"),
        ("17012345678转1234", "+8617012345678;ext=1234", "1234"),
        ("17012345678 转 1234", "+8617012345678;ext=1234", "1234"),
        ("+86 170 1234 5678#130", "+8617012345678;ext=130", "130"),
        ("950131234567", "950131234567", None),
        ("9501312345678转12", "9501312345678;ext=12", "12"),
    ],
)
def test_relay_numbers_of_platforms_belong_to_nobody(raw: str, text: str, extension: str | None) -> None:
    assert normalise_phone(raw) == ContactPointValue(PRIVACY, raw, None, extension, text)


@pytest.mark.parametrize(
    ("raw", "template"),
    [
        ("", "phone_invalid"),
        (" \u3000 ", "phone_invalid"),
        ("无", "phone_invalid"),
        ("1380013800", "phone_invalid"),
        ("138001380001", "phone_invalid"),
        ("10800138000", "phone_invalid"),
        ("+8615400000000", "phone_invalid"),
        ("+86 99999999999", "phone_invalid"),
        ("010-8888888", "phone_invalid"),
        ("微信同号13800138000", "phone_invalid"),
        ("138 oo13 8000", "phone_invalid"),
        ("1" * 250, "phone_invalid"),
        ("1" * 2000, "text_too_long"),
        ("13800138000\x00", "text_control_characters"),
        ("88888888", "phone_area_code"),
        ("6123 4567", "phone_area_code"),
        ("13800138000/13900139000", "phone_several"),
        ("13800138000、13900139000", "phone_several"),
        ("13800138000 13900139000", "phone_several"),
        ("13800138000\n13900139000", "phone_several"),
        ("138 0013 8000 或 021-61234567", "phone_several"),
        ("0755-26543210/26543211", "phone_several"),
        ("1.38E+10", "phone_scientific"),
        ("1.3800138E+10", "phone_scientific"),
    ],
)
def test_says_what_is_wrong_with_a_number(raw: str, template: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise_phone(raw)
    assert refused.value.template_key == template
    assert raw not in refused.value.details.values()


def test_a_redacted_value_is_refused_as_masked() -> None:
    with pytest.raises(MaskedValue, match="phone_masked"):
        normalise_phone("138****8000")
    with pytest.raises(MaskedValue, match="email_masked"):
        normalise_email("z***@example.com")


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("zhang.san@example.com", "zhang.san@example.com"),
        ("Zhang.San@Example.COM", "zhang.san@example.com"),
        ("  a@b.co ", "a@b.co"),
        ("ｚｈａｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ", "zhang@example.com"),
        ("mailto:a@b.com", "a@b.com"),
        ("<a@b.com>", "a@b.com"),
        ("邮箱：abc@example.com", "abc@example.com"),
        ("a@b.com.", "a@b.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("first+tag@mail.example.co.uk", "first+tag@mail.example.co.uk"),
        ("sales@factory.local", "sales@factory.local"),
        ("张三@例子.中国", "张三@例子.中国"),
    ],
)
def test_reads_an_address(raw: str, address: str) -> None:
    value = normalise_email(raw)
    assert value == ContactPointValue(ContactPointKind.EMAIL, raw.strip(), address, None, address)


@pytest.mark.parametrize(
    ("raw", "template"),
    [
        ("", "email_invalid"),
        ("zhang", "email_invalid"),
        ("zhang@", "email_invalid"),
        ("a@b", "email_invalid"),
        ("a b@c.com", "email_invalid"),
        ("a@b,com", "email_invalid"),
        ("a..b@c.com", "email_invalid"),
        (".a@c.com", "email_invalid"),
        ("a@-b.com", "email_invalid"),
        ("a@b..com", "email_invalid"),
        ('"a b"@c.com', "email_invalid"),
        ("a" * 65 + "@c.com", "email_invalid"),
        ("a@" + "b" * 64 + ".com", "email_invalid"),
        ("a@b.com;c@d.com", "email_several"),
        ("a@b.com c@d.com", "email_several"),
        ("a@b.com\x07", "text_control_characters"),
        ("a" * 3000, "text_too_long"),
    ],
)
def test_says_what_is_wrong_with_an_address(raw: str, template: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise_email(raw)
    assert refused.value.template_key == template


def test_the_number_tells_its_kind_whatever_was_stated() -> None:
    assert normalise(MOBILE, "010-88888888").kind is LANDLINE
    assert normalise(LANDLINE, "400-820-8820").kind is SERVICE
    assert normalise(None, "13800138000").kind is MOBILE
    assert normalise(None, "a@b.com").kind is ContactPointKind.EMAIL


def test_a_stated_relay_number_is_believed() -> None:
    value = normalise(PRIVACY, "17012345678")
    assert value == ContactPointValue(PRIVACY, "17012345678", None, None, "+8617012345678")


def test_other_kinds_are_kept_as_they_are() -> None:
    value = normalise(ContactPointKind.WECHAT, " wx_ZhangSan ")
    assert value == ContactPointValue(ContactPointKind.WECHAT, "wx_ZhangSan", None, None, "wx_ZhangSan")
    with pytest.raises(Invalid, match="contact_point_invalid"):
        normalise(ContactPointKind.WECOM, " ")


def test_a_set_gives_a_value_or_a_fault_for_each() -> None:
    good, bad, masked = normalise_phones(["13800138000", "abc", "138****8000"])
    assert isinstance(good, ContactPointValue)
    assert good.e164 == "+8613800138000"
    assert isinstance(bad, UserFault)
    assert (bad.code, bad.template_key) == ("INVALID", "phone_invalid")
    assert isinstance(masked, MaskedValue)


def test_numbers_without_country_code_are_of_the_region() -> None:
    assert normalise_phone("020 7946 0958", "GB").e164 == "+442079460958"
    assert normalise_phone("+8613800138000", "GB").e164 == "+8613800138000"


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_the_fast_path_agrees_with_libphonenumber(digits: str) -> None:
    known = phonenumbers.is_valid_number(phonenumbers.parse(digits, "CN"))
    try:
        value = normalise_phone(digits)
    except Invalid:
        assert not known
    else:
        assert known
        assert value.e164 == f"+86{digits}"


_WRITTEN = st.text(st.sampled_from("0123456789+-() .转#x*/;,ext４８\u00a0\n一@e"), max_size=40)


@given(st.one_of(_WRITTEN, st.text(max_size=60)))
def test_whatever_is_read_reads_back_the_same(raw: str) -> None:
    for read in (normalise_phone, normalise_email):
        try:
            value = read(raw)
        except CrmError:
            continue
        again = read(value.text)
        assert (again.kind, again.e164, again.extension, again.text) == (
            value.kind,
            value.e164,
            value.extension,
            value.text,
        )


def test_plain_values_take_no_library() -> None:
    """Microseconds on an idle core are 1 to 2; the bound leaves room for a busy one, not for a library (40 to 90)."""
    phone = min(timeit.repeat(lambda: normalise_phone("13800138000"), number=2000, repeat=5)) / 2000
    email = min(timeit.repeat(lambda: normalise_email("zhang.san@example.com"), number=2000, repeat=5)) / 2000
    assert phone < 10e-6
    assert email < 10e-6
