"""What tests of administration share: verbs on roles by name, and waiting until a change of rights holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from web.conftest import Crm

TYPES = {
    "createRole": {"input": "CreateRoleInput!"},
    "updateRole": {"key": "String!", "expectedVersion": "Int!", "input": "UpdateRoleInput!"},
    "cloneRole": {"key": "String!", "as": "String!", "label": "LabelsInput!"},
    "setGrants": {"role": "String!", "expectedVersion": "Int!", "grants": "[GrantInput!]!"},
    "resetRole": {"key": "String!", "expectedVersion": "Int!"},
    "removeRole": {"key": "String!", "expectedVersion": "Int!"},
    "grantRole": {"user": "ID!", "role": "String!", "until": "DateTime"},
    "revokeRole": {"user": "ID!", "role": "String!"},
    "suspendUser": {"user": "ID!"},
    "reinstateUser": {"user": "ID!"},
    "linkIdentity": {"user": "ID!", "issuer": "String!", "subject": "String!"},
    "unlinkIdentity": {"issuer": "String!", "subject": "String!"},
    "saveIssuer": {
        "url": "String!",
        "name": "String",
        "audiences": "[String!]",
        "roleMap": "[ClaimRuleInput!]",
        "signInClient": "String",
        "signInSecret": "String",
        "status": "IssuerStatus",
    },
    "approveRights": {"proposal": "ID!"},
    "rejectRights": {"proposal": "ID!"},
    "withdrawRights": {"proposal": "ID!"},
}
PROPOSAL = "{ id verb input reason state proposedBy decidedBy }"
USER = "{ username status version roles { key origin until expired } }"
SELECTED = {
    "removeRole": "key",
    "saveIssuer": "issuer { url status }",
    "unlinkIdentity": f"user {USER}",
    "approveRights": f"proposal {PROPOSAL}",
    "rejectRights": f"proposal {PROPOSAL}",
    "withdrawRights": f"proposal {PROPOSAL}",
}
GRANT = (
    "{ type rowRule where levels { dataClass level } fields { field level } personalLevel"
    " writes { classes fields except } }"
)
ROLE = f"{{ key label {{ zh en }} description builtin edited version inherits actions holders grants {GRANT} }}"


async def edit(
    crm: Crm, name: str, /, who: str = "root", *, language: str = "en", proposing: bool = False, **arguments: Any
) -> Any:
    """The payload of a verb; `expectedVersion` is the present one if it is not said."""
    types = TYPES[name]
    if "expectedVersion" in types and "expectedVersion" not in arguments:
        arguments["expectedVersion"] = (await role(crm, arguments.get("key") or arguments["role"]))["version"]
    declared = ", ".join(f"${key}: {type_}" for key, type_ in types.items())
    passed = ", ".join(f"{key}: ${key}" for key in types)
    selected = SELECTED.get(name) or (f"user {USER}" if "user" in types else f"role {ROLE}")
    if proposing:
        selected += f" proposal {PROPOSAL}"
    answer = await crm.ask(
        who,
        f"mutation({declared}, $reason: String) {{ {name}({passed}, reason: $reason)"
        f" {{ {selected} errors {{ code message path details }} }} }}",
        arguments,
        Accept_Language=language,
    )
    return answer.payload(name)


async def done(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> Any:
    """What a verb that took effect answers beside its errors."""
    payload = await edit(crm, name, who, **arguments)
    assert payload.pop("errors") == []
    if name == "suspendUser":
        await crm.suspended(arguments["user"])
    (value,) = payload.values()
    return value


async def refusals(crm: Crm, name: str, /, who: str = "root", **arguments: Any) -> list[tuple[str, str]]:
    """Code and path of each error of a verb that was refused."""
    payload = await edit(crm, name, who, **arguments)
    errors = payload.pop("errors")
    assert errors
    assert list(payload.values()) == [None]
    return [(error["code"], ".".join(error["path"])) for error in errors]


async def roles(crm: Crm, *keys: str, who: str = "root") -> list[Any]:
    answer = await crm.ask(who, f"query($keys: [String!]) {{ roles(keys: $keys) {ROLE} }}", {"keys": list(keys)})
    found: list[Any] = answer.data["roles"]
    return found


async def role(crm: Crm, key: str) -> Any:
    (found,) = await roles(crm, key)
    return found


async def holds(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a change of rights holds: a second, and some for a busy machine."""
    started = time.monotonic()
    while not await condition():
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.02)


def new_role(key: str, *grants: Any, **more: Any) -> dict[str, Any]:
    """The input of a role."""
    return {"key": key, "label": {"zh": f"角色{key}", "en": f"Role {key}"}, "grants": list(grants), **more}


def grant(type_: str = "Customer", row_rule: str = "ALL", **more: Any) -> dict[str, Any]:
    """A grant that shows BASIC, if nothing else is said."""
    shown = {} if "levels" in more or "fields" in more else {"levels": [{"dataClass": "BASIC", "level": "READ"}]}
    return {"type": type_, "rowRule": row_rule, **shown, **more}
