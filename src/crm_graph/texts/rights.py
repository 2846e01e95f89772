"""What is wrong with an edit of rights, and with asking why somebody sees something."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
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
        "The role does not read this in full on every record that it sees, so no records can be picked by it.",
        "该角色并非在其可见的每条记录上都能完整读取此项，因此不能用它来限定记录。",
    ),
    "role_left_unread": (
        "The role {role} picks its records by what it could no longer read. Change its conditions first.",
        "角色 {role} 用以限定记录的字段将不可读取，请先修改其条件。",
    ),
    "last_approvers": (
        "Two people who edit rights and approve them have to be left. Appoint another first, or use crm-graph rights.",
        "须保留两位可修改并批准权限的人员。请先指定另一位，或由运维人员使用 crm-graph rights。",
    ),
    "proposal_expired": ("Nobody decided this in time. Propose it again.", "该申请已过期，请重新提出。"),
    "foreign_proposal": ("Somebody else proposed this; you may reject it.", "该申请由他人提出，您可以拒绝它。"),
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
    "user_is_service": (
        "This is the account of a client, not a person. Suspend or remove the client.",
        "该用户是客户端的服务账号，不是人员，请停用或移除该客户端。",
    ),
    "username_taken": ("Another user has this name.", "该用户名已被使用。"),
    "username_reserved": ("Names that begin so are the system's own.", "该开头的用户名保留给系统使用。"),
    "directory_seen_in_part": (
        "Teams and users are run by who sees all of them, and who may act.",
        "只有能看到全部团队和用户及其状态的人才能管理它们。",
    ),
    "own_teams": (
        "Nobody brings themselves to more teams (separation of duties). Ask another administrator.",
        "不能扩大自己所在团队的范围（三权分立），请由另一位管理员操作。",
    ),
    "team_key_invalid": (
        "A team's key has letters, digits, underscores, hyphens and dots, no spaces or slashes.",
        "团队标识由字母、数字、下划线、连字符和点组成，不含空格和斜线。",
    ),
    "team_exists": ("There is a team with this key in the same place already.", "同一位置已有相同标识的团队。"),
    "team_below_itself": ("A team cannot lie below itself.", "团队不能位于其自身之下。"),
    "teams_too_deep": ("Teams lie at most {limit} deep.", "团队最多 {limit} 层。"),
    "teams_moved_limit": (
        "More than {limit} teams lie below this one. Move those first.",
        "该团队之下的团队超过 {limit} 个，请先移动它们。",
    ),
    "parent_archived": ("The team above is archived. Restore it first.", "上级团队已归档，请先恢复。"),
    "team_has_teams": (
        "There are teams below this one: {teams}. Move or archive them first.",
        "该团队之下还有团队：{teams}，请先移动或归档它们。",
    ),
    "team_has_members": (
        "{count} users are of this team. Take them out of it first.",
        "该团队还有 {count} 名成员，请先移出。",
    ),
    "team_claimed": (
        "Claims of these issuers lead to a team of this key: {issuers}. Take it out of their role maps first.",
        "以下身份提供方的声明指向此标识的团队：{issuers}，请先从其角色映射中移除。",
    ),
    "team_comes_back": (
        "The issuer {issuer} says so, and would again. Take it there.",
        "该成员关系由身份提供方 {issuer} 给出，移除后会再次加入，请在该提供方处移除。",
    ),
    "user_is_system": ("This user is a job of the system itself.", "该用户是系统任务。"),
    "unknown_action": ("There is no such action.", "该操作不存在。"),
    "unknown_role": ("There is no such role.", "该角色不存在。"),
    "unknown_type": ("There is no such type.", "该类型不存在。"),
    "unknown_write": ("A data class or field:name is expected.", "应为数据类别或 field:名称。"),
    "field_not_writable": ("No client can write this field.", "客户端不能写入该字段。"),
    "written_but_hidden": ("A field can be written only where the grant shows it.", "授权未显示的字段不可写入。"),
    "explain_whom": ("Name one of role, user and client.", "role、user、client 必须且只能提供一个。"),
    "explain_user": ("There is no active user with this id.", "没有该 id 的在职用户。"),
    "explain_client": ("There is no active client with this id.", "没有该编号的有效客户端。"),
    "role_not_simulated": (
        "There is no such role that you may simulate.",
        "没有您可以模拟的该角色。",
    ),
    "simulation_reads": ("As a simulated role you can only ask queries.", "模拟角色时只能执行查询。"),
}
