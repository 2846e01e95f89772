"""What a column says of itself beside its type: its data class, whether it is personal, how it is masked and written.

Permission, masking, audit, export and erasure all read it from the column's `info`; it stands nowhere else.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Numeric
from sqlalchemy.orm import MappedColumn, mapped_column

INFO = "crm_graph"


class DataClass(StrEnum):
    """Kinds of data that rights are given by."""

    BASIC = "BASIC"
    CONTACT = "CONTACT"
    IDENTITY = "IDENTITY"
    BILLING = "BILLING"
    BANK = "BANK"
    AMOUNT = "AMOUNT"
    COST = "COST"
    KYC = "KYC"
    CONTENT = "CONTENT"
    METRIC = "METRIC"
    INTERNAL = "INTERNAL"


class Mask(StrEnum):
    """How a masked value is redacted; each is an SQL function `crm_mask_<name>(text)`. Without one it becomes null."""

    PHONE = "phone"
    EMAIL = "email"
    NAME = "name"
    CONTACT = "contact"
    TAIL = "tail"


class Write(StrEnum):
    """Who sets a column: clients by input, services by their verbs, or nobody after creation."""

    INPUT = "INPUT"
    CREATE_ONLY = "CREATE_ONLY"
    SERVICE = "SERVICE"


class Search(StrEnum):
    """How a text is searched for: what is typed is found in it by

    - NAME: any part, pinyin, initials, or with a letter wrong;
    - TEXT: any part;
    - NUMBER: its beginning or its end;
    - PHONE: the beginning or the end of a person's number, however it is dialled;
    - EMAIL: the beginning of the address, of a part of its name, or of its domain;
    - CONTACT: as EMAIL or PHONE, by what it is.
    """

    NAME = "NAME"
    TEXT = "TEXT"
    NUMBER = "NUMBER"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    CONTACT = "CONTACT"


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """A column's declaration. `personal` is what tells something of a person, or may: texts in people's own words name
    them, whatever they are meant for. `max_length` is in characters; `api` is false for what no client ever names;
    `ruled` says that the search index knows its values, since row rules ask for them.
    """

    data_class: DataClass
    personal: bool = False
    mask: Mask | None = None
    write: Write = Write.INPUT
    max_length: int = 200
    money: bool = False
    required: bool = False
    api: bool = True
    search: Search | None = None
    ruled: bool = False


def field(
    data_class: DataClass,
    *args: Any,
    personal: bool = False,
    mask: Mask | None = None,
    write: Write = Write.INPUT,
    max_length: int = 200,
    required: bool = False,
    search: Search | None = None,
    ruled: bool = False,
    **column: Any,
) -> MappedColumn[Any]:
    """A column that clients may name. `required` refuses null on input even where a grant hides the field."""
    info = FieldInfo(data_class, personal, mask, write, max_length, required=required, search=search, ruled=ruled)
    return mapped_column(*args, info={INFO: info}, **column)


def money(data_class: DataClass = DataClass.AMOUNT, *, write: Write = Write.INPUT) -> MappedColumn[Any]:
    """An amount in the row's `currency`; `<name>_base` beside it holds it in the company's base currency."""
    info = FieldInfo(data_class, write=write, money=True)
    return mapped_column(Numeric(18, 2), info={INFO: info})


def base_amount(data_class: DataClass = DataClass.AMOUNT) -> MappedColumn[Any]:
    """The base-currency twin of a money column; filters, orders and sums of the money field use it."""
    return mapped_column(Numeric(18, 2), info={INFO: FieldInfo(data_class, write=Write.SERVICE, api=False)})


def internal(
    *args: Any, data_class: DataClass = DataClass.INTERNAL, personal: bool = False, **column: Any
) -> MappedColumn[Any]:
    """A column that no client names: foreign keys, secrets, bookkeeping."""
    info = FieldInfo(data_class, personal, write=Write.SERVICE, api=False)
    return mapped_column(*args, info={INFO: info}, **column)


def info_of(column: Any) -> FieldInfo | None:
    """The declaration of a mapped column, if it has one."""
    found: FieldInfo | None = column.info.get(INFO)
    return found
