"""Whether a text finds a row, and how like it is, as SQL: rights stand beside each field that is looked into."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from crm_graph.access import EVERY_ROW, Level, RowScope, broadest
from crm_graph.catalog import Catalog, Searched, searched_fields
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.predicates import AllOf, Compare, Criteria, Op, Quantifier, Related
from crm_graph.criteria.rows import Row
from crm_graph.fragments import (
    EMPTY,
    FALSE,
    TRUE,
    Const,
    Fragment,
    Param,
    Viewer,
    all_of,
    any_of,
    join,
    name,
    number,
    param,
    sql,
    text,
)
from crm_graph.models.roles import RowRule
from crm_graph.resolvers.arguments import Leaf, given
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.search.queries import FoundIn, Parts, Tagged, Tier, WholeIn, WordsIn
from crm_graph.services.search_index import SOURCE
from crm_graph.services.search_keys import ROW_KEY_DIGITS, RowKey, value_key

DOCUMENT = "d"

_ROW_KEYS: Mapping[RowRule, Fragment] = {
    RowRule.OWN: sql(
        "{kind} || right({id}::text, {digits})",
        kind=text(RowKey.OWN),
        id=param(Viewer("id"), "uuid"),
        digits=number(ROW_KEY_DIGITS),
    ),
    **{
        rule: sql(
            "(SELECT string_agg({kind} || right(id::text, {digits}), ' | ') FROM unnest({teams}) AS id)",
            kind=text(RowKey.TEAM),
            digits=number(ROW_KEY_DIGITS),
            teams=param(Viewer(teams), "uuid[]"),
        )
        for rule, teams in ((RowRule.TEAM, "team_ids"), (RowRule.TEAM_AND_BELOW, "team_tree_ids"))
    },
}
"""The keys of the rows that a rule is about, joined by `|`."""


def _value_keys(criteria: Criteria) -> list[str]:
    """Keys of which a row has one where it meets the criteria; none where the index does not know."""
    match criteria:
        case AllOf(terms):
            return next(filter(None, map(_value_keys, terms)), [])
        case Compare(member, op, value) if member.info.ruled and op in (Op.EQ, Op.IN):
            return _keys_of(member.name, value)
        case Related(relation, Quantifier.SOME, Compare(member, op, value)) if (
            f"{relation.name}.{member.name}" == SOURCE and op in (Op.EQ, Op.IN)
        ):
            return _keys_of(SOURCE, value)
    return []


def _keys_of(path: str, value: Fragment) -> list[str]:
    (source,) = (part.source for part in value.parts if isinstance(part, Param))
    if not isinstance(source, Const):
        return []
    return [value_key(path, each) for each in ([source.value] if isinstance(source.value, str) else source.value)]


@dataclass(frozen=True, slots=True)
class Group:
    """The searched fields of a row that the same rights let be looked into, and the rows on which they do; without
    scopes, all that the asker sees.
    """

    readable: Fragment
    fields: tuple[Tagged, ...]
    scopes: tuple[RowScope, ...] | None


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
            Group(self.readable(fields[0]), tuple(Tagged(f.tag, f.how) for f in fields), scopes)
            for scopes, fields in found.items()
        ]
        return sorted(groups, key=lambda group: group.readable != TRUE)

    def _scopes(self, searched: Searched) -> tuple[RowScope, ...] | None:
        """The rows on which a field may be read; None for all that the asker sees. Equal ones have equal conditions."""
        access = self.compiler.access
        if access is None:
            return None
        grants = access.grants(self.row.root.name)
        enough = [g for g in grants if g.level(self._prefix(searched) + searched.field.name) >= self.least]
        scopes = broadest(g.scope for g in enough)
        return None if len(enough) == len(grants) or EVERY_ROW in scopes else scopes

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

    @cached_property
    def of_viewer(self) -> Fragment:
        """What the index knows of the rows on which the asker may read something: keys of their owners or teams. TRUE
        where other rules than these decide.
        """
        access = self.compiler.access
        if access is None:
            return TRUE
        everywhere = tuple(g.scope for g in access.grants(self.row.root.name) if g.shows(self.row.prefix))
        return self.among(chain.from_iterable(group.scopes or everywhere for group in self.groups))

    def among(self, scopes: Iterable[RowScope]) -> Fragment:
        """What the index knows of the rows of some scopes; TRUE where it does not know all of them."""
        keys = [self._row_keys(scope) for scope in dict.fromkeys(scopes)]
        if not keys or EMPTY in keys:
            return TRUE
        joined = join(", ", list(dict.fromkeys(keys)))
        return self._has(sql("(SELECT concat_ws(' | ', {keys})::tsquery)", keys=joined))

    def _row_keys(self, scope: RowScope) -> Fragment:
        """The keys that the rows of a scope have, joined by `|`, by the first of its rules that the index knows; empty
        where it knows none.
        """
        return next(filter(None, map(self._row_keys_of_rule, scope.parts)), EMPTY)

    def _row_keys_of_rule(self, scope: RowScope) -> Fragment | None:
        if scope.rule is RowRule.WHERE:
            keys = _value_keys(self.compiler.predicate(self.row.entity, scope))
            return text(" | ".join(keys)) if keys else None
        return _ROW_KEYS.get(scope.rule) if self.row.entity.owned else None

    @property
    def fields(self) -> tuple[Tagged, ...]:
        """The fields that the asker may read on some row."""
        return tuple(chain.from_iterable(group.fields for group in self.groups))

    def candidate(self, tier: Tier) -> Fragment:
        """Whether the keys are at least as like as `tier`, in any field that the asker may read on some row."""
        return self.meets(FoundIn(self.fields, tier))

    def meets(self, asked: FoundIn) -> Fragment:
        """Whether the keys are as they are asked for."""
        return self._has(self._query(asked))

    def narrowly(self, asked: FoundIn, broad: Fragment) -> Fragment:
        """The same, asking the index for the words alone that are not `broad`, a condition on the query `q.part`: a
        word that a tenth of all records have takes the index longer than it saves. All are asked for if all are so.
        """
        parts = sql("({parts})", parts=param(given(self.text, Parts(asked)), "text[]"))
        narrow = sql(
            "(SELECT CASE WHEN {parts} = '{}' THEN {query} ELSE concat_ws(' | ', nullif({parts}[1], ''), (SELECT"
            " coalesce(string_agg(part, ' & ') FILTER (WHERE NOT broad), string_agg(part, ' & '))"
            " FROM (SELECT part, {broad} AS broad FROM unnest({parts}[2:]) AS q (part) OFFSET 0) AS w))::tsquery END)",
            parts=parts,
            query=self._query(asked),
            broad=broad,
        )
        return all_of(
            [
                self._has(narrow),
                sql("({parts} = '{}' OR {meets}) IS TRUE", parts=parts, meets=self.meets(asked)),
            ]
        )

    def rights(self, tier: Tier, readable: Sequence[Fragment] = ()) -> Fragment:
        """Whether a candidate is as like in the fields that the asker may read on this very row: each group of fields
        is held against its own condition, or against what is known of it as `readable`.
        """
        conditions = readable or [group.readable for group in self.groups]
        groups = [(group.fields, condition) for group, condition in zip(self.groups, conditions, strict=True)]
        if len(groups) < 2:
            return groups[0][1] if groups else FALSE
        whole = any_of(all_of([self._has(self._query(WholeIn(f, tier))), c]) for f, c in groups)
        return any_of([whole, self._words(groups, tier)])

    def holds(self, tier: Tier) -> Fragment:
        """Whether the row is at least as like as `tier` in what the asker may read of it."""
        return all_of([self.candidate(tier), self.rights(tier)])

    def _words(self, groups: Sequence[tuple[tuple[Tagged, ...], Fragment]], tier: Tier) -> Fragment:
        """Whether each word of a text of several is found in some group of fields."""
        columns = [name(f"q{i}") for i in range(len(groups))]
        # A query is read once and not for each row: it is a sub-select of its own.
        arrays = [
            sql("(SELECT {q}::tsquery[])", q=param(given(self.text, WordsIn(fields, tier)), "text[]"))
            for fields, _ in groups
        ]
        found = any_of(
            all_of([self._has(sql("w.{c}", c=column)), readable])
            for column, (_, readable) in zip(columns, groups, strict=True)
        )
        return sql(
            "(SELECT bool_and({found}) FROM unnest({arrays}) AS w ({columns}))",
            found=found,
            arrays=join(", ", arrays),
            columns=join(", ", columns),
        )

    def _query(self, parse: FoundIn | WholeIn) -> Fragment:
        return param(given(self.text, parse), "tsquery")

    def _has(self, query: Fragment) -> Fragment:
        return sql("{d}.keys @@ {query}", d=name(DOCUMENT), query=query)

    def condition(self) -> Fragment:
        """Whether the text finds the row at all."""
        found = sql(
            "EXISTS (SELECT 1 FROM {document} WHERE {type} AND {row} AND {of_viewer} AND {candidate})",
            document=self.document,
            type=self.of_type,
            row=self.of_row,
            of_viewer=self.of_viewer,
            candidate=self.candidate(Tier.SIMILAR),
        )
        rights = self.rights(Tier.SIMILAR)
        if len(self.groups) < 2:
            return all_of([found, rights])
        # Of one row at a time: for all that it takes for candidates, the planner would gather what rights look at.
        of_this = sql(
            "(SELECT {rights} FROM {document} WHERE {type} AND {row})",
            rights=rights,
            document=self.document,
            type=self.of_type,
            row=self.of_row,
        )
        return all_of([found, of_this])


def ranks(row: Row) -> Fragment:
    """The FROM item that has the ranks of a list's rows."""
    return name(f"{row.alias}_found")


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
