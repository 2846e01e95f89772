"""What answers say of budgets in headers: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10)."""

from functools import lru_cache

from crm_graph.errors import RateLimited
from crm_graph.permissions.budgets import PERIOD_S

Headers = tuple[tuple[bytes, bytes], ...]


def quota(per_minute: int, remaining: int | None) -> Headers:
    """The headers of an answer that was charged for; none for a budget without an end."""
    if remaining is None:
        return ()
    return _policy(per_minute), (b"ratelimit", b'"cost";r=%d' % remaining)


def spent(refusal: RateLimited) -> Headers:
    """The headers of a request that the budget did not allow, among them Retry-After (RFC 9110, 10.2.3)."""
    wait, name = refusal.details["retry_after"], refusal.details.get("policy")
    return (
        _policy(refusal.details["limit"]) if name is None else _policy_of(name, refusal.details["limit"]),
        (b"ratelimit", b'"%b";r=0;t=%d' % ((name or "cost").encode(), wait)),
        (b"retry-after", b"%d" % wait),
    )


@lru_cache(maxsize=256)
def _policy(per_minute: int) -> tuple[bytes, bytes]:
    return b"ratelimit-policy", b'"cost";q=%d;w=%d;qu="cost"' % (per_minute, PERIOD_S)


def _policy_of(name: str, per_minute: int) -> tuple[bytes, bytes]:
    """The policy of an allowance, which counts requests."""
    return b"ratelimit-policy", b'"%b";q=%d;w=%d' % (name.encode(), per_minute, PERIOD_S)
