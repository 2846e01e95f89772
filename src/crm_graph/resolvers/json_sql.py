"""Objects and lists as JSON, in the forms that Postgres builds fastest (docs/performance.md has the measurements)."""

from collections.abc import Sequence

from crm_graph.fragments import MAX_LABEL, Fragment, join, label, sql, text

Pairs = Sequence[tuple[str, Fragment]]
MAX_COLUMNS = 1_600
"""A row of Postgres has at most 1,664 columns; some are left for what goes along."""


def as_object(pairs: Pairs) -> Fragment:
    """A JSON object; JSON_OBJECT takes any number of keys of any length."""
    members = [sql("{k}: {v}", k=text(key), v=value) for key, value in pairs]
    return sql("JSON_OBJECT({members})", members=join(", ", members))


def as_items(pairs: Pairs) -> tuple[Fragment, Fragment]:
    """What to aggregate and the columns to select it from, for a list of objects over `(SELECT columns …) AS x`.

    Aggregating whole rows is faster than aggregating objects, but an output column's name is cut at 63 bytes, there can
    only be so many columns, and what is handed out beside the answer has no such name.
    """
    if len(pairs) > MAX_COLUMNS or any(len(key) > MAX_LABEL or key[0] == " " for key, _ in pairs):
        return sql("x.o"), sql("{object} AS o", object=as_object(pairs))
    return sql("x"), join(", ", [sql("{v} AS {k}", v=value, k=label(key)) for key, value in pairs])
