"""Mutations: how a verb of a service becomes a field with arguments, a payload and user errors."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson
import strawberry
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from crm_graph.catalog import EntityType, camel
from crm_graph.errors import CrmError
from crm_graph.messages import Locale, render
from crm_graph.resolvers.write import MutationContext, RecordRef
from crm_graph.schema.building import Argument, Member, define_type, empty, make_field
from crm_graph.schema.roles import ACTIONS
from crm_graph.schema.scalars import JSON
from crm_graph.services.commands import Outcome, Refused
from crm_graph.transaction import to_json


@strawberry.type(description="What the user can correct.")
class UserError:
    code: str = strawberry.field(description="Stable code, such as INVALID, REQUIRED, NOT_FOUND or CONFLICT.")
    message: str = strawberry.field(description="What to do, in the language of the request.")
    path: list[str] = strawberry.field(description="Leads to the argument that is wrong.")
    details: JSON | None = strawberry.field(description="For programs, such as unmet requirements.")


Verb = Callable[[MutationContext, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Takes the context and the arguments, gives the members of the payload. Raises UserFault."""

Refusal = Callable[[MutationContext, CrmError], Mapping[str, Any]]
"""What a payload tells of a refused verb beside its errors."""


@dataclass(frozen=True)
class Mutation:
    """One mutation field. `payload` are the members beside `errors`; `action` is what a role needs to have it, or one
    of `otherwise`. `renamed` is what the input calls by another name than errors of services do: parents.
    """

    name: str
    action: str
    description: str
    arguments: Mapping[str, Argument]
    payload: Mapping[str, Member]
    verb: Verb
    refused: Refusal = lambda _context, _fault: {}
    otherwise: frozenset[str] = frozenset()
    renamed: Mapping[str, str] | None = None

    def field(self) -> StrawberryField:
        """The Strawberry field; the actions stand in the metadata for role schemas."""
        payload = _payload_type(self)
        member = Member(payload, self.description, self.arguments, _resolver(self, payload))
        made = make_field(self.name, member)
        made.metadata = MappingProxyType({ACTIONS: self.otherwise | {self.action}})
        return made


def _payload_type(mutation: Mutation) -> Any:
    name = camel(mutation.name)
    members = {
        **mutation.payload,
        "errors": Member(list[UserError], "What the user can correct; empty when the verb took effect."),
    }
    return define_type(empty(f"{name[0].upper()}{name[1:]}Payload"), f"What `{name}` answers.", members)


def _resolver(mutation: Mutation, payload: Any) -> Callable[..., Any]:
    async def resolve(info: Info[MutationContext, None], **arguments: Any) -> Any:
        context = info.context
        if context.failure is not None:
            told = mutation.refused(context, context.failure)
            errors = [user_error(context.failure, context.locale)] if told else _errors_of(context)
            for error in errors:
                error.path[:1] = [(mutation.renamed or {}).get(step, step) for step in error.path[:1]]
            return _answer(payload, told, errors)
        return _answer(payload, await mutation.verb(context, arguments), [])

    resolve.__annotations__["return"] = payload
    return resolve


def _answer(payload: Any, members: Mapping[str, Any], errors: Sequence[UserError]) -> Any:
    names = [f.python_name for f in payload.__strawberry_definition__.fields]
    return payload(**{**dict.fromkeys(names), **members, "errors": list(errors)})


def _errors_of(context: MutationContext) -> list[UserError]:
    """A refused verb's errors; a refused batch tells those of its items."""
    fault = context.failure
    faults = fault.errors if isinstance(fault, Refused) and fault.errors else (fault,)
    return [user_error(f, context.locale) for f in faults if f is not None]


def user_error(fault: CrmError, locale: Locale) -> UserError:
    """One error in the language of the request."""
    details: Any = orjson.loads(to_json(fault.details)) or None
    return UserError(
        code=fault.code, message=render(fault, locale), path=[str(step) for step in fault.path], details=details
    )


def record_payload(entity: EntityType, type_: Any) -> dict[str, Member]:
    """A payload that carries the record, null when it has left the asker's scope."""
    return {entity.name: Member(type_ | None, f"The {entity.api_name} as you see it now.")}


def record_of(entity: EntityType, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The payload of a verb on one record."""
    (outcome,) = outcomes
    return {entity.name: None if outcome.id is None else RecordRef(entity.name, outcome.id)}
