"""The best rows that a text finds as SQL: tier after tier, each read the way that is likely to be the shortest."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from crm_graph.access import RowScope
from crm_graph.criteria.ways import ids_by
from crm_graph.fragments import EMPTY, TRUE, Fragment, all_of, any_of, join, name, number, sql
from crm_graph.resolvers.plan import Limits
from crm_graph.resolvers.search.queries import FoundIn, NewIn, Tagged, Tier
from crm_graph.resolvers.search.ranking import DOCUMENT, Group, Searching
from crm_graph.resolvers.search.samples import by_chance, newest

_D = name(DOCUMENT)
_SAMPLED, _ANYWHERE, _SOME, _ASIDE = name("sampled"), name("anywhere"), name("some"), name("aside")


def ranked(search: Searching, rows: Fragment, matching: Fragment, limits: Limits) -> Fragment:
    """The best of all rows as a sub-select of `id` and `rank`: the likest first, of those the newest.

    Tier after tier is read, until there are as many rows as a ranked list holds. How a tier is read depends on how many
    records its keys have, never on what comes out (docs/performance.md has the measurements).
    """
    best = _Best(search, rows, matching, limits)
    found = join(" UNION ALL ", [sql("SELECT id, rank FROM {p}", p=_best(tier)) for tier in Tier])
    return sql(
        "(WITH {parts} SELECT id, rank FROM ({found}) AS f ORDER BY rank, id DESC LIMIT {window})",
        parts=join(", ", chain(best.samples(), *(best.tier(tier) for tier in Tier))),
        found=found,
        window=number(limits.search_window),
    )


def _best(tier: Tier) -> Fragment:
    return name(f"p{tier.value}")


@dataclass(frozen=True, slots=True)
class _Best:
    search: Searching
    rows: Fragment
    matching: Fragment
    limits: Limits

    @property
    def _more(self) -> list[Group]:
        """The groups of fields that may be read on some rows alone: to ask for each of what a tier finds would take
        long. None where the index leaves out what the asker sees nothing of.
        """
        if self.search.of_viewer != TRUE:
            return []
        return [group for group in self.search.groups if group.readable != TRUE]

    @property
    def _scopes_of_more(self) -> dict[RowScope, None]:
        return dict.fromkeys(chain.from_iterable(group.scopes or () for group in self._more))

    @property
    def _keyed(self) -> Fragment:
        """What the index knows of the rows on which more may be read, by the rules that it knows; TRUE for none."""
        return self.search.among(scope for scope in self._scopes_of_more if self._has_keys(scope))

    @property
    def _unkeyed(self) -> list[RowScope]:
        """The other rules by which more may be read."""
        return [scope for scope in self._scopes_of_more if not self._has_keys(scope)]

    @property
    def _not_keyed(self) -> Fragment:
        return TRUE if self._keyed == TRUE else sql("({keyed}) IS NOT TRUE", keyed=self._keyed)

    def _has_keys(self, scope: RowScope) -> bool:
        return self.search.among([scope]) != TRUE

    def samples(self) -> Iterator[Fragment]:
        """Those of the newest records that the asker sees the text on."""
        search = self.search
        flags = [sql(", {c} AS {f}", c=g.readable, f=name(f"r{i}")) for i, g in enumerate(search.groups)]
        known = [sql(", {a}.{f}", a=name(search.row.alias), f=name(f"r{i}")) for i in range(len(search.groups))]
        yield sql(
            "{sampled} AS MATERIALIZED (SELECT {d}.entity_id, {d}.keys, r.* FROM (SELECT * FROM {newest}"
            " WHERE {found} OFFSET 0) AS {d} CROSS JOIN {seen})",
            sampled=_SAMPLED,
            d=_D,
            newest=newest(self.search, self.limits.search_sample, TRUE),
            found=all_of([search.of_viewer, search.candidate(Tier.SIMILAR)]),
            seen=self._seen(Tier.SIMILAR, join("", flags), join("", known)),
        )
        yield self._some()
        if self._unkeyed:
            yield self._anywhere()
            yield self._aside()

    def _anywhere(self) -> Fragment:
        """What the text finds among records taken by chance, whoever may see it there: how common it is."""
        return sql(
            "{anywhere} AS MATERIALIZED (SELECT {d}.entity_id, {d}.keys FROM {chance} WHERE {found})",
            anywhere=_ANYWHERE,
            d=_D,
            chance=by_chance(self.search, self.limits.search_anywhere),
            found=self.search.meets(self._with_more),
        )

    def _some(self) -> Fragment:
        """The keys of records taken by chance, which tell of a text of several words what each of them finds."""
        return sql(
            "{some} AS MATERIALIZED (SELECT {d}.keys FROM {chance})",
            some=_SOME,
            d=_D,
            chance=by_chance(self.search, self.limits.search_some),
        )

    @property
    def _with_more(self) -> FoundIn:
        return FoundIn(self.search.fields, Tier.SIMILAR, self._fields_of_more)

    @property
    def _fields_of_more(self) -> tuple[Tagged, ...]:
        return tuple(chain.from_iterable(group.fields for group in self._more))

    def _aside(self) -> Fragment:
        """All records that may be found by more than what is read on every row, on rows where that may be read by rules
        of which the index knows nothing. If the text is common there and such rows are rare, they are read, else what
        the index finds.
        """
        search = self.search
        found = all_of([search.meets(self._with_more), self._not_keyed])
        readable = sql(
            "LATERAL (SELECT 1 FROM {rows} WHERE {of_row} AND {more} OFFSET 0) AS r",
            rows=self.rows,
            of_row=search.of_row,
            more=any_of(g.readable for g in self._more),
        )
        rare = sql(
            "(SELECT CASE WHEN EXISTS (SELECT FROM {anywhere} AS {d} WHERE {found})"
            " THEN (SELECT count(*) FROM {newest} CROSS JOIN {readable} WHERE {unkeyed}) <= {few} ELSE FALSE END)",
            anywhere=_ANYWHERE,
            d=_D,
            found=found,
            newest=newest(self.search, self.limits.search_sample, TRUE),
            readable=readable,
            unkeyed=self._not_keyed,
            few=number(self.limits.search_rare),
        )
        return sql(
            "{aside} AS MATERIALIZED ("
            "SELECT {d}.entity_id, {d}.keys FROM (SELECT id FROM (SELECT id FROM ({rows}) AS m WHERE {rare} OFFSET 0)"
            " AS m ORDER BY id) AS m CROSS JOIN {keys} WHERE {found} UNION ALL"
            " SELECT {d}.entity_id, {d}.keys FROM (SELECT * FROM {document}"
            " WHERE NOT {rare} AND {type} AND {narrowly} AND {unkeyed} OFFSET 0) AS {d} CROSS JOIN {readable})",
            aside=_ASIDE,
            d=_D,
            rows=join(" UNION ", self._rows_of_more()),
            rare=rare,
            keys=self._keys_of(sql("m.id")),
            found=found,
            document=search.document,
            type=search.of_type,
            narrowly=self._narrowly(self._with_more),
            unkeyed=self._not_keyed,
            readable=readable,
        )

    def _rows_of_more(self) -> list[Fragment]:
        """Queries for the ids of the rows on which more may be read by rules of which the index knows nothing."""
        search = self.search
        return [query for scope in self._unkeyed for query in ids_by(search.compiler, search.row, self.rows, scope)]

    def tier(self, tier: Tier) -> Iterator[Fragment]:
        """One tier, in two steps: if the sample says that it is common, the newest that the asker sees among the newest
        records of the type; if these are too few, those among all that it finds.
        """
        n, p, window, rank = name(f"n{tier.value}"), _best(tier), number(self.limits.search_window), number(tier.value)
        unlike, room, keyed = self._not_before(tier), self._room(tier), len(self.search.groups) > 1
        readable = [name(f"r{i}") for i in range(len(self.search.groups))]
        new = self.search.meets(NewIn(self.search.fields, tier))
        usual = sql(
            "(SELECT count(*) FROM {sampled} AS {d} WHERE {new}) >= {usual}",
            sampled=_SAMPLED,
            d=_D,
            new=all_of([new, self.search.rights(tier, readable), unlike]),
            usual=number(self.limits.search_usual),
        )
        # `IS TRUE` keeps the index on keys out of it: the order by id is to come from the primary key.
        yield sql(
            "{n} AS MATERIALIZED (SELECT r.id FROM {newest} CROSS JOIN {seen}"
            " WHERE ({found}) IS TRUE AND {unlike} LIMIT {window})",
            n=n,
            newest=newest(self.search, self.limits.search_newest, all_of([room, usual])),
            seen=self._seen(tier),
            found=all_of([self.search.of_viewer, new]),
            unlike=unlike,
            window=window,
        )
        yield sql(
            "{p} AS MATERIALIZED ((SELECT id, {rank} AS rank FROM {n} WHERE (SELECT count(*) FROM {n}) >= {window})"
            " UNION ALL (SELECT r.id, {rank} FROM (SELECT entity_id FROM ({all}) AS i ORDER BY entity_id DESC) AS {i}"
            " {keys} CROSS JOIN {seen} LIMIT {window}))",
            p=p,
            n=n,
            rank=rank,
            window=window,
            all=self._all(tier, all_of([room, sql("(SELECT count(*) FROM {n}) < {window}", n=n, window=window)])),
            # Without groups of rights the id is all that is asked for.
            i=name("i") if keyed else _D,
            keys=sql("CROSS JOIN {keys}", keys=self._keys_of(sql("i.entity_id"))) if keyed else EMPTY,
            seen=self._seen(tier),
        )

    def _all(self, tier: Tier, when: Fragment) -> Fragment:
        """The ids of all records that a tier finds in what may be read of some row."""
        search, more = self.search, self._more
        if not more:
            return self._found(tier, when, NewIn(search.fields, tier))
        known = NewIn(tuple(chain.from_iterable(g.fields for g in search.groups if g not in more)), tier)
        unknown = NewIn(search.fields, tier, self._fields_of_more)
        unlike_known = sql("({known}) IS NOT TRUE", known=search.meets(known))
        found = [self._found(tier, when, known)]
        if self._keyed != TRUE:
            found.append(self._found(tier, all_of([when, unlike_known, self._keyed]), unknown))
        if self._unkeyed:
            found.extend(self._found_unkeyed(tier, all_of([when, unlike_known, self._not_keyed]), unknown))
        return join(" UNION ALL ", found)

    def _found_unkeyed(self, tier: Tier, when: Fragment, asked: FoundIn) -> Iterator[Fragment]:
        """What is found on rows of which the index knows nothing: of a common text what stands aside, else by it."""
        new = all_of([when, self.search.meets(asked)])
        often = sql("EXISTS (SELECT FROM {anywhere} AS {d} WHERE {new})", anywhere=_ANYWHERE, d=_D, new=new)
        yield self._found(tier, all_of([sql("NOT {often}", often=often), when]), asked)
        yield sql(
            "SELECT {d}.entity_id FROM {aside} AS {d} WHERE {often}",
            d=_D,
            aside=_ASIDE,
            often=all_of([often, new, self._not_before(tier)]),
        )

    def _found(self, tier: Tier, when: Fragment, asked: FoundIn) -> Fragment:
        return sql(
            "SELECT {d}.entity_id FROM {document} WHERE {found}",
            d=_D,
            document=self.search.document,
            found=all_of(
                [when, self.search.of_type, self.search.of_viewer, self._narrowly(asked), self._not_before(tier)]
            ),
        )

    def _narrowly(self, asked: FoundIn) -> Fragment:
        """What is asked for, of the index without the words that are broad among some records."""
        broad = sql(
            "(SELECT count(*) FROM {some} AS {d} WHERE {d}.keys @@ part::tsquery) > {broad}",
            some=_SOME,
            d=_D,
            broad=number(self.limits.search_broad),
        )
        return self.search.narrowly(asked, broad)

    def _keys_of(self, id_: Fragment) -> Fragment:
        """The keys of one record, as a FROM item that comes after it."""
        return sql(
            "LATERAL (SELECT * FROM {document} WHERE {type} AND {d}.entity_id = {id} OFFSET 0) AS {d}",
            document=self.search.document,
            type=self.search.of_type,
            d=_D,
            id=id_,
        )

    def _seen(self, tier: Tier, flags: Fragment = EMPTY, known: Fragment = EMPTY) -> Fragment:
        """The row of some keys, if the asker sees it and may read what the tier finds, as a FROM item that comes after
        them; with `flags`, columns computed for it.

        The outer OFFSET 0 keeps the planner from joining by a walk over all rows: it cannot know how few the index will
        give. The inner one has rights asked for first, or the time that the rest takes would tell.
        """
        search = self.search
        return sql(
            "LATERAL (SELECT {id} AS id{known} FROM (SELECT {a}.*{flags} FROM {rows} WHERE {of_row} AND {rights}"
            " OFFSET 0) AS {a} WHERE {matching} OFFSET 0) AS r",
            id=search.row.column("id"),
            known=known,
            a=name(search.row.alias),
            flags=flags,
            rows=self.rows,
            of_row=search.of_row,
            rights=search.rights(tier),
            matching=self.matching,
        )

    def _not_before(self, tier: Tier) -> Fragment:
        """Whether the row is of no tier before. Those are known whole, or there would be no room for this one."""
        if tier is Tier.EXACT:
            return TRUE
        before = [sql("SELECT id FROM {p}", p=_best(Tier(n))) for n in range(tier)]
        return sql("{d}.entity_id NOT IN ({before})", d=_D, before=join(" UNION ALL ", before))

    def _room(self, tier: Tier) -> Fragment:
        """Whether the tiers before leave room."""
        if tier is Tier.EXACT:
            return TRUE
        counts = [sql("(SELECT count(*) FROM {p})", p=_best(Tier(n))) for n in range(tier)]
        return sql("{counts} < {window}", counts=join(" + ", counts), window=number(self.limits.search_window))
