"""Tickets as clients see them."""

from crm_graph.models.tickets import Priority, TicketCategory
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "ticket",
        "What a customer asks of service (工单).",
        {
            "number": "Ticket number (工单号) that people quote. Set by the service.",
            "subject": "What it is about in one line, at most 500 characters.",
            "category": "What sort of request it is.",
            "priority": "How urgent it is.",
            "channel": "The channel it came in on; null if unknown.",
            "product": "Name or model of the product it is about.",
            "serial_number": "Serial number (序列号) of the product.",
            "purchased_on": "Date on which the product was bought.",
            "warranty_until": "Last day of the product's warranty (保修期).",
            "first_response_due_at": "By when the first response is due (SLA), in UTC; null for no deadline.",
            "first_responded_at": "When the first response was given (首次响应), in UTC; null until then.",
            "resolution_due_at": "By when it is to be resolved (SLA), in UTC; null for no deadline.",
            "resolved_at": "When it was resolved, in UTC; null until then. Set by the service.",
            "reopened_count": "How many times it was reopened. Set by the service.",
            "satisfaction": "The customer's rating (满意度) from 1 (worst) to 5 (best); null if not rated.",
            "description": "What the customer asks, in free text of at most 100,000 characters.",
            "resolution": "How it was resolved, in free text of at most 20,000 characters.",
            "customer": "The customer who asks.",
            "contract": "The contract (合同) it falls under; null if there is none.",
            "interactions": "Contacts about the ticket.",
        },
        label=("工单", "Ticket", "Tickets"),
        labels={
            "number": ("工单号", "Number"),
            "subject": ("主题", "Subject"),
            "category": ("工单类别", "Category"),
            "priority": ("优先级", "Priority"),
            "channel": ("来源渠道", "Channel"),
            "product": ("产品", "Product"),
            "serial_number": ("序列号", "Serial number"),
            "purchased_on": ("购买日期", "Purchased on"),
            "warranty_until": ("保修截止日期", "Warranty until"),
            "first_response_due_at": ("首次响应期限", "First response due"),
            "first_responded_at": ("首次响应时间", "First responded at"),
            "resolution_due_at": ("解决期限", "Resolution due"),
            "resolved_at": ("解决时间", "Resolved at"),
            "reopened_count": ("重新打开次数", "Times reopened"),
            "satisfaction": ("满意度", "Satisfaction"),
            "description": ("问题描述", "Description"),
            "resolution": ("解决方案", "Resolution"),
            "customer": ("客户", "Customer"),
            "contract": ("合同", "Contract"),
            "interactions": ("跟进记录", "Interactions"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        Priority,
        "How urgent a ticket is (优先级), least urgent first.",
        {
            "LOW": "Can wait.",
            "NORMAL": "Takes its turn.",
            "HIGH": "Goes before normal ones.",
            "URGENT": "Goes before all others (紧急).",
        },
        labels={
            "LOW": ("低", "Low"),
            "NORMAL": ("普通", "Normal"),
            "HIGH": ("高", "High"),
            "URGENT": ("紧急", "Urgent"),
        },
    ),
    EnumDeclaration(
        TicketCategory,
        "Sorts of requests to service.",
        {
            "ENQUIRY": "A question (咨询).",
            "INSTALLATION": "An installation (安装).",
            "REPAIR": "A repair (维修).",
            "MAINTENANCE": "Regular maintenance (保养).",
            "RETURN": "A return or exchange (退换货).",
            "COMPLAINT": "A complaint (投诉).",
            "BILLING": "A question about an invoice or payment (账单).",
            "OTHER": "Anything else.",
        },
        labels={
            "ENQUIRY": ("咨询", "Enquiry"),
            "INSTALLATION": ("安装", "Installation"),
            "REPAIR": ("维修", "Repair"),
            "MAINTENANCE": ("保养", "Maintenance"),
            "RETURN": ("退换货", "Return"),
            "COMPLAINT": ("投诉", "Complaint"),
            "BILLING": ("账单", "Billing"),
            "OTHER": ("其他", "Other"),
        },
    ),
)
