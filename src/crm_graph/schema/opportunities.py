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
            "tasks": "Tasks (任务) about the deal.",
        },
        label=("商机", "Opportunity", "Opportunities"),
        labels={
            "name": ("商机名称", "Name"),
            "source_channel": ("来源渠道", "Source channel"),
            "campaign": ("市场活动", "Campaign"),
            "product_interest": ("意向产品", "Product of interest"),
            "competitor": ("竞争对手", "Competitor"),
            "currency": ("币种", "Currency"),
            "amount": ("预计金额", "Amount"),
            "cost": ("预计成本", "Cost"),
            "probability": ("赢率", "Probability"),
            "forecast_category": ("预测类别", "Forecast category"),
            "expected_close_on": ("预计成交日期", "Expected close"),
            "closed_at": ("关闭时间", "Closed at"),
            "loss_reason": ("丢单原因", "Loss reason"),
            "loss_note": ("丢单说明", "Loss note"),
            "next_step": ("下一步计划", "Next step"),
            "next_step_on": ("下一步日期", "Next step due"),
            "description": ("备注", "Description"),
            "customer": ("客户", "Customer"),
            "lead": ("来源线索", "Lead"),
            "interactions": ("跟进记录", "Interactions"),
            "contracts": ("合同", "Contracts"),
            "tasks": ("任务", "Tasks"),
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
        labels={
            "PIPELINE": ("进行中", "Pipeline"),
            "BEST_CASE": ("乐观预计", "Best case"),
            "COMMIT": ("承诺", "Commit"),
            "OMITTED": ("不计入", "Omitted"),
        },
    ),
)
