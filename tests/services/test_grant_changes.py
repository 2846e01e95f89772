"""What a preview tells of a field: for every row, by the grants that match it, exactly what becomes of its level."""

from hypothesis import given
from hypothesis import strategies as st

from crm_graph.access import EVERY_ROW, Level, RowScope, TypeGrant
from crm_graph.models.roles import RowRule
from crm_graph.permissions.rules import where
from crm_graph.services.grant_changes import Change, ChangeKind, shifts

SCOPES = (EVERY_ROW, RowScope(RowRule.OWN), RowScope(RowRule.TEAM), where({"kind": {"eq": "PERSON"}}))
grants = st.lists(
    st.builds(
        TypeGrant,
        st.sampled_from(SCOPES),
        st.dictionaries(st.sampled_from(("name", "phone")), st.sampled_from(list(Level)[1:])),
        st.frozensets(st.sampled_from(("name", "phone"))),
    ),
    max_size=4,
)


def level(grants: list[TypeGrant], matching: set[RowScope], path: str) -> Level:
    return max((grant.level(path) for grant in grants if grant.scope in matching), default=Level.HIDDEN)


def writes(grants: list[TypeGrant], matching: set[RowScope], path: str) -> bool:
    return any(path in grant.writes for grant in grants if grant.scope in matching)


def expected(before: tuple[Level, bool], after: tuple[Level, bool]) -> set[tuple[ChangeKind, Level | None]]:
    (was, wrote), (is_, can) = before, after
    found: set[tuple[ChangeKind, Level | None]] = set()
    if is_ != was:
        found.add((ChangeKind.GAIN if is_ > was else ChangeKind.LOSE, is_))
    if can != wrote:
        found.add((ChangeKind.GAIN_WRITE if can else ChangeKind.LOSE_WRITE, None))
    return found


def holds(change: Change, matching: set[RowScope]) -> bool:
    return all(scopes & matching for scopes in change.some) and not change.none & matching


@given(grants, grants, st.sets(st.sampled_from(SCOPES[1:])))
def test_tells_of_each_row_what_becomes_of_it(
    before: list[TypeGrant], after: list[TypeGrant], rules: set[RowScope]
) -> None:
    matching = {EVERY_ROW, *rules}
    found = shifts(before, after)

    for path in ("name", "phone"):
        told = {
            (change.kind, change.level) for change, paths in found.items() if path in paths and holds(change, matching)
        }
        assert told == expected(
            (level(before, matching, path), writes(before, matching, path)),
            (level(after, matching, path), writes(after, matching, path)),
        )
