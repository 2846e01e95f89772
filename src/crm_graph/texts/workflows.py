"""What keeps a record from a stage, and from being assigned."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "unknown_pipeline": ("There is no such pipeline for this type.", "该类型没有此流程。"),
    "no_default_pipeline": ("This type has no default pipeline. Name one.", "该类型没有默认流程，请指定流程。"),
    "requirements_unmet": ("Something is still missing for this stage.", "尚未满足进入该阶段的条件。"),
    "requirement_hidden": ("A requirement you cannot see is not met.", "有一项您无权查看的条件未满足。"),
    "requirement_field": ("{field} must be filled in.", "须填写 {field}。"),
    "requirement_note": ("A note of at least {min} characters is needed.", "须填写不少于 {min} 个字符的说明。"),
    "requirement_reason": ("One of these reasons is needed: {allowed}.", "须选择原因：{allowed}。"),
    "requirement_action": ("The right {action} is needed.", "须具备权限 {action}。"),
    "assignee_missing": ("Name a user or a team.", "请指定用户或团队。"),
    "not_an_assignee": ("Only a user or a team can be assigned.", "只能分配给用户或团队。"),
    "user_not_active": ("This user is not active.", "该用户未启用。"),
    "user_not_in_team": ("This user is not in that team.", "该用户不属于该团队。"),
}
