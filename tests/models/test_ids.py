"""Ids made in one process: their form, and that they grow."""

from datetime import UTC, datetime, timedelta

import pytest

from crm_graph.models.ids import EntityCode, IdSource, code_of, first_id_at

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def zeros(bits: int) -> int:
    return 0


def test_an_id_is_a_uuid_of_version_7_that_tells_its_entity() -> None:
    made = IdSource(lambda: NOON, zeros).new(EntityCode.CONTRACT)
    assert str(made) == "01a20320-a200-7000-8600-000000000000"
    assert (made.version, code_of(made)) == (7, EntityCode.CONTRACT)


def test_ids_grow_within_a_millisecond_and_when_the_clock_goes_back() -> None:
    moments = iter([NOON, NOON, NOON - timedelta(seconds=1), *[NOON] * 5_000])
    ids = IdSource(lambda: next(moments), zeros)
    made = [ids.new(EntityCode.LEAD) for _ in range(5_003)]
    assert made == sorted(set(made))


@pytest.mark.parametrize("code", list(EntityCode))
def test_every_code_fits_under_the_variant(code: EntityCode) -> None:
    made = IdSource().new(code)
    assert code_of(made) == code
    assert made.variant == "specified in RFC 4122"


def test_the_first_id_of_a_moment_is_below_all_ids_of_it() -> None:
    made = IdSource(lambda: NOON, zeros).new(EntityCode.CUSTOMER)
    assert first_id_at(NOON) < made < first_id_at(NOON + timedelta(milliseconds=1))
