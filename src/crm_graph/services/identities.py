"""Whom an issuer means by a subject, where an administrator says so: for people who had a user here before they first
came through it.
"""

from uuid import UUID

from sqlalchemy import delete, select

from crm_graph.errors import Duplicate, Invalid, NotFound, RuleViolated
from crm_graph.models import Identity, Issuer, Role, Session, TeamMember, User, UserRole
from crm_graph.models.users import UserKind, UserStatus
from crm_graph.permissions.issuers import origin_of
from crm_graph.permissions.people import MAX_SUBJECT
from crm_graph.permissions.rules import ASSIGN_ROLES
from crm_graph.services.role_holders import locked_user, written
from crm_graph.services.role_inputs import Raw
from crm_graph.services.role_rules import Standing, require_givable, standing
from crm_graph.transaction import Transaction


async def link(tx: Transaction, given: Raw) -> UUID:
    """Let a subject of an issuer be a user, with what they have and what the claims give from then on. Raises NotFound
    for a user or issuer that is not there, Duplicate for a subject that is somebody already and for a user who has one
    there, RuleViolated for oneself, for who is no person, and for whose roles are not the asker's to give.
    """
    tx.require(ASSIGN_ROLES)
    before = await standing(tx)
    user = await locked_user(tx, given["user"])
    await _require_linkable(tx, before, user)
    issuer, subject = await _issuer(tx, given), given["subject"]
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise Invalid("issuer_text_invalid", path=("subject",), max=MAX_SUBJECT)
    if await tx.session.get(Identity, (issuer.id, subject)) is not None:
        raise Duplicate(path=("subject",))
    # Two subjects would take from one another, at each token, what the claims of the other give.
    there = select(Identity.subject).where(Identity.issuer_id == issuer.id, Identity.user_id == user.id)
    if await tx.session.scalar(there.limit(1)) is not None:
        raise Duplicate("identity_second", path=("user",))
    tx.session.add(Identity(issuer_id=issuer.id, subject=subject, user_id=user.id, created_at=tx.now))
    return await written(tx, before, user, ("identity_linked", {}, {"issuer": issuer.url, "subject": subject}))


async def unlink(tx: Transaction, given: Raw) -> UUID:
    """Let a subject be nobody: what its claims gave is taken, its sessions end. If it comes again, it is somebody new.
    Raises NotFound and RuleViolated as `link` does, and RuleViolated for who is not active: somebody new would be.
    """
    tx.require(ASSIGN_ROLES)
    before, issuer = await standing(tx), await _issuer(tx, given)
    identity = await tx.session.get(Identity, (issuer.id, given["subject"]))
    if identity is None:
        raise NotFound(path=("subject",))
    user = await locked_user(tx, str(identity.user_id))
    await _require_linkable(tx, before, user)
    if user.status is not UserStatus.ACTIVE or user.archived_at is not None:
        raise RuleViolated("user_comes_back", path=("subject",))
    await tx.session.delete(identity)
    await tx.session.flush()
    others = select(Identity.subject).where(Identity.issuer_id == issuer.id, Identity.user_id == user.id)
    if await tx.session.scalar(others.limit(1)) is None:
        for model in (UserRole, TeamMember):
            of_claims = (model.user_id == user.id, model.origin == origin_of(issuer.id))
            await tx.session.execute(delete(model).where(*of_claims))
    await tx.session.execute(delete(Session).where(Session.user_id == user.id, Session.issuer_id == issuer.id))
    was = {"issuer": issuer.url, "subject": identity.subject}
    return await written(tx, before, user, ("identity_unlinked", was, {}))


async def _require_linkable(tx: Transaction, before: Standing, user: User) -> None:
    """Whoever says who somebody is gives them the rights of that user."""
    if user.id == tx.principal.user_id:
        raise RuleViolated("own_rights", path=("user",))
    if user.kind is not UserKind.PERSON:
        raise RuleViolated("client_account_is_no_person", path=("user",))
    for role in await tx.session.scalars(select(Role.key).join(UserRole).where(UserRole.user_id == user.id)):
        require_givable(tx, before.policy, role)


async def _issuer(tx: Transaction, given: Raw) -> Issuer:
    issuer = await tx.session.scalar(select(Issuer).where(Issuer.url == given["issuer"]))
    if issuer is None:
        raise NotFound(path=("issuer",))
    return issuer
