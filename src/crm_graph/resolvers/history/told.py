"""What an event tells somebody: those of its changes that they could read on its record as it is now, each alone.

History and feed both ask here, and nothing else decides. A cell is told to who reads it in full, and not as a mask; a
related record as who they see now; what belongs to the record (lines, contact points) cell by cell. An event of which
nothing is left is not there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row, own_row
from crm_graph.fragments import FALSE, Fragment, all_of, any_of, const, join, name, number, sql, text
from crm_graph.models.fields import DataClass
from crm_graph.resolvers.cells import cell
from crm_graph.resolvers.plan import Cell

OF_THE_EVENT = frozenset({"id", "version", "created_at", "updated_at"})
"""Fields of a record that its events say of themselves."""
NOTHING = sql(
    "SELECT 0 AS n, 0 AS i, NULL::text AS field, NULL::text AS item, NULL::json AS before, NULL::json AS after"
)


@dataclass(frozen=True, slots=True)
class Told:
    """`changes` is a SELECT of what is told of one event, in the order of (n, item, i): `field` is the path of the
    field as the API has it, `item` the id of what belongs to the record, `before` and `after` are JSON. `anything` is
    whether there is any. `reason` is why it was done, NULL for who may not know.
    """

    changes: Fragment
    anything: Fragment
    reason: Fragment


@dataclass(frozen=True, slots=True)
class Images:
    """The two sides of a change as `jsonb`, the id of what it is about if that is not the record itself, and the
    currency of amounts that say none.
    """

    before: Fragment
    after: Fragment
    item: Fragment
    currency: Fragment


def told(compiler: Compiler, row: Row, event: str) -> Told:
    """What the event under the alias `event` tells of the record that is `row`, which stands beside it."""
    e = name(event)
    present = row.column("currency") if "currency" in row.entity.fields else sql("NULL::text")
    images = Images(sql("{e}.before", e=e), sql("{e}.after", e=e), sql("NULL::text"), present)
    changed = sql("{e}.changed", e=e)
    found = list(_Telling(compiler, row, images, sql("jsonb_array_elements_text({c})", c=changed), 0).parts())
    found.extend(_children(compiler, row, images))
    columns = tuple(dict.fromkeys(column for names, _ in found for column in names))
    if not columns:
        return Told(sql("{nothing} WHERE FALSE", nothing=NOTHING), FALSE, sql("NULL::text"))
    changes = join(" UNION ALL ", [part for _, part in found])
    touched = sql("{c} ?| {columns}", c=changed, columns=const(columns, "text[]"))
    anything = all_of([touched, sql("EXISTS ({changes})", changes=changes)])
    return Told(changes, anything, _reason(compiler, row, e))


def _reason(compiler: Compiler, row: Row, e: Fragment) -> Fragment:
    """Reasons are CONTENT: they are told to who reads all of the record's own."""
    contents = [f for f in row.entity.fields.values() if f.data_class is DataClass.CONTENT]
    readable = all_of([compiler.cell(row, f, Level.READ) for f in contents]) if contents else FALSE
    return sql("CASE WHEN {readable} THEN {e}.reason END", readable=readable, e=e)


