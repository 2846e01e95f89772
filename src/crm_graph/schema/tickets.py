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
    ),
)
