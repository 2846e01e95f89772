"""Rights on rows that are written: locked rows with what each grant says about them, writable fields, masked values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_graph.access import EVERY_ROW, Level, TypeGrant
from crm_graph.catalog import Catalog, EntityType, Field
from crm_graph.criteria.compiling import row_scope
from crm_graph.errors import CrmError, Invalid, MaskedValue
from crm_graph.fragments import EMPTY, FALSE, Fragment, any_of, join, name, param, sql
from crm_graph.permissions.effective import field_paths
from crm_graph.services.rows import Row, columns_as_read
from crm_graph.transaction import Input, Transaction

Flags = tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A locked row as it stands, and for each grant of the asker on its type whether the grant's scope matches it."""

    row: Row
    flags: Flags


@dataclass
class Rights:
    """What the asker may do with rows of one type, by the grants that match a row. Cached per combination of grants."""

    catalog: Catalog
    entity: EntityType
    grants: tuple[TypeGrant, ...]
    _writes: dict[Flags, frozenset[str]] = field(default_factory=dict)
    _withheld: dict[Flags, frozenset[str]] = field(default_factory=dict)

    @property
    def everywhere(self) -> bool:
        """Whether every grant is about every row, so that no row needs to be asked."""
        return all(grant.scope == EVERY_ROW for grant in self.grants)

    def everywhere_in_full(self, *paths: str) -> bool:
        """Whether one grant lets these fields be read in full on every row."""
        return any(
            grant.scope == EVERY_ROW and all(grant.level(path) is Level.READ for path in paths) for grant in self.grants
        )

    @property
    def all_flags(self) -> Flags:
        return (True,) * len(self.grants)

    def writes(self, flags: Flags) -> frozenset[str]:
        """The field paths that some matching grant lets be written."""
        if flags not in self._writes:
            matching = [grant.writes for grant, hit in zip(self.grants, flags, strict=True) if hit]
            self._writes[flags] = frozenset().union(*matching)
        return self._writes[flags]

    def level(self, flags: Flags, path: str) -> Level:
        """The level of a cell: the highest that a single matching grant gives."""
        return max(
            (grant.level(path) for grant, hit in zip(self.grants, flags, strict=True) if hit), default=Level.HIDDEN
        )

    def withheld(self, flags: Flags) -> frozenset[str]:
        """The field paths of which such rows show less than the value."""
        if flags not in self._withheld:
            paths = {path for grant in self.grants for path in (*grant.levels, *grant.writes)}
            self._withheld[flags] = frozenset(path for path in paths if self.level(flags, path) is not Level.READ)
        return self._withheld[flags]

    def refuse_unwritable(self, flags: Flags, paths: Iterable[str]) -> list[CrmError]:
        """One error for each field that may not be written: the same as for a field that never was."""
        allowed = self.writes(flags)
        return [unknown_field(self.catalog, self.entity, path) for path in paths if path not in allowed]

    def scopes(self, alias: str) -> list[Fragment]:
        """For each grant, whether its scope matches the row `alias`."""
        return [row_scope(self.catalog, self.entity, grant.scope, alias) for grant in self.grants]


def rights_on(tx: Transaction, entity: EntityType) -> Rights:
    """The asker's rights on a type."""
    return Rights(tx.catalog, entity, tx.access.grants(entity.name))


def unknown_field(catalog: Catalog, entity: EntityType, path: str) -> CrmError:
    """The error for a field that does not exist, or not for this asker."""
    return Invalid("unknown_field", path=api_path(catalog, entity, path))


def api_path(catalog: Catalog, entity: EntityType, path: str) -> tuple[str, ...]:
    """`contact_points.raw` as a client calls it; what the catalog does not know stays as the client wrote it."""
    head, _, rest = path.partition(".")
    if head in entity.fields:
        return (entity.fields[head].api_name,)
    if head in entity.relations:
        relation = entity.relations[head]
        inner = api_path(catalog, catalog[relation.target], rest) if rest else ()
        return (relation.api_name, *inner)
    parents = (relation.api_name for relation in entity.relations.values() if relation.local == head != "id")
    return (next(parents, path),)


def api_paths(catalog: Catalog, entity: EntityType) -> dict[str, str]:
    """The fields that grants on a root type are about, each with its name in the API: `contactPoints.raw`."""
    return {path: ".".join(api_path(catalog, entity, path)) for path, _ in field_paths(catalog, entity)}


