"""What a text becomes for each tier of likeness: each asks for what the tier before did not."""

import pytest

from crm_graph.models.fields import Search
from crm_graph.resolvers.search.queries import FoundIn, NewIn, Parts, Tagged, Tier

NAME, EMAIL = Tagged("n", Search.NAME), Tagged("e", Search.EMAIL)


@pytest.mark.parametrize(
    ("tier", "asked"),
    [
        (Tier.EXACT, "('ng^to' <-> 'ngton' <-> 'ngong' <-> 'ngng$')"),
        (Tier.PREFIX, "('ng^to' <-> 'ngton' <-> 'ngong')"),
        (Tier.PART, "('ngton' <-> 'ngong')"),
        (Tier.PINYIN_EXACT, "'nptong$'"),
        (Tier.PINYIN, "'nptong':*"),
        (Tier.INITIALS_EXACT, "'nitong$'"),
        (Tier.INITIALS, "'nitong':*"),
    ],
)
def test_a_tier_asks_for_what_the_tier_before_did_not(tier: Tier, asked: str) -> None:
    assert NewIn((NAME,), tier)("tong") == asked


def test_a_tier_that_adds_nothing_asks_for_nothing() -> None:
    assert NewIn((EMAIL,), Tier.PINYIN)("tong") == ""
    assert NewIn((EMAIL,), Tier.PINYIN)("tong li") == ""


def test_words_that_are_spelled_are_of_one_tier() -> None:
    spelled = [FoundIn((NAME,), tier)("wang li") for tier in Tier]
    assert ["'nili':*" in each for each in spelled] == [False] * 6 + [True] * 2
    new = [NewIn((NAME,), tier)("wang li") for tier in Tier]
    assert [" & " in each for each in new] == [True] * 3 + [False] * 3 + [True] * 2


@pytest.mark.parametrize(("word", "asked"), [("138", "'cf138'"), ("1380", "'cf1380':*"), ("a1", "'cfa1':*")])
def test_contact_points_begin_with_four_digits_or_two_letters(word: str, asked: str) -> None:
    assert FoundIn((Tagged("c", Search.CONTACT),), Tier.PREFIX)(word) == asked


def test_a_part_is_the_query_of_a_word() -> None:
    assert Parts(FoundIn((EMAIL,), Tier.PREFIX))("wang li") == ["'efwangli':*", "'efwang':*", "'efli':*"]
    assert Parts(FoundIn((EMAIL,), Tier.PREFIX))("wang") == []


def test_a_word_that_nothing_is_like_leaves_the_whole() -> None:
    phone = Tagged("p", Search.PHONE)
    assert Parts(FoundIn((phone,), Tier.PREFIX))("wang 138") == [""]


def test_by_some_fields_alone_the_whole_is_found_and_each_word_by_any() -> None:
    assert FoundIn((NAME, EMAIL), Tier.EXACT, (EMAIL,))("wangli") == "'efwangli'"
    assert Parts(FoundIn((NAME, EMAIL), Tier.EXACT, (EMAIL,)))("a1 b2") == [
        "'efa1b2'",
        "(('ng^a1' <-> 'nga1$') | 'efa1')",
        "(('ng^b2' <-> 'ngb2$') | 'efb2')",
    ]
