"""Keys of values, and what a text asks for: the cases that people meet, each spelled out."""

import pytest

from crm_graph.errors import BadVariables
from crm_graph.models.fields import Search
from crm_graph.resolvers.search.queries import Tagged, Tier, alternatives, wanted
from crm_graph.services.pinyin import readings
from crm_graph.services.search_keys import fold, gram_phrase, grams, keys_in, national, squeeze


@pytest.mark.parametrize(
    ("name", "syllables"),
    [
        ("单雄信", [["shan", "xiong", "xin"], ["dan", "xiong", "xin"]]),
        ("仇英", [["qiu", "ying"], ["chou", "ying"]]),
        ("解珍", [["xie", "zhen"], ["jie", "zhen"]]),
        ("尉迟恭", [["yuchi", "gong"], ["wei", "chi", "gong"]]),
        ("重庆火锅", [["chong", "qing", "huo", "guo"]]),
        ("吕布", [["lv", "bu"]]),
        ("abc科技", [["abc", "ke", "ji"]]),
    ],
)
def test_reads_names_as_people_say_them(name: str, syllables: list[list[str]]) -> None:
    assert readings(name) == syllables


def test_folds_width_case_accents_and_punctuation() -> None:
    assert squeeze(fold("ＡＢＣ－１２３ Café’s（北京）%_")) == "abc123cafes北京"


def test_grams_of_a_part_stand_in_a_row_in_the_whole() -> None:
    whole = grams("ab中文cde")
    for part in ("ab中文cde", "中文c", "b中", "文cd", "cde"):
        phrase = gram_phrase(part)
        starts = [i for i in range(len(whole)) if whole[i : i + len(phrase)] == [g.removesuffix("*") for g in phrase]]
        assert len(starts) == 1 or phrase[-1].endswith("*"), part


@pytest.mark.parametrize(
    ("stored", "digits"),
    [
        ("+8613800138000", "13800138000"),
        ("+861062345678", "1062345678"),
        ("+442079460958", "442079460958"),
        ("13800138000", "13800138000"),
        ("4008001234", None),
        ("95588", None),
        ("+8613800138000;ext=801", None),
    ],
)
def test_only_numbers_of_people_are_searched(stored: str, digits: str | None) -> None:
    assert national(stored) == digits
    assert keys_in(Search.PHONE, stored) == ([] if digits is None else [f"f{digits}", f"b{digits[::-1]}"])


@pytest.mark.parametrize("typed", ["13800138000", "8613800138000", "008613800138000", "013800138000"])
def test_a_number_is_found_however_it_is_dialled(typed: str) -> None:
    assert "'xf13800138000'" in list(alternatives(Tagged("x", Search.PHONE), typed, Tier.EXACT))


@pytest.mark.parametrize("text", ["", "  ", "%_", "!!!", "\u200b", "😀"])
def test_a_text_without_letters_asks_for_nothing(text: str) -> None:
    assert wanted(text).whole == ""
    assert wanted(text).words == ()


def test_refuses_texts_that_nobody_types() -> None:
    with pytest.raises(BadVariables, match="search_too_long"):
        wanted("a" * 10_000)
    with pytest.raises(BadVariables, match="search_too_long"):
        wanted(" ".join(f"w{n}" for n in range(13)))
