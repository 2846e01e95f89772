"""Leads as clients see them."""

from crm_graph.models.leads import Intent
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "lead",
        "Possible business that is not yet an opportunity (线索).",
        {
            "name": "Full name of the person to talk to.",
            "company_name": "Name of the person's company.",
            "job_title": "The person's job title.",
            "phone": "Phone number in E.164 where it has one, with `;ext=` if any.",
            "email": "E-mail address in lower case.",
            "wechat_id": "WeChat id (微信号).",
            "source_channel": "Where the lead came from (来源渠道).",
            "campaign": "Name or code of the campaign that brought it.",
            "province": "Province or state.",
            "city": "City.",
            "industry": "Industry, such as 零售.",
            "product_interest": "The product it is about (意向产品).",
            "intent": "How strongly it means to buy (意向度); null while not judged.",
            "score": "Lead score from 0 (cold) to 100 (hot); null while not scored. Set by the service.",
            "currency": "ISO 4217 code of the lead's amounts; CNY if nothing is said.",
            "budget": "Budget (预算), in the lead's currency; null while unknown.",
            "need": "What is needed, in free text of at most 20,000 characters.",
            "follow_up_due_at": "By when the owner has to follow up (跟进期限), in UTC; null for no deadline.",
            "last_contacted_at": "When it was last contacted, in UTC; null before the first contact.",
            "assigned_at": "When it was last given to an owner, in UTC; null before that. Set by the service.",
            "assignment_reason": "Why it was given to this owner (分配原因). Set by the service.",
            "pool_state": "Whether the lead has an owner or lies in the public pool (公海). Set by the service.",
            "pooled_at": "When it went into the public pool (公海), in UTC; null outside it. Set by the service.",
            "disqualification_reason": "Key of the reason why it was given up (无效原因). Set by the service.",
            "converted_at": "When it was converted (转化), in UTC; null until then. Set by the service.",
            "customer": "The customer it belongs to or became; null while there is none.",
            "interactions": "Contacts about the lead.",
            "opportunities": "Opportunities (商机) that came from it.",
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        Intent,
        "How strongly a lead means to buy (意向度).",
        {
            "LOW": "Low intent (低意向).",
            "MEDIUM": "Medium intent (中意向).",
            "HIGH": "High intent (高意向).",
        },
    ),
)
