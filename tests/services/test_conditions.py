"""Stored conditions in words: exact sentences, and the whole of the language, of which nothing is left unsaid."""

from collections.abc import Iterator
from functools import cache
from itertools import cycle, islice
from random import Random
from typing import Any

import orjson
import pytest

from crm_graph.catalog import CUSTOM, EntityType, Field, Kind, Relation, Shape
from crm_graph.criteria.predicates import COUNT_OPERATORS, MANY, OPERATORS, YES_OR_NO, Op
from crm_graph.errors import Invalid
from crm_graph.messages import PHRASES, Locale, phrase
from crm_graph.moments import Start
from crm_graph.schema.vocabulary import vocabulary_of
from crm_graph.services import conditions
from crm_graph.services.conditions import ConditionWords, Vocabulary
from crm_graph.texts.conditions import TEXTS
from reference.compiled import catalog

VIEWER = {"id": {"eq": {"$viewer": "id"}}}
IN_TEAMS = {"id": {"in": {"$viewer": "team_ids"}}}
IN_CITY = {"city": {"eq": "上海"}}
STAGE_OPEN = {"stage": {"category": {"in": ["OPEN", "WAITING"]}}}


@cache
def vocabulary() -> Vocabulary:
    return vocabulary_of(catalog())


def said(locale: Locale, type_: str, where: Any) -> str:
    return ConditionWords(catalog(), vocabulary(), locale).said(catalog()[type_], orjson.dumps(where).decode())


SENTENCES: list[tuple[str, Any, str, str]] = [
    (
        "customer",
        IN_CITY | {"tickets": {"some": {"owner": VIEWER} | STAGE_OPEN}},
        (
            "city is “上海” and one of the tickets is such that (owner is the viewer and stage's category is one of"
            " Open, Waiting)"
        ),
        "城市为“上海”且某个工单满足（负责人为查看者本人且阶段的阶段类别为进行中、等待中之一）",
    ),
    (
        "customer",
        {"or": [{"owner": VIEWER}, {"collaborators": {"some": VIEWER}}]},
        "owner is the viewer or one of the collaborators is the viewer",
        "负责人为查看者本人或某个协作人为查看者本人",
    ),
    (
        "customer",
        {"and": [IN_CITY, {"or": [{"kind": {"ne": "PERSON"}}, {"team": IN_TEAMS}]}]},
        "city is “上海” and (kind is not Person or team is one of the viewer's teams)",
        "城市为“上海”且（客户类型不为个人客户或所属团队为查看者所在团队之一）",
    ),
    (
        "customer",
        {"not": {"externalRefs": {"some": {"source": {"in": ["erp", "shop"]}}}}},
        "it is not true that the source of one of the external references is one of “erp”, “shop”",
        "并非某个外部编号的来源系统为“erp”、“shop”之一",
    ),
    (
        "customer",
        {"not": IN_CITY | {"name": {"startsWith": "A"}}, "creditHold": {"eq": True}},
        "it is not true that (city is “上海” and name begins with “A”) and credit hold is yes",
        "并非（城市为“上海”且客户名称以“A”开头）且信用冻结为是",
    ),
    (
        "customer",
        {"createdAt": {"gte": {"start": "month", "ago": "P1M"}, "lt": {"start": "month"}}},
        (
            "created at is no earlier than 1 month before the start of the month and created at is before the start of"
            " the month"
        ),
        "创建时间不早于本月开始前 1 个月且创建时间早于本月开始",
    ),
    (
        "customer",
        {"tickets": {"count": {"gte": 3, "where": {"createdAt": {"gt": {"ago": "P90D"}}}}}},
        "the number of the tickets such that (created at is after 90 days ago) is at least 3",
        "满足（创建时间晚于90 天前）的工单的数量不小于 3",
    ),
    (
        "customer",
        {"tickets": {"every": STAGE_OPEN, "none": {"owner": VIEWER}}},
        (
            "(each of the tickets is such that stage's category is one of Open, Waiting) and (none of the tickets is"
            " such that owner is the viewer)"
        ),
        "（每个工单满足阶段的阶段类别为进行中、等待中之一）且（没有工单满足负责人为查看者本人）",
    ),
    (
        "customer",
        {"contracts": {"none": {}}, "owner": {}},
        "there are no contracts and owner is given",
        "没有合同且有负责人",
    ),
    (
        "customer",
        {"owner": {"not": {"email": {"endsWithInsensitive": "@a.com"}}}},
        "owner is given and (it is not true that owner's e-mail ends with “@a.com” in upper or lower case)",
        "有负责人且（并非负责人的工作邮箱以“@a.com”结尾（不分大小写））",
    ),
    (
        "customer",
        {"annualRevenue": {"gt": "1000000.50"}, "name": {"lte": "M"}},
        "annual revenue is more than 1000000.50 and name is “M” or sorts before it",
        "年营收大于 1000000.50且客户名称为“M”或排在其之前",
    ),
    (
        "customer",
        {"custom": {"tags": {"hasAny": ["a", "b"]}, "visitTime": {"notIn": ["MORNING"]}}},
        "tags includes at least one of “a”, “b” and visit time is not Morning",
        "标签至少含有“a”、“b”之一且上门时段不为上午",
    ),
    (
        "ticket",
        {"customer": {"team": {"id": {"notIn": {"$viewer": "team_tree_ids"}}}}},
        "customer's team is none of the viewer's teams and those below",
        "客户的所属团队不为查看者所在团队及下级团队中的任何一个",
    ),
    (
        "contract",
        {"signedOn": {"lte": {"in": "P1Y2M"}}, "title": {"isNull": False}},
        "signed on is no later than 1 year 2 months from now and title has a value",
        "签订日期不晚于1 年 2 个月后且合同名称已填写",
    ),
    (
        "customer",
        {"createdAt": {"lt": {"start": "year", "zone": "Asia/Shanghai"}, "ne": "2026-01-02T03:04:05+08:00"}},
        "created at is before the start of the year in Asia/Shanghai and created at is not 2026-01-01 19:04:05 UTC",
        "创建时间早于本年开始（Asia/Shanghai）且创建时间不为2026-01-01 19:04:05 UTC",
    ),
    ("user", VIEWER, "the user is the viewer", "该用户为查看者本人"),
    ("user", {}, "it always holds", "恒成立"),
    ("user", {"or": []}, "it never holds", "恒不成立"),
]


