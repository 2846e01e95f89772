"""Rows as SQL knows them, and how a relation leads from one to others."""

from dataclasses import dataclass

from crm_graph.catalog import CUSTOM, EntityType, Field, Relation
from crm_graph.fragments import Fragment, const, name, sql, text


@dataclass(frozen=True, slots=True)
class Row:
    """A row as SQL knows it: its type and alias, and the root row whose scopes decide about it."""

    entity: EntityType
    alias: str
    root: EntityType
    root_alias: str
    prefix: str = ""

    def child(self, relation: Relation, target: EntityType, alias: str) -> "Row":
        """The row that a relation leads to."""
        if target.is_child:
            return Row(target, alias, self.root, self.root_alias, f"{self.prefix}{relation.name}.")
        return own_row(target, alias)

    def column(self, column: str) -> Fragment:
        return sql("{a}.{c}", a=name(self.alias), c=name(column))

    def value(self, member: Field) -> Fragment:
        """What a field shows, as its column holds it."""
        return self.column(member.name) if member.custom is None else self._custom(member)

    def comparable(self, member: Field) -> Fragment:
        """What a field is filtered, ordered and grouped by: money in base currency where it has one."""
        return self.column(member.sort_column) if member.custom is None else self._custom(member)

    def _custom(self, member: Field) -> Fragment:
        """A key of `custom` as its type; what does not fit the type is NULL, and never an error."""
        value = sql("{custom} -> {key}", custom=self.column(CUSTOM), key=text(member.api_name))
        if member.enum is not None:
            options = const(tuple(member.enum.__members__), "text[]")
            return sql("crm_custom_option({value}, {options})", value=value, options=options)
        return sql("{function}({value})", function=name(f"crm_custom_{member.kind.value.lower()}"), value=value)


def own_row(entity: EntityType, alias: str) -> Row:
    """A row with rights of its own."""
    return Row(entity, alias, entity, alias)


def related_rows(relation: Relation, target: EntityType, alias: str) -> Fragment:
    """The FROM item of a relation's rows."""
    table = sql("{table} AS {a}", table=name(target.table), a=name(alias))
    if relation.link is None:
        return table
    return sql(
        "{table} JOIN {link} AS {l} ON {l}.{there} = {a}.{remote}",
        table=table,
        link=name(relation.link.table),
        l=name(f"{alias}_link"),
        there=name(relation.link.there),
        a=name(alias),
        remote=name(relation.remote),
    )


def related_join(relation: Relation, row: Row, alias: str) -> Fragment:
    """What ties a relation's rows to the row they are of."""
    if relation.link is None:
        return sql(
            "{a}.{remote} = {here}", a=name(alias), remote=name(relation.remote), here=row.column(relation.local)
        )
    return sql(
        "{l}.{here} = {id}",
        l=name(f"{alias}_link"),
        here=name(relation.link.here),
        id=row.column(relation.local),
    )
