// What the page of explanations says. In English and Chinese.

export default {
  explain: ["Explain", "权限解释"],
  explainHint: ["Which grant decides what somebody sees of a type, a field or a record, and who else sees it.", "哪条授权决定了某人能看到某类型、字段或记录的多少，以及还有谁能看到。"],
  who: ["Who", "对象"],
  aRole: ["Role", "角色"],
  aClient: ["Client ID", "客户端 ID"],
  fieldHint: ["Empty: the record as a whole.", "留空表示整条记录。"],
  recordHint: ["Empty: records in general.", "留空表示一般情况。"],
  ask: ["Explain", "解释"],
  verdict: ["Verdict", "结论"],
  grantsOf: ["Grants on this type", "此类型的授权"],
  decides: ["decides", "起决定作用"],
  matches: ["Matches", "是否适用"],
  depends: ["depends", "视情况"],
  inWords: ["In words", "说明"],
  report: ["Who sees this field", "谁能看到此字段"],
  usersHave: ["Have it", "拥有人数"],
  idle: ["Grants that do nothing", "不起作用的授权"],
  noGrantsOn: ["No grant on this type.", "此类型没有授权。"],
};