async def lock(tx: Transaction, rights: Rights, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """Lock rows in the order of their ids and read them with the scope flags of each grant, in one statement.
    Rows that match no grant are left out, like ids that never were, and nobody waits for them.
    """
    return await _held_rows(tx, rights, ids, sql(" ORDER BY t.id FOR NO KEY UPDATE OF t"))


async def seen(tx: Transaction, rights: Rights, ids: Sequence[UUID]) -> dict[UUID, Held]:
    """The same without a lock: for who only reads."""
    return await _held_rows(tx, rights, ids, EMPTY)


async def _held_rows(tx: Transaction, rights: Rights, ids: Sequence[UUID], locked: Fragment) -> dict[UUID, Held]:
    if not ids or not rights.grants:
        return {}
    found = await tx.fetch(
        sql(
            "SELECT {columns}, {flags} FROM {table} AS t WHERE t.id = ANY({ids}) AND {scope}{locked}",
            columns=columns_as_read(rights.entity.model, "t"),
            flags=flag_columns(rights),
            table=name(rights.entity.table),
            ids=param(Input("ids"), "uuid[]"),
            scope=in_any_scope(rights, "t"),
            locked=locked,
        ),
        ids=sorted(set(ids)),
    )
    held = (_held(record, len(rights.grants)) for record in found)
    return {h.row["id"]: h for h in held if any(h.flags)}


async def flags_of(tx: Transaction, rights: Rights, ids: Sequence[UUID]) -> dict[UUID, Flags]:
    """The scope flags of rows just written, as the grants see them now."""
    if rights.everywhere:
        return dict.fromkeys(ids, rights.all_flags)
    found = await tx.fetch(
        sql(
            "SELECT t.id, {flags} FROM {table} AS t WHERE t.id = ANY({ids})",
            flags=flag_columns(rights),
            table=name(rights.entity.table),
            ids=param(Input("ids"), "uuid[]"),
        ),
        ids=ids,
    )
    return {record["id"]: flag_values(record, len(rights.grants)) for record in found}


def in_any_scope(rights: Rights, alias: str) -> Fragment:
    """Whether the asker sees the row `alias` at all."""
    return any_of(rights.scopes(alias)) if rights.grants else FALSE


def flag_columns(rights: Rights) -> Fragment:
    """One column per grant for a SELECT from the row `t`, to be read by `flag_values`."""
    return join(
        ", ",
        [
            sql("{scope} AS {flag}", scope=scope, flag=name(f"crm_grant_{number}"))
            for number, scope in enumerate(rights.scopes("t"))
        ],
    )


def flag_values(record: Any, count: int) -> Flags:
    """The scope flags of a row that was selected with `flag_columns`."""
    return tuple(record[f"crm_grant_{number}"] for number in range(count))


def _held(record: Any, grants: int) -> Held:
    flags = flag_values(record, grants)
    row = dict(record)
    for number in range(grants):
        del row[f"crm_grant_{number}"]
    return Held(row, flags)


@dataclass(frozen=True, slots=True)
class Written:
    """A text cell that is about to be written: where, what stands there, and what would."""

    path: str
    field: Field
    flags: Flags
    present: Any
    value: Any


async def refuse_masked(tx: Transaction, rights: Rights, cells: Sequence[Written]) -> list[CrmError | None]:
    """For each withheld cell, MASKED_VALUE when the asker sees it only masked and writes back just what they see.

    A cell that is masked as null cannot be cleared by one who sees null there in any case.
    """
    answers: list[CrmError | None] = [None] * len(cells)
    by_mask: dict[str, list[int]] = {}
    for number, cell in enumerate(cells):
        if cell.field.mask is not None:
            by_mask.setdefault(cell.field.mask.value, []).append(number)
        elif cell.value is None and cell.present is not None:
            answers[number] = MaskedValue(path=(cell.field.api_name,))
    for mask, numbers in by_mask.items():
        shown = await _masked(tx, mask, [cells[n].present for n in numbers])
        for number, text in zip(numbers, shown, strict=True):
            cell = cells[number]
            if text is not None and cell.value == text:
                answers[number] = MaskedValue(path=(cell.field.api_name,))
    return answers


async def _masked(tx: Transaction, mask: str, texts: Sequence[str | None]) -> list[str | None]:
    statement = sql(
        "SELECT {mask}(v.text) AS shown FROM unnest({texts}) WITH ORDINALITY AS v (text, n) ORDER BY v.n",
        mask=name(f"crm_mask_{mask}"),
        texts=param(Input("texts"), "text[]"),
    )
    return [record["shown"] for record in await tx.fetch(statement, texts=texts)]


def paths_of(values: Mapping[str, Any], children: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The field paths that an input names, children's as `contact_points.raw`."""
    paths = list(values)
    for relation, items in children.items():
        named: dict[str, None] = {}
        for item in items:
            named.update(dict.fromkeys(item))
        paths.extend(f"{relation}.{column}" for column in named)
    return paths
