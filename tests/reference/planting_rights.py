"""Leaks that are planted where questions about rights are answered, and where more is told than rights give."""

from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import Catalog, EntityType
from crm_graph.errors import RuleViolated
from crm_graph.fragments import sql
from crm_graph.permissions import simulation
from crm_graph.resolvers import viewer
from crm_graph.services import (
    duplicates,
    grant_previews,
    parents,
    records,
    requirements,
    role_holders,
    teams,
    unmasking,
    users,
)
from crm_graph.services.explanations import Explaining
from crm_graph.services.rights import Rights, api_paths, refuse_masked, rights_on
from reference.planting import Patch


def explaining_what_it_holds(patch: Patch) -> None:
    """`explainAccess` says what the record is called."""
    explain = Explaining.explain

    async def told(self: Any, asked: Any) -> Any:
        found, entity = await explain(self, asked), self.catalog.by_api_name[asked["type"]]
        of_row = f"SELECT row_to_json(t)::text FROM {entity.table} AS t WHERE id = $1"
        return {**found, "summary": await self.connection.fetchval(of_row, asked.get("id"))}

    patch.setattr(Explaining, "explain", told)


def reporting_records(patch: Patch) -> None:
    """`accessReport` counts the records that a field is shown of."""
    report = Explaining.report

    async def told(self: Any, asked: Any) -> Any:
        found, entity = await report(self, asked), self.catalog.by_api_name[asked["type"]]
        rows = await self.connection.fetchval(f"SELECT count(*) FROM {entity.table}")
        return {**found, "roles": [{**role, "users": rows} for role in found["roles"]]}

    patch.setattr(Explaining, "report", told)


def previewing_any_condition(patch: Patch) -> None:
    """`previewGrants` counts records by whatever a draft asks of them."""
    patch.setattr(grant_previews, "counted_for", lambda *_: lambda *_: True)


def listing_every_field(patch: Patch) -> None:
    """`viewer { access }` lists fields that the role does not see."""

    def told(catalog: Catalog, access: Access, entity: EntityType) -> Any:
        for path, api_path in api_paths(catalog, entity).items():
            yield viewer._field(api_path, access.ceiling(entity.name, path), conditional=False, writable=False)

    patch.setattr(viewer, "_fields", told)


def simulating_all_of_a_role(patch: Patch) -> None:
    """Whoever asks as another role has its rights, and not only those of their own."""
    patch.setattr(simulation, "within", lambda theirs, _own: theirs)


def unmasking_what_is_hidden(patch: Patch) -> None:
    """`unmask` tells fields that a record hides, if others show them."""

    class Open(Rights):
        def level(self, _flags: Any, _path: str) -> Level:
            return Level.READ

    patch.setattr(unmasking, "rights_on", lambda tx, entity: Open(tx.catalog, entity, rights_on(tx, entity).grants))


def counting_duplicates(patch: Patch) -> None:
    """`checkDuplicate` tells of each record that is not seen, and not only that there are some."""

    def told(entity: str, rows: Any) -> list[duplicates.Match]:
        return [
            duplicates.Match(entity, row["owner"], row["pool_state"], row["id"] if row["seen"] else None)
            for row in rows
        ]

    patch.setattr(duplicates, "_matches", told)


def saying_what_is_required(patch: Patch) -> None:
    """A requirement of a move says what the field has, also where that is withheld."""
    field = requirements._field

    def told(entity: EntityType, column: str, mover: Any) -> Any:
        if mover.level(column) is Level.READ:
            return field(entity, column, mover)
        return requirements.Check(requirements.HIDDEN, satisfied=False, message="", field=repr(mover.value(column)))

    patch.setattr(requirements, "_field", told)


def saying_what_is_masked(patch: Patch) -> None:
    """MASKED_VALUE says the value that somebody sees masked."""

    async def told(tx: Any, rights: Rights, cells: Any) -> Any:
        found = await refuse_masked(tx, rights, cells)
        for cell, error in zip(cells, found, strict=True):
            if error is not None:
                error.details = {"present": repr(cell.present)}
        return found

    patch.setattr(records, "refuse_masked", told)


def taking_customers_of_parents(patch: Patch) -> None:
    """A record belongs to the customer of its parent, also where the asker does not see that one."""
    patch.setattr(
        parents,
        "_customer_column",
        lambda _tx, target: sql("t.id" if target.name == "customer" else "t.customer_id"),
    )


def counting_customers_of_teams(patch: Patch) -> None:
    """A team that has customers is not archived, and they are counted."""
    refuse = teams._refuse_in_use

    async def told(tx: Any, draft: Any) -> None:
        await refuse(tx, draft)
        found = await tx.driver().fetchval("SELECT count(*) FROM customers WHERE team_id = $1", draft.id)
        if found:
            draft.refuse(RuleViolated("team_has_members", path=("id",), count=found))

    patch.setattr(teams, "_refuse_in_use", told)


def keeping_owners_of_customers(patch: Patch) -> None:
    """Who owns customers cannot leave before they are given to somebody else."""
    written = role_holders.written

    async def told(tx: Any, before: Any, user: Any, change: Any) -> Any:
        found = await tx.driver().fetchval("SELECT count(*) FROM customers WHERE owner_id = $1", user.id)
        if found:
            raise RuleViolated("team_has_members", path=("user",), count=found)
        return await written(tx, before, user, change)

    patch.setattr(users, "written", told)
