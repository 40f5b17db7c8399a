"""What can go wrong, and what to do about it. Every message names the remedy; `shared.http` maps them to answers."""

from __future__ import annotations


class KizunaError(Exception):
    """Base of all errors that a caller can act on. `code` is stable, `status` is the HTTP answer."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadRequest(KizunaError):
    """The request as a whole cannot be understood."""

    status = 400
    code = "bad_request"


class BadEvent(KizunaError):
    """One message is bad: it becomes a refusal or a dead letter, its neighbours go on. `code` says why."""

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message, code=code)


class Unauthorized(KizunaError):
    """No valid key or token came with the request."""

    status = 401
    code = "unauthorized"


class Forbidden(KizunaError):
    """The caller is known but may not do this."""

    status = 403
    code = "forbidden"


class NotFound(KizunaError):
    """The thing asked for does not exist."""

    status = 404
    code = "not_found"


class Conflict(KizunaError):
    """The request contradicts the present state."""

    status = 409
    code = "conflict"


class TooLarge(KizunaError):
    """Over a documented limit."""

    status = 413
    code = "too_large"


class UnsupportedMedia(KizunaError):
    """A content type or encoding that this route does not read."""

    status = 415
    code = "unsupported_media_type"


class NotReady(KizunaError):
    """The world is broken (broker, database) or the service is full: try again after `retry_after` seconds.

    `events`: so many were turned away with it; 1 where nobody has counted them.
    """

    status = 503
    code = "not_ready"

    def __init__(self, message: str, *, code: str | None = None, retry_after: int = 1) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        self.events = 1


class LeaseLost(KizunaError):
    """Another replica owns the partition now; nothing may be written for it from here."""

    status = 503
    code = "lease_lost"


class TooManyFailures(KizunaError):
    """A run of messages failed, so our code is the likelier culprit: the consumer stops and drains nothing away."""

    code = "too_many_failures"
