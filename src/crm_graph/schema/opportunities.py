"""Opportunities as clients see them."""

from crm_graph.models.opportunities import ForecastCategory
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "opportunity",
        "A deal that may be won (商机).",
        {
            "name": "Short name of the deal.",
            "source_channel": "Where the deal came from (来源渠道).",
            "campaign": "Name or code of the campaign that brought it.",
            "product_interest": "The product it is about (意向产品).",
            "competitor": "The competitor (竞争对手) in the deal.",
            "currency": "ISO 4217 code of the deal's amounts; CNY if nothing is said.",
            "amount": "Expected value of the deal (预计金额), in the deal's currency; null while unknown.",
            "cost": "Expected cost to the company (成本), in the deal's currency; null while unknown.",
            "probability": "Probability of winning (赢率), a fraction from 0 to 1; null while not estimated.",
            "forecast_category": "How the deal counts in the sales forecast (销售预测).",
            "expected_close_on": "Date on which the deal is expected to close (预计成交日期).",
            "closed_at": "When it was won or lost, in UTC; null while open. Set by the service.",
            "loss_reason": "Key of the reason why it was lost (丢单原因); null unless lost. Set by the service.",
            "loss_note": "What was noted about the loss, at most 20,000 characters. Set by the service.",
            "next_step": "What is to be done next (下一步), at most 500 characters.",
            "next_step_on": "Date on which the next step is due.",
            "description": "Free text about the deal, at most 20,000 characters.",
            "customer": "The customer it is with.",
            "lead": "The lead (线索) it came from; null if there was none.",
            "interactions": "Contacts about the deal.",
            "contracts": "Contracts (合同) that came from it.",
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        ForecastCategory,
        "How a deal counts in the sales forecast (销售预测).",
        {
            "PIPELINE": "Open, and not yet to be counted on.",
            "BEST_CASE": "Won if things go well.",
            "COMMIT": "Counted on.",
            "OMITTED": "Left out of the forecast.",
        },
    ),
)
