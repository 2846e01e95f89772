"""What is wrong with a value that was given: numbers, dates, codes, contact points."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "unknown_field": ("There is no such field.", "该字段不存在。"),
    "text_invalid": ("A text is expected.", "应为文本。"),
    "text_too_long": ("The text may have at most {max} characters.", "文本不能超过 {max} 个字符。"),
    "text_control_characters": (
        "The text holds control characters or line breaks. Remove them.",
        "文本含有控制字符或换行，请删除。",
    ),
    "number_invalid": ("A number is expected, such as 1280.50.", "应为数字，例如 1280.50。"),
    "number_inexact": (
        'A number of more than 15 digits may have been rounded on its way. Give it as a string: "9007199254740993.01".',
        '超过 15 位的数字在传输中可能已被舍入，请以字符串形式给出，例如 "9007199254740993.01"。',
    ),
    "integer_invalid": ("A whole number is expected.", "应为整数。"),
    "number_range": ("The number must lie between {min} and {max}.", "数字必须在 {min} 与 {max} 之间。"),
    "number_scale": ("At most {scale} decimal places are allowed.", "最多允许 {scale} 位小数。"),
    "boolean_invalid": (
        "Yes or no is expected, such as true or 0.",
        "应为是或否，例如 是、否、true、0。",
    ),
    "date_invalid": ("A date is expected, such as 2026-11-22.", "应为日期，例如 2026-11-22。"),
    "date_time_invalid": (
        "A date and time is expected, such as 2026-11-22T09:30:00+08:00.",
        "应为日期时间，例如 2026-11-22T09:30:00+08:00。",
    ),
    "date_range": ("The year must lie between {min} and {max}.", "年份必须在 {min} 与 {max} 之间。"),
    "enum_invalid": ("One of these is expected: {allowed}.", "应为以下之一：{allowed}。"),
    "currency_invalid": (
        "A currency code is expected (ISO 4217), such as CNY.",
        "应为货币代码，例如 CNY。",
    ),
    "country_invalid": (
        "A two-letter country code is expected (ISO 3166-1), such as CN.",
        "应为两位国家代码（ISO 3166-1），例如 CN。",
    ),
    "language_invalid": ("A language tag is expected (BCP 47), such as zh-CN.", "应为语言标签（BCP 47），例如 zh-CN。"),
    "time_zone_invalid": ("A time zone is expected, such as Asia/Shanghai.", "应为时区，例如 Asia/Shanghai。"),
    "tax_id_invalid": (
        "The tax id is not valid. A Chinese one has 18 characters with a check character, or 15.",
        "税号无效。统一社会信用代码为 18 位（含校验码），旧税号为 15 位。",
    ),
    "phone_invalid": (
        "This is not a phone number that exists. Give a full number, with its country code if it is abroad.",
        "电话号码无效，请填写完整号码，境外号码请带国家代码。",
    ),
    "phone_area_code": ("The area code is missing, as in 021-61234567.", "固定电话缺少区号，例如 021-61234567。"),
    "phone_several": ("There are several numbers here. Give one.", "此处有多个号码，请只填写一个。"),
    "phone_scientific": (
        "A spreadsheet has rounded this number. Format the column as text and enter it again.",
        "号码被表格软件转成了科学计数法，请将该列设为文本格式后重新填写。",
    ),
    "phone_masked": ("This number is masked. Give the full number.", "号码已脱敏，请填写完整号码。"),
    "email_invalid": ("This is not an e-mail address.", "邮箱地址无效。"),
    "email_several": ("There are several addresses here. Give one.", "此处有多个邮箱地址，请只填写一个。"),
    "email_masked": ("This address is masked. Give the full address.", "邮箱地址已脱敏，请填写完整地址。"),
    "contact_point_invalid": ("A contact point needs a value.", "联系方式不能为空。"),
}
