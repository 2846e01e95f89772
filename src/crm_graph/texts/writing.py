"""What is wrong with a change of records."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
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
    "job_running": ("The job runs right now. Wait until it has ended.", "该任务正在执行，请等它结束。"),
    "task_closed": ("The task is done or cancelled already.", "任务已完成或已取消。"),
    "task_open": ("The task is open.", "任务尚未完成。"),
    "satisfaction_range": ("Satisfaction is a number from 1 to 5.", "满意度应为 1 至 5。"),
}
