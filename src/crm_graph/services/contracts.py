"""Contracts: the shared verbs, a number for each, and the arithmetic of lines (不含税 + 税额 = 含税)."""

from collections.abc import Sequence
from decimal import Decimal

from crm_graph.errors import RuleViolated
from crm_graph.services import numbers, records
from crm_graph.services.commands import Archive, Create, Mode, Outcome, Restore, Update
from crm_graph.services.drafts import Draft, Noun
from crm_graph.services.money import to_cents
from crm_graph.services.rows import Row
from crm_graph.transaction import Transaction

LINES = "lines"
TOTALS = {"net_amount": "netAmount", "tax_amount": "taxAmount", "gross_amount": "grossAmount"}
_LINE_DEFAULTS = {"discount_rate": Decimal(0), "tax_rate": Decimal("0.13")}


def _line_key(_row: Row, number: int) -> int:
    """Lines are known by their place."""
    return number


async def _prepare(tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if LINES in draft.children:
            for number, line in enumerate(draft.children[LINES]):
                _check_line(draft, number, line)
        starts, ends = draft.value("starts_on"), draft.value("ends_on")
        if starts is not None and ends is not None and ends < starts and {"starts_on", "ends_on"} & draft.row.keys():
            draft.refuse(RuleViolated("ends_before_start", path=("endsOn",)))
        if not draft.errors and _touches_totals(draft):
            _total(draft)
    await numbers.fill(tx, [draft for draft in drafts if not draft.errors], "contract_numbers", "C")


def _check_line(draft: Draft, number: int, line: Row) -> None:
    for column, default in _LINE_DEFAULTS.items():
        line.setdefault(column, default)
    if line["quantity"] <= 0:
        draft.refuse(RuleViolated("not_positive", path=(LINES, number, "quantity")))
    for column, name in (("discount_rate", "discountRate"), ("tax_rate", "taxRate")):
        if not 0 <= line[column] <= 1:
            draft.refuse(RuleViolated("not_a_fraction", path=(LINES, number, name)))


def _touches_totals(draft: Draft) -> bool:
    return LINES in draft.children or bool({*TOTALS, "currency"} & draft.values.keys())


def _also_reads(draft: Draft) -> frozenset[str]:
    return frozenset({LINES}) if _touches_totals(draft) else frozenset()


def _total(draft: Draft) -> None:
    """With lines the totals are their sums, and writing another is refused; without, two amounts give the third."""
    given = LINES in draft.children
    if draft.wanted_children(LINES):
        draft.children[LINES] = [
            priced(line, number, draft.value("currency")) for number, line in enumerate(draft.wanted_children(LINES))
        ]
        for column, name in TOTALS.items():
            total = sum((line[column] for line in draft.children[LINES]), Decimal(0))
            if draft.values.get(column, total) != total:
                # Of lines that stand there, who writes a total may see less than their sum.
                draft.refuse(
                    RuleViolated("total_of_lines", path=(name,), total=str(total))
                    if given
                    else RuleViolated("not_total_of_lines", path=(name,))
                )
            draft.row[column] = total
        return
    net, tax, gross = (draft.value(column) for column in TOTALS)
    if {*TOTALS} & draft.values.keys():
        written = {column: draft.values.get(column) for column in TOTALS}
        if sum(amount is not None for amount in written.values()) == 2:
            net, tax, gross = written.values()
        _complete(draft, net, tax, gross)


def _complete(draft: Draft, net: Decimal | None, tax: Decimal | None, gross: Decimal | None) -> None:
    if net is not None and tax is not None and gross is None:
        gross = net + tax
    elif net is not None and gross is not None and tax is None:
        tax = gross - net
    elif tax is not None and gross is not None and net is None:
        net = gross - tax
    if net is not None and tax is not None and gross is not None and net + tax != gross:
        draft.refuse(RuleViolated("net_and_tax_are_gross", path=("grossAmount",)))
    draft.row.update(net_amount=net, tax_amount=tax, gross_amount=gross)


def priced(line: Row, number: int, currency: str) -> Row:
    """A line with its amounts: each is rounded to cents, half away from zero, and gross is their sum."""
    net = to_cents(line["quantity"] * line["unit_price"] * (1 - line["discount_rate"]))
    tax = to_cents(net * line["tax_rate"])
    return {
        **line,
        "position": number + 1,
        "currency": currency,
        "net_amount": net,
        "tax_amount": tax,
        "gross_amount": net + tax,
    }


NOUN = Noun(
    "contract",
    fills=frozenset({"number"}),
    children={LINES: _line_key},
    prepare=_prepare,
    also_reads=_also_reads,
    rate_on="signed_on",
)


async def create(tx: Transaction, commands: Sequence[Create], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Make contracts; see `records.create`."""
    return await records.create(tx, NOUN, commands, mode)


async def update(tx: Transaction, commands: Sequence[Update], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Patch contracts; see `records.update`."""
    return await records.update(tx, NOUN, commands, mode)


async def archive(tx: Transaction, commands: Sequence[Archive], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Archive contracts; see `records.archive`."""
    return await records.archive(tx, NOUN, commands, mode)


async def restore(tx: Transaction, commands: Sequence[Restore], mode: Mode = Mode.ATOMIC) -> list[Outcome]:
    """Restore contracts; see `records.restore`."""
    return await records.restore(tx, NOUN, commands, mode)
