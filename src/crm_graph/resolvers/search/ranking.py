"""Which rows a text finds, and in which order, as SQL: rights stand beside each field that is looked into."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from crm_graph.access import Level, RowScope
from crm_graph.catalog import Catalog, Searched, searched_fields
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import Row
from crm_graph.fragments import EMPTY, FALSE, TRUE, Fragment, all_of, any_of, join, name, number, param, sql
from crm_graph.resolvers.arguments import Leaf, given
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.search.queries import FoundIn, Tagged, Tier, WholeIn, WordsIn

DOCUMENT = "d"


@dataclass(frozen=True, slots=True)
class Group:
    """The searched fields of a row that the same rights let be looked into."""

    readable: Fragment
    fields: tuple[Tagged, ...]


@dataclass(frozen=True)
class Searching:
    """The conditions of a search on a row. `least` is the level that a cell must have to be found by."""

    catalog: Catalog
    row: Row
    compiler: Compiler
    text: Leaf
    least: Level = Level.READ

    @cached_property
    def groups(self) -> list[Group]:
        """The fields that the asker may be shown something by, by the rights under which they may; those on all rows
        first, since nothing more has to be asked about them.
        """
        found: dict[tuple[RowScope, ...] | None, list[Searched]] = {}
        for searched in searched_fields(self.catalog, self.row.entity):
            scopes = self._scopes(searched)
            if scopes != ():
                found.setdefault(scopes, []).append(searched)
        groups = [
            Group(self.readable(fields[0]), tuple(Tagged(f.tag, f.how) for f in fields)) for fields in found.values()
        ]
        return sorted(groups, key=lambda group: group.readable != TRUE)

    def _scopes(self, searched: Searched) -> tuple[RowScope, ...] | None:
        """The rows on which a field may be read; None for all that the asker sees. Equal ones have equal conditions."""
        access = self.compiler.access
        if access is None:
            return None
        grants = access.grants(self.row.root.name)
        enough = [g for g in grants if g.level(self._prefix(searched) + searched.field.name) >= self.least]
        return None if len(enough) == len(grants) else tuple(dict.fromkeys(g.scope for g in enough))

    def _prefix(self, searched: Searched) -> str:
        return f"{searched.relation.name}." if searched.relation else ""

    def readable(self, searched: Searched) -> Fragment:
        """Whether the asker may read the field on this row; a child's rights are its root's."""
        row = self.row
        if searched.relation is not None:
            row = row.child(searched.relation, self.catalog[searched.relation.target], DOCUMENT)
        return self.compiler.cell(row, searched.field, self.least)

    @property
    def document(self) -> Fragment:
        """The keys of records, as a FROM item."""
        return sql("search_documents AS {d}", d=name(DOCUMENT))

    @property
    def of_type(self) -> Fragment:
        return sql("{d}.code = {code}", d=name(DOCUMENT), code=number(self.row.entity.code))

    @property
    def of_row(self) -> Fragment:
        """What ties the row to its keys."""
        return sql("{id} = {d}.entity_id", d=name(DOCUMENT), id=self.row.column("id"))

    def candidate(self, tier: Tier) -> Fragment:
        """Whether the keys are at least as like as `tier`, in any field that the asker may read on some row."""
        fields = tuple(chain.from_iterable(group.fields for group in self.groups))
        return self._has(self._query(FoundIn(fields, tier))) if fields else FALSE

    def rights(self, tier: Tier) -> Fragment:
        """Whether a candidate is as like in the fields that the asker may read on this very row: each group of fields
        is held against its own condition.
        """
        groups = self.groups
        if len(groups) < 2:
            return groups[0].readable if groups else FALSE
        whole = any_of(all_of([self._has(self._query(WholeIn(g.fields, tier))), g.readable]) for g in groups)
        return any_of([whole, self._words(groups, tier)])

    def holds(self, tier: Tier) -> Fragment:
        """Whether the row is at least as like as `tier` in what the asker may read of it."""
        return all_of([self.candidate(tier), self.rights(tier)])

    def _words(self, groups: list[Group], tier: Tier) -> Fragment:
        """Whether each word of a text of several is found in some group of fields."""
        columns = [name(f"q{i}") for i in range(len(groups))]
        arrays = [sql("{q}::tsquery[]", q=param(given(self.text, WordsIn(g.fields, tier)), "text[]")) for g in groups]
        found = any_of(
            all_of([self._has(sql("w.{c}", c=column)), g.readable]) for g, column in zip(groups, columns, strict=True)
        )
        return sql(
            "(SELECT bool_and({found}) FROM unnest({arrays}) AS w ({columns}))",
            found=found,
            arrays=join(", ", arrays),
            columns=join(", ", columns),
        )

    def _query(self, parse: FoundIn | WholeIn) -> Fragment:
        return sql("{q}::tsquery", q=param(given(self.text, parse), "text"))

    def _has(self, query: Fragment) -> Fragment:
        return sql("{d}.keys @@ {query}", d=name(DOCUMENT), query=query)

    def condition(self) -> Fragment:
        """Whether the text finds the row at all."""
        return sql(
            "EXISTS (SELECT 1 FROM {document} WHERE {type} AND {row} AND {holds})",
            document=self.document,
            type=self.of_type,
            row=self.of_row,
            holds=self.holds(Tier.SIMILAR),
        )


def ranks(row: Row) -> Fragment:
    """The FROM item that has the ranks of a list's rows."""
    return name(f"{row.alias}_found")


