"""Search over HTTP: what is typed badly is answered clearly, and what was just written is found."""

from typing import Any

import pytest

from .conftest import Crm

SEARCH = (
    "query ($t: String!) { customers(search: $t) { nodes { name } totalCount } search(text: $t) { hits { match } } }"
)


async def test_a_customer_is_found_as_soon_as_it_is_made(crm: Crm) -> None:
    await crm.make("sun", "customer", kind="PERSON", name="仇千里", phone="138 7319 4826")
    for typed in ("仇千", "qiuqianli", "qql", "194826", "+86 138 7319 4826", "qiuqianil", "求千里"):
        answer = await crm.ask("sun", SEARCH, {"t": typed})
        assert answer.data["customers"] == {"nodes": [{"name": "仇千里"}], "totalCount": 1}, typed


async def test_what_has_no_reading_in_pinyin_sounds_like_no_name(crm: Crm) -> None:
    await crm.make("sun", "customer", kind="PERSON", name="无关人")
    for typed in ("ソニー", "삼성", "ソニー 삼성"):
        answer = await crm.ask("sun", SEARCH, {"t": typed})
        assert answer.data == {"customers": {"nodes": [], "totalCount": 0}, "search": {"hits": []}}, typed


@pytest.mark.parametrize(
    "typed", ["", " ", "%", "_", "'", "\\", "!!!", "😀", "\u3000", "zqx:*", "zqx & !zqy | (zqz", "<->"]
)
async def test_odd_texts_find_nothing(crm: Crm, typed: str) -> None:
    answer = await crm.ask("sun", SEARCH, {"t": typed})
    assert answer.status == 200
    assert answer.data == {"customers": {"nodes": [], "totalCount": 0}, "search": {"hits": []}}


@pytest.mark.parametrize(
    "typed", ["a" * 201, "㌖" * 34, "张" * 10_000, "x0 x13 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12", "a\0b", 5]
)
async def test_texts_that_nobody_types_are_refused(crm: Crm, typed: Any) -> None:
    answer = await crm.ask("sun", SEARCH, {"t": typed})
    assert answer.error[:2] == (400, "BAD_VARIABLES")


async def test_numbers_that_folding_makes_long_are_written_and_found(crm: Crm) -> None:
    """`㌖` is one letter as it is typed, and six as it is compared: キロメートル."""
    await crm.make("sun", "customer", kind="PERSON", name="长微信", wechatId="㌖" * 199 + "7")
    for typed in ("㌖" * 33, "メートル7"):
        answer = await crm.ask("sun", SEARCH, {"t": typed})
        assert answer.data["customers"]["nodes"] == [{"name": "长微信"}], typed


@pytest.mark.parametrize("field", ["NUMBER", "TAX_ID", "WECHAT_ID", "REGISTRATION_NUMBER", "PHONE", "EMAIL"])
@pytest.mark.parametrize("value", ["9" * 3_000, "㌖" * 199 + "7", "好" * 10_000, "㌖" * 300 + "@example.com"])
async def test_a_value_that_is_too_long_to_be_one_finds_nothing(crm: Crm, field: str, value: str) -> None:
    document = f"query ($v: String!) {{ lookup(type: CUSTOMER, field: {field}, value: $v) {{ __typename }} }}"
    assert (await crm.ask("sun", document, {"v": value})).data == {"lookup": []}
