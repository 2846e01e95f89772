"""What explanations and previews of rights are put together of."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
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
    "preview_some": ("some of {count} {type}", "{count} 条 {type} 中的一部分"),
    "preview_some_capped": ("some of {count} {type} or more", "至少 {count} 条 {type} 中的一部分"),
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
    "rows_where": ("records where {condition}", "满足{condition}的记录"),
    "rows_unreadable": ("records that meet {predicate}", "满足条件 {predicate} 的记录"),
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
