"""Writes `examples/customers.csv`: customers as people type them, all invented, 20 of the rows broken.

Run it as `python tests/data/make_customers.py` after a change here; a test holds file and script together.
"""

import csv
import io
from pathlib import Path
from random import Random

from stdnum.cn import uscc

TARGET = Path(__file__).parents[2] / "examples" / "customers.csv"
HEADER = (
    "编号", "客户名称", "类型", "手机", "电话", "邮箱", "省份", "城市", "税号", "发票抬头", "来源", "客户等级", "性别",
    "生日", "年营业额", "币种", "信用冻结", "员工人数", "国家", "备注", "经办人",
)  # fmt: skip
GOOD_ROWS = 520
DUPLICATES = 15

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰梅鑫慧晨宇轩涵怡然子墨若曦"
CITIES = (
    ("北京市", "北京", "010"), ("上海市", "上海", "021"), ("广东", "广州", "020"), ("广东", "深圳", "0755"),
    ("浙江省", "杭州", "0571"), ("江苏", "南京", "025"), ("四川", "成都", "028"), ("湖北", "武汉", "027"),
    ("山东", "青岛", "0532"), ("广东省", "佛山", "0757"),
)  # fmt: skip
BRANDS = ("晨光里", "远山", "蓝橙", "禾木", "星屿", "知夏", "云麓", "北辰坊", "青禾", "朗月湾")
TRADES = ("电器商贸", "酒店管理", "物业服务", "装饰工程", "餐饮管理", "教育咨询", "科技", "建材")
FORENAMES = ("Olivia", "Noah", "Emma", "Liam", "Ava", "Lucas", "Mia", "Ethan", "Chloe", "Owen")
FAMILY = ("Harper", "Whitlock", "Sinclair", "Okafor", "Lindqvist", "Marsh", "Delgado", "Novak")
COMPANIES = ("Bluefern Appliances Ltd", "Harbour & Pine Hotels", "Northgate Kitchens Inc.", "Tidewater Rentals GmbH")
SOURCES = ("门店", "网店", "客服", "微信", "转介绍", "展会", "经销商", "STORE", "web shop", "Referral", "", "其他")
TIERS = ("普通", "银卡", "金卡", "白金", "Standard", "", "", "")
NOTES = (
    "",
    "",
    "",
    "老客户，周末联系",
    "要求“上门安装”",
    '说："先看样机"',
    "两台冰箱, 一台洗衣机",
    "第一行\n第二行",
    "VIP",
)


def row(**cells: str) -> list[str]:
    """The cells of a row by header; the rest is empty."""
    return [cells.get(header, "") for header in HEADER]


