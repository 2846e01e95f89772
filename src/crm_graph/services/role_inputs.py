"""What an admin writes of a role, by the names of the API, read into the nouns of a policy. What is wrong is collected,
each with the path to it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from crm_graph.access import EVERY_ROW, Level, RowScope
from crm_graph.catalog import Catalog, EntityType
from crm_graph.errors import CrmError, Duplicate, Invalid, LimitReached, Path, Required
from crm_graph.models.fields import DataClass
from crm_graph.models.roles import RowRule
from crm_graph.permissions.rules import GrantRule, actions_of
from crm_graph.permissions.validation import grant_problems
from crm_graph.services.rights import api_paths
from crm_graph.services.texts import clean

Raw = Mapping[str, Any]
MAX_GRANTS = 1_000
MAX_LISTED = 1_000
"""The longest list in a grant or a role: classes, fields, actions, roles."""
MAX_WHERE = 20_000
"""Characters of a stored condition, as canonical JSON."""
MAX_NAME = 100
MAX_DESCRIPTION = 1_000
_KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")


@dataclass(frozen=True, slots=True)
class Placed:
    """A grant that was read, its type, and where in the input it stands."""

    entity: EntityType
    rule: GrantRule
    at: Path


@dataclass
class RoleReader:
    """Reads the parts of a role. `problems` are what is wrong with them."""

    catalog: Catalog
    problems: list[CrmError] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)

    def key(self, raw: Any, *at: str) -> str:
        """The key of a role to be."""
        if not isinstance(raw, str) or not _KEY.fullmatch(raw):
            self.problems.append(Invalid("role_key_invalid", path=at))
        return str(raw)

    def text(self, raw: Any, *at: str, max_length: int = MAX_NAME) -> str:
        """A text of one line that must be there."""
        try:
            text = clean(str(raw or ""), max_length=max_length)
        except CrmError as error:
            self.problems.append(error.at(*at))
            return ""
        if text is None:
            self.problems.append(Required(path=at))
        return text or ""

    def label(self, raw: Raw, *at: str) -> tuple[str, str]:
        """A role's name in Chinese and in English."""
        return self.text(raw.get("zh"), *at, "zh"), self.text(raw.get("en"), *at, "en")

    def description(self, raw: Any, *at: str) -> str:
        """What a role is for; nothing is said in the place of null."""
        try:
            return clean(str(raw or ""), max_length=MAX_DESCRIPTION, multiline=True) or ""
        except CrmError as error:
            self.problems.append(error.at(*at))
            return ""

    def actions(self, raw: Any, *at: str) -> frozenset[str]:
        """Actions that there are."""
        known = actions_of(self.catalog)
        return frozenset(self._each(raw, at, known.__contains__, "unknown_action"))

    def keys(self, raw: Any, roles: Iterable[str], *at: str) -> tuple[str, ...]:
        """Keys of roles that there are, each once."""
        known = frozenset(roles)
        return tuple(dict.fromkeys(self._each(raw, at, known.__contains__, "unknown_role")))

    def _each(self, raw: Any, at: Path, known: Callable[[str], bool], wrong: str) -> list[str]:
        items = self._few(raw, at)
        for index, item in enumerate(items):
            if not known(item):
                self.problems.append(Invalid(wrong, path=(*at, index)))
        return items

    def _few(self, raw: Any, at: Path, limit: int = MAX_LISTED) -> list[Any]:
        """A list; one item stands for a list of it, as in GraphQL."""
        items = [] if raw is None else raw if isinstance(raw, list) else [raw]
        if len(items) > limit:
            self.problems.append(LimitReached("too_many_items", path=at, max=limit))
            return []
        return items

    def grants(self, raw: Any, *at: str) -> Mapping[str, tuple[GrantRule, ...]]:
        """The grants of a role by type, in the order of the input."""
        found: dict[str, list[GrantRule]] = {}
        for index, item in enumerate(self._few(raw, at, MAX_GRANTS)):
            placed = self._grant(item, (*at, index))
            if placed is not None:
                self.placed.append(placed)
                found.setdefault(placed.entity.name, []).append(placed.rule)
        return MappingProxyType({name: tuple(rules) for name, rules in sorted(found.items())})

    def _grant(self, raw: Raw, at: Path) -> Placed | None:
        entity = self.catalog.by_api_name.get(raw.get("type", ""))
        if entity is None or entity.is_child:
            self.problems.append(Invalid("unknown_type", path=(*at, "type")))
            return None
        paths = _Names.of(self.catalog, entity)
        before = len(self.problems)
        writes = raw.get("writes") or {}
        rule = GrantRule(
            scope=self._scope(raw, at),
            levels=MappingProxyType(self._levels(raw.get("levels"), (*at, "levels"))),
            fields=MappingProxyType(self._fields(raw.get("fields"), paths, (*at, "fields"))),
            writes=tuple(dict.fromkeys(self._writes(writes, paths, (*at, "writes")))),
            personal=Level[raw.get("personalLevel") or Level.READ.name],
        )
        if len(self.problems) == before:
            places = _Places.of(raw, writes, paths)
            self.problems += [places.led(problem, at) for problem in grant_problems(self.catalog, entity, rule)]
        return Placed(entity, rule, at)

    def _scope(self, raw: Raw, at: Path) -> RowScope:
        rule, condition = RowRule(raw["rowRule"]), raw.get("where")
        if condition is None:
            return EVERY_ROW if rule is RowRule.ALL else RowScope(rule)
        try:
            text = orjson.dumps(condition, option=orjson.OPT_SORT_KEYS, default=str).decode()
        except TypeError:
            self.problems.append(Invalid("predicate_value", path=(*at, "where")))
            return RowScope(rule, "{}")
        if len(text) > MAX_WHERE:
            self.problems.append(Invalid("text_too_long", path=(*at, "where"), max=MAX_WHERE))
            return RowScope(rule, "{}")
        return RowScope(rule, text)

    def _levels(self, raw: Any, at: Path) -> dict[DataClass, Level]:
        found: dict[DataClass, Level] = {}
        for index, item in enumerate(self._few(raw, at)):
            data_class = DataClass(item["dataClass"])
            if data_class in found:
                self.problems.append(Duplicate("named_twice", path=(*at, index, "dataClass")))
            found[data_class] = Level[item["level"]]
        return {data_class: level for data_class, level in found.items() if level is not Level.HIDDEN}

    def _fields(self, raw: Any, names: "_Names", at: Path) -> dict[str, Level]:
        found: dict[str, Level] = {}
        for index, item in enumerate(self._few(raw, at)):
            path = names.fields.get(item["field"])
            if path is None:
                self.problems.append(Invalid("unknown_field", path=(*at, index, "field")))
            elif path in found:
                self.problems.append(Duplicate("named_twice", path=(*at, index, "field")))
            else:
                found[path] = Level[item["level"]]
        return found

    def _writes(self, raw: Raw, names: "_Names", at: Path) -> Iterable[str]:
        for data_class in self._few(raw.get("classes"), (*at, "classes")):
            yield DataClass(data_class).value
        for key, kind in (("fields", "field"), ("except", "except")):
            for index, name in enumerate(self._few(raw.get(key), (*at, key))):
                path = names.written.get(name)
                if path is None:
                    self.problems.append(Invalid("unknown_field", path=(*at, key, index)))
                else:
                    yield f"{kind}:{path}"