@pytest.mark.parametrize(("type_", "where", "en", "zh"), SENTENCES, ids=[en[:40] for *_, en, _ in SENTENCES])
def test_a_condition_is_said_in_both_languages(type_: str, where: Any, en: str, zh: str) -> None:
    assert (said("en", type_, where), said("zh", type_, where)) == (en, zh)


def test_of_a_long_list_the_first_are_said_and_how_many_more_there_are() -> None:
    cities = [f"c{n}" for n in range(23)]

    told = said("en", "customer", {"city": {"in": cities}})

    assert told == f"city is one of {', '.join(f'“{one}”' for one in cities[:20])} and 3 more"


def test_what_somebody_wrote_into_a_condition_stays_what_they_wrote() -> None:
    assert said("en", "customer", {"city": {"eq": "{clause} or"}}) == "city is “{clause} or”"


def test_a_condition_that_does_not_read_is_not_said() -> None:
    with pytest.raises(Invalid):
        said("en", "customer", {"vip": {"eq": True}})
    words = ConditionWords(catalog(), vocabulary(), "en")
    assert words.if_it_reads("Customer", {"vip": {"eq": True}}) is None
    assert words.if_it_reads("Gone", {}) is None
    assert words.if_it_reads("Customer", None) is None


VALUES: dict[Kind, list[Any]] = {
    Kind.ID: ["01890000-0000-7000-8000-000000000000"],
    Kind.TEXT: ["a", "Xy"],
    Kind.TEXT_LIST: ["a", "Xy"],
    Kind.BOOLEAN: [True, False],
    Kind.INT: [0, -7],
    Kind.BIG_INT: ["9007199254740993"],
    Kind.DECIMAL: ["1.50", "1E+3"],
    Kind.MONEY: ["12.00"],
    Kind.DATE: ["2026-02-28"],
    Kind.DATE_TIME: ["2026-02-28T12:00:00Z", "2026-02-28T12:00:00.25+08:00"],
}
LENGTHS = ("P0D", "P1D", "P2W", "P1Y", "P2Y2M3D", "P1M")
CLOCKS = ("PT1H1M1S", "P1DT2H5M6S")