def wide(text: str) -> str:
    """The digits and signs full-width, as an input method leaves them."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def mobile(rng: Random, digits: str) -> str:
    """A mobile number in one of the ways it is typed."""
    a, b, c = digits[:3], digits[3:7], digits[7:]
    ways = (
        digits, digits, digits, f"{a} {b} {c}", f"{a}-{b}-{c}", f"+86 {digits}", f"+86-{a}-{b}-{c}", f"+86{digits}",
        f"0086{digits}", f"0086 {a} {b} {c}", f"86-{digits}", wide(digits), f" {digits}", f"{a}\u00a0{b}\u00a0{c}",
        f"手机：{digits}", f"{a}.{b}.{c}", f"'{digits}", f"{digits}（微信同号）",
    )  # fmt: skip
    return rng.choice(ways)


def landline(rng: Random, area: str, digits: str) -> str:
    """A landline number, some with an extension."""
    ways = (
        f"{area}-{digits}", f"({area}){digits}", f"{area} {digits[:4]} {digits[4:]}", f"{area}{digits}",
        wide(f"{area}-{digits}"), f"+86 {area[1:]} {digits}", f"0086-{area[1:]}-{digits}", f"{area}-{digits}转801",
        f"{area}-{digits}-802", f"{area}-{digits} ext. 803", f"（{area}）{digits}#804", f"电话:{area}-{digits}",
    )  # fmt: skip
    return rng.choice(ways)


def day(rng: Random) -> str:
    """A birthday in one of the unambiguous ways."""
    year, month, number = rng.randint(1950, 2005), rng.randint(1, 12), rng.randint(1, 28)
    ways = (
        f"{year}-{month:02}-{number:02}", f"{year}/{month}/{number}", f"{year}年{month}月{number}日",
        f"{year}.{month:02}.{number:02}", f"{year}{month:02}{number:02}", f"{year}-{month:02}-{number:02} 00:00:00", "",
    )  # fmt: skip
    return rng.choice(ways)


def amount(rng: Random) -> str:
    """A yearly revenue in one of the ways it is typed."""
    value = rng.randrange(10_000, 900_000, 500)
    return rng.choice(
        (f"{value}", f"{value:,}.00", f"¥{value:,}", f"{value // 10_000}万", f"{value}.5", f"{value}元", "")
    )


def address(rng: Random, number: int) -> str:
    """An e-mail address, some in capitals or full-width."""
    text = f"kehu{number:04}@example.{rng.choice(('com', 'org', 'net'))}"
    return rng.choice((text, text, text.upper(), text.title(), f" {text} ", wide(text), f"mailto:{text}", ""))


def person(rng: Random, number: int) -> list[str]:
    """A consumer."""
    province, city, area = rng.choice(CITIES)
    foreign = rng.random() < 0.12
    name = (
        f"{rng.choice(FORENAMES)} {rng.choice(FAMILY)}"
        if foreign
        else rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, rng.choice((1, 2, 2))))
    )
    phone = mobile(rng, f"13{rng.choice('6789')}0000{number:04}")
    if foreign and rng.random() < 0.5:
        phone = rng.choice(("+1 415 555 26{:02}", "+44 20 7946 09{:02}", "00852 2123 45{:02}")).format(number % 100)
    if rng.random() < 0.05:
        phone = f"1700000{number:04}{rng.choice(('-', '转', ' 转 '))}{rng.randint(100, 9999)}"
    return row(
        编号=f"C{number:05}",
        客户名称=rng.choice((name, name, f" {name}", f"{name}　")),
        类型=rng.choice(("个人", "个人", "PERSON", "person", "自然人")),
        手机=phone,
        电话=landline(rng, area, f"6{number:07}" if len(area) == 3 else f"8{number:07}") if rng.random() < 0.2 else "",
        邮箱=address(rng, number),
        省份=province,
        城市=city,
        国家=rng.choice(("中国", "CN", "cn", "")),
        来源=rng.choice(SOURCES),
        客户等级=rng.choice(TIERS),
        性别=rng.choice(("男", "女", "F", "male", "", "")),
        生日=day(rng),
        备注=rng.choice(NOTES),
        经办人=rng.choice(("一号店", "二号店", "")),
    )


def organisation(rng: Random, number: int) -> list[str]:
    """A company, a hotel, a landlord."""
    province, city, area = rng.choice(CITIES)
    name = f"{city}{rng.choice(BRANDS)}{number}号{rng.choice(TRADES)}有限公司"
    if rng.random() < 0.1:
        name = f"{rng.choice(COMPANIES)} No. {number}"
    main = landline(rng, area, f"6{number:07}" if len(area) == 3 else f"8{number:07}")
    if rng.random() < 0.25:
        main = rng.choice(
            (f"400-000-{number:04}", f"4000{number:06}", wide(f"400-000-{number:04}"), f"400 000 {number:04}转2")
        )
    code = f"91310000MA00{number:05}"
    tax_id = code + uscc.calc_check_digit(code)
    return row(
        编号=f"C{number:05}",
        客户名称=name,
        类型=rng.choice(("企业", "公司", "ORGANIZATION", "organization", "单位")),
        手机=mobile(rng, f"13{rng.choice('6789')}0000{number:04}") if rng.random() < 0.4 else "",
        电话=main,
        邮箱=address(rng, number),
        省份=province,
        城市=city,
        国家=rng.choice(("中国", "CN", "cn", "")),
        税号=rng.choice((tax_id, tax_id.lower(), f"{tax_id[:4]} {tax_id[4:]}", "310000123456789", "")),
        发票抬头=rng.choice((name, "")),
        来源=rng.choice(SOURCES),
        客户等级=rng.choice(TIERS),
        年营业额=amount(rng),
        币种=rng.choice(("CNY", "人民币", "RMB", "cny", "ＣＮＹ", "")),
        信用冻结=rng.choice(("否", "否", "是", "FALSE", "0", "")),
        员工人数=rng.choice((f"{rng.randint(3, 900)}", f"{rng.randint(1, 9)},{rng.randint(100, 999)}", "")),
        备注=rng.choice(NOTES),
        经办人="企业客户部",
    )


def duplicate(rng: Random, of: list[str], number: int) -> list[str]:
    """The same customer once more, entered by somebody else: another number, the phone written otherwise."""
    digits = "".join(c for c in of[3] if c in "0123456789")[-11:]
    again = [*of]
    again[0] = f"C{number:05}"
    again[3] = f"+86 {digits[:3]} {digits[3:7]} {digits[7:]}"
    again[HEADER.index("备注")] = "重复录入？"
    return again


def broken() -> list[list[str]]:
    """One row for each thing that goes wrong, in the order of their numbers."""

    def person_with(number: int, **cells: str) -> list[str]:
        return row(**{"编号": f"X{number:02}", "客户名称": f"错例{number}", "类型": "个人", **cells})

    def company_with(number: int, **cells: str) -> list[str]:
        return row(**{"编号": f"X{number:02}", "客户名称": f"错例{number}有限公司", "类型": "企业", **cells})

    return [
        person_with(1, 客户名称=""),
        person_with(2, 类型=""),
        person_with(3, 类型="事业部"),
        person_with(4, 手机="1380000012"),
        person_with(5, 手机="138000000123"),
        person_with(6, 手机="138****0001"),
        person_with(7, 手机="1.38E+10"),
        person_with(8, 手机="13800000001/13900000001"),
        person_with(9, 电话="61234567"),
        person_with(10, 邮箱="kehu.example.com"),
        person_with(11, 邮箱="a@example.com;b@example.com"),
        person_with(12, 客户名称="长" * 201),
        person_with(13, 国家="火星"),
        company_with(14, 税号="91310000MA00000011"),
        company_with(15, 年营业额="面议"),
        company_with(16, 年营业额="1280.505"),
        company_with(17, 币种="人民元"),
        company_with(18, 员工人数="约三百"),
        person_with(19, 编号=""),
        person_with(20, 编号="C00001"),
    ]


def lines() -> list[list[str]]:
    """All rows after the header."""
    rng = Random(20261122)
    rows = [
        person(rng, n) if rng.random() < 0.65 else organisation(rng, n) for n in range(1, GOOD_ROWS - DUPLICATES + 1)
    ]
    plain = [r for r in rows if r[2] in ("个人", "PERSON") and r[3].startswith("13") and r[3].isdigit()]
    rows += [duplicate(rng, r, GOOD_ROWS - DUPLICATES + n) for n, r in enumerate(rng.sample(plain, DUPLICATES), 1)]
    for number, wrong in enumerate(broken()):
        rows.insert(20 + number * 26, wrong)
    return rows


def content() -> str:
    """The file's text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(lines())
    return out.getvalue()


if __name__ == "__main__":
    TARGET.write_text(content(), encoding="utf-8")
