"""What people read: every message in English and Chinese, by template key. Codes never change; these texts may.

A message is short and says what to do. It is filled from an error's `details`, which never hold what
its reader may not see.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from crm_graph.errors import CrmError

Locale = Literal["en", "zh"]

MESSAGES: Mapping[str, tuple[str, str]] = {
    # One for each kind of error.
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
        "Your budget is spent. Try again in {retry_after} seconds.",
        "请求额度已用完，请在 {retry_after} 秒后重试。",
    ),
    "allowance_used": (
        "You have asked for this too often. Try again in {retry_after} seconds.",
        "此类查询过于频繁，请在 {retry_after} 秒后重试。",
    ),
    "allowance_exceeded": (
        "This asks for {requested} at once, and {limit} are allowed in a minute. Ask for fewer.",
        "一次请求了 {requested} 个，每分钟上限为 {limit} 个，请减少数量。",
    ),
    "unauthenticated": ("A valid access token is needed.", "需要有效的访问令牌。"),
    "idempotency_mismatch": (
        "This idempotency key was used with another request. Use a new key.",
        "该幂等键已用于其他请求，请更换新的幂等键。",
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
    # Reading.
    "cursor": ("The cursor is not valid. Start again without it.", "游标无效，请不带游标重新查询。"),
    "cursor_of_other_order": (
        "The cursor belongs to another order. Start again without it.",
        "游标与当前排序不符，请不带游标重新查询。",
    ),
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
    # Grants.
    "grant_without_levels": ("A grant names at least one level.", "授权至少需要一个级别。"),
    "internal_class": ("Internal data is never granted.", "内部数据不可授权。"),
    "predicate_iff_where": (
        "A row rule WHERE needs a condition, and no other rule has one.",
        "行规则 WHERE 必须带条件，其他规则不能带条件。",
    ),
    "role_inherits_itself": ("A role cannot inherit itself, through others neither.", "角色不能直接或间接继承自身。"),
    "row_rule_without_owner": ("Records of this type have no owner or team.", "该类型的记录没有负责人或团队。"),
    "own_proposal": ("Somebody else has to approve what you proposed.", "您提出的修改须由他人批准。"),
    "proposal_decided": ("This was decided already: {state}.", "该申请已处理：{state}。"),
    "proposals_limit": (
        "{limit} edits of rights that you proposed wait for approval. Take some back, or have them decided first.",
        "您提出的权限修改已有 {limit} 项待批准，请先撤回或等待处理。",
    ),
    "approver_is_client": ("A person has to approve this, not a client.", "须由人员批准，客户端不能批准。"),
    "proposer_may_not": (
        "Who proposed this may not do it any more. Reject it, or propose it yourself.",
        "提出者已无权进行此修改，请驳回，或由您重新提出。",
    ),
    "role_key_invalid": (
        "A role's key has 2 to 40 characters: a-z, 0-9, underscore, a letter first.",
        "角色标识为 2 到 40 个字符：a-z、0-9、下划线，以字母开头。",
    ),
    "role_exists": ("There is a role with this key already.", "该标识的角色已存在。"),
    "roles_limit": (
        "There can be at most {limit} roles. Remove some first.",
        "最多可有 {limit} 个角色，请先移除部分角色。",
    ),
    "role_changed": (
        "The role has changed since you read it: it is at version {version} now. Read it again.",
        "该角色在您读取后已被修改，当前版本为 {version}，请重新读取。",
    ),
    "role_builtin": (
        "The hub comes with this role, so it cannot be removed. Take its grants away, or take it from its users.",
        "内置角色不能移除，可清除其授权或收回用户的该角色。",
    ),
    "role_not_builtin": ("Only roles that the hub comes with can be reset.", "只有内置角色可以重置。"),
    "role_inherited": (
        "Other roles inherit this one: {roles}. Change them first.",
        "以下角色继承了该角色：{roles}，请先修改它们。",
    ),
    "role_claimed": (
        "Claims of these issuers give a role with this key: {issuers}. Take it out of their role maps first.",
        "以下身份提供方的声明授予该标识的角色：{issuers}，请先从其角色映射中移除。",
    ),
    "role_comes_back": (
        "The issuer {issuer} gives this role, so it would come back. Take it there, or suspend the user.",
        "该角色由身份提供方 {issuer} 授予，收回后会再次授予。请在该提供方处收回，或停用该用户。",
    ),
    "role_holders_limit": (
        "More than {limit} users have this role. Take it from them first.",
        "持有该角色的用户超过 {limit} 个，请先收回。",
    ),
    "inherits_too_deep": (
        "Roles may inherit over at most {limit} steps.",
        "角色继承最多 {limit} 层。",
    ),
    "named_twice": ("This stands here twice. Keep one.", "此项重复，请保留一个。"),
    "where_unread": (
        "The role does not read this field in full, so its records cannot be picked by it.",
        "该角色不能完整读取此字段，因此不能用它来限定记录。",
    ),
    "role_left_unread": (
        "The role {role} picks its records by what it could no longer read. Change its conditions first.",
        "角色 {role} 用以限定记录的字段将不可读取，请先修改其条件。",
    ),
    "last_admin": (
        "Nobody would be left who manages rights without an end. Make somebody else an administrator first.",
        "这样将没有长期有效的管理员，请先指定另一位管理员。",
    ),
    "own_rights": (
        "Nobody gives themselves more rights (separation of duties). Ask another administrator.",
        "不能扩大自己的权限（三权分立），请由另一位管理员操作。",
    ),
    "beyond_your_rights": (
        "You do not have what this would give or take: {actions}.",
        "您自己没有要授予或收回的权限：{actions}。",
    ),
    "everyone_manages": ("Not everyone can manage rights.", "不能让所有人都管理权限。"),
    "role_of_everyone": ("Everyone has this role.", "所有人都有该角色。"),
    "until_past": ("This moment has passed. Give one in the future.", "该时间已过，请填写将来的时间。"),
    "identity_second": (
        "This user has another subject at this issuer. Unlink that one first.",
        "该用户在此身份提供方已关联另一个主体，请先解除关联。",
    ),
    "user_comes_back": (
        "This user may not act. Unlinked, the person would come in as somebody new. Reinstate the user first.",
        "该用户不可使用系统，解除关联后此人会以新用户身份进入，请先恢复该用户。",
    ),
    "user_has_left": ("This user has left the company.", "该用户已离职。"),
    "user_is_system": ("This user is a job of the system itself.", "该用户是系统任务。"),
    "unknown_action": ("There is no such action.", "该操作不存在。"),
    "unknown_role": ("There is no such role.", "该角色不存在。"),
    "unknown_type": ("There is no such type.", "该类型不存在。"),
    "unknown_write": ("A data class or field:name is expected.", "应为数据类别或 field:名称。"),
    "field_not_writable": ("No client can write this field.", "客户端不能写入该字段。"),
    "written_but_hidden": ("A field can be written only where the grant shows it.", "授权未显示的字段不可写入。"),
    # Why somebody sees something.
    "explain_whom": ("Name one of role, user and client.", "role、user、client 必须且只能提供一个。"),
    "explain_user": ("There is no active user with this id.", "没有该 id 的在职用户。"),
    "explain_client": ("There is no active client with this id.", "没有该编号的有效客户端。"),
    "role_not_simulated": (
        "There is no such role that you may simulate.",
        "没有您可以模拟的该角色。",
    ),
    "simulation_reads": ("As a simulated role you can only ask queries.", "模拟角色时只能执行查询。"),
    # Clients.
    "client_id_invalid": (
        "A client id has 3 to 64 characters: a-z, 0-9, dot, hyphen, underscore.",
        "客户端编号为 3 到 64 个字符：a-z、0-9、点、连字符、下划线。",
    ),
    "scope_unknown": ("There are no such scopes: {scopes}.", "权限范围不存在：{scopes}。"),
    "client_keys_invalid": (
        "Give 1 to 5 public keys as a JWK set, each with its own kid: EC P-256, RSA of 2048 to 4096 bits, or Ed25519.",
        "请以 JWK 集给出 1 至 5 个公钥，每个有各自的 kid：EC P-256、2048 至 4096 位的 RSA 或 Ed25519。",
    ),
    "client_beyond_you": (
        "The client may do {actions}, which you may not: only who does manages it.",
        "该客户端拥有您没有的管理权（{actions}），只有具备该权限的人才能管理它。",
    ),
    "client_cost_negative": ("A budget is 0, which has no end, or more.", "额度不能小于 0，0 表示不限。"),
    "clients_limit": (
        "There are {limit} clients, which is the most. Remove one first.",
        "客户端已达上限 {limit} 个，请先移除一个。",
    ),
    "client_removed": ("The client was removed.", "该客户端已移除。"),
    "client_account_is_a_person": (
        "The client acts as a person; its roles are that person's.",
        "该客户端以个人账号行事，其角色属于该人员。",
    ),
    "client_keys_last": (
        "The client has no secret that stays. Give it one before its keys go.",
        "该客户端没有长期有效的密钥（secret），请先生成一个，再移除公钥。",
    ),
    "client_secrets_limit": (
        "A client has at most {limit} secrets. Retire one first.",
        "客户端最多有 {limit} 个密钥，请先停用一个。",
    ),
    "client_secrets_last": (
        "The client would be left without a secret that stays. Add one first.",
        "客户端将没有长期有效的密钥，请先生成新密钥。",
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
    # Writing.
    "archived": ("The record is archived. Restore it first.", "记录已归档，请先恢复。"),
    "not_writable": ("You may read this record, but not change it.", "您可以查看但不能修改该记录。"),
    "outside_scope": ("You may not create a record that is not yours to see.", "不能创建超出您数据范围的记录。"),
    "repeated_in_batch": ("This record stands in the batch twice. Keep one.", "该记录在批次中重复，请保留一条。"),
    "version_ahead": (
        "The record is at version {version} only. Read it again.",
        "记录当前版本为 {version}，请重新读取。",
    ),
    "source_invalid": ("A source is a name of 1 to {max} characters.", "来源应为 1 至 {max} 个字符的名称。"),
    "source_not_yours": ("You may write under your own source only.", "只能以您自己的来源写入。"),
    "issuers_limit": ("There are {limit} issuers already.", "登录提供方已达 {limit} 个上限。"),
    "issuer_url_invalid": (
        "Give the issuer's address as its tokens name it: https, without query and fragment.",
        "请填写令牌中的签发者地址：https 开头，不含查询参数和片段。",
    ),
    "issuer_text_invalid": (
        "This is compared to the letter: 1 to {max} printable characters.",
        "该值会逐字比较，应为 1 至 {max} 个可打印字符。",
    ),
    "issuer_algorithms_invalid": ("Only these algorithms are taken: {algorithms}.", "仅支持以下算法：{algorithms}。"),
    "client_account_is_no_person": ("This user is no person.", "该用户不是人员账号。"),
    "secret_with_rights": (
        "Set the secret in a call of its own: an edit that waits for approval would keep it readable.",
        "请单独提交密钥：等待审批的修改会以可读形式保存它。",
    ),
    "issuer_scope_invalid": ("A sign-in asks for the scope openid.", "登录须请求 openid 范围。"),
    "issuer_leeway_invalid": ("Give 0 to {max} seconds.", "应为 0 至 {max} 秒。"),
    "team_unknown": ("There is no one team of this key: {teams}.", "没有唯一对应的团队：{teams}。"),
    "role_unknown": ("There is no such role: {roles}.", "角色不存在：{roles}。"),
    "too_many_items": ("At most {max} items are taken at once.", "一次最多提交 {max} 条。"),
    "external_id_invalid": ("An external id has 1 to {max} characters.", "外部编号应为 1 至 {max} 个字符。"),
    "list_invalid": ("A list of objects is expected.", "应为对象列表。"),
    "parent_invalid": ("Name the parent by id or by externalId.", "请用 id 或 externalId 指定上级记录。"),
    "parent_of_another_customer": ("This record belongs to another customer.", "该记录属于另一位客户。"),
    "rate_missing": (
        "There is no exchange rate for {currency} on {date}. Add one first.",
        "缺少 {currency} 在 {date} 的汇率，请先补充。",
    ),
    "net_and_tax_are_gross": ("Net and tax must add up to gross.", "不含税金额与税额之和应等于含税金额。"),
    "not_total_of_lines": (
        "The contract has lines, and this is not their total. Leave the amount out.",
        "合同已有明细行，该金额与明细合计不符，请不要提交此金额。",
    ),
    "total_of_lines": (
        "The amount must be the sum of the lines, {total}, or be left out.",
        "金额应等于明细合计 {total}，或不填。",
    ),
    "ends_before_start": ("The end must not be before the start.", "结束日期不能早于开始日期。"),
    "follow_up_before_contact": (
        "The next follow-up must come after the interaction.",
        "下次跟进时间应晚于本次互动时间。",
    ),
    "satisfaction_range": ("Satisfaction is a number from 1 to 5.", "满意度应为 1 至 5。"),
    "document_invalid": ("The document is not valid ({problem}).", "文档无效（{problem}）。"),
    "documents_limit": (
        "At most {limit} documents are registered in all. Remove some first.",
        "最多登记 {limit} 个文档，请先移除部分文档。",
    ),
    # Workflows and assignment.
    "unknown_pipeline": ("There is no such pipeline for this type.", "该类型没有此流程。"),
    "no_default_pipeline": ("This type has no default pipeline. Name one.", "该类型没有默认流程，请指定流程。"),
    "requirements_unmet": ("Something is still missing for this stage.", "尚未满足进入该阶段的条件。"),
    "requirement_hidden": ("A requirement you cannot see is not met.", "有一项您无权查看的条件未满足。"),
    "requirement_field": ("{field} must be filled in.", "须填写 {field}。"),
    "requirement_note": ("A note of at least {min} characters is needed.", "须填写不少于 {min} 个字符的说明。"),
    "requirement_reason": ("One of these reasons is needed: {allowed}.", "须选择原因：{allowed}。"),
    "requirement_action": ("The right {action} is needed.", "须具备权限 {action}。"),
    "assignee_missing": ("Name a user or a team.", "请指定用户或团队。"),
    "not_an_assignee": ("A lead is assigned to a user or a team.", "线索只能分配给用户或团队。"),
    "user_not_active": ("This user is not active.", "该用户未启用。"),
    "user_not_in_team": ("This user is not in that team.", "该用户不属于该团队。"),
    # Input values.
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
    # Contact points.
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
    # Exports.
    "export_one_list": (
        "An export is a query of one list with its nodes, such as {{ customers {{ nodes {{ name }} }} }}.",
        "导出须为查询单个列表及其 nodes 的文档，例如 {{ customers {{ nodes {{ name }} }} }}。",
    ),
    "export_columns": ("An export may have at most {limit} columns.", "导出不能超过 {limit} 列。"),
    "exports_waiting": (
        "You have {limit} exports that have not expired. Download one of them instead.",
        "您已有 {limit} 个未过期的导出，请直接下载其中之一。",
    ),
    "exports_busy": (
        "Others are downloading exports now. Try again in a moment.",
        "当前有其他导出正在下载，请稍后重试。",
    ),
    "export_under_way": (
        "You are downloading an export already. Try again when it has ended.",
        "您正在下载另一个导出，请在其完成后重试。",
    ),
    "no_such_export": (
        "There is no such export, or it has expired. Make it again.",
        "导出不存在或已过期，请重新创建。",
    ),
    # Imports.
    "import_encoding": (
        "The file's text encoding is not known. Save it as UTF-8.",
        "无法识别文件编码，请另存为 UTF-8。",
    ),
    "import_same_file": ("The report would overwrite the file itself. Name another.", "报告文件不能与导入文件相同。"),
    "import_empty": ("The file is empty.", "文件为空。"),
    "import_header_missing": (
        "A column is missing: {missing}. The file has: {found}.",
        "缺少列：{missing}。文件中的列：{found}。",
    ),
    "import_header_twice": ("Two columns mean the same field: {columns}.", "有两列对应同一字段：{columns}。"),
    "import_row_shape": (
        "The row has {cells} cells, the header has {columns}. Is a quote or a comma missing?",
        "该行有 {cells} 个单元格，表头有 {columns} 列，请检查引号或逗号。",
    ),
    "import_quote": ("A quotation mark opens here and is not closed.", "引号未闭合。"),
    "import_ambiguous": (
        "Several records fit this row. Add its external id to one of them.",
        "该行对应多条记录，请先为其中一条补充外部编号。",
    ),
    "import_cell_too_long": ("A cell may hold at most {max} characters.", "单元格不能超过 {max} 个字符。"),
    "import_repeated": (
        "This external id stands in row {row} already. Keep one of them.",
        "该外部编号已在第 {row} 行出现，请保留一行。",
    ),
}

PHRASES: Mapping[str, tuple[str, str]] = {
    "preview_gain": ("{users} will gain {fields} on {rows}.", "{users}将可看到 {rows} 的 {fields}。"),
    "preview_gain_masked": (
        "{users} will gain {fields}, masked, on {rows}.",
        "{users}将可看到 {rows} 的 {fields}（脱敏）。",
    ),
    "preview_lose": ("{users} will lose {fields} on {rows}.", "{users}将不再看到 {rows} 的 {fields}。"),
    "preview_lose_masked": (
        "{users} will see {fields} only masked on {rows}.",
        "{users}将只能看到 {rows} 脱敏后的 {fields}。",
    ),
    "preview_gain_write": ("{users} will write {fields} on {rows}.", "{users}将可写入 {rows} 的 {fields}。"),
    "preview_lose_write": (
        "{users} will no longer write {fields} on {rows}.",
        "{users}将不能再写入 {rows} 的 {fields}。",
    ),
    "preview_user": ("1 user", "1 个用户"),
    "preview_users": ("{count} users", "{count} 个用户"),
    "preview_more": ("{count} more fields", "另外 {count} 个字段"),
    "preview_rows": ("{count} {type}", "{count} 条 {type}"),
    "preview_rows_capped": ("{count} {type} or more", "至少 {count} 条 {type}"),
    "preview_uncounted": ("{type} that were not counted in time", "未能及时计数的 {type}"),
    "explain_no_record": ("There is no {type} with this id.", "没有该 id 的 {type}。"),
    "explain_unseen": (
        "{who} does not see this record: no grant on {type} is about it.",
        "{who} 看不到该记录：没有适用于它的 {type} 授权。",
    ),
    "explain_never_seen": (
        "{who} sees no {type}: no grant is about that type.",
        "{who} 看不到任何 {type}：没有该类型的授权。",
    ),
    "explain_hidden": (
        "{who} does not see {field}: no grant on {type} that matches shows it.",
        "{who} 看不到 {field}：适用的 {type} 授权均未包含该字段。",
    ),
    "explain_field": ("{who} sees {field} {level}, by {grants}.", "{who} 对 {field} 的权限为{level}，依据：{grants}。"),
    "explain_field_sometimes": (
        "{who} sees {field} {level} at the most, by {grants}; elsewhere less, or no record at all.",
        "{who} 对 {field} 的权限最高为{level}，依据：{grants}；其他记录权限较低或不可见。",
    ),
    "explain_field_else": (
        "{who} sees {field} {level}, by {grants}, and elsewhere {least}.",
        "{who} 对 {field} 的权限为{level}，依据：{grants}；其他记录为{least}。",
    ),
    "explain_record": ("{who} sees the record, by {grants}.", "{who} 可以看到该记录，依据：{grants}。"),
    "explain_record_sometimes": (
        "{who} sees some {type} records, by {grants}.",
        "{who} 可以看到部分 {type} 记录，依据：{grants}。",
    ),
    "explain_by": ("role {role} on {rows}", "角色 {role}（{rows}）"),
    "explain_by_heir": ("role {role} (inherited by {heirs}) on {rows}", "角色 {role}（由 {heirs} 继承，{rows}）"),
    "level_read": ("in full", "完整可见"),
    "level_lookup": ("masked, but found by its exact value", "脱敏，可按完整值查找"),
    "level_masked": ("masked", "脱敏"),
    "level_hidden": ("not at all", "不可见"),
    "rows_all": ("every record", "全部记录"),
    "rows_own": ("records that they own or work on", "本人负责或协作的记录"),
    "rows_team": ("records of their teams", "所在团队的记录"),
    "rows_team_and_below": ("records of their teams and those below", "所在团队及下级团队的记录"),
    "rows_where": ("records that meet {predicate}", "满足条件 {predicate} 的记录"),
    "grant_gives": ("Role {role} shows it {level} on {rows}.", "角色 {role} 在{rows}上的权限为{level}。"),
    "grant_inherited": (" It is inherited by {heirs}.", "由 {heirs} 继承。"),
    "grant_matches": (" This record is one of them.", "该记录在此范围内。"),
    "grant_matches_not": (" This record is none of them.", "该记录不在此范围内。"),
    "grant_may_match": (
        " Whether this record is one of them depends on who has the role.",
        "该记录是否在此范围内取决于角色的持有人。",
    ),
    "grant_cut": (" The scopes of the client take this away.", "客户端的权限范围不包含此项。"),
    "grant_unreadable": (
        " The condition names what is no longer there, so it holds for no record.",
        "该条件引用的内容已不存在，因此不适用于任何记录。",
    ),
    "grant_empty": (" It names no level that counts.", "该授权未给出任何有效级别。"),
    "idle_nobody_holds": ("Nobody has the role {role}, or one that inherits it.", "没有人持有或继承角色 {role}。"),
    "idle_covered": (
        "Role {role} has or inherits a grant on every record that gives no less than this one on {rows}.",
        "角色 {role} 已有或继承的全部记录授权不低于此项（{rows}）。",
    ),
    "idle_unreadable": (
        "The condition names what is no longer there, so it holds for no record.",
        "该条件引用的内容已不存在，因此不适用于任何记录。",
    ),
    "idle_empty": ("It names no level that counts.", "该授权未给出任何有效级别。"),
}
"""What explanations are put together of, in English and Chinese."""


def render(error: CrmError, locale: Locale) -> str:
    """The message of an error; a key that is not in the catalogue falls back to the text of its class."""
    texts = MESSAGES.get(error.template_key) or MESSAGES.get(error.template) or MESSAGES["internal"]
    return _filled(texts, locale, error.details)


def phrase(key: str, locale: Locale, **details: Any) -> str:
    """A part of an explanation."""
    return _filled(PHRASES[key], locale, details)


def _filled(texts: tuple[str, str], locale: Locale, details: Mapping[str, Any]) -> str:
    shown = _Details((key, _shown(value, locale)) for key, value in details.items())
    return texts[locale == "zh"].format_map(shown)


class _Details(dict[str, str]):
    """An error's details; one that was not given must not turn the error into another."""

    def __missing__(self, key: str) -> str:
        return "…"


def _shown(value: Any, locale: Locale) -> str:
    if isinstance(value, list | tuple | set | frozenset):
        return ("、" if locale == "zh" else ", ").join(str(v) for v in value)
    return str(value)


@lru_cache(maxsize=256)
def locale_of(accept_language: str | None) -> Locale:
    """The better of our two languages for an Accept-Language header (RFC 9110, 12.5.4); else English."""
    best: tuple[float, Locale] = (0.0, "en")
    for item in (accept_language or "")[:1000].split(","):
        tag, _, parameters = item.strip().lower().partition(";")
        primary = tag.partition("-")[0]
        quality = _quality(parameters)
        if primary == "zh" and quality > best[0]:
            best = (quality, "zh")
        elif primary in ("en", "*") and quality > best[0]:
            best = (quality, "en")
    return best[1]


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