def _children(compiler: Compiler, row: Row, images: Images) -> Iterator[tuple[Sequence[str], Fragment]]:
    """What is told of each relation to what belongs to the record, item by item."""
    for n, relation in enumerate(compiler.catalog.children(row.entity), len(row.entity.relations) + 1):
        inner = row.child(relation, compiler.catalog[relation.target], "c")
        item = Images(sql("c.b"), sql("c.a"), sql("c.id"), sql("NULL::text"))
        keys = sql("jsonb_object_keys(c.b || c.a)")
        parts = [part for _, part in _Telling(compiler, inner, item, keys, n, f"{relation.api_name}.").parts()]
        if parts:
            yield (
                (relation.name,),
                sql(
                    "SELECT v.* FROM (SELECT COALESCE(b.x ->> 'id', a.x ->> 'id') AS id,"
                    " COALESCE(b.x, '{}') AS b, COALESCE(a.x, '{}') AS a"
                    " FROM jsonb_array_elements({before} -> {key}) AS b(x)"
                    " FULL JOIN jsonb_array_elements({after} -> {key}) AS a(x) ON a.x ->> 'id' = b.x ->> 'id') AS c"
                    " CROSS JOIN LATERAL ({parts}) AS v",
                    before=images.before,
                    after=images.after,
                    key=text(relation.name),
                    parts=join(" UNION ALL ", parts),
                ),
            )


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells of one record, or of one item that belongs to it; `keys` are the columns that the images speak of."""

    compiler: Compiler
    row: Row
    images: Images
    keys: Fragment
    n: int
    prefix: str = ""

    def parts(self) -> Iterator[tuple[Sequence[str], Fragment]]:
        """A SELECT for cells, and for each to-one relation, with the columns that it is about."""
        members = [f for f in self.row.entity.fields.values() if f.name not in OF_THE_EVENT]
        rights = [(f, self.compiler.cell(self.row, f, Level.READ)) for f in members]
        readable = [(f, right) for f, right in rights if right != FALSE]
        if readable:
            yield [f.name for f, _ in readable], self._cells(readable)
        for n, relation in enumerate(_parents(self.row.entity), 1):
            target = own_row(self.compiler.catalog[relation.target], self.compiler.alias())
            visible = self.compiler.visible(target)
            if visible != FALSE:
                yield [relation.local], self._related(relation, target, visible, n)

    def _cells(self, readable: Sequence[tuple[Field, Fragment]]) -> Fragment:
        """The cells that changed, each under its right: fields that share one are asked for together."""
        names: dict[Fragment, list[str]] = {}
        for member, right in readable:
            names.setdefault(right, []).append(member.name)
        members = [member for member, _ in readable]
        return sql(
            "SELECT {n} AS n, f.i, ({paths})[f.i] AS field, {item} AS item, {before} AS before, {after} AS after"
            " FROM (SELECT k.key, array_position({columns}, k.key) AS i FROM {keys} AS k(key)) AS f"
            " WHERE ({b} ->> f.key) IS DISTINCT FROM ({a} ->> f.key) AND {readable}",
            n=number(self.n),
            paths=const(tuple(f"{self.prefix}{m.api_name}" for m in members), "text[]"),
            item=self.images.item,
            before=self._value(members, self.images.before, self.images.after),
            after=self._value(members, self.images.after, self.images.before),
            columns=const(tuple(m.name for m in members), "text[]"),
            keys=self.keys,
            b=self.images.before,
            a=self.images.after,
            readable=any_of(all_of([right, _among(columns)]) for right, columns in names.items()),
        )

    def _value(self, members: Sequence[Field], image: Fragment, other: Fragment) -> Fragment:
        """The value under `f.key` as the API gives it."""
        value, branches = sql("({image} ->> f.key)", image=image), list[Fragment]()
        for (kind, scale), names in _forms(members).items():
            form = self._form(kind, scale, value, image, other)
            branches.append(sql("WHEN {among} THEN {form}", among=_among(names), form=form))
        plain = sql("({image} -> f.key)::json", image=image)
        if not branches:
            return plain
        return sql("CASE {branches} ELSE {plain} END", branches=join(" ", branches), plain=plain)

    def _form(self, kind: Kind, scale: int, value: Fragment, image: Fragment, other: Fragment) -> Fragment:
        if kind is Kind.DATE_TIME:
            return sql("to_json({v}::timestamptz)", v=value)
        if kind is Kind.BIG_INT:
            return sql("to_json({v})", v=value)
        amount = sql("round({v}::numeric, {scale})::text", v=value, scale=number(scale))
        if kind is Kind.DECIMAL:
            return sql("to_json({amount})", amount=amount)
        return sql(
            "CASE WHEN {v} IS NOT NULL THEN json_build_object('amount', {amount}, 'currency',"
            " COALESCE({image} ->> 'currency', {other} ->> 'currency', {currency})) END",
            v=value,
            amount=amount,
            image=image,
            other=other,
            currency=self.images.currency,
        )

    def _related(self, relation: Relation, target: Row, visible: Fragment, n: int) -> Fragment:
        """The related records before and after, those that the asker sees: from none to none is no change."""
        return sql(
            "SELECT {n} AS n, 1000 + {i} AS i, {field} AS field, {item} AS item, r.before, r.after"
            " FROM (SELECT {before} AS before, {after} AS after OFFSET 0) AS r"
            " WHERE ({b} ->> {key}) IS DISTINCT FROM ({a} ->> {key}) AND COALESCE(r.before, r.after) IS NOT NULL",
            n=number(self.n),
            i=number(n),
            field=text(f"{self.prefix}{relation.api_name}"),
            item=self.images.item,
            before=self._record(relation, target, visible, self.images.before),
            after=self._record(relation, target, visible, self.images.after),
            b=self.images.before,
            a=self.images.after,
            key=text(relation.local),
        )

    def _record(self, relation: Relation, target: Row, visible: Fragment, image: Fragment) -> Fragment:
        pairs = [sql("'id', {id}", id=target.column("id")), sql("'type', {t}", t=text(target.entity.api_name))]
        if "name" in target.entity.fields:
            called = cell(Cell("name", target.entity.fields["name"]), target, self.compiler)
            pairs.append(sql("'name', {called}", called=called))
        return sql(
            "(SELECT json_build_object({pairs}) FROM {table} AS {t} WHERE {by})",
            pairs=join(", ", pairs),
            table=name(target.entity.table),
            t=name(target.alias),
            by=all_of(
                [
                    sql(
                        "{remote} = ({image} ->> {key})::uuid",
                        remote=target.column(relation.remote),
                        image=image,
                        key=text(relation.local),
                    ),
                    visible,
                ]
            ),
        )


def _parents(entity: EntityType) -> Iterable[Relation]:
    """The to-one relations whose key the record itself holds."""
    return (r for r in entity.relations.values() if r.shape is Shape.ONE and r.local != "id")


def _among(columns: Sequence[str]) -> Fragment:
    return sql("f.key = ANY({columns})", columns=const(tuple(columns), "text[]"))


def _forms(members: Iterable[Field]) -> dict[tuple[Kind, int], list[str]]:
    """The fields whose JSON in events is not that of the API, by what has to be done to it."""
    found: dict[tuple[Kind, int], list[str]] = {}
    for member in members:
        if member.kind in (Kind.MONEY, Kind.DECIMAL, Kind.BIG_INT, Kind.DATE_TIME):
            found.setdefault((member.kind, member.scale or 0), []).append(member.name)
    return found
