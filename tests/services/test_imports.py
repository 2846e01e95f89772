"""Imports: files through the upsert service, on a real database."""

import csv
import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from crm_graph.access import Access
from crm_graph.catalog import build_catalog
from crm_graph.errors import Invalid, TimedOut, Unavailable
from crm_graph.permissions.effective import full_access
from crm_graph.services.commands import Outcome, Result
from crm_graph.services.import_columns import item_of, layout
from crm_graph.services.import_reports import print_report
from crm_graph.services.imports import CHUNK, ImportReport, Item, fingerprint, import_file, upserting
from crm_graph.transaction import NotGranted

from .conftest import World

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "customers.csv"
DATA = ROOT / "tests" / "data"
CATALOG = build_catalog()
CUSTOMER = CATALOG["customer"]

BROKEN = [
    (22, "客户名称", "", "REQUIRED", "required"),
    (48, "类型", "", "REQUIRED", "required"),
    (74, "类型", "事业部", "INVALID", "enum_invalid"),
    (100, "手机", "1380000012", "INVALID", "phone_invalid"),
    (126, "手机", "138000000123", "INVALID", "phone_invalid"),
    (152, "手机", "138****0001", "MASKED_VALUE", "phone_masked"),
    (178, "手机", "1.38E+10", "INVALID", "phone_scientific"),
    (204, "手机", "13800000001/13900000001", "INVALID", "phone_several"),
    (230, "电话", "61234567", "INVALID", "phone_area_code"),
    (256, "邮箱", "kehu.example.com", "INVALID", "email_invalid"),
    (282, "邮箱", "a@example.com;b@example.com", "INVALID", "email_several"),
    (308, "客户名称", "长" * 200, "INVALID", "text_too_long"),
    (334, "国家", "火星", "INVALID", "country_invalid"),
    (360, "税号", "91310000MA00000011", "INVALID", "tax_id_invalid"),
    (386, "年营业额", "面议", "INVALID", "number_invalid"),
    (412, "年营业额", "1280.505", "INVALID", "number_scale"),
    (438, "币种", "人民元", "INVALID", "currency_invalid"),
    (464, "员工人数", "约三百", "INVALID", "integer_invalid"),
    (490, "编号", "", "REQUIRED", "required"),
    (516, "编号", "C00001", "DUPLICATE", "import_repeated"),
]


def told(report: ImportReport) -> list[tuple[int, str, str, str, str]]:
    return [(p.row, p.column, p.value, p.error.code, p.error.template_key) for p in report.problems]


def counts(report: ImportReport) -> dict[str, int]:
    return {result.value: number for result, number in report.counts.items() if number}


