"""Parents of records that are written: by id or external ref, in the asker's scope, of one and the same customer."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from crm_graph.access import Level
from crm_graph.catalog import EntityType, Relation
from crm_graph.criteria.compiling import Compiler
from crm_graph.criteria.rows import own_row
from crm_graph.errors import Invalid, NotFound, Required, RuleViolated
from crm_graph.fragments import Fragment, all_of, const, name, param, sql
from crm_graph.models.ids import code_of
from crm_graph.services.commands import ExternalKey
from crm_graph.services.drafts import Desk, Draft
from crm_graph.services.rights import in_any_scope, rights_on
from crm_graph.transaction import Input, Transaction


async def resolve(desk: Desk, drafts: Sequence[Draft]) -> None:
    """Set the drafts' foreign keys. An id of another type or out of scope is NOT_FOUND, like one that never was."""
    relations = {relation.name: relation for relation in desk.tx.catalog.parents(desk.entity)}
    asked: dict[str, list[tuple[Draft, Relation, UUID | ExternalKey]]] = {}
    for draft in drafts:
        for key, parent in draft.parents.items():
            relation = relations.get(key)
            if relation is None:
                draft.refuse(Invalid("unknown_field", path=(key,)))
            elif not desk.tx.access.grants(relation.target):
                draft.refuse(Invalid("unknown_field", path=(relation.api_name,)))
            elif parent is not None:
                asked.setdefault(relation.target, []).append((draft, relation, parent))
            elif relation.nullable:
                draft.row[relation.local] = None
            else:
                draft.refuse(Required(path=(relation.api_name,)))
    for target, wishes in asked.items():
        await _find(desk.tx, desk.tx.catalog[target], wishes)
    for draft in drafts:
        _require(draft, relations.values())


async def _find(
    tx: Transaction, target: EntityType, wishes: Sequence[tuple[Draft, Relation, UUID | ExternalKey]]
) -> None:
    by_key = await ids_of_keys(tx, target, [key for _, _, key in wishes if isinstance(key, ExternalKey)])
    ids = {key: by_key.get(key) if isinstance(key, ExternalKey) else key for _, _, key in wishes}
    visible = await _customers_of(tx, target, [i for i in ids.values() if i is not None and code_of(i) == target.code])
    for draft, relation, key in wishes:
        id_ = ids[key]
        if id_ is None or id_ not in visible or id_ == draft.id:
            draft.refuse(NotFound(path=(relation.api_name,)))
            continue
        draft.row[relation.local] = id_
        if relation.target != "customer":
            _same_customer(draft, relation, visible[id_])


def _same_customer(draft: Draft, relation: Relation, customer_id: UUID | None) -> None:
    """A record belongs to the customer of its parents; where none was named, it is theirs."""
    if customer_id is None:
        return
    if "customer" not in draft.parents and draft.value("customer_id") is None:
        draft.row["customer_id"] = customer_id
    draft.parent_customers.append((relation.api_name, customer_id))


def _require(draft: Draft, relations: Iterable[Relation]) -> None:
    for api_name, customer_id in draft.parent_customers:
        if draft.value("customer_id") != customer_id and not draft.errors:
            draft.refuse(RuleViolated("parent_of_another_customer", path=(api_name,)))
    for relation in relations:
        if not relation.nullable and draft.value(relation.local) is None and not draft.errors:
            draft.refuse(Required(path=(relation.api_name,)))


async def ids_of_keys(tx: Transaction, target: EntityType, keys: Sequence[ExternalKey]) -> dict[ExternalKey, UUID]:
    """The records that external keys name, for who may read what other systems call them: a withheld ref names none."""
    if not keys:
        return {}
    unique = list(dict.fromkeys(keys))
    compiler, row = Compiler(tx.catalog, tx.access), own_row(target, "t")
    refs = target.relations["external_refs"]
    ref = row.child(refs, tx.catalog[refs.target], "r")
    found = await tx.fetch(
        sql(
            "SELECT r.source, r.external_id, r.entity_id FROM unnest({sources}, {ids}) AS k (source, external_id)"
            " JOIN external_refs AS r ON r.source = k.source AND r.external_id = k.external_id"
            " JOIN {table} AS t ON t.id = r.entity_id WHERE r.entity_type = {type} AND {rights}",
            sources=param(Input("sources"), "text[]"),
            ids=param(Input("external_ids"), "text[]"),
            table=name(target.table),
            type=const(target.name, "text"),
            rights=all_of(
                [compiler.visible(row)]
                + [compiler.cell(ref, ref.entity.fields[f], Level.READ) for f in ("source", "external_id")]
            ),
        ),
        sources=[key.source for key in unique],
        external_ids=[key.external_id for key in unique],
    )
    return {ExternalKey(record["source"], record["external_id"]): record["entity_id"] for record in found}


async def _customers_of(tx: Transaction, target: EntityType, ids: Sequence[UUID]) -> dict[UUID, UUID | None]:
    """Those of the ids that the asker sees, with the customer each belongs to where they see that one too: a customer
    out of scope is like none, or a refusal would tell of it.
    """
    if not ids:
        return {}
    found = await tx.fetch(
        sql(
            "SELECT t.id, {customer} AS customer_id FROM {table} AS t WHERE t.id = ANY({ids}) AND {scope}",
            customer=_customer_column(tx, target),
            table=name(target.table),
            ids=param(Input("ids"), "uuid[]"),
            scope=in_any_scope(rights_on(tx, target), "t"),
        ),
        ids=sorted(set(ids)),
    )
    return {record["id"]: record["customer_id"] for record in found}


def _customer_column(tx: Transaction, target: EntityType) -> Fragment:
    if target.name == "customer":
        return sql("t.id")
    return sql(
        "(SELECT c.id FROM customers AS c WHERE c.id = t.customer_id AND {scope})",
        scope=in_any_scope(rights_on(tx, tx.catalog["customer"]), "c"),
    )
