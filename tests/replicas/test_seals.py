"""What clients are told of positions: nothing that they could read, and nothing that they could make up."""

import pytest

from crm_graph.replicas.positions import UNKNOWN
from crm_graph.replicas.seals import Seals

OLD, NEW = b"the secret of last year", b"the secret of this year"


def seals(*secrets: bytes) -> Seals:
    return Seals(lambda: secrets)


def sealed(by: Seals, position: int) -> bytes:
    told = by.seal(position)
    assert told is not None
    return told.encode()


@pytest.mark.parametrize("position", [0, 0x16B3748, 0x5_0000_00FF, UNKNOWN])
def test_a_position_comes_back_as_it_was_in_every_process(position: int) -> None:
    assert seals(NEW).open(sealed(seals(NEW), position)) == position


def test_equal_positions_look_different_and_all_as_long() -> None:
    one, again, other = (sealed(seals(NEW), position) for position in (5, 5, 2**60))

    assert len({one, again, other}) == 3
    assert len(one) == len(again) == len(other)


def test_a_secret_that_came_since_seals_and_the_one_before_still_opens() -> None:
    secrets: tuple[bytes, ...] = (OLD,)
    process = Seals(lambda: secrets)
    before = sealed(process, 7)
    secrets = (NEW, OLD)

    assert process.open(before) == 7
    assert seals(NEW).open(sealed(process, 8)) == 8
    assert seals(OLD).open(sealed(process, 8)) == UNKNOWN


@pytest.mark.parametrize("told", [b"", b"0/16B3748", b"yesterday", b"\xff\xfe", b"g" * 100, b"A" * 60_000])
def test_what_is_not_ours_counts_as_now(told: bytes) -> None:
    assert seals(NEW).open(told) == UNKNOWN
    assert seals().open(told) == UNKNOWN


def test_a_sealed_position_that_was_changed_counts_as_now() -> None:
    told = sealed(seals(NEW), 7)
    changed = [told[:n] + (b"A" if told[n : n + 1] != b"A" else b"B") + told[n + 1 :] for n in range(len(told) - 4)]

    assert {seals(NEW).open(each) for each in changed} == {UNKNOWN}


def test_without_a_secret_nothing_is_told() -> None:
    assert seals().seal(7) is None
