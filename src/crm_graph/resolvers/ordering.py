"""In which order rows come: an `orderBy` becomes keys, by the rights of the asker."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crm_graph.access import Access, Level
from crm_graph.catalog import CUSTOM, Catalog, EntityType, Field, Relation
from crm_graph.criteria.reading import Holder
from crm_graph.errors import ValidationFailed
from crm_graph.resolvers.arguments import Leaf
from crm_graph.resolvers.plan import OrderKey


@dataclass(frozen=True, slots=True)
class OrderReader:
    """Reads every `orderBy` of rows: only what the asker reads in full orders them."""

    catalog: Catalog
    access: Access

    def read(self, entity: EntityType, tree: Any) -> tuple[OrderKey, ...]:
        """The keys of an `orderBy`, each once, and the id last where rows would not be in one order without it."""
        keys: list[OrderKey] = []
        for item in tree or ():
            for key in self._keys(entity, item, (), Holder(entity.name, "")):
                if not any((k.path, k.field) == (key.path, key.field) for k in keys):
                    keys.append(key)
        by_id = entity.fields["id"]
        if any(k.field is by_id and not k.path for k in keys):
            end = next(i for i, k in enumerate(keys) if k.field is by_id and not k.path)
            return tuple(keys[: end + 1])
        descending = keys[-1].descending if keys else True
        return (*keys, OrderKey((), by_id, descending, nulls_first=False))

    def _keys(self, entity: EntityType, tree: Any, path: tuple[Relation, ...], holder: Holder) -> Iterable[OrderKey]:
        for name, value in (tree or {}).items():
            if value is None:
                continue
            member = entity.by_api_name.get(name)
            if isinstance(member, Relation):
                target = self.catalog[member.target]
                yield from self._keys(target, value, (*path, member), holder.into(member, target))
            elif name == CUSTOM and entity.custom:
                for key, direction in value.items():
                    if direction is not None:
                        yield self._key(entity.custom.get(key), key, direction, path, holder)
            else:
                yield self._key(member, name, value, path, holder)

    def _key(self, member: Field | None, name: str, leaf: Leaf, path: tuple[Relation, ...], holder: Holder) -> OrderKey:
        if (
            member is None
            or not member.orderable
            or self.access.ceiling(holder.entity, holder.prefix + member.name) is not Level.READ
        ):
            raise ValidationFailed("unknown_field").at(name)
        direction, _, nulls = leaf.value.partition("_NULLS_")
        descending = direction == "DESC"
        return OrderKey(path, member, descending, nulls == "FIRST" if nulls else descending)
