"""Operands of conditions: values of a `where` become bound parameters, read as their field and operator want them."""

from typing import Any

from crm_graph.catalog import Field
from crm_graph.criteria.predicates import MANY, YES_OR_NO, Op, operand_type
from crm_graph.criteria.reading import MAX_LIST
from crm_graph.errors import Invalid
from crm_graph.fragments import Const, Fragment, Param, Reckoned, param
from crm_graph.resolvers.arguments import Leaf, ManyOf, given, given_list
from crm_graph.scalars import is_timed, operand_parser, parse_boolean


def api_leaf(raw: Any, member: Field, op: Op, most: int = MAX_LIST) -> Fragment:
    """A leaf of a `where` argument as a bound parameter; a list has at most so many values."""
    parse = parse_boolean if op in YES_OR_NO else operand_parser(member.kind, member.enum)
    type_ = operand_type(member, op)
    if op in MANY:
        leaf = given_list(raw, ManyOf(parse, most), type_.removesuffix("[]"))
    elif isinstance(raw, Leaf):
        leaf = param(given(raw, parse), type_)
    else:
        raise Invalid("predicate_value")
    timed = op not in YES_OR_NO and is_timed(member.kind)
    return Fragment(tuple(part if isinstance(part, str) else _operand(part, timed=timed) for part in leaf.parts))


def _operand(operand: Param, *, timed: bool) -> Param:
    """What a literal says is known now, what a variable says with each request."""
    source = operand.source
    if not source.path:
        value = source.value({})
        source = Const(tuple(value) if isinstance(value, list) else value)
    return Param(Reckoned(source) if timed else source, operand.type)
