"""Users as admins run them: people made and described, and what becomes of somebody who leaves the company."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from crm_graph.errors import Duplicate, RuleViolated
from crm_graph.models import Role, Team, TeamMember, UserRole
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.rules import ASSIGN_ROLES
from crm_graph.services import records
from crm_graph.services.commands import Create, Mode, Outcome, Result, Update
from crm_graph.services.drafts import Draft, Noun, desk_for
from crm_graph.services.people import SYSTEM
from crm_graph.services.role_holders import locked_user, written
from crm_graph.services.role_inputs import Raw
from crm_graph.services.role_rules import require_givable, standing
from crm_graph.services.role_views import Told
from crm_graph.services.sign_outs import end_tokens
from crm_graph.services.team_rules import opened, settle
from crm_graph.transaction import Transaction

_TAKEN = "SELECT EXISTS (SELECT FROM users WHERE username = $1)"
_TAKE_ALL = """
WITH roles AS (DELETE FROM user_roles WHERE user_id = $1) DELETE FROM team_members WHERE user_id = $1
"""


async def create(tx: Transaction, command: Create) -> list[Outcome]:
    """Make a person, who has no roles and teams yet. Raises Duplicate for a username that is taken, and what
    `records.create` and `team_rules` raise.
    """
    before = await opened(tx, "users:create")
    desk = desk_for(tx, NOUN)
    outcomes = await records.write(desk, [desk.read_create(0, command)], Mode.ATOMIC)
    await settle(tx, before)
    return outcomes


async def update(tx: Transaction, command: Update) -> list[Outcome]:
    """Change what a user is called, their language and time zone; see `records.update`."""
    before = await opened(tx, "users:update")
    outcomes = await records.update(tx, NOUN, [command])
    if outcomes[0].result is not Result.UNCHANGED:
        await settle(tx, before)
    return outcomes


async def leave(tx: Transaction, given: Raw) -> UUID:
    """A person has left: they may not act, and lose sessions, roles and teams; their records stay theirs. Raises
    NotFound, and RuleViolated for a client's account, for the last administrator, and for a role that manages rights
    and is not the asker's to take.
    """
    tx.require(ASSIGN_ROLES)
    before = await standing(tx)
    user = await locked_user(tx, given["user"])
    if user.kind is not UserKind.PERSON:
        raise RuleViolated("user_is_service", path=("user",))
    if user.status is UserStatus.LEFT:
        return user.id
    roles = select(Role.key).join(UserRole).where(UserRole.user_id == user.id).order_by(Role.key)
    teams = select(Team.key).join(TeamMember).where(TeamMember.user_id == user.id).order_by(Team.path)
    held, of_teams = list(await tx.session.scalars(roles)), list(await tx.session.scalars(teams))
    for role in held:
        require_givable(tx, before.policy, role)
    was, user.status = user.status, UserStatus.LEFT
    await tx.driver().execute(_TAKE_ALL, user.id)
    await end_tokens(tx, user)
    told: Told = {"status": was.value, "roles": held, "teams": of_teams}
    return await written(tx, before, user, ("left", told, {"status": user.status.value, "roles": [], "teams": []}))


async def _prepare(tx: Transaction, drafts: Sequence[Draft]) -> None:
    for draft in drafts:
        if not draft.creating:
            if draft.value("kind") == UserKind.SYSTEM:
                draft.refuse(RuleViolated("user_is_system", path=("id",)))
            continue
        draft.row["kind"] = UserKind.PERSON
        if draft.row["username"].startswith(SYSTEM):
            draft.refuse(RuleViolated("username_reserved", path=("username",)))
        elif await tx.driver().fetchval(_TAKEN, draft.row["username"]):
            draft.refuse(Duplicate("username_taken", path=("username",)))


NOUN = Noun("user", prepare=_prepare)
