"""SQL fragments: what they name."""

from crm_graph.fragments import columns_of, const, join, label, name, sql, text


def test_columns_of_an_alias_are_those_named_with_it_each_once() -> None:
    here, there = name("t1"), name("t11")
    fragment = join(
        ", ",
        [
            sql("{a}.{c}", a=here, c=name("phone")),
            sql("{a}.archived_at IS NULL", a=here),
            sql("{a}.{c} = {v}", a=here, c=name("owner_id"), v=const("x", "text")),
            sql("{a}.{c}", a=there, c=name("of_another")),
            sql("lower({a}.{c}) AS {k}", a=here, c=name("phone"), k=label("t1")),
            text('"t1".in_a_text'),
            sql("SELECT 1 FROM customers AS {a}", a=here),
        ],
    )
    assert columns_of("t1", fragment) == ["phone", "archived_at", "owner_id"]