@dataclass(frozen=True, slots=True)
class _Names:
    """What grants on a type can name, by the names of the API; what is written has the record's parents beside it."""

    fields: Mapping[str, str]
    written: Mapping[str, str]

    @classmethod
    def of(cls, catalog: Catalog, entity: EntityType) -> "_Names":
        fields = {api: path for path, api in api_paths(catalog, entity).items()}
        return cls(fields, fields | {relation.api_name: relation.name for relation in catalog.parents(entity)})


@dataclass(frozen=True, slots=True)
class _Places:
    """Where in the input of a grant its parts stand."""

    classes: Sequence[str]
    writes: Mapping[str, Path]

    @classmethod
    def of(cls, raw: Raw, writes: Raw, names: _Names) -> "_Places":
        found: dict[str, Path] = {c: ("classes", i) for i, c in enumerate(_listed(writes.get("classes")))}
        for key, kind in (("fields", "field"), ("except", "except")):
            listed = _listed(writes.get(key))
            found |= {f"{kind}:{names.written[name]}": (key, index) for index, name in enumerate(listed)}
        return cls([str(item["dataClass"]) for item in _listed(raw.get("levels"))], found)

    def led(self, problem: CrmError, at: Path) -> CrmError:
        """A problem of the rule with the path from the input."""
        part, *rest = problem.path
        match part:
            case "scope" if problem.template_key == "row_rule_without_owner":
                path: Path = ("rowRule",)
            case "scope":
                path = ("where", *rest)
            case "levels" if rest:
                path = ("levels", self.classes.index(str(rest[0])), "dataClass")
            case "writes":
                path = ("writes", *self.writes[str(rest[0])])
            case _:
                path = problem.path
        return type(problem)(problem.template_key, path=(*at, *path), **problem.details)


def _listed(raw: Any) -> list[Any]:
    return [] if raw is None else raw if isinstance(raw, list) else [raw]
