"""What can go wrong, by meaning. Raised where the meaning is known, rendered once at the border.

A class's docstring is its default message; `status` is the HTTP status it stands for.
"""

from typing import Any


class BrokerError(Exception):
    """Something went wrong."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str | None = None, *, code: str | None = None, **details: Any):
        self.message = message or (type(self).__doc__ or "").strip()
        self.code = code or type(self).code
        self.details = details
        super().__init__(self.message)


class Invalid(BrokerError):
    """The request is malformed."""

    status = 400
    code = "invalid_request"


class Unauthorized(BrokerError):
    """A valid key is required: `Authorization: Bearer <PAK>`."""

    status = 401
    code = "unauthorized"


class Forbidden(BrokerError):
    """This key may not do that."""

    status = 403
    code = "forbidden"


class NotFound(BrokerError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class MethodNotAllowed(BrokerError):
    """This path does not take that method."""

    status = 405
    code = "method_not_allowed"


class Conflict(BrokerError):
    """That exists already."""

    status = 409
    code = "unique_violation"


class PreconditionFailed(BrokerError):
    """It was changed by somebody else meanwhile: read it again."""

    status = 412
    code = "precondition_failed"


class TooLarge(BrokerError):
    """The body is larger than this broker accepts."""

    status = 413
    code = "body_too_large"


class UnsupportedMediaType(BrokerError):
    """The body must be JSON: `Content-Type: application/json`."""

    status = 415
    code = "unsupported_media_type"


class Unprocessable(BrokerError):
    """The body does not have the right shape."""

    status = 422
    code = "invalid_request_body"


class UpgradeRequired(BrokerError):
    """This is a WebSocket: send `Upgrade: websocket`."""

    status = 426
    code = "upgrade_required"


class TooManyRequests(BrokerError):
    """This key makes more requests than `api.rate_limit` allows."""

    status = 429
    code = "rate_limited"


class Unavailable(BrokerError):
    """The database does not answer. Try again."""

    status = 503
    code = "unavailable"


class StartupError(Exception):
    """The broker cannot start."""
