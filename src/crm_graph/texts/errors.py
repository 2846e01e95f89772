"""One text for each kind of error, and for the few that any request can meet."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "internal": ("Something went wrong on our side. Try again later.", "系统出现问题，请稍后重试。"),
    "invalid": ("This value is not valid.", "该值无效。"),
    "required": ("This field is required.", "该字段为必填项。"),
    "not_found": ("There is no such record.", "记录不存在。"),
    "conflict": (
        "The record has changed since you read it. Read it again and repeat your change.",
        "记录在您读取之后已被修改，请重新读取后再提交。",
    ),
    "stage_not_allowed": ("This stage cannot be reached from here.", "当前阶段不能变更为该阶段。"),
    "duplicate": ("A record with this value already exists.", "已存在相同取值的记录。"),
    "limit_reached": ("The limit is reached.", "已达到上限。"),
    "masked_value": (
        "This is a masked value. Give the full value, or leave the field out.",
        "该值是脱敏值，请提供完整值，或不要提交此字段。",
    ),
    "rule_violated": ("A rule does not allow this.", "操作不符合业务规则。"),
    "parse_failed": ("The request could not be read.", "无法解析该请求。"),
    "validation_failed": ("The document does not fit the schema.", "请求文档与接口定义不符。"),
    "bad_variables": ("The variables do not fit the document.", "变量与请求文档不符。"),
    "cost_exceeded": ("The request asks for too much. Ask for less.", "请求开销过大，请减少查询内容。"),
    "cost_limit": (
        "The request costs {requested}, and one may cost {limit}. Ask for smaller pages or fewer levels.",
        "请求开销为 {requested}，上限为 {limit}，请缩小分页或减少层级。",
    ),
    "document_not_trusted": (
        "This document is not known here. Name a registered one by documentId, or have yours registered.",
        "该文档未登记，请用 documentId 指定已登记的文档，或先登记该文档。",
    ),
    "rate_limited": (
        "Your budget is spent. Try again in {retry_after} s.",
        "请求额度已用完，请在 {retry_after} 秒后重试。",
    ),
    "allowance_used": (
        "You have asked for this too often. Try again in {retry_after} s.",
        "此类查询过于频繁，请在 {retry_after} 秒后重试。",
    ),
    "allowance_exceeded": (
        "This asks for {requested} at once, and {limit} are allowed in a minute. Ask for fewer.",
        "一次请求了 {requested} 个，每分钟上限为 {limit} 个，请减少数量。",
    ),
    "unauthenticated": ("A valid access token is needed.", "需要有效的访问令牌。"),
    "idempotency_mismatch": (
        "This idempotency key was used with another request, or by an asker with other rights. Use a new key.",
        "该幂等键已用于其他请求，或使用时请求者的权限不同，请更换新的幂等键。",
    ),
    "timeout": ("The request took too long. Ask for less, or try again later.", "请求超时，请减少查询内容或稍后重试。"),
    "unavailable": ("The service is not available now. Try again later.", "服务暂不可用，请稍后重试。"),
    "try_again": ("Somebody else was writing the same records. Try again.", "其他人正在修改相同的记录，请重试。"),
    "batch_refused": (
        "Nothing was written, because an item of the batch is wrong. Correct it and send the batch again.",
        "批次中有条目不合规，全部未写入，请更正后重新提交。",
    ),
    "action_not_granted": ("You are not allowed to do this.", "您没有执行此操作的权限。"),
    "external_ref_taken": ("This external id belongs to another record.", "该外部编号已属于另一条记录。"),
    "not_positive": ("The number must be greater than 0.", "数字必须大于 0。"),
    "not_a_fraction": ("The rate must lie between 0 and 1.", "比率必须在 0 与 1 之间。"),
}
