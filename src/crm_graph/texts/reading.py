"""What is wrong with a question: its pages, conditions, lookups, groups."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "cursor": ("The cursor is not valid. Start again without it.", "游标无效，请不带游标重新查询。"),
    "cursor_of_other_order": (
        "The cursor belongs to another order. Start again without it.",
        "游标与当前排序不符，请不带游标重新查询。",
    ),
    "feed_expired": (
        "The feed does not reach back to this cursor any more. Read your records again, and begin without it.",
        "变更流已不再保留该游标之后的内容，请重新读取数据，并不带游标重新开始。",
    ),
    "feed_page": ("first must lie between 1 and {limit}.", "first 必须在 1 与 {limit} 之间。"),
    "feed_reset": (
        "The log goes on elsewhere since this cursor was given. Read your records again, and begin without it.",
        "自该游标给出以来，日志已在别处继续，请重新读取数据，并不带游标重新开始。",
    ),
    "feed_start": ("Give after or from, not both.", "after 与 from 不能同时使用。"),
    "group_key_twice": ("Rows are grouped by this field already.", "已按该字段分组。"),
    "id_of_other_type": ("This is not the id of a record of type {type}.", "该编号不是 {type} 类型的记录。"),
    "search_too_long": (
        "A text to search for has at most {limit} characters and {words} words.",
        "搜索文本最多 {limit} 个字符、{words} 个词。",
    ),
    "lookup_field": ("Records of this type cannot be looked up by this field.", "该类型的记录不支持按此字段精确查找。"),
    "ids_of_one_type": ("All ids must be those of records of one type.", "所有编号必须属于同一类型的记录。"),
    "lookup_where": (
        "You see this field masked: filter a list by its whole value, with eq or in, at the top of where or in and.",
        "该字段对您脱敏显示，只能在顶层列表的 where（或其中的 and）里用 eq 或 in 按完整值查找。",
    ),
    "list_too_long": ("A list may have at most {limit} values.", "列表最多包含 {limit} 个值。"),
    "not_a_big_int": (
        "A whole number of at most 64 bits is expected, such as 9007199254740993.",
        "应为 64 位以内的整数，例如 9007199254740993。",
    ),
    "not_a_text": (
        "A text of at most {max} characters is expected, without the character NUL.",
        "应为最多 {max} 个字符的文本，且不含 NUL 字符。",
    ),
    "not_a_value": ("A value of type {kind} is expected.", "应为 {kind} 类型的值。"),
    "not_an_id": ("An id is expected, as answers give it.", "应为系统返回的编号（id）。"),
    "not_an_int": ("A whole number of at most 32 bits is expected, such as 42.", "应为 32 位以内的整数，例如 42。"),
    "order_by_no_key": (
        "Groups can be ordered only by keys that they are grouped by.",
        "分组只能按其分组字段排序。",
    ),
    "page_size": ("{argument} must lie between 0 and {limit}.", "{argument} 必须在 0 与 {limit} 之间。"),
    "first_and_last": ("Give first or last, not both.", "first 与 last 不能同时使用。"),
    "id_needed": ("Give an id.", "请提供 id。"),
    "id_or_external_ref": ("Give either id or externalRef.", "id 与 externalRef 必须且只能提供一个。"),
    "offset_and_cursor": ("Give an offset or a cursor, not both.", "offset 与游标不能同时使用。"),
    "too_many_group_keys": (
        "Rows can be grouped by at most {keys} keys, through at most {relations} relations.",
        "分组字段最多 {keys} 个，涉及的关联最多 {relations} 个。",
    ),
    "predicate_depth": ("The condition is nested deeper than {limit} levels.", "条件嵌套超过 {limit} 层。"),
    "predicate_list": ("A list of conditions is expected.", "应为条件列表。"),
    "predicate_null": ("Null is no condition here; use isNull.", "此处不能为 null，请使用 isNull。"),
    "predicate_object": ("A condition is an object.", "条件应为对象。"),
    "predicate_value": ("The value does not fit the field.", "值与字段类型不符。"),
    "predicate_too_long": (
        "There are more than {limit} conditions. Ask for less at once.",
        "条件超过 {limit} 个，请减少一次查询的条件。",
    ),
    "relative_value": (
        'Give start, ago or in, and perhaps a zone: {{ start: "month", ago: "P1M" }}.',
        '请提供 start、ago 或 in，并可附带 zone：{{ start: "month", ago: "P1M" }}。',
    ),
    "relative_ago_and_in": ("Give either ago or in.", "ago 与 in 只能提供一个。"),
    "relative_start": ("The start is one of these: {units}.", "start 应为以下之一：{units}。"),
    "duration_invalid": (
        "An ISO 8601 duration of whole numbers is expected, such as P90D or P1M.",
        "应为整数的 ISO 8601 时长，例如 P90D 或 P1M。",
    ),
    "duration_of_date": (
        "A date moves by days, weeks, months or years; leave hours, minutes and seconds out.",
        "日期只能按天、周、月或年推移，请去掉时、分、秒。",
    ),
    "duration_range": ("A duration may have at most {limit} years.", "时长不能超过 {limit} 年。"),
    "unknown_operator": ("There is no such operator for this field.", "该字段不支持此运算符。"),
}
