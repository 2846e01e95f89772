"""Users as clients see them."""

from crm_graph.models.users import UserKind, UserStatus
from crm_graph.schema.declarations import EnumDeclaration, TypeDeclaration

TYPES = (
    TypeDeclaration(
        "user",
        "Whoever acts here: a person, the service account of a client, or a system job.",
        {
            "kind": "Whether it is a person, a service account or a system job; never changes.",
            "status": "Whether the user may act.",
            "username": "Name to sign in with; never changes.",
            "name": "Name that colleagues see.",
            "job_title": "Job title (职务).",
            "email": "E-mail address at work, in lower case.",
            "phone": "Phone number at work in E.164 where it has one, with `;ext=` if any.",
            "locale": "BCP 47 tag of the language the user works in; `zh-CN` if nothing is said.",
            "time_zone": "IANA time zone of the user; `Asia/Shanghai` if nothing is said.",
            "teams": "Teams the user belongs to, at most 200.",
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
    ),
    EnumDeclaration(
        UserStatus,
        "Whether a user may act.",
        {
            "ACTIVE": "May act.",
            "SUSPENDED": "May not act for the time being (停用).",
            "LEFT": "Has left the company (离职) and may not act.",
        },
    ),
)
