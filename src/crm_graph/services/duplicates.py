"""查重: whether a customer or lead is there already, so that nobody makes a second one.

Of records out of the asker's scope no more is told than that there are some, with the names of their owners and whether
they lie in the pool: neither how many there are, nor which, nor what of them matched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_graph.catalog import Catalog, EntityType, searched_fields
from crm_graph.errors import CrmError, Required
from crm_graph.fragments import TRUE, Fragment, all_of, any_of, const, join, name, number, param, sql
from crm_graph.models.customers import CustomerKind, PoolState
from crm_graph.models.fields import Search
from crm_graph.services import reads
from crm_graph.services.contact_points import normalise_email, normalise_phone
from crm_graph.services.reads import AuditedRead, Hashing
from crm_graph.services.rights import in_any_scope, rights_on
from crm_graph.services.search_keys import (
    END,
    LONGEST_NUMBER,
    START,
    Key,
    fold,
    gram_phrase,
    national,
    same_address,
    same_number,
    squeeze,
)
from crm_graph.services.texts import clean
from crm_graph.transaction import Input, Transaction

ACTION = "duplicates:check"
VERB = "duplicate_checked"
MAX_MATCHES = 50
MAX_RECORDS = 5
"""Of the asker's own records that match, so many are given, the newest."""
_LONGEST = 254


@dataclass(frozen=True, slots=True)
class Criterion:
    """What records are compared by: the fields that may have the value, by type; of children with their relation."""

    fields: Mapping[str, tuple[str, ...]]
    how: Search


CRITERIA: Mapping[str, Criterion] = {
    "phone": Criterion({"customer": ("phone", "contact_points.e164"), "lead": ("phone",)}, Search.PHONE),
    "email": Criterion({"customer": ("email", "contact_points.e164"), "lead": ("email",)}, Search.EMAIL),
    # A person's name is no hint: there are too many of each.
    "companyName": Criterion({"customer": ("name",), "lead": ("company_name",)}, Search.NAME),
    "registrationNumber": Criterion({"customer": ("registration_number", "tax_id")}, Search.NUMBER),
}

_SAME: Mapping[str, Callable[[Fragment, Fragment], Fragment]] = {"phone": same_number, "email": same_address}


@dataclass(frozen=True, slots=True)
class Match:
    """What is told of records that match: one that the asker sees has its id, others share what is told of them."""

    entity: str
    owner_name: str | None
    pool_state: PoolState
    id: UUID | None = None


async def check(tx: Transaction, hashes: Hashing, values: Mapping[str, str]) -> list[Match]:
    """The records that have one of the values, by criterion; those that the asker sees first, the newest first.

    Raises Required without a value, Invalid with the path to one that is none.
    """
    tx.require(ACTION)
    wanted = {criterion: _canonical(criterion, value) for criterion, value in values.items()}
    if not wanted:
        raise Required(path=("input",))
    found: list[Match] = []
    audited: list[AuditedRead] = []
    for entity in ("customer", "lead"):
        asked = {criterion: value for criterion, value in wanted.items() if entity in CRITERIA[criterion].fields}
        rows = await _rows(tx, tx.catalog[entity], asked) if asked else []
        found += _matches(entity, rows)
        for place, (criterion, value) in enumerate(asked.items()):
            ids = tuple(row["id"] for row in rows if row[f"m{place}"])
            looked_for = hashes.of(entity, value)
            audited.append(AuditedRead(VERB, entity, (criterion,), len(ids), ids, looked_for))
    await reads.record(tx, audited)
    return [*(m for m in found if m.id is not None), *(m for m in found if m.id is None)]


def _canonical(criterion: str, given: str) -> str:
    """A value as it is compared. Raises Invalid or Required with the path to it."""
    try:
        text = clean(given, max_length=_LONGEST)
        match CRITERIA[criterion].how:
            case Search.PHONE:
                value = normalise_phone(text or "").e164 or ""
            case Search.EMAIL:
                value = normalise_email(text or "").e164 or ""
            case _:
                value = squeeze(fold(text or ""))[:LONGEST_NUMBER]
    except CrmError as fault:
        raise fault.at("input", criterion) from None
    if text is None:
        raise Required(path=("input", criterion))
    return value


