"""Errors that callers see: one base with a stable code, a subclass for each thing that can be wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

Path = Sequence[str | int]


class CrmError(Exception):
    """What a caller is told. `code` never changes; `message` is a template of the catalogue in `texts/`,
    filled with `details`; `path` leads to the offending input.
    """

    code: ClassVar[str] = "INTERNAL"
    template: ClassVar[str] = "internal"

    def __init__(self, template: str | None = None, /, *, path: Path = (), **details: Any) -> None:
        self.template_key = template or self.template
        self.path = tuple(path)
        self.details: Mapping[str, Any] = details
        super().__init__(f"{self.code} {self.template_key} {details}")

    def at(self, *prefix: str | int) -> "CrmError":
        """The same error with its path led from further out."""
        self.path = (*prefix, *self.path)
        return self


class UserFault(CrmError):
    """What the user can correct; becomes the `errors` of a mutation's payload."""


class Invalid(UserFault):
    code = "INVALID"
    template = "invalid"


class Required(UserFault):
    code = "REQUIRED"
    template = "required"


class NotFound(UserFault):
    """The record does not exist, or not for this asker: the two are never told apart."""

    code = "NOT_FOUND"
    template = "not_found"


class Conflict(UserFault):
    code = "CONFLICT"
    template = "conflict"


class StageNotAllowed(UserFault):
    code = "STAGE_NOT_ALLOWED"
    template = "stage_not_allowed"


class Duplicate(UserFault):
    code = "DUPLICATE"
    template = "duplicate"


class LimitReached(UserFault):
    code = "LIMIT_REACHED"
    template = "limit_reached"


class MaskedValue(UserFault):
    code = "MASKED_VALUE"
    template = "masked_value"


class RuleViolated(UserFault):
    code = "RULE_VIOLATED"
    template = "rule_violated"


class RequestFault(CrmError):
    """The request as a whole is refused before anything runs."""

    status: ClassVar[int] = 400


class ParseFailed(RequestFault):
    code = "PARSE_FAILED"
    template = "parse_failed"


class MalformedRequest(ParseFailed):
    """What was sent is no GraphQL request at all, whatever media type is asked for."""


class ValidationFailed(RequestFault):
    code = "VALIDATION_FAILED"
    template = "validation_failed"


class BadVariables(RequestFault):
    code = "BAD_VARIABLES"
    template = "bad_variables"


class CostExceeded(RequestFault):
    code = "COST_EXCEEDED"
    template = "cost_exceeded"


class DocumentNotTrusted(RequestFault):
    """A document that is not among those that clients may name, or that they must."""

    code = "DOCUMENT_NOT_TRUSTED"
    template = "document_not_trusted"


class FeedReset(RequestFault):
    """The place in the feed that a cursor is of is not to be had any more: the reader begins anew."""

    code = "FEED_RESET"
    template = "feed_reset"


class Unauthenticated(RequestFault):
    code = "UNAUTHENTICATED"
    template = "unauthenticated"
    status = 401


class RateLimited(RequestFault):
    """The budget is spent; `retry_after` in its details is how many seconds it takes to have enough again, `limit` what
    flows into it in a minute.
    """

    code = "RATE_LIMITED"
    template = "rate_limited"
    status = 429


class NoSuchExport(RequestFault):
    """Never was, is somebody else's, or has expired: the three are not told apart."""

    code = "NOT_FOUND"
    template = "no_such_export"
    status = 404


class NoSuchFile(RequestFault):
    """Never was, hangs on nothing that is seen, or may not be read: the three are not told apart."""

    code = "NOT_FOUND"
    template = "no_such_file"
    status = 404


class NoSuchUpload(RequestFault):
    """The address is none, or not any more."""

    code = "NOT_FOUND"
    template = "no_such_upload"
    status = 404


class UploadTaken(RequestFault):
    """The bytes are there already, or on their way."""

    code = "CONFLICT"
    template = "upload_taken"
    status = 409


class FileRefused(RequestFault):
    """Bytes that are not what was told of them."""

    code = "INVALID"
    template = "file_refused"
    status = 422


class StorageIsFull(RequestFault):
    """There is no room for a file."""

    code = "STORAGE_FULL"
    template = "storage_full"
    status = 507


class MethodNotAllowed(RequestFault):
    """`allow` in its details names the methods that are."""

    code = "METHOD_NOT_ALLOWED"
    template = "method_not_allowed"
    status = 405


class NotAcceptable(RequestFault):
    code = "NOT_ACCEPTABLE"
    template = "not_acceptable"
    status = 406


class ContentTooLarge(RequestFault):
    code = "CONTENT_TOO_LARGE"
    template = "content_too_large"
    status = 413


class UnsupportedMediaType(RequestFault):
    code = "UNSUPPORTED_MEDIA_TYPE"
    template = "unsupported_media_type"
    status = 415


class IdempotencyMismatch(RequestFault):
    code = "IDEMPOTENCY_MISMATCH"
    template = "idempotency_mismatch"
    status = 422


class TimedOut(RequestFault):
    code = "TIMEOUT"
    template = "timeout"
    status = 503


class Unavailable(RequestFault):
    code = "UNAVAILABLE"
    template = "unavailable"
    status = 503
