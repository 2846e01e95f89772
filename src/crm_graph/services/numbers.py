"""Numbers that people call records by, drawn from sequences: unique, growing, with gaps where a transaction failed."""

from collections.abc import Sequence

from crm_graph.services.drafts import Draft
from crm_graph.transaction import Transaction


async def fill(tx: Transaction, drafts: Sequence[Draft], sequence: str, prefix: str) -> None:
    """Number the new records that bring no number of their own, such as `T-000042`."""
    wanting = [draft for draft in drafts if draft.creating and not draft.row.get("number")]
    if not wanting:
        return
    drawn = await tx.driver().fetch(
        "SELECT nextval($1::regclass) AS value FROM generate_series(1, $2)", sequence, len(wanting)
    )
    for draft, record in zip(wanting, drawn, strict=True):
        draft.row["number"] = f"{prefix}-{record['value']:06d}"
