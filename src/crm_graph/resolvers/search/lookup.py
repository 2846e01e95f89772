"""A lookup as SQL: the rows that have exactly a value, in fields that the asker may look up on those very rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm_graph.access import Level
from crm_graph.catalog import Searched
from crm_graph.criteria.rows import Row, own_row
from crm_graph.errors import UserFault
from crm_graph.fragments import Fragment, all_of, any_of, name, number, param, sql
from crm_graph.models.fields import Search as How
from crm_graph.resolvers.arguments import given
from crm_graph.resolvers.json_sql import Pairs, as_object
from crm_graph.resolvers.plan import ROW_ID, ObjectPlan, ValueLookup
from crm_graph.resolvers.rows import Context, RowFlags, columns_used
from crm_graph.resolvers.search.ranking import DOCUMENT, Searching
from crm_graph.scalars import parse_text
from crm_graph.services.contact_points import normalise_email, normalise_phone
from crm_graph.services.search_keys import LONGEST_NUMBER, Key, fold, national, same_address, same_number, squeeze

ObjectWriter = Callable[[ObjectPlan, Row, RowFlags], Pairs]


@dataclass(frozen=True, slots=True)
class Exact:
    """Parses a value into the query for records that have it, however it is written: phone numbers are read as in the
    contact points, and of numbers spaces, case and punctuation do not count. What is no such value finds nothing, nor
    does one that is too long to stand in a key as a whole.
    """

    how: How
    tags: tuple[str, ...]

    def __call__(self, raw: Any) -> str:
        value = _key(self.how, parse_text(raw))
        known = 0 < len(value) < LONGEST_NUMBER
        return " | ".join(f"'{tag}{Key.FORWARD}{value}'" for tag in self.tags) if known else ""


def compared(how: How | None, text: str) -> str:
    """A value as it is compared with others of a field that is searched so: equal for equal ones, however written."""
    if how is How.NUMBER:
        return squeeze(fold(text)) or text.strip()
    whole = _WHOLE.get(how) if how is not None else None
    return (whole(text) if whole else "") or text.strip()


def _key(how: How, text: str) -> str:
    """The value as it stands in a key; empty for what is none of its kind."""
    if how is How.NUMBER:
        return squeeze(fold(text))
    if how is How.EMAIL:
        return squeeze(fold(email(text)))
    return national(phone(text)) or ""


def email(raw: Any) -> str:
    """Parses an e-mail address as it is compared; empty for what is none."""
    try:
        return normalise_email(parse_text(raw)).e164 or ""
    except UserFault:
        return ""


def phone(raw: Any) -> str:
    """Parses a phone number into its E.164 form; empty for what is none of a person."""
    try:
        return normalise_phone(parse_text(raw)).e164 or ""
    except UserFault:
        return ""


_WHOLE: Mapping[How, Callable[[Any], str]] = {How.EMAIL: email, How.PHONE: phone}
"""What keys do not tell apart is compared again, whole."""
_SAME: Mapping[How, Callable[[Fragment, Fragment], Fragment]] = {How.EMAIL: same_address, How.PHONE: same_number}


def value_lookup(plan: ValueLookup, context: Context, write: ObjectWriter) -> Fragment:
    """The JSON of the rows, newest first, archived ones left out."""
    row = own_row(plan.row.entity, context.alias())
    searching = Searching(context.catalog, row, context.compiler(), plan.value, Level.LOOKUP)
    how = plan.fields[0].how
    flags = context.flags(row)
    item = as_object([*write(plan.row, row, flags), (ROW_ID, row.column("id"))])
    has = [
        all_of(
            [
                _has(plan, how, [searched]),
                searching.readable(searched),
                *([_same(plan, how, row, searched, context)] if how in _WHOLE else []),
            ]
        )
        for searched in plan.fields
    ]
    where = all_of(
        [
            searching.of_type,
            _has(plan, how, plan.fields),
            any_of(has),
            context.compiler().visible(row),
            sql("{c} IS NULL", c=row.column("archived_at")),
        ]
    )
    return sql(
        "array_to_json(ARRAY(SELECT {item} FROM (SELECT {columns}{flags} FROM {document} JOIN {table} AS {a}"
        " ON {of_row} WHERE {where} ORDER BY {a}.id DESC LIMIT {limit}) AS {a} ORDER BY {a}.id DESC))",
        item=item,
        a=name(row.alias),
        columns=columns_used(row, [item], flags.names),
        flags=flags.flag_columns(),
        document=searching.document,
        table=name(row.entity.table),
        of_row=searching.of_row,
        where=where,
        limit=number(context.limits.lookup_rows),
    )


def _has(plan: ValueLookup, how: How, fields: "list[Searched] | tuple[Searched, ...]") -> Fragment:
    exact = Exact(how, tuple(searched.tag for searched in fields))
    return sql("{d}.keys @@ {q}", d=name(DOCUMENT), q=param(given(plan.value, exact), "tsquery"))


def _same(plan: ValueLookup, how: How, row: Row, searched: Searched, context: Context) -> Fragment:
    """Whether it is the value itself, which keys do not tell."""
    value = param(given(plan.value, _WHOLE[how]), "text")
    if searched.relation is None:
        return _SAME[how](row.column(searched.field.name), value)
    return sql(
        "EXISTS (SELECT 1 FROM {table} AS c WHERE c.{remote} = {local} AND {same})",
        table=name(context.catalog[searched.relation.target].table),
        remote=name(searched.relation.remote),
        local=row.column(searched.relation.local),
        same=_SAME[how](sql("c.{column}", column=name(searched.field.name)), value),
    )
