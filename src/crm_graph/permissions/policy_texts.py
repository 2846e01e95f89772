"""What built-in roles are for, in Chinese; in English it stands in the policy table and is stored with the role."""

from crm_graph.permissions.policy import DEFAULT_ROLES
from crm_graph.permissions.rules import EVERYONE

CHINESE = {
    EVERYONE: "每个登录的人都能看到的：这里有哪些同事，有哪些流程。",
    "sales": "自己负责和协作的记录；公海客户在领取之前，名称与联系方式脱敏。",
    "sales_manager": "同销售，范围为本团队及下级团队的记录；可看自己商机的成本。",
    "service": "自己队列的工单；可见所有客户的名称，电话在有未结工单关联该客户时可见。",
    "finance": "所有客户与合同的开票、收款信息；个人客户的电话和邮箱脱敏，不看沟通内容。",
    "marketing": "企业客户及其指标，联系方式脱敏；在有可依据的同意之前，不看个人客户。",
    "crm_manager": "所有客户、线索、商机和工单，含联系方式与指标；不看银行信息与合规（KYC）信息。",
    "analyst": "所有记录的事实、金额与指标；个人身份脱敏，不看联系方式与内容。",
    "auditor": "谁能看到什么、为什么，以及谁看过什么；看不到记录本身。",
    "erp": "同步客户与合同：带有来源 `erp` 标识的记录完整可见，其余只见用于匹配的信息。",
    "commerce": "同步客户：带有来源 `shop` 标识的记录完整可见；其余须按完整号码或地址查找。",
    "call_centre": "同步通话：自己的通话和带有来源 `call_centre` 标识的记录完整可见；按完整号码查找来电人。",
    "admin": "用户、团队、角色和客户端。管理权限不等于拥有数据（三权分立）。",
}
_BY_ENGLISH = {DEFAULT_ROLES[key].description: text for key, text in CHINESE.items()}


def in_chinese(description: str) -> str:
    """What a role is for, of one that is described as the hub does; what people wrote stays as they wrote it."""
    return _BY_ENGLISH.get(description, description)
