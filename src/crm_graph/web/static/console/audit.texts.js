// What the page of audited reads says. In English and Chinese.

export default {
  audit: ["Audit", "审计"],
  auditHint: ["Reads that matter: who was told of what. What they were told is not kept.", "重要的读取：谁、何时、读取了什么。读到的内容本身不保存。"],
  whoRead: ["Who", "读取人"],
  whatRead: ["What", "读取方式"],
  customerId: ["Customer ID", "客户 ID"],
  customer: ["Customer", "客户"],
  sameValue: ["Same value", "相同的值"],
  noReads: ["Nothing was read so.", "没有这样的读取。"],
  read_looked_up: ["Looked up", "按值查找"],
  read_unmasked: ["Unmasked", "查看明文"],
  read_duplicate_checked: ["Duplicates checked", "查重"],
  read_paged: ["Paged in bulk", "批量翻页"],
  read_explained: ["Explained", "权限解释"],
  "read_role.simulated": ["Role simulated", "角色视角"],
  "read_role.previewed": ["Role previewed", "角色预览"],
  "read_export.created": ["Export made", "创建导出"],
  "read_export.started": ["Export started", "开始导出"],
  "read_export.downloaded": ["Export downloaded", "下载导出"],
  howMany: ["Records", "条数"],
  notes: ["Notes", "备注"],
};
