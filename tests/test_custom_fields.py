"""Definitions of custom fields: what is no definition stops the start, and rows become part of the catalog."""

from typing import Any

import pytest
from graphql import print_type
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_graph.catalog import Kind, build_catalog
from crm_graph.custom_fields import MOST_FIELDS, BadCustomField, CustomDefinition, load_custom_fields
from crm_graph.db import ReadPool
from crm_graph.hub import open_hub, prepare
from crm_graph.models.custom_fields import CustomKind
from crm_graph.models.fields import DataClass
from crm_graph.permissions.effective import full_access
from crm_graph.schema.build import build_schema
from crm_graph.settings import Settings

INSERT = (
    "INSERT INTO custom_fields (entity_type, key, kind, options, data_class, label_en, label_zh, position)"
    " VALUES (:entity_type, :key, :kind, CAST(:options AS jsonb), :data_class, 'Label', '名称', :position)"
)


def row(key: str, kind: str = "TEXT", **other: Any) -> dict[str, Any]:
    values = {"entity_type": "lead", "key": key, "kind": kind, "options": "[]", "data_class": "BASIC", "position": 0}
    return values | other


async def insert(engine: AsyncEngine, *rows: dict[str, Any]) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(INSERT), list(rows))


def definition(key: str = "colour", kind: CustomKind = CustomKind.TEXT, **other: Any) -> CustomDefinition:
    return CustomDefinition(**{
        "entity_type": "lead", "key": key, "kind": kind, "data_class": DataClass.BASIC,
        "label_en": "Label", "label_zh": "名称", **other,
    })  # fmt: skip


@pytest.mark.parametrize("key", ["", "Colour", "2nd", "a b", "a_b", "颜色", "__typename", "a" * 41, 'a"', "a'"])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(BadCustomField, match="a key is a letter in lower case"):
        definition(key)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"data_class": DataClass.INTERNAL}, "INTERNAL is no class"),
        ({"kind": CustomKind.ENUM}, "an ENUM has options"),
        ({"options": (("A", "A", "甲"),)}, "nothing else has"),
        ({"kind": CustomKind.ENUM, "options": (("A", "A", "甲"), ("A", "B", "乙"))}, "keys of options differ"),
        ({"kind": CustomKind.ENUM, "options": (("gold card", "A", "甲"),)}, "are in capitals"),
    ],
)
def test_a_bad_definition_is_refused(other: dict[str, Any], told: str) -> None:
    with pytest.raises(BadCustomField, match=told):
        definition(**other)


@pytest.mark.parametrize("entity_type", ["user", "contact_point", "deal", "leads"])
def test_only_records_of_the_business_have_custom_fields(entity_type: str) -> None:
    with pytest.raises(BadCustomField, match="there is no such type"):
        build_catalog([definition(entity_type=entity_type)])


def test_keys_of_one_type_differ_and_are_limited() -> None:
    with pytest.raises(BadCustomField, match="one too many"):
        build_catalog([definition(), definition()])
    many = [definition(f"key{n}") for n in range(MOST_FIELDS)]
    assert len(build_catalog(many)["lead"].custom) == MOST_FIELDS
    with pytest.raises(BadCustomField, match="one too many"):
        build_catalog([*many, definition("onemore")])


def test_the_version_of_the_catalog_follows_the_definitions() -> None:
    one, same, other = (build_catalog([definition(label_en=label)]).version for label in ("A", "A", "B"))
    assert one == same != other
    assert build_catalog().version == 1


def test_words_of_python_and_of_the_api_are_keys_like_others() -> None:
    keys = ("class", "import", "not", "and", "id", "version", "self", "count", "custom", "where", "name")
    catalog = build_catalog([definition(key) for key in keys])

    schema = build_schema(catalog)

    for name in ("LeadCustom", "LeadCustomWhere", "LeadCustomOrderBy"):
        assert tuple(schema.type_map[name].fields) == keys  # type: ignore[attr-defined]  # object and input types
    assert {f"custom.{key}" for key in keys} <= set(full_access(catalog).types["lead"][0].levels)


def test_options_are_an_enum_with_labels() -> None:
    options = (("MORNING", "Morning", "上午"), ("EVENING", "Evening", "晚上"))
    schema = build_schema(build_catalog([definition("where", CustomKind.ENUM, options=options)]))

    assert print_type(schema.type_map["LeadCustomWhereOption"]) == (
        '"""Options of `custom.where`."""\nenum LeadCustomWhereOption {\n  """Morning (上午)."""\n  MORNING\n\n'
        '  """Evening (晚上)."""\n  EVENING\n}'
    )


@pytest.mark.parametrize(
    "values",
    [
        row("Bad key"),
        row("colour", "COLOUR"),
        row("colour", "ENUM"),
        row("colour", options='[{"key": "A"}]'),
        row("colour", options="{}"),
        row("colour", data_class="INTERNAL"),
    ],
)
async def test_the_database_refuses_what_no_release_can_read(
    clean: None, engine: AsyncEngine, values: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match="check constraint"):
        await insert(engine, values)


async def test_rows_are_read_in_their_order_and_archived_ones_left_out(
    clean: None, engine: AsyncEngine, pool: ReadPool
) -> None:
    options = '[{"key": "A", "en": "One", "zh": "甲"}]'
    await insert(engine, row("second", position=2), row("first", "ENUM", options=options, position=1), row("gone"))
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE custom_fields SET archived_at = now() WHERE key = 'gone'"))

    async with pool.acquire() as connection:
        found = await load_custom_fields(connection)

    assert [(f.key, f.kind, f.options) for f in found] == [
        ("first", CustomKind.ENUM, (("A", "One", "甲"),)),
        ("second", CustomKind.TEXT, ()),
    ]


@pytest.mark.parametrize(
    "values", [row("colour", data_class="SECRET"), row("colour", "ENUM", options='[{"name": "A"}]')]
)
async def test_a_row_of_a_newer_release_stops_the_start(
    clean: None, engine: AsyncEngine, settings: Settings, values: dict[str, Any]
) -> None:
    await prepare(engine)
    await insert(engine, values)

    with pytest.raises(BadCustomField, match=r"custom field lead\.colour cannot be read"):
        async with open_hub(settings):
            pass


async def test_a_process_started_later_sees_later_rows(clean: None, engine: AsyncEngine, settings: Settings) -> None:
    await prepare(engine)
    async with open_hub(settings) as before:
        await insert(engine, row("colour"), row("tags", "TEXT_LIST", entity_type="ticket"))
        assert before.catalog["lead"].custom == {}
    async with open_hub(settings) as after:
        assert after.catalog["lead"].custom["colour"].name == "custom.colour"
        assert after.catalog["ticket"].custom["tags"].kind is Kind.TEXT_LIST
        assert after.catalog.version != before.catalog.version
