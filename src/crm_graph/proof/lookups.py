"""What a lookup finds, by its definition: the records that have exactly a value, held against it one by one."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from crm_graph.access import Level
from crm_graph.catalog import Searched, searched_fields
from crm_graph.errors import UserFault
from crm_graph.models.fields import Search
from crm_graph.proof.view import Record, View
from crm_graph.services.contact_points import normalise_email, normalise_phone


def with_value(view: View, records: Iterable[Record], field: str, value: str) -> Iterator[Record]:
    """The records that have exactly a value in a field that the asker may look up on them."""
    for record in records:
        (own,) = (
            s
            for s in searched_fields(view.catalog, record.entity)
            if s.relation is None and s.field.name.upper() == field
        )
        wanted = exact(own.how, value)
        kinds = {own.how} if own.how is Search.NUMBER else {own.how, Search.CONTACT}
        for searched in searched_fields(view.catalog, record.entity):
            if searched != own and (searched.how is not Search.CONTACT or searched.how not in kinds):
                continue
            found = [
                row[searched.field.name]
                for row, prefix in searched_rows(view, record, searched)
                if row[searched.field.name] is not None
                and view.level(Record(record.entity, row, record.root, record.root_row, prefix), searched.field.name)
                >= Level.LOOKUP
            ]
            if wanted and any(_stored(own.how, v) == wanted for v in found):
                yield record
                break


def exact(how: Search, value: str) -> str | None:
    """A value as it is compared; None for what is none of its kind."""
    try:
        if how is Search.NUMBER:
            return squeezed(folded(value))
        if how is Search.EMAIL:
            return normalise_email(value).e164
        return whole_number(normalise_phone(value).e164 or "")
    except UserFault:
        return None


def _stored(how: Search, value: str) -> str | None:
    if how is Search.NUMBER:
        return squeezed(folded(value))
    return value.lower() if how is Search.EMAIL else whole_number(value)


def searched_rows(view: View, record: Record, searched: Searched) -> Iterable[tuple[Any, str]]:
    if searched.relation is None:
        return [(record.row, "")]
    relation = searched.relation
    rows = view.tables[view.catalog[relation.target].table]
    return [(r, f"{relation.name}.") for r in rows if r[relation.remote] == record.row[relation.local]]


def folded(text: str) -> str:
    """Lower case, half width, no accents."""
    parts = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in parts if not unicodedata.combining(c))).lower()


def squeezed(text: str) -> str:
    return "".join(c for c in text if c.isalnum())


def national(value: str) -> str | None:
    """The digits of a person's number, without +86; None for what is neither E.164 nor a Chinese mobile number."""
    if re.fullmatch(r"\+[0-9]{8,}", value):
        return value[1:].removeprefix("86")
    return value if re.fullmatch(r"1[0-9]{10}", value) else None


def whole_number(value: str) -> str | None:
    """A person's number in E.164 form; None for what is neither that nor a Chinese mobile number."""
    if re.fullmatch(r"\+[0-9]{8,}", value):
        return value
    return f"+86{value}" if re.fullmatch(r"1[0-9]{10}", value) else None
