"""Tasks as clients see them."""

from crm_graph.models.tasks import TaskKind, TaskStatus
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "task",
        "What its owner is to do (任务); without an owner, anybody of its team may take it.",
        {
            "title": "What is to be done in one line, at most 500 characters.",
            "kind": "What sort of task it is.",
            "priority": "How urgent it is.",
            "status": "Whether it is still to be done. Set by the service.",
            "due_at": "By when it is to be done (截止时间), in UTC; null for no deadline.",
            "remind_at": "When to be reminded of it (提醒时间), in UTC; null for no reminder.",
            "closed_at": "When it was done or cancelled, in UTC; null while it is open. Set by the service.",
            "body": "What is to be done in more words, at most 20,000 characters.",
            "outcome": "What came of it, in the words of who did it, at most 20,000 characters. Set by the service.",
            "customer": "The customer whom it is about; null if there is none.",
            "lead": "The lead (线索) that it is about; null if there is none.",
            "opportunity": "The opportunity (商机) that it is about; null if there is none.",
            "ticket": "The ticket (工单) that it is about; null if there is none.",
            "contract": "The contract (合同) that it is about; null if there is none.",
            "interaction": "The interaction that it comes from or is about; a FOLLOW_UP is the next follow-up of it.",
        },
        label=("任务", "Task", "Tasks"),
        labels={
            "title": ("任务标题", "Title"),
            "kind": ("任务类型", "Kind"),
            "priority": ("优先级", "Priority"),
            "status": ("状态", "Status"),
            "due_at": ("截止时间", "Due"),
            "remind_at": ("提醒时间", "Reminder"),
            "closed_at": ("关闭时间", "Closed at"),
            "body": ("任务内容", "Details"),
            "outcome": ("完成情况", "Outcome"),
            "customer": ("客户", "Customer"),
            "lead": ("线索", "Lead"),
            "opportunity": ("商机", "Opportunity"),
            "ticket": ("工单", "Ticket"),
            "contract": ("合同", "Contract"),
            "interaction": ("跟进记录", "Interaction"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        TaskKind,
        "Sorts of tasks.",
        {
            "TODO": "Anything to be done (待办).",
            "FOLLOW_UP": "To follow up with a customer or lead (跟进).",
            "CALL": "A phone call to make (电话).",
            "EMAIL": "An e-mail to write (邮件).",
            "MEETING": "A meeting to hold (会议).",
            "VISIT": "A visit to pay (拜访).",
        },
        labels={
            "TODO": ("待办", "To do"),
            "FOLLOW_UP": ("跟进", "Follow-up"),
            "CALL": ("电话", "Call"),
            "EMAIL": ("邮件", "E-mail"),
            "MEETING": ("会议", "Meeting"),
            "VISIT": ("拜访", "Visit"),
        },
    ),
    EnumDeclaration(
        TaskStatus,
        "Whether a task is still to be done.",
        {
            "OPEN": "To be done (待处理).",
            "DONE": "Done (已完成).",
            "CANCELLED": "Not to be done any more (已取消).",
        },
        labels={
            "OPEN": ("待处理", "Open"),
            "DONE": ("已完成", "Done"),
            "CANCELLED": ("已取消", "Cancelled"),
        },
    ),
)
