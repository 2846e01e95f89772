"""What the columns of a file mean: headers in GraphQL names or in Chinese, enum values in the words people use."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crm_graph.access import Access
from crm_graph.catalog import EntityType, Field, Shape, writable
from crm_graph.errors import Invalid

EXTERNAL_ID = "externalId"
_NOTE = re.compile(r"\([^()]*\)")

# Chinese (and other) headers of fields, for whichever type has the field; where two claim a header, the first has it.
_HEADERS: Mapping[str, Sequence[str]] = {
    EXTERNAL_ID: ("编号", "外部编号", "客户编号", "系统编号", "会员号", "id", "external id"),
    "company_name": ("公司", "公司名称", "单位", "单位名称", "company"),
    "name": ("名称", "姓名", "客户名称", "客户姓名", "公司名称", "单位名称", "customer name", "full name"),
    "short_name": ("简称", "客户简称"),
    "number": ("客户号", "合同编号", "合同号", "customer number"),
    "kind": ("类型", "客户类型", "性质", "type", "customer type"),
    "lifecycle_stage": ("生命周期", "客户阶段", "客户状态"),
    "tier": ("级别", "等级", "客户等级", "客户级别", "会员等级"),
    "source_channel": ("来源", "客户来源", "来源渠道", "线索来源", "source", "channel"),
    "industry": ("行业", "所属行业"),
    "employee_count": ("员工人数", "员工数", "人数", "employees"),
    "country": ("国家", "国家地区"),
    "province": ("省份", "省", "所在省份", "state"),
    "city": ("城市", "市", "所在城市"),
    "language": ("语言",),
    "preferred_channel": ("首选渠道", "偏好渠道"),
    "website": ("网站", "网址", "官网"),
    "credit_hold": ("信用冻结", "是否冻结"),
    "wechat_id": ("微信", "微信号", "wechat"),
    "gender": ("性别", "sex"),
    "birth_date": ("生日", "出生日期", "birthday"),
    "id_number": ("身份证", "身份证号", "证件号", "证件号码"),
    "registration_number": ("注册号", "工商注册号"),
    "tax_id": ("税号", "纳税人识别号", "统一社会信用代码", "vat number"),
    "invoice_title": ("发票抬头", "开票抬头"),
    "payment_terms_days": ("账期", "账期天数"),
    "bank_name": ("开户行", "开户银行"),
    "bank_account": ("银行账号", "银行账户", "账号"),
    "currency": ("币种", "货币"),
    "credit_limit": ("信用额度", "授信额度"),
    "annual_revenue": ("年营业额", "年营收", "年收入"),
    "description": ("备注", "描述", "说明", "notes", "remark", "remarks"),
    "job_title": ("职位", "职务"),
    "need": ("需求",),
    "budget": ("预算",),
    "intent": ("意向", "意向度"),
    "product_interest": ("意向产品", "感兴趣产品"),
    "subject": ("主题", "标题"),
    "title": ("合同名称", "标题"),
}
_PHONES = {
    "phone": "MOBILE",
    "mobile": "MOBILE",
    "手机": "MOBILE",
    "手机号": "MOBILE",
    "手机号码": "MOBILE",
    "移动电话": "MOBILE",
    "电话": "LANDLINE",
    "电话号码": "LANDLINE",
    "联系电话": "LANDLINE",
    "座机": "LANDLINE",
    "固定电话": "LANDLINE",
    "固话": "LANDLINE",
    "办公电话": "LANDLINE",
    "telephone": "LANDLINE",
    "tel": "LANDLINE",
    "landline": "LANDLINE",
}
_EMAILS = frozenset({"email", "mail", "emailaddress", "邮箱", "电子邮箱", "邮件", "电子邮件"})
_PARENTS = {"客户外部编号": "customer", "所属客户编号": "customer", "上级客户编号": "parent", "上级编号": "parent"}

# Words for enum values, by the enum's own values; one word means one thing in whichever enum has that value.
_WORDS: Mapping[str, Sequence[str]] = {
    "PERSON": ("个人", "个人客户", "自然人", "individual", "consumer"),
    "ORGANIZATION": ("企业", "企业客户", "公司", "单位", "机构", "组织", "company", "business", "organisation"),
    "STORE": ("门店", "线下门店", "实体店", "到店"),
    "WEB_SHOP": ("网店", "网上商城", "商城", "电商", "官网商城", "online", "webshop"),
    "CALL_CENTRE": ("呼叫中心", "客服", "热线", "call center", "call centre"),
    "WECHAT": ("微信", "公众号", "小程序"),
    "APP": ("手机应用",),
    "EMAIL": ("邮件", "邮箱"),
    "REFERRAL": ("转介绍", "老客户介绍", "推荐", "口碑"),
    "EXHIBITION": ("展会", "展览", "trade fair"),
    "PARTNER": ("合作伙伴", "经销商", "渠道商"),
    "IMPORT": ("导入",),
    "OTHER": ("其他", "其它", "未知"),
    "PROSPECT": ("潜在", "潜在客户", "意向客户"),
    "ACTIVE": ("活跃", "活跃客户", "正式客户", "成交客户"),
    "AT_RISK": ("有流失风险", "预警"),
    "DORMANT": ("沉默", "休眠", "沉睡"),
    "FORMER": ("流失", "已流失"),
    "STANDARD": ("普通", "普通会员", "标准"),
    "SILVER": ("银卡", "银牌", "银卡会员"),
    "GOLD": ("金卡", "金牌", "金卡会员"),
    "PLATINUM": ("白金", "铂金", "白金卡", "铂金会员"),
    "FEMALE": ("女", "女士", "f"),
    "MALE": ("男", "先生", "m"),
    "LOW": ("低",),
    "MEDIUM": ("中",),
    "HIGH": ("高",),
    "URGENT": ("紧急",),
    "NORMAL": ("一般",),
}
_CODES: Mapping[str, Mapping[str, str]] = {
    "country": {"中国": "CN", "中国大陆": "CN", "香港": "HK", "澳门": "MO", "台湾": "TW", "美国": "US", "日本": "JP"},
    "currency": {"人民币": "CNY", "美元": "USD", "欧元": "EUR", "港币": "HKD", "日元": "JPY"},
    "language": {
        "中文": "zh-CN",
        "简体中文": "zh-CN",
        "繁体中文": "zh-TW",
        "英文": "en",
        "英语": "en",
        "english": "en",
    },
}


@dataclass(frozen=True, slots=True)
class Column:
    """What one column means: the item's key `field`, a contact point's `kind`, and `words` its cells may say."""

    position: int
    header: str
    field: str
    kind: str | None = None
    parent_key: str | None = None
    words: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are understood, and the headers of those that are not."""

    columns: tuple[Column, ...]
    ignored: tuple[str, ...]
    has_external_id: bool
    lists_contact_points: bool

    def header_of(self, path: Sequence[str | int]) -> str:
        """The header of the column that an error's path leads to; empty when it is about the row as a whole."""
        field = str(path[0]) if path else ""
        return next((c.header for c in self.columns if c.field == field), "")