def ranked(search: Searching, rows: Fragment, matching: Fragment, limits: Limits) -> Fragment:
    """The best of all rows as a sub-select of `id` and `rank`: the likest first, of those the newest.

    Tier after tier is read from the index, until there are as many rows as a ranked list holds. How a tier is read
    depends on how many records its keys have, never on what comes out (docs/performance.md has the measurements).
    """
    parts = list(chain.from_iterable(_tier(search, rows, matching, tier, limits) for tier in Tier))
    found = join(" UNION ALL ", [sql("SELECT id, rank FROM {p}", p=name(f"p{tier.value}")) for tier in Tier])
    return sql(
        "(WITH {parts} SELECT id, rank FROM ({found}) AS f ORDER BY rank, id DESC LIMIT {window})",
        parts=join(", ", parts),
        found=found,
        window=number(limits.search_window),
    )


def ranked_few(search: Searching, rows: Fragment, matching: Fragment, limits: Limits) -> Fragment:
    """The same for the rows of one record, of which there are few: each is held against every tier."""
    tiers = [sql("WHEN {holds} THEN {rank}", holds=search.holds(t), rank=number(t.value)) for t in Tier]
    return sql(
        "(SELECT id, rank FROM (SELECT {id} AS id, CASE {tiers} END AS rank"
        " FROM {rows} JOIN {document} ON {type} AND {row} WHERE {matching}) AS f"
        " WHERE rank IS NOT NULL ORDER BY rank, id DESC LIMIT {window})",
        id=search.row.column("id"),
        tiers=join(" ", tiers),
        rows=rows,
        document=search.document,
        type=search.of_type,
        row=search.of_row,
        matching=matching,
        window=number(limits.search_window),
    )


def _tier(search: Searching, rows: Fragment, matching: Fragment, tier: Tier, limits: Limits) -> Iterator[Fragment]:
    """One tier, in up to four steps that later ones refer to: some candidates of the index; if these are all of them,
    the newest that the asker sees; else those among the newest records of the type, since what is common is soon found
    there; and if these are too few, those among all candidates.
    """
    keys = EMPTY if len(search.groups) < 2 else sql(", {d}.keys", d=name(DOCUMENT))
    slots = {
        "c": name(f"c{tier.value}"),
        "n": name(f"n{tier.value}"),
        "p": name(f"p{tier.value}"),
        "d": name(DOCUMENT),
        "keys": keys,
        "document": search.document,
        "type": search.of_type,
        "candidate": search.candidate(tier),
        "unlike": _not_before(tier),
        # The outer OFFSET 0 keeps the planner from joining by a walk over all rows: it cannot know how few the index
        # will give. The inner one has rights asked for first, or the time that the rest takes would tell.
        "seen": sql(
            "LATERAL (SELECT {id} AS id FROM (SELECT {a}.* FROM {rows} WHERE {of_row} AND {rights} OFFSET 0) AS {a}"
            " WHERE {matching} OFFSET 0) AS r",
            a=name(search.row.alias),
            id=search.row.column("id"),
            rows=rows,
            of_row=search.of_row,
            rights=search.rights(tier),
            matching=matching,
        ),
        "some": number(limits.search_candidates),
        "newest": number(limits.search_newest),
        "window": number(limits.search_window),
        "rank": number(tier.value),
        "many": sql(
            "(SELECT count(*) FROM {c}) > {some}", c=name(f"c{tier.value}"), some=number(limits.search_candidates)
        ),
    }
    yield sql(
        "{c} AS MATERIALIZED (SELECT {d}.entity_id{keys} FROM {document}"
        " WHERE {wanting} AND {type} AND {candidate} AND {unlike} LIMIT {some} + 1)",
        wanting=_wanting(tier, limits),
        **slots,
    )
    # `IS TRUE` keeps the index on keys out of it: the order by id is to come from the primary key.
    yield sql(
        "{n} AS MATERIALIZED (SELECT r.id FROM (SELECT * FROM {document} WHERE {many} AND {type}"
        " ORDER BY {d}.entity_id DESC LIMIT {newest}) AS {d} CROSS JOIN {seen}"
        " WHERE ({candidate}) IS TRUE AND {unlike} LIMIT {window})",
        **slots,
    )
    yield sql(
        "{p} AS MATERIALIZED ((SELECT r.id, {rank} AS rank"
        " FROM (SELECT * FROM {c} WHERE NOT {many} ORDER BY entity_id DESC) AS {d} CROSS JOIN {seen} LIMIT {window})"
        " UNION ALL (SELECT id, {rank} FROM {n} WHERE (SELECT count(*) FROM {n}) >= {window})"
        " UNION ALL (SELECT r.id, {rank} FROM (SELECT {d}.entity_id{keys} FROM {document}"
        " WHERE {many} AND (SELECT count(*) FROM {n}) < {window} AND {type} AND {candidate} AND {unlike}"
        " ORDER BY {d}.entity_id DESC) AS {d} CROSS JOIN {seen} LIMIT {window}))",
        **slots,
    )


def _not_before(tier: Tier) -> Fragment:
    """Whether the row is of no tier before. Those are known whole, or there would be no room for this one."""
    if tier is Tier.EXACT:
        return TRUE
    before = [sql("SELECT id FROM {p}", p=name(f"p{n}")) for n in range(tier.value)]
    return sql("{d}.entity_id NOT IN ({before})", d=name(DOCUMENT), before=join(" UNION ALL ", before))


def _wanting(tier: Tier, limits: Limits) -> Fragment:
    """Whether the tiers before leave room."""
    if tier is Tier.EXACT:
        return TRUE
    counts = [sql("(SELECT count(*) FROM {p})", p=name(f"p{before}")) for before in range(tier.value)]
    return sql("{counts} < {window}", counts=join(" + ", counts), window=number(limits.search_window))
