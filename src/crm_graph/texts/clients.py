"""What is wrong with clients, issuers of tokens, and registered documents."""

from collections.abc import Mapping

TEXTS: Mapping[str, tuple[str, str]] = {
    "client_id_invalid": (
        "A client id has 3 to 64 characters: a-z, 0-9, dot, hyphen, underscore.",
        "客户端编号为 3 到 64 个字符：a-z、0-9、点、连字符、下划线。",
    ),
    "scope_unknown": ("There are no such scopes: {scopes}.", "权限范围不存在：{scopes}。"),
    "client_keys_invalid": (
        "Give 1 to 5 public keys as a JWK set, each with its own kid: EC P-256, RSA of 2048 to 4096 bits, or Ed25519.",
        "请以 JWK 集给出 1 至 5 个公钥，每个有各自的 kid：EC P-256、2048 至 4096 位的 RSA 或 Ed25519。",
    ),
    "client_beyond_you": (
        "The client may do {actions}, which you may not: only who does manages it.",
        "该客户端拥有您没有的管理权（{actions}），只有具备该权限的人才能管理它。",
    ),
    "client_cost_negative": ("A budget is 0, which has no end, or more.", "额度不能小于 0，0 表示不限。"),
    "clients_limit": (
        "There are {limit} clients, which is the most. Remove one first.",
        "客户端已达上限 {limit} 个，请先移除一个。",
    ),
    "client_removed": ("The client was removed.", "该客户端已移除。"),
    "client_account_is_a_person": (
        "The client acts as a person; its roles are that person's.",
        "该客户端以个人账号行事，其角色属于该人员。",
    ),
    "client_keys_last": (
        "The client has no secret that stays. Give it one before its keys go.",
        "该客户端没有长期有效的密钥（secret），请先生成一个，再移除公钥。",
    ),
    "client_secrets_limit": (
        "A client has at most {limit} secrets. Retire one first.",
        "客户端最多有 {limit} 个密钥，请先停用一个。",
    ),
    "client_secrets_last": (
        "The client would be left without a secret that stays. Add one first.",
        "客户端将没有长期有效的密钥，请先生成新密钥。",
    ),
    "issuers_limit": ("There are {limit} issuers already.", "登录提供方已达 {limit} 个上限。"),
    "issuer_url_invalid": (
        "Give the issuer's address as its tokens name it: https, without query and fragment.",
        "请填写令牌中的签发者地址：https 开头，不含查询参数和片段。",
    ),
    "issuer_text_invalid": (
        "This is compared to the letter: 1 to {max} printable characters.",
        "该值会逐字比较，应为 1 至 {max} 个可打印字符。",
    ),
    "issuer_algorithms_invalid": ("Only these algorithms are taken: {algorithms}.", "仅支持以下算法：{algorithms}。"),
    "client_account_is_no_person": ("This user is no person.", "该用户不是人员账号。"),
    "issuer_scope_invalid": ("A sign-in asks for the scope openid.", "登录须请求 openid 范围。"),
    "issuer_leeway_invalid": ("Give 0 to {max} seconds.", "应为 0 至 {max} 秒。"),
    "team_unknown": ("There is no one team of this key: {teams}.", "没有唯一对应的团队：{teams}。"),
    "role_unknown": ("There is no such role: {roles}.", "角色不存在：{roles}。"),
    "document_invalid": ("The document is not valid ({problem}).", "文档无效（{problem}）。"),
    "documents_limit": (
        "At most {limit} documents are registered in all. Remove some first.",
        "最多登记 {limit} 个文档，请先移除部分文档。",
    ),
}
