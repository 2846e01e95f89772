"""Records that tell how common a text is before it is asked of the index."""

from crm_graph.fragments import Fragment, all_of, name, number, sql
from crm_graph.resolvers.search.ranking import DOCUMENT, Searching

_D = name(DOCUMENT)


def newest(search: Searching, count: int, when: Fragment) -> Fragment:
    """The newest records of the type, as a FROM item."""
    return sql(
        "(SELECT * FROM {document} WHERE {when} ORDER BY {d}.entity_id DESC LIMIT {count}) AS {d}",
        document=search.document,
        when=all_of([when, search.of_type]),
        d=_D,
        count=number(count),
    )


def by_chance(search: Searching, count: int) -> Fragment:
    """The records after a moment taken by chance, as a FROM item. The time that a search takes tells nothing of a
    single record so, which is seldom among them.
    """
    ends = [
        sql(
            "(SELECT ('x' || translate(left({d}.entity_id::text, 13), '-', ''))::bit(48)::bigint"
            " FROM {document} WHERE {type} ORDER BY {d}.entity_id {way} LIMIT 1)",
            d=_D,
            document=search.document,
            type=search.of_type,
            way=way,
        )
        for way in (sql("ASC"), sql("DESC"))
    ]
    moment = sql(
        "(SELECT rpad(lpad(to_hex(e.first + floor(random() * (e.last - e.first + 1))::bigint), 12, '0'), 32, '0')"
        "::uuid FROM (SELECT {first} AS first, {last} AS last) AS e)",
        first=ends[0],
        last=ends[1],
    )
    return sql(
        "(SELECT * FROM {document} WHERE {type} AND {d}.entity_id >= {moment}"
        " ORDER BY {d}.entity_id LIMIT {count}) AS {d}",
        document=search.document,
        type=search.of_type,
        d=_D,
        moment=moment,
        count=number(count),
    )
