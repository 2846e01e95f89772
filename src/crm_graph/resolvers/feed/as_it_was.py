"""Records as they were at an event: the `before` images of what came since, laid over the rows of today.

An event is `e`. Images tell the columns of a record itself; what belongs to it, custom fields and amounts in base
currency are those of today.
"""

from collections.abc import Iterable, Sequence

from crm_graph.fragments import Fragment, Param, join, name, sql, text


def images(columns: Iterable[str], *, since: Fragment) -> Fragment:
    """What some columns of the record of `e` held before the first event of its own that `since` is true of, under the
    alias `y`; empty where they have not changed since.
    """
    keys = keys_of(columns)
    return sql(
        "(SELECT COALESCE(jsonb_object_agg(i.key, i.value ORDER BY y.entity_version DESC), '{}')"
        " FROM events AS y CROSS JOIN LATERAL jsonb_each(y.before) AS i"
        " WHERE y.entity_id = e.entity_id AND NOT y.is_read AND {since} AND y.before ?| {keys}"
        " AND i.key = ANY({keys}))",
        since=since,
        keys=keys,
    )


def keys_of(columns: Iterable[str]) -> Fragment:
    """Names of columns as an array."""
    return sql("ARRAY[{keys}]::text[]", keys=join(", ", [text(column) for column in sorted(columns)]))


def overlaid(table: str, image: Fragment) -> Fragment:
    """The rows of a table, the one of `e` as an image has it, as a FROM item without an alias."""
    return sql(
        "(SELECT o.* FROM {table} AS o WHERE o.id <> e.entity_id UNION ALL"
        " SELECT w.* FROM {table} AS o CROSS JOIN LATERAL jsonb_populate_record(o, {image}) AS w"
        " WHERE o.id = e.entity_id)",
        table=name(table),
        image=image,
    )


def reading(condition: Fragment, table: str, rows: Fragment) -> Fragment:
    """A condition that looks at other rows in place of those of a table. Tables stand in conditions as what they are
    read from alone: columns go by aliases.
    """
    parts: list[str | Param] = []
    for part in condition.parts:
        parts.extend(rows.parts if part == f'"{table}"' else (part,))
    return Fragment(tuple(parts))


def looks_at(condition: Fragment, table: str) -> bool:
    """Whether a condition looks at the rows of a table."""
    return f'"{table}"' in condition.parts


def any_differs(before: Sequence[Fragment], after: Sequence[Fragment]) -> Fragment:
    """Whether one of some conditions holds before and not after, or the other way."""
    pairs = [sql("({b}) IS TRUE <> (({a}) IS TRUE)", b=b, a=a) for b, a in zip(before, after, strict=True)]
    return sql("({any})", any=join(" OR ", pairs))
