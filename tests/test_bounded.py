"""The bounded map: what goes first, and what a heavy value does to the others."""

from crm_graph.bounded import Bounded


def test_what_was_used_longest_ago_goes_first() -> None:
    kept: Bounded[str, str] = Bounded(2)
    kept.put("a", "1")
    kept.put("b", "2")
    assert kept.get("a") == "1"
    kept.put("c", "3")
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == ("1", None, "3")


def test_a_value_that_is_too_heavy_is_not_kept_and_costs_no_other_its_place() -> None:
    kept: Bounded[str, list[int]] = Bounded(10, len)
    grown = [0]
    kept.put("grown", grown)
    kept.put("other", [1] * 5)
    grown.extend([0] * 10)
    kept.put("grown", grown)
    assert (kept.get("grown"), kept.get("other")) == (None, [1] * 5)
    kept.put("more", [2] * 5)
    assert (len(kept), kept.get("other")) == (2, [1] * 5)
