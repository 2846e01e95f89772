// What the page of people says. In English and Chinese.

export default {
  people: ["People", "人员"],
  giveRole: ["Give a role", "授予角色"],
  give: ["Give", "授予"],
  takeRole: ["Take {role} from {name}", "从{name}收回{role}"],
  untilHint: ["Your time; leave empty for no end.", "按您的时区；留空表示不到期。"],
  ended: ["ended {when}", "已于 {when} 到期"],
  origin: ["from {origin}", "来自 {origin}"],
  holdersOf: ["With role", "拥有角色"],
  anyRole: ["Any", "不限"],
  gave: ["{name} has the role {role}.", "{name}已拥有角色{role}。"],
  took: ["{name} no longer has the role {role}.", "已从{name}收回角色{role}。"],
  LEFT: ["Left", "已离开"],
  SERVICE: ["service account", "服务账号"],
  SYSTEM: ["system", "系统"],
  PERSON: ["person", "人员"],
};