def made(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text(text, encoding="utf-8")
    return path


async def imported(
    world: World, path: Path, name: str = "manager", rights: Access | None = None, **options: Any
) -> ImportReport:
    principal = world.people[name]
    if rights is not None:
        principal = replace(principal, access=rights)
    write = upserting(lambda: world.begin_as(principal), CUSTOMER, "file", dry_run=options.get("dry_run", False))
    return await import_file(path, CUSTOMER, write, access=principal.access, **options)


async def test_the_example_goes_in_but_for_its_twenty_broken_rows(world: World, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    report = await imported(world, EXAMPLE, rejects_to=rejects)
    assert told(report) == BROKEN
    assert (report.rows, counts(report)) == (540, {"CREATED": 520, "REJECTED": 20})
    assert report.ignored_columns == ("性别", "生日", "信用冻结", "经办人")
    assert await world.count("customers") == 520
    assert await world.count("external_refs") == 520
    assert await world.count("events") == 520
    with rejects.open(encoding="utf-8-sig", newline="") as file:
        rejected = list(csv.reader(file))
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        original = list(csv.reader(file))
    assert rejected == [original[0], *(original[number - 1] for number, *_ in BROKEN)]


async def test_columns_that_the_asker_may_not_write_mean_nothing(world: World) -> None:
    report = await imported(world, EXAMPLE, rights=full_access(CATALOG))
    assert told(report) == BROKEN
    assert report.ignored_columns == ("经办人",)
    stored = await world.row(
        "SELECT count(birth_date) AS births, count(gender) AS genders, count(*) FILTER (WHERE credit_hold) AS holds"
        " FROM customers"
    )
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert stored == {
        "births": sum(row["生日"] != "" for row in rows),
        "genders": sum(row["性别"] != "" for row in rows),
        "holds": sum(row["信用冻结"] == "是" for row in rows),
    }


async def test_a_second_run_changes_nothing_and_doubles_nothing(world: World) -> None:
    await imported(world, EXAMPLE)
    events, points = await world.count("events"), await world.count("contact_points")
    again = await imported(world, EXAMPLE)
    assert counts(again) == {"UNCHANGED": 520, "REJECTED": 20}
    assert await world.count("customers") == 520
    assert (await world.count("events"), await world.count("contact_points")) == (events, points)


async def test_numbers_are_stored_as_what_they_are(world: World, tmp_path: Path) -> None:
    path = made(
        tmp_path,
        "编号,名称,类型,手机,电话,邮箱\n"
        "1,张三,个人,０１３８００１３８０００,021-61234567转801,ZHANG@Example.com\n"
        "2,李四,个人,17012345678转1234,400-820-8820,\n",
    )
    assert counts(await imported(world, path)) == {"CREATED": 2}
    points = await world.rows(
        "SELECT c.name, p.kind, p.raw, p.e164, p.extension, p.is_primary"
        " FROM contact_points p JOIN customers c ON c.id = p.customer_id ORDER BY p.id"
    )
    assert [tuple(p.values()) for p in points] == [
        ("张三", "MOBILE", "０１３８００１３８０００", "+8613800138000", None, True),
        ("张三", "LANDLINE", "021-61234567转801", "+862161234567", "801", False),
        ("张三", "EMAIL", "ZHANG@Example.com", "zhang@example.com", None, True),
        ("李四", "PRIVACY_NUMBER", "17012345678转1234", None, "1234", True),
        ("李四", "SERVICE_NUMBER", "400-820-8820", None, None, False),
    ]
    mirrors = await world.rows("SELECT phone, email FROM customers ORDER BY id")
    assert [tuple(m.values()) for m in mirrors] == [
        ("+8613800138000", "zhang@example.com"),
        ("+8617012345678;ext=1234", None),
    ]


async def test_one_phone_column_leaves_other_contact_points_alone(world: World, tmp_path: Path) -> None:
    await imported(world, made(tmp_path, "编号,名称,类型,手机,电话\n1,张三,个人,13800138000,021-61234567\n"))
    report = await imported(world, made(tmp_path, "编号,名称,类型,手机\n1,张三,个人,13900139000\n"))
    assert counts(report) == {"UPDATED": 1}
    points = await world.rows("SELECT e164 FROM contact_points ORDER BY e164")
    assert [p["e164"] for p in points] == ["+8613900139000", "+862161234567"]


async def test_an_empty_cell_says_nothing(world: World, tmp_path: Path) -> None:
    await imported(world, made(tmp_path, "编号,名称,类型,城市\n1,张三,个人,上海\n"))
    assert counts(await imported(world, made(tmp_path, "编号,名称,类型,城市\n1,张三,个人, \n"))) == {"UNCHANGED": 1}


async def test_a_dry_run_tells_the_same_and_writes_nothing(world: World) -> None:
    report = await imported(world, EXAMPLE, dry_run=True)
    assert told(report) == BROKEN
    assert counts(report) == {"CREATED": 520, "REJECTED": 20}
    assert (await world.count("customers"), await world.count("events")) == (0, 0)


async def test_rows_without_an_id_are_known_by_what_they_hold(world: World, tmp_path: Path) -> None:
    path = made(tmp_path, "name,kind,phone\nOlivia Harper,PERSON,13800138000\nNoah Marsh,person,\n")
    assert counts(await imported(world, path)) == {"CREATED": 2}
    respelt = made(tmp_path, "phone,kind,name\n１３８００１３８０００,Person,OLIVIA  HARPER\n,PERSON,Noah Marsh \n")
    again = await imported(world, respelt)
    assert await world.count("customers") == 2
    assert counts(again) == {"UPDATED": 1, "UNCHANGED": 1}


async def test_gb18030_from_a_spreadsheet(world: World) -> None:
    report = await imported(world, DATA / "customers-gb18030.csv", rights=full_access(CATALOG))
    assert counts(report) == {"CREATED": 3, "REJECTED": 1}
    assert told(report) == [(5, "手机号码", "1390000", "INVALID", "phone_invalid")]
    rows = await world.rows("SELECT name, birth_date FROM customers ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        ("张三丰", date(1985, 3, 7)),
        ("𠮷田电器有限公司", None),
        ("李四", date(1990, 12, 1)),
    ]


async def test_corrected_rejects_can_be_sent_again(world: World, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    await imported(world, EXAMPLE, rejects_to=rejects)
    lines = rejects.read_text(encoding="utf-8-sig").splitlines()
    corrected = [line.replace("1380000012,", "13800000012,").replace("面议", "5万") for line in lines[:-1]]
    report = await imported(world, made(tmp_path, "\n".join(corrected)))
    assert counts(report) == {"CREATED": 2, "REJECTED": 17}
    assert await world.count("customers") == 522


async def test_the_asker_needs_the_right(world: World, tmp_path: Path) -> None:
    path = made(tmp_path, "编号,名称,类型\n1,张三,个人\n")
    with pytest.raises(NotGranted):
        await imported(world, path, "finance")
    assert await world.count("customers") == 0


@pytest.mark.parametrize(
    ("text", "template", "details"),
    [
        ("姓名,手机\n", "import_header_missing", {"missing": ["kind"], "found": ["姓名", "手机"]}),
        ("foo\n", "import_header_missing", {"missing": ["kind", "name"], "found": ["foo"]}),
        ("名称,类型,城市,city\n", "import_header_twice", {"columns": ["城市", "city"]}),
        ("", "import_empty", {}),
    ],
)
async def test_a_wrong_header_is_said_before_anything_is_written(
    tmp_path: Path, text: str, template: str, details: dict[str, Any]
) -> None:
    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        raise AssertionError(items)

    with pytest.raises(Invalid) as refused:
        await import_file(made(tmp_path, text), CUSTOMER, write)
    assert (refused.value.template_key, dict(refused.value.details)) == (template, details)


async def test_the_file_is_never_overwritten_by_its_own_report(world: World, tmp_path: Path) -> None:
    path = made(tmp_path, "编号,名称,类型\n1,张三,个人\n")
    with pytest.raises(Invalid, match="import_same_file"):
        await imported(world, path, rejects_to=tmp_path / "." / "customers.csv")
    assert path.read_text(encoding="utf-8").count("张三") == 1


async def test_broken_rows_are_refused_alone(tmp_path: Path) -> None:
    text = "编号,名称,类型,城市\n1,甲,个人,上海,多\n2,乙,个人," + "x" * 40_000 + '\n3,丙,个人,"北京\n4,丁,个人,广州\n'
    seen: list[Item] = []

    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        seen.extend(items)
        return [Outcome(index, Result.CREATED) for index in range(len(items))]

    report = await import_file(made(tmp_path, text), CUSTOMER, write)
    assert [(p.row, p.error.code, p.error.template_key) for p in report.problems] == [
        (2, "INVALID", "import_row_shape"),
        (3, "INVALID", "import_cell_too_long"),
        (4, "INVALID", "import_quote"),
    ]
    assert seen == [{"externalId": "4", "name": "丁", "kind": "PERSON", "city": "广州"}]


async def test_writes_in_chunks_and_tells_its_progress(tmp_path: Path) -> None:
    sizes: list[int] = []
    progress: list[tuple[int, int]] = []

    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        sizes.append(len(items))
        return [Outcome(index, Result.CREATED) for index in range(len(items))]

    path = made(tmp_path, "id,name,kind\n" + "".join(f"{n},n{n},PERSON\n" for n in range(2 * CHUNK + 7)))
    await import_file(path, CUSTOMER, write, progress=lambda done, size: progress.append((done, size)))
    assert sizes == [CHUNK, CHUNK, 7]
    assert progress[-1] == (path.stat().st_size, path.stat().st_size)


async def test_ambiguous_and_unexplained_refusals_are_reported(tmp_path: Path) -> None:
    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        return [Outcome(0, Result.AMBIGUOUS), Outcome(1, Result.PENDING)]

    report = await import_file(made(tmp_path, "id,name,kind\n1,a,PERSON\n2,b,PERSON\n"), CUSTOMER, write)
    assert told(report) == [(2, "", "", "DUPLICATE", "import_ambiguous")]
    assert (report.refused, counts(report)) == (1, {"AMBIGUOUS": 1, "PENDING": 1})


async def test_a_lost_race_is_tried_again_and_nothing_else_is(world: World, tmp_path: Path) -> None:
    path = made(tmp_path, "编号,名称,类型\n1,张三,个人\n")
    failures: list[Exception] = [Unavailable("try_again"), Unavailable("try_again")]

    def begin() -> Any:
        if failures:
            raise failures.pop()
        return world.begin("manager")

    assert counts(await import_file(path, CUSTOMER, upserting(begin, CUSTOMER, "file"))) == {"CREATED": 1}
    failures[:] = [Unavailable("try_again")] * 3
    with pytest.raises(Unavailable):
        await import_file(path, CUSTOMER, upserting(begin, CUSTOMER, "file"))
    failures[:] = [TimedOut()]
    with pytest.raises(TimedOut):
        await import_file(path, CUSTOMER, upserting(begin, CUSTOMER, "file"))


async def test_the_report_file_runs_no_formulas_and_speaks_the_language(tmp_path: Path) -> None:
    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        refusal = Invalid("phone_invalid", path=("phone",))
        return [Outcome(index, Result.REJECTED, None, (refusal,)) for index in range(len(items))]

    report_to = tmp_path / "report.csv"
    path = made(tmp_path, 'id,name,kind,phone\n1,a,PERSON,"=HYPERLINK(""x"")"\n2,b,PERSON,+86\n')
    await import_file(path, CUSTOMER, write, report_to=report_to, locale="zh")
    assert report_to.read_text(encoding="utf-8-sig").splitlines() == [
        "row,column,value,code,message",
        '2,phone,"\'=HYPERLINK(""x"")",INVALID,电话号码无效，请填写完整号码，境外号码请带国家代码。',
        "3,phone,'+86,INVALID,电话号码无效，请填写完整号码，境外号码请带国家代码。",
    ]


async def test_prints_counts_and_problems(tmp_path: Path) -> None:
    async def write(items: Sequence[Item]) -> Sequence[Outcome]:
        refusal = Invalid("text_too_long", path=("name",), max=200)
        return [Outcome(0, Result.CREATED), Outcome(1, Result.REJECTED, None, (refusal,))]

    path = made(tmp_path, "id,name,kind,foo\n1,a,PERSON,\n2,[red]b,PERSON,\n")
    report = await import_file(path, CUSTOMER, write, dry_run=True)
    out = StringIO()
    print_report(report, Console(file=out, width=120))
    lines = out.getvalue().splitlines()
    assert lines[:3] == ["2 rows: 1 created, 1 rejected", "Dry run: nothing was written.", "Columns not imported: foo"]
    assert "│ 3   │ name   │ [red]b │ INVALID │ The text may have at most 200 characters. │" in lines


def test_headers_in_both_languages_mean_the_same() -> None:
    english = layout(CUSTOMER, ["externalId", "name", "kind", "birth_date", "Tax ID", "sourceChannel"])
    chinese = layout(CUSTOMER, ["编号", " 客户名称 *", "类型（必填）", "生日", "税号", "来 源"])
    assert [c.field for c in english.columns] == [c.field for c in chinese.columns]
    assert [c.field for c in english.columns] == ["externalId", "name", "kind", "birthDate", "taxId", "sourceChannel"]


def test_words_for_values_are_understood_where_they_are_meant() -> None:
    columns = layout(CUSTOMER, ["名称", "类型", "来源", "性别", "币种", "备注"])
    item = item_of(columns, ["男", "企业客户", "公众号", "女士", "人民币", "门店"])
    assert item == {
        "name": "男",
        "kind": "ORGANIZATION",
        "sourceChannel": "WECHAT",
        "gender": "FEMALE",
        "currency": "CNY",
        "description": "门店",
    }


def test_other_types_name_their_parents() -> None:
    columns = layout(CATALOG["opportunity"], ["编号", "name", "customer.externalId", "amount", "负责人"])
    assert item_of(columns, ["O1", "大单", "C1", "50万", ""]) == {
        "externalId": "O1",
        "name": "大单",
        "customer": {"externalId": "C1"},
        "amount": "50万",
    }
    assert columns.ignored == ("负责人",)
    with pytest.raises(Invalid, match=r"customer\.externalId"):
        layout(CATALOG["opportunity"], ["name"])


def test_fingerprints_do_not_hang_on_spelling() -> None:
    one = fingerprint({"name": "Olivia Harper", "phone": "１３８"})
    assert one == fingerprint({"phone": "138", "name": " olivia  HARPER"})
    assert one != fingerprint({"name": "Olivia Harper", "email": "138"})
    assert one.startswith("row:")
    assert len(one) == 36


def test_the_example_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_customers", DATA / "make_customers.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert EXAMPLE.read_bytes().decode() == script.content()
