"""The end of every token, session and link that somebody has, for good: they sign in anew, if they still may."""

from uuid import UUID

from sqlalchemy import delete, update

from crm_graph.models import Client, Session, SignInLink, User
from crm_graph.transaction import Transaction


async def end_tokens(tx: Transaction, user: User) -> None:
    """Let nothing serve any more that a user, or a client of theirs, came in with before. The caller raises the policy
    version.
    """
    user.token_epoch += 1
    user.suspended_at = tx.now
    await tx.session.execute(update(Client).where(Client.user_id == user.id).values(token_epoch=Client.token_epoch + 1))
    await tx.session.execute(delete(Session).where(Session.user_id == user.id))
    await tx.session.execute(delete(SignInLink).where(SignInLink.user_id == user.id))


async def end_sessions_at(tx: Transaction, issuer_id: UUID) -> None:
    """End the sessions of who signed in at an issuer."""
    await tx.session.execute(delete(Session).where(Session.issuer_id == issuer_id))