async def _rows(tx: Transaction, entity: EntityType, asked: Mapping[str, str]) -> Sequence[Any]:
    """The records in use that match: by which criterion, whose, and whether they are seen. Those that are come first,
    however many others there are, and the newest of either.
    """
    inputs: dict[str, Any] = {}
    matched, queries = [], []
    for place, (criterion, value) in enumerate(asked.items()):
        query = _query(tx.catalog, entity, criterion, value)
        inputs[f"q{place}"] = query
        queries.append(query)
        inputs[f"v{place}"] = value
        matched.append(_matched(tx.catalog, entity, criterion, place))
    return await tx.fetch(
        sql(
            "SELECT t.id, u.name AS owner, t.pool_state, {seen} AS seen, {matched}"
            " FROM search_documents AS d JOIN {table} AS t ON t.id = d.entity_id"
            " LEFT JOIN users AS u ON u.id = t.owner_id"
            " WHERE d.code = {code} AND d.keys @@ {any} AND {some} AND t.archived_at IS NULL"
            " ORDER BY seen DESC, t.id DESC LIMIT {limit}",
            seen=sql("({scope}) IS TRUE", scope=in_any_scope(rights_on(tx, entity), "t")),
            matched=join(", ", [sql("{m} AS {n}", m=m, n=name(f"m{place}")) for place, m in enumerate(matched)]),
            table=name(entity.table),
            code=number(entity.code),
            any=param(Input("any"), "tsquery"),
            some=any_of(matched),
            limit=number(MAX_MATCHES),
        ),
        any=" | ".join(f"({query})" for query in queries if query),
        **inputs,
    )


def _query(catalog: Catalog, entity: EntityType, criterion: str, value: str) -> str:
    """The keys of records that have the value; empty where none can."""
    how = CRITERIA[criterion].how
    known = (national(value) or "") if how is Search.PHONE else value
    if not known:
        return ""
    return " | ".join(_key(tag, how, known) for tag in _tags(catalog, entity, criterion))


def _key(tag: str, how: Search, value: str) -> str:
    if how is not Search.NAME:
        return f"'{tag}{Key.FORWARD}{squeeze(value)}'"
    grams = gram_phrase(f"{START}{value}{END}")
    keys = [f"'{tag}{Key.GRAM}{gram.removesuffix('*')}'{':*' if gram.endswith('*') else ''}" for gram in grams]
    return f"({' <-> '.join(keys)})"


def _tags(catalog: Catalog, entity: EntityType, criterion: str) -> Iterable[str]:
    paths = CRITERIA[criterion].fields[entity.name]
    for searched in searched_fields(catalog, entity):
        path = f"{searched.relation.name}.{searched.field.name}" if searched.relation else searched.field.name
        if path in paths:
            yield searched.tag


def _matched(catalog: Catalog, entity: EntityType, criterion: str, place: int) -> Fragment:
    """Whether a record matches by a criterion. What keys do not tell apart is compared whole."""
    has = sql("d.keys @@ {query}", query=param(Input(f"q{place}"), "tsquery"))
    further = TRUE
    if criterion in _SAME:
        value, same = param(Input(f"v{place}"), "text"), _SAME[criterion]
        further = same(sql("t.{column}", column=name(criterion)), value)
        if entity.name == "customer":
            points = sql(
                "EXISTS (SELECT 1 FROM contact_points AS c WHERE c.customer_id = t.id AND {same})",
                same=same(sql("c.e164"), value),
            )
            further = any_of([further, points])
    elif criterion == "companyName" and entity.name == "customer":
        further = sql("t.kind = {kind}", kind=const(CustomerKind.ORGANIZATION.value, "text"))
    return sql("({all}) IS TRUE", all=all_of([has, further]))


def _matches(entity: str, rows: Sequence[Any]) -> list[Match]:
    """Records that are seen, each by itself, and what is told of the others, each once and in an order of its own."""
    own = [Match(entity, row["owner"], PoolState(row["pool_state"]), row["id"]) for row in rows if row["seen"]]
    others = {(row["owner"], row["pool_state"]) for row in rows if not row["seen"]}
    told = sorted(others, key=lambda pair: (pair[0] or "", pair[1]))
    return [*own[:MAX_RECORDS], *(Match(entity, owner, PoolState(pool)) for owner, pool in told)]
