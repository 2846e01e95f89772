"""What is wrong with a request as a whole: its body, its document, its size."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "too_deep": ("The query is nested deeper than {limit} levels.", "查询嵌套超过 {limit} 层。"),
    "too_many_fragments": (
        "The document uses fragments more than {limit} times. Write the fields out.",
        "文档使用片段超过 {limit} 次，请直接写出字段。",
    ),
    "too_many_repeats": (
        "The document selects fields again that it has selected already, more than {limit} times.",
        "文档重复选择已选字段超过 {limit} 次。",
    ),
    "document_too_long": (
        "The document has more than {limit} characters; send long values as variables.",
        "请求文档超过 {limit} 个字符，较长的值请用变量传递。",
    ),
    "too_many_tokens": (
        "The document has more than {limit} tokens; send values as variables, or ask in several requests.",
        "请求文档超过 {limit} 个词法单元，请用变量传值，或分多次请求。",
    ),
    "too_many_comments": ("The document has more than {limit} comments.", "文档的注释超过 {limit} 条。"),
    "too_many_digits": ("A number has more than {limit} digits.", "数字超过 {limit} 位。"),
    "too_many_aliases": ("The document has more than {limit} aliases.", "文档的别名超过 {limit} 个。"),
    "too_many_directives": ("The document has more than {limit} directives.", "文档的指令超过 {limit} 个。"),
    "too_many_directives_of_one": ("One place has more than {limit} directives.", "同一处的指令超过 {limit} 个。"),
    "too_many_fields": (
        "The operation selects more than {limit} fields. Ask in several requests.",
        "操作选择的字段超过 {limit} 个，请分多次请求。",
    ),
    "too_many_operations": ("The document has more than {limit} operations.", "文档中的操作超过 {limit} 个。"),
    "too_many_root_fields": (
        "The operation has more than {limit} root fields. Ask in several requests.",
        "操作的根字段超过 {limit} 个，请分多次请求。",
    ),
    "too_many_variables": ("The operation has more than {limit} variables.", "操作的变量超过 {limit} 个。"),
    "introspection_too_large": (
        "The introspection asks for much more than the schema. Ask for each thing once.",
        "内省请求的内容远超接口定义，请不要重复查询。",
    ),
    "unknown_operation": ("Name an operation that the document has.", "请指定文档中存在的操作。"),
    "variables_too_deep": ("The variables are nested deeper than {limit} levels.", "变量嵌套超过 {limit} 层。"),
    "too_many_containers": (
        "The request has more than {limit} JSON objects and lists; send it in several requests.",
        "请求中的 JSON 对象和数组超过 {limit} 个，请分多次发送。",
    ),
    "too_many_values": (
        "The request has more than {limit} values; send it in several requests.",
        "请求中的值超过 {limit} 个，请分多次发送。",
    ),
    "too_deep_to_parse": ("The document is nested too deeply.", "请求文档嵌套过深。"),
    "introspection_failed": ("The introspection query is not valid.", "内省查询无效。"),
    "method_not_allowed": ("Use {allow} for this request.", "该请求请使用 {allow}。"),
    "not_acceptable": (
        "Accept application/graphql-response+json or application/json.",
        "请在 Accept 中包含 application/graphql-response+json 或 application/json。",
    ),
    "content_too_large": ("The body may have at most {limit} bytes.", "请求体不能超过 {limit} 字节。"),
    "unsupported_media_type": (
        "Send the body as application/json, not compressed.",
        "请以未压缩的 application/json 发送请求体。",
    ),
    "body_not_json": ("The body is not JSON in UTF-8.", "请求体不是 UTF-8 编码的 JSON。"),
    "body_not_object": ("The body is a JSON object that holds query.", "请求体应为包含 query 的 JSON 对象。"),
    "body_is_batch": ("Send one request at a time, as a JSON object.", "请逐个发送请求，每个请求为一个 JSON 对象。"),
    "body_cut_off": ("The body ended too early.", "请求体不完整。"),
    "query_string_invalid": ("The query string cannot be read.", "无法解析查询字符串。"),
    "document_id_mismatch": ("documentId is not the id of this query.", "documentId 与 query 不符。"),
    "parameter_not_string": ("{name} is a string.", "{name} 应为字符串。"),
    "parameter_not_object": ("{name} is a JSON object.", "{name} 应为 JSON 对象。"),
    "idempotency_key": ("An idempotency key has 1 to 200 characters.", "幂等键应为 1 至 200 个字符。"),
    "idempotency_key_invalid": ("An idempotency key has 1 to {max} characters.", "幂等键应为 1 至 {max} 个字符。"),
}