def layout(entity: EntityType, header: Sequence[str], access: Access | None = None) -> Layout:
    """What each column of the file means for this type. One whose field `access` may not write means nothing, as if
    there were no such field; None is all rights.

    Raises Invalid for a column that is missing, with the headers that were found, and for two that mean one field.
    """
    known = _known(entity)
    meant = [_column(entity, known, position, text) for position, text in enumerate(header)]
    _refuse_missing(entity, [column for column in meant if column], header)
    columns = [column for column in meant if column and _writable(entity, column, access)]
    understood = {column.position for column in columns}
    ignored = [text for position, text in enumerate(header) if position not in understood]
    phones = sum(c.field == "phone" for c in columns)
    emails = sum(c.field == "email" for c in columns)
    lists = "contact_points" in entity.relations and (phones > 1 or emails > 1)
    _refuse_twice([c for c in columns if not (lists and c.kind)])
    return Layout(tuple(columns), tuple(ignored), any(c.field == EXTERNAL_ID for c in columns), lists)


def _writable(entity: EntityType, column: Column, access: Access | None) -> bool:
    member = entity.by_api_name.get(column.field)
    if access is None or not (isinstance(member, Field) or column.parent_key):
        return True
    return member is not None and access.may_write(entity.name, member.name)


def _known(entity: EntityType) -> dict[str, Field | str]:
    names: dict[str, Field | str] = {_key(h): EXTERNAL_ID for h in (EXTERNAL_ID, *_HEADERS[EXTERNAL_ID])}
    fields = {field.name: field for field in writable(entity, creating=True)}
    for name, headers in _HEADERS.items():
        if name in fields:
            for header in headers:
                names.setdefault(_key(header), fields[name])
    return names | {_key(name): field for name, field in fields.items()}


