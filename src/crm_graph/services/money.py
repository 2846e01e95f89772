"""Amounts in the company's base currency, at the exchange rate of a day."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from crm_graph.errors import RuleViolated
from crm_graph.services.drafts import Desk, Draft
from crm_graph.transaction import Transaction

CENT = Decimal("0.01")


def to_cents(amount: Decimal) -> Decimal:
    """Commercial rounding to two places: half a cent goes away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


async def fill_base(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Set `<name>_base` wherever an amount or the currency is written. A missing rate is RULE_VIOLATED."""
    names = [f.name for f in desk.entity.fields.values() if f.based]
    causes = {"currency", *names, *filter(None, [desk.noun.rate_on])}
    touched = [draft for draft in drafts if not causes.isdisjoint(draft.row)]
    foreign = {
        draft.index: (draft.value("currency"), _rate_day(desk, draft))
        for draft in touched
        if draft.value("currency") != desk.tx.base_currency and any(draft.value(name) is not None for name in names)
    }
    rates = await rates_at(desk.tx, set(foreign.values()))
    for draft in touched:
        rate = Decimal(1)
        if draft.index in foreign:
            currency, day = foreign[draft.index]
            found = rates.get((currency, day))
            if found is None:
                draft.refuse(RuleViolated("rate_missing", path=("currency",), currency=currency, date=day.isoformat()))
                continue
            rate = found
        for name in names:
            amount = draft.value(name)
            draft.row[f"{name}_base"] = None if amount is None else to_cents(amount * rate)


def _rate_day(desk: Desk, draft: Draft) -> date:
    """The day of the noun's column where it is set, today otherwise."""
    found = None if desk.noun.rate_on is None else draft.value(desk.noun.rate_on)
    if isinstance(found, datetime):
        return found.astimezone(desk.tx.zone).date()
    return found if isinstance(found, date) else desk.tx.today


async def rates_at(tx: Transaction, wanted: set[tuple[str, date]]) -> dict[tuple[str, date], Decimal]:
    """The rate of each currency on each day: that of the latest date not after it."""
    if not wanted:
        return {}
    pairs = sorted(wanted)
    found = await tx.driver().fetch(
        "SELECT q.currency, q.day, r.rate FROM unnest($1::text[], $2::date[]) AS q (currency, day)"
        " CROSS JOIN LATERAL (SELECT e.rate FROM exchange_rates e WHERE e.currency = q.currency"
        " AND e.valid_on <= q.day ORDER BY e.valid_on DESC LIMIT 1) AS r",
        [currency for currency, _ in pairs],
        [day for _, day in pairs],
    )
    return {(record["currency"], record["day"]): record["rate"] for record in found}
