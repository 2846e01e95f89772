"""Edits of rights that need a second approver: proposed with everything that the edit itself is checked for, made when
somebody else approves. Who proposed one never approves it, and may take it back. Those that nobody decides expire.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select

from crm_graph.errors import Conflict, LimitReached, NotFound, RuleViolated
from crm_graph.models import RightsProposal
from crm_graph.models.ids import EntityCode
from crm_graph.models.rights_proposals import ProposalState
from crm_graph.permissions.rules import APPROVE_ROLES, ASSIGN_ROLES, MANAGE_ROLES, READ_ROLES
from crm_graph.permissions.store import Connection
from crm_graph.services import client_secrets, clients, identities, issuers, role_holders, roles, team_members, teams
from crm_graph.services.role_inputs import Raw
from crm_graph.services.role_rules import may_still, standing
from crm_graph.services.role_views import Told
from crm_graph.transaction import EventDraft, Transaction

MAX_PENDING = 50
"""How many edits of one proposer may wait."""
MAX_TOLD = 200

Verb = Callable[[Transaction, Raw], Awaitable[Any]]
VERBS: Mapping[str, tuple[str, Verb]] = {
    "createRole": (MANAGE_ROLES, roles.create),
    "updateRole": (MANAGE_ROLES, roles.update),
    "cloneRole": (MANAGE_ROLES, roles.clone),
    "setGrants": (MANAGE_ROLES, roles.set_grants),
    "resetRole": (MANAGE_ROLES, roles.reset),
    "removeRole": (MANAGE_ROLES, roles.remove),
    "grantRole": (ASSIGN_ROLES, role_holders.grant),
    "reinstateUser": (ASSIGN_ROLES, role_holders.reinstate),
    "registerClient": (clients.MANAGE, clients.register_given),
    "updateClient": (clients.MANAGE, clients.update_given),
    "reinstateClient": (clients.MANAGE, clients.reinstate_given),
    "rotateClientSecret": (clients.MANAGE, client_secrets.keep_given),
    "linkIdentity": (ASSIGN_ROLES, identities.link),
    "saveIssuer": (MANAGE_ROLES, issuers.save_as_told),
    "moveTeam": ("teams:update", teams.move),
    "addTeamMembers": ("teams:update", team_members.add),
}
"""What can be proposed, with the action that it needs. What only takes rights from a user holds at once."""
PROPOSING = frozenset(action for action, _ in VERBS.values())
"""Who holds one of these proposes, and takes back what they proposed, whether they read roles or not."""

_LISTED = """
SELECT * FROM (
    SELECT id, verb, arguments::text AS arguments, reason,
           CASE WHEN state = 'PENDING' AND proposed_at <= $3 THEN 'EXPIRED' ELSE state END AS state,
           proposed_by_id, proposed_at, decided_by_id, decided_at
    FROM rights_proposals
) AS p
WHERE $1::text IS NULL OR state = $1
ORDER BY id DESC
LIMIT $2
"""
_EXPIRE = """
UPDATE rights_proposals SET state = 'EXPIRED', withheld = NULL WHERE state = 'PENDING' AND proposed_at <= $1
"""


async def propose(tx: Transaction, verb: str, arguments: Raw, withheld: Raw | None = None) -> Told:
    """Keep an edit until somebody approves it; it is made with what is `withheld` too, which nobody is told. Raises
    what the edit itself raises, and LimitReached.
    """
    action, edit = VERBS[verb]
    tx.require(action)
    async with tx.trial():
        await edit(tx, {**arguments, **(withheld or {})})
    await tx.driver().execute(_EXPIRE, tx.now - tx.approval.lifetime)
    asker = RightsProposal.proposed_by_id == tx.principal.user_id
    pending = select(func.count()).where(RightsProposal.state == ProposalState.PENDING, asker)
    if (await tx.session.scalar(pending) or 0) >= MAX_PENDING:
        raise LimitReached("proposals_limit", limit=MAX_PENDING)
    proposal = RightsProposal(
        id=tx.new_id(EntityCode.RIGHTS_PROPOSAL),
        verb=verb,
        arguments=dict(arguments),
        withheld=None if withheld is None else dict(withheld),
        reason=tx.reason,
        state=ProposalState.PENDING,
        proposed_by_id=tx.principal.user_id,
        proposed_at=tx.now,
    )
    tx.session.add(proposal)
    await tx.session.flush()
    _tell(tx, proposal, "proposed", 1)
    return told_proposal(proposal)


async def approve(tx: Transaction, given: Raw) -> Told:
    """Make a proposed edit, in the name of who approves it and on behalf of who proposed it. Raises NotFound, Conflict
    for one that was decided, RuleViolated for one's own, for a client that asks, and for one of somebody who may make
    the edit no longer, and what the edit itself raises now.
    """
    tx.require(APPROVE_ROLES)
    if tx.principal.client_id is not None:
        raise RuleViolated("approver_is_client")
    rights, proposal = await standing(tx), await _pending(tx, given)
    if proposal.proposed_by_id == tx.principal.user_id:
        raise RuleViolated("own_proposal", path=("proposal",))
    action, edit = VERBS[proposal.verb]
    if not await may_still(tx, rights.policy, proposal.proposed_by_id, action):
        raise RuleViolated("proposer_may_not", path=("proposal",))
    reason = tx.reason
    tx.on_behalf_of_id, tx.reason = proposal.proposed_by_id, proposal.reason
    await edit(tx, {**proposal.arguments, **(proposal.withheld or {})})
    return await _decided(tx, proposal, ProposalState.APPROVED, reason)


async def reject(tx: Transaction, given: Raw) -> Told:
    """Let a proposed edit not be made. Raises NotFound and Conflict as `approve`."""
    tx.require(APPROVE_ROLES)
    return await _decided(tx, await _pending(tx, given), ProposalState.REJECTED, tx.reason)


async def withdraw(tx: Transaction, given: Raw) -> Told:
    """Take back what the asker proposed. Raises NotFound and Conflict as `approve`, RuleViolated for another's, which
    is not there for who does not read roles.
    """
    if tx.access.actions.isdisjoint(PROPOSING):
        tx.require(READ_ROLES)
    proposal = await _locked(tx, given)
    if proposal.proposed_by_id != tx.principal.user_id:
        if not tx.access.may(READ_ROLES):
            raise NotFound(path=("proposal",))
        raise RuleViolated("foreign_proposal", path=("proposal",))
    _require_pending(tx, proposal)
    return await _decided(tx, proposal, ProposalState.REJECTED, tx.reason, "withdrawn")


async def _pending(tx: Transaction, given: Raw) -> RightsProposal:
    """The proposal, locked, if it waits."""
    proposal = await _locked(tx, given)
    _require_pending(tx, proposal)
    return proposal


async def _locked(tx: Transaction, given: Raw) -> RightsProposal:
    proposal = await tx.session.get(RightsProposal, UUID(given["proposal"]), with_for_update=True)
    if proposal is None:
        raise NotFound(path=("proposal",))
    return proposal


def _require_pending(tx: Transaction, proposal: RightsProposal) -> None:
    if proposal.state is not ProposalState.PENDING:
        raise Conflict("proposal_decided", path=("proposal",), state=proposal.state.value)
    if proposal.proposed_at <= tx.now - tx.approval.lifetime:
        raise Conflict("proposal_expired", path=("proposal",))


async def _decided(
    tx: Transaction, proposal: RightsProposal, state: ProposalState, reason: str | None, verb: str | None = None
) -> Told:
    proposal.state, proposal.decided_by_id, proposal.decided_at = state, tx.principal.user_id, tx.now
    proposal.withheld = None
    await tx.session.flush()
    _tell(tx, proposal, verb or state.value.lower(), 2, reason)
    return told_proposal(proposal)


async def told_proposals(connection: Connection, state: str | None, expired: datetime) -> list[Told]:
    """Proposals, the newest first; those that wait since `expired` wait no longer."""
    rows = await connection.fetch(_LISTED, state, MAX_TOLD, expired)
    return [_told({**row, "arguments": orjson.loads(row["arguments"])}) for row in rows]


def told_proposal(proposal: RightsProposal) -> Told:
    """A proposal by the names of the API."""
    return _told({name: getattr(proposal, name) for name in _COLUMNS})


_COLUMNS = (
    "id",
    "verb",
    "arguments",
    "reason",
    "state",
    "proposed_by_id",
    "proposed_at",
    "decided_by_id",
    "decided_at",
)


def _told(row: Mapping[str, Any]) -> Told:
    decided_by = row["decided_by_id"]
    return {
        "id": str(row["id"]),
        "verb": row["verb"],
        "input": row["arguments"],
        "reason": row["reason"],
        "state": ProposalState(row["state"]).value,
        "proposedBy": str(row["proposed_by_id"]),
        "proposedAt": row["proposed_at"],
        "decidedBy": None if decided_by is None else str(decided_by),
        "decidedAt": row["decided_at"],
    }


def _tell(tx: Transaction, proposal: RightsProposal, verb: str, version: int, reason: str | None = None) -> None:
    tx.record(
        EventDraft(
            type=f"rights.{verb}",
            entity_type="rights_proposal",
            entity_id=proposal.id,
            entity_version=version,
            changed=["state"],
            before={},
            after={"verb": proposal.verb, "input": proposal.arguments, "state": proposal.state.value},
            reason=reason,
        )
    )
