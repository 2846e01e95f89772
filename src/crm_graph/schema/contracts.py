"""Contracts and their lines as clients see them."""

from crm_graph.models.contracts import ContractKind
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "contract",
        "A contract with a customer (合同); net and tax make gross (不含税 + 税额 = 含税).",
        {
            "number": "Contract number (合同编号) that people quote; never changes.",
            "title": "What the contract is about in one line, at most 500 characters.",
            "kind": "What sort of contract it is.",
            "service_level": "Name of the agreed service level; null if none is agreed.",
            "signed_on": "Date of signature (签订日期); null until it is signed.",
            "starts_on": "First day of the term.",
            "ends_on": "Last day of the term; null for an open end.",
            "auto_renew": "Whether it renews by itself at its end (自动续约).",
            "renewal_notice_days": "How many days before its end notice has to be given.",
            "currency": "ISO 4217 code of the contract's amounts; CNY if nothing is said.",
            "net_amount": "Amount without tax (不含税), in the contract's currency; the sum of the lines, if any.",
            "tax_amount": "Tax (税额), in the contract's currency; the sum of the lines, if any.",
            "gross_amount": "Amount with tax (含税), in the contract's currency; the sum of the lines, if any.",
            "received_amount": "Paid by the customer so far (回款), in the contract's currency. Set by the service.",
            "cost": "Cost to the company (成本), in the contract's currency; null while unknown.",
            "payment_terms": "When and how the customer pays (付款条件), at most 500 characters.",
            "invoice_title": "Name that invoices are made out to (发票抬头).",
            "tax_id": "The customer's tax id on invoices (税号).",
            "bank_name": "Bank and branch of the account (开户行).",
            "bank_account": "Bank account number (银行账号).",
            "terms": "Text of the terms (合同条款), at most 100,000 characters.",
            "customer": "The customer it is with.",
            "opportunity": "The opportunity (商机) it came from; null if there was none.",
            "lines": "What is sold, line by line (合同明细), at most 200.",
            "tickets": "Service tickets (工单) that fall under it.",
        },
    ),
    TypeDeclaration(
        "contract_line",
        "One line of a contract (合同明细).",
        {
            "position": "Place of the line in its contract, lowest first. Set by the service.",
            "sku": "Stock-keeping unit (SKU) of what is sold.",
            "name": "Name of what is sold.",
            "quantity": "How many units, above 0, with up to three decimals.",
            "unit": "Unit of the quantity, such as 台.",
            "currency": "ISO 4217 code of the line's amounts, that of its contract. Set by the service.",
            "unit_price": "Price of one unit without tax, before the discount (不含税单价), in the line's currency.",
            "discount_rate": "Discount, a fraction from 0 to 1: 0.1 takes off 10 percent; 0 if nothing is said.",
            "tax_rate": "Tax rate (税率), a fraction from 0 to 1; 0.13 if nothing is said.",
            "net_amount": "Quantity x unit price x (1 - discount rate), without tax (不含税). Set by the service.",
            "tax_amount": "Net amount x tax rate (税额), in the line's currency. Set by the service.",
            "gross_amount": "Net amount + tax amount (含税), in the line's currency. Set by the service.",
            "unit_cost": "Cost of one unit to the company (单位成本), in the line's currency; null while unknown.",
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        ContractKind,
        "Sorts of contracts.",
        {
            "SALE": "A sale of goods (销售合同).",
            "FRAMEWORK": "Terms for later orders (框架协议).",
            "SERVICE": "Services (服务合同).",
            "MAINTENANCE": "Maintenance of installed products (维保合同).",
            "LEASE": "A lease (租赁合同).",
        },
    ),
)