def operands(field: Field, op: Op) -> Iterator[Any]:
    """Each form that a comparison takes, a value of each."""
    if op in YES_OR_NO:
        yield from (True, False)
        return
    single = sorted(field.enum.__members__) if field.enum else VALUES[field.kind]
    single = [*single, *relative(field)]
    yield from ([[], single[:1], single, single * 21] if op in MANY else single)
    if field.kind is Kind.ID and op in (Op.EQ, Op.NE):
        yield {"$viewer": "id"}
    if field.kind is Kind.ID and op in (Op.IN, Op.NOT_IN):
        yield from ({"$viewer": name} for name in ("team_ids", "team_tree_ids"))


def relative(field: Field) -> Iterator[Any]:
    if field.kind not in (Kind.DATE, Kind.DATE_TIME):
        return
    dated = field.kind is Kind.DATE
    moves = [{way: length} for way in ("ago", "in") for length in (LENGTHS if dated else LENGTHS + CLOCKS)]
    starts = [{"start": start.value} for start in Start if not (dated and start is Start.HOUR)]
    yield from moves + starts
    yield from (start | move | {"zone": "Asia/Shanghai"} for start, move in zip(cycle(starts), moves, strict=False))


def every_leaf(entity: EntityType) -> Iterator[Any]:
    """Each operator on each field, and on a field of each kind with each form of what it takes."""
    kinds: set[Kind] = set()
    for field in entity.cells:
        for op in OPERATORS[field.kind]:
            found = operands(field, op)
            for operand in islice(found, 1) if field.kind in kinds else found:
                leaf = {field.api_name: {op.value: operand}}
                yield {CUSTOM: leaf} if field.custom else leaf
        kinds.add(field.kind)


class Trees:
    """Random conditions of every form, each leaf of a type in its turn."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.leaves = {entity.name: cycle(every_leaf(entity)) for entity in catalog().types.values()}

    def some(self, entity: EntityType, depth: int) -> Any:
        match self.random.randrange(9 if depth else 2):
            case 0:
                return next(self.leaves[entity.name])
            case 1:
                return {}
            case 2 | 3:
                word = self.random.choice(("and", "or"))
                return {word: [self.some(entity, depth - 1) for _ in range(self.random.randint(0, 3))]}
            case 4:
                return {"not": self.some(entity, depth - 1)}
            case 5:
                return self.some(entity, depth - 1) | self.some(entity, depth - 1)
        relations = sorted(entity.relations.values(), key=lambda relation: relation.name)
        return self.about(self.random.choice(relations), depth) if relations else next(self.leaves[entity.name])

    def about(self, relation: Relation, depth: int) -> Any:
        inner = self.some(catalog()[relation.target], depth - 1)
        if relation.shape is Shape.ONE:
            return {relation.api_name: inner}
        way = self.random.choice(("some", "every", "none", "count", "count"))
        if way != "count":
            return {relation.api_name: {way: inner}}
        bounds = {op.value: [1, 2] if op in MANY else 3 for op in self.random.sample(COUNT_OPERATORS, 2)}
        return {relation.api_name: {"count": bounds | ({"where": inner} if self.random.random() < 0.7 else {})}}


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_nothing_of_the_language_is_left_unsaid(locale: Locale, monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()

    def noting(key: str, language: Locale, **details: Any) -> str:
        used.add(key)
        return phrase(key, language, **details)

    monkeypatch.setattr(conditions, "phrase", noting)
    trees = Trees(Random(7))
    made = [(entity.name, leaf) for entity in catalog().types.values() for leaf in every_leaf(entity)]
    made += [(entity.name, trees.some(entity, 4)) for entity in catalog().types.values() for _ in range(60)]
    for type_, tree in made:
        sentence = said(locale, type_, tree)
        # Neither JSON, nor what Python makes of a value, nor a place that nothing filled.
        assert not {*'{}[]"\\=…'} & {*sentence}, (tree, sentence)
        assert "None" not in sentence, (tree, sentence)
        opening, closing = ("(", ")") if locale == "en" else ("（", "）")
        assert sentence.count(opening) == sentence.count(closing)
    assert used == set(TEXTS)


def test_every_phrase_is_there_once() -> None:
    assert set(TEXTS) <= set(PHRASES)
