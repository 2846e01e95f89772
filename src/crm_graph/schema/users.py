"""Users as clients see them."""

from crm_graph.models.users import UserKind, UserStatus
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "user",
        "Whoever acts here: a person, the service account of a client, or a system job.",
        {
            "kind": "Whether it is a person, a service account or a system job; never changes. Set by the service.",
            "status": "Whether the user may act: `suspendUser`, `userLeft`, `reinstateUser`. Set by the service.",
            "username": "Name to sign in with; never changes.",
            "name": "Name that colleagues see.",
            "job_title": "Job title (职务).",
            "email": "E-mail address at work, in lower case.",
            "phone": "Phone number at work in E.164 where it has one, with `;ext=` if any.",
            "locale": "BCP 47 tag of the language the user works in; `zh-CN` if nothing is said.",
            "time_zone": "IANA time zone of the user; `Asia/Shanghai` if nothing is said.",
            "teams": "Teams the user belongs to, at most 200.",
        },
        label=("用户", "User", "Users"),
        labels={
            "kind": ("用户类型", "Kind"),
            "status": ("状态", "Status"),
            "username": ("用户名", "User name"),
            "name": ("姓名", "Name"),
            "job_title": ("职务", "Job title"),
            "email": ("工作邮箱", "E-mail"),
            "phone": ("工作电话", "Phone"),
            "locale": ("语言", "Language"),
            "time_zone": ("时区", "Time zone"),
            "teams": ("所属团队", "Teams"),
        },
    ),
)

ENUMS = (
    EnumDeclaration(
        UserKind,
        "Sorts of users.",
        {
            "PERSON": "A person who works for the company.",
            "SERVICE": "The service account of an OAuth client.",
            "SYSTEM": "A named job of the system itself.",
        },
        labels={
            "PERSON": ("员工", "Person"),
            "SERVICE": ("服务账号", "Service account"),
            "SYSTEM": ("系统任务", "System job"),
        },
    ),
    EnumDeclaration(
        UserStatus,
        "Whether a user may act.",
        {
            "ACTIVE": "May act.",
            "SUSPENDED": "May not act for the time being (停用).",
            "LEFT": "Has left the company (离职) and may not act.",
        },
        labels={
            "ACTIVE": ("在职", "Active"),
            "SUSPENDED": ("停用", "Suspended"),
            "LEFT": ("离职", "Left"),
        },
    ),
)