def _column(entity: EntityType, known: Mapping[str, Field | str], position: int, text: str) -> Column | None:
    key = _key(text)
    if "phone" in entity.fields and key.rstrip("0123456789") in _PHONES:
        return Column(position, text, "phone", kind=_PHONES[key.rstrip("0123456789")])
    if "email" in entity.fields and key.rstrip("0123456789") in _EMAILS:
        return Column(position, text, "email", kind="EMAIL")
    parent = _parent(entity, text)
    if parent:
        return Column(position, text, parent[0], parent_key=parent[1])
    found = known.get(key)
    if found is None:
        return None
    if isinstance(found, str):
        return Column(position, text, found)
    return Column(position, text, found.api_name, words=_words(found))


def _parent(entity: EntityType, text: str) -> tuple[str, str] | None:
    """`customer.externalId` or `customer.id`: the parent by the name that the source, or we, have for it."""
    name, _, key = text.strip().partition(".")
    if text.strip() in _PARENTS:
        name, key = _PARENTS[text.strip()], EXTERNAL_ID
    relation = entity.relations.get(name) or next((r for r in entity.relations.values() if r.api_name == name), None)
    if relation is None or relation.shape is not Shape.ONE or key not in (EXTERNAL_ID, "id"):
        return None
    return relation.api_name, key


def _words(field: Field) -> Mapping[str, str] | None:
    if field.enum is not None:
        return _enum_words(field.enum)
    return _CODES.get(field.name)


def _enum_words(enum: type[StrEnum]) -> Mapping[str, str]:
    return {_key(word): member.value for member in enum for word in _WORDS.get(member.value, ())}


def _refuse_missing(entity: EntityType, columns: Sequence[Column], header: Sequence[str]) -> None:
    given = {c.field for c in columns}
    required = [
        f.api_name for f in writable(entity, creating=True) if (f.info.required or not f.nullable) and not f.has_default
    ]
    parents = [
        r.api_name for r in entity.relations.values() if r.shape is Shape.ONE and not r.nullable and r.name != "stage"
    ]
    missing = [f for f in required if f not in given] + [f"{p}.{EXTERNAL_ID}" for p in parents if p not in given]
    if missing:
        raise Invalid("import_header_missing", missing=missing, found=list(header))


def _refuse_twice(columns: Sequence[Column]) -> None:
    first: dict[str, str] = {}
    for column in columns:
        if column.field in first:
            raise Invalid("import_header_twice", columns=[first[column.field], column.header])
        first[column.field] = column.header


def item_of(layout: Layout, cells: Sequence[str]) -> dict[str, Any]:
    """The upsert item of a row. An empty cell says nothing about its field: it is left out, not cleared.

    Where a file has several columns of phones or e-mails, a row states all contact points of its customer; with one
    column of each it states the primary ones and leaves others alone.
    """
    item: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    for column in layout.columns:
        cell = cells[column.position].strip() if column.position < len(cells) else ""
        if not cell:
            continue
        if column.kind and layout.lists_contact_points:
            first = not any((p["kind"] == "EMAIL") == (column.kind == "EMAIL") for p in points)
            points.append({"kind": column.kind, "raw": cell, "isPrimary": first})
        elif column.parent_key:
            item[column.field] = {column.parent_key: cell}
        else:
            item[column.field] = column.words.get(_key(cell), cell) if column.words else cell
    if points:
        item["contactPoints"] = points
    return item


def point_headers(layout: Layout, cells: Sequence[str]) -> list[str]:
    """The header of each contact point of a row, in the order of `item_of`."""
    return [
        c.header
        for c in layout.columns
        if c.kind and layout.lists_contact_points and c.position < len(cells) and cells[c.position].strip()
    ]


def _key(text: str) -> str:
    """A header or word without what people vary: width, case, spaces, underscores, marks and notes in parentheses."""
    folded = _NOTE.sub("", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in folded if c.isalnum())
