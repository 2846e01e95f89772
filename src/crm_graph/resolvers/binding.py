"""What a statement is run with: the sources of its parameters become values, for one request."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crm_graph.errors import CrmError
from crm_graph.fragments import Above, Const, Now, Reckoned, Viewer
from crm_graph.moments import reckoned
from crm_graph.permissions.principals import Principal
from crm_graph.resolvers.arguments import Given, GivenTree
from crm_graph.scalars import Parser


class Binding:
    """The arguments of one statement. What is the same for every request is bound once, when the statement is compiled.

    Raises BadVariables for a literal that does not fit.
    """

    __slots__ = ("_fixed", "_open", "_plain")

    def __init__(self, sources: Sequence[Any] = ()) -> None:
        self._fixed: list[Any] = [None] * len(sources)
        self._plain: list[tuple[int, str, Parser]] = []
        self._open: list[tuple[int, Any]] = []
        for place, source in enumerate(sources):
            if isinstance(source, Const):
                self._fixed[place] = source.value
            elif isinstance(source, Given) and not source.path:
                self._fixed[place] = bound(source, {})
            elif isinstance(source, Given) and len(source.path) == 1:
                self._plain.append((place, str(source.path[0]), source.parse))
            else:
                self._open.append((place, source))

    def values(self, variables: Mapping[str, Any], principal: Principal, now: datetime) -> list[Any]:
        """The arguments for one request. Raises BadVariables for a value that does not fit."""
        values = self._fixed.copy()
        for place, name, parse in self._plain:
            try:
                values[place] = parse(variables[name])
            except CrmError as error:
                raise error.at(name) from None
        for place, source in self._open:
            values[place] = _value(source, variables, principal, now)
        return values


def _value(source: Any, variables: Mapping[str, Any], principal: Principal, now: datetime) -> Any:
    if isinstance(source, Given | GivenTree):
        return bound(source, variables)
    if isinstance(source, Viewer):
        return principal.viewer_values()[source.name]
    if isinstance(source, Now):
        return now
    if isinstance(source, Reckoned):
        return reckoned(_value(source.source, variables, principal, now), now, principal.zone)
    if isinstance(source, Above):
        return source.of(_value(source.source, variables, principal, now))
    if isinstance(source, Const):
        return source.value
    raise TypeError(f"nothing is bound from {source!r}")


def bound(source: Given | GivenTree, variables: Mapping[str, Any]) -> Any:
    """A value of a request, parsed. Raises BadVariables with the path to one that does not fit."""
    try:
        return source.value(variables)
    except CrmError as error:
        raise error.at(*(source.path or source.at)) from None
