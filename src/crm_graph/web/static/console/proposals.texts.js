// What is said of edits that wait for a second approver. In English and Chinese.

export default {
  waiting: [{ one: "{n} edit waits for a second approver", other: "{n} edits wait for a second approver" }, "{n} 项修改等待他人批准"],
  approve: ["Approve", "批准"],
  reject: ["Reject", "拒绝"],
  takeBack: ["Take back", "撤回"],
  verb_createRole: ["New role {role}", "新建角色 {role}"],
  verb_updateRole: ["{role}: names, inherited roles, actions", "{role}：名称、继承、操作权限"],
  verb_cloneRole: ["New role {as}, a clone of {role}", "由{role}复制新角色 {as}"],
  verb_setGrants: ["{role}: grants", "{role}：授权"],
  verb_resetRole: ["{role}: reset", "{role}：恢复默认"],
  verb_removeRole: ["{role}: remove", "{role}：删除"],
  verb_grantRole: ["{user} gets the role {role} {until}", "授予{user}角色{role} {until}"],
  verb_moveTeam: ["Team {team} moves below {parent}", "将团队{team}移到{parent}之下"],
  verb_addTeamMembers: ["{users} join the team {team}", "{users}加入团队{team}"],
  verb_reinstateUser: ["{user} acts again", "恢复{user}"],
  verb_registerClient: ["New client {client}", "新建客户端 {client}"],
  verb_updateClient: ["Client {client}: change", "修改客户端 {client}"],
  verb_reinstateClient: ["Client {client}: resume", "恢复客户端 {client}"],
  verb_rotateClientSecret: ["Client {client}: new secret {secret}", "客户端 {client}：新密钥 {secret}"],
  verb_linkIdentity: ["{user} signs in at {issuer} as {subject}", "{user} 以 {subject} 在 {issuer} 登录"],
  verb_saveIssuer: ["Issuer {url}: {parts}", "签发者 {url}：{parts}"],
};
