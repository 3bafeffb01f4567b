"""Every error that this package raises on purpose.

    ReconciliationError
    ├── InvalidInputError        a given value, file or argument cannot be accepted; names thing, place, remedy
    │   └── UnusableValueError   a value of one side that cannot be compared
    ├── ConfigurationError       settings, a mapping or a connection cannot work as written
    ├── CoordinationError        Redis cannot be reached or refuses; nothing was noted
    ├── StorageError             the database cannot be reached or lacks its migrations
    ├── BreakRefusedError        an action that the state of a break does not allow
    ├── FillRefusedError         a fill of an account that is not registered
    └── ReadError                one side of one account could not be read reliably: the run is `incomplete`
        ├── AuthError            credentials refused: no retry, a person must act
        ├── RateLimited          asked too often: retry after `retry_after_seconds`
        ├── Unavailable          no answer, time-out, 5xx: retry
        ├── BadData              an answer that cannot be understood or is of another account: no retry
        └── Incomplete           an answer that is only a part of the truth: retry, never compare

Messages are sentences, and never hold a secret.
"""

from typing import ClassVar


class ReconciliationError(Exception):
    """Root of the tree; never raised itself."""


class InvalidInputError(ReconciliationError, ValueError):
    """Raised for a value, file or argument that cannot be accepted. A retry with the same input does not help."""


class UnusableValueError(InvalidInputError):
    """Raised by the comparator for a row or value of one `side` ("local" or "broker") that cannot be compared."""

    def __init__(self, side: str, message: str) -> None:
        super().__init__(f"{side} {message}")
        self.side = side


class ConfigurationError(ReconciliationError):
    """Raised when settings, a mapping or a connection cannot work as written. A retry does not help."""


class CoordinationError(ReconciliationError):
    """Raised when Redis cannot be reached within its time-out or refuses. Nothing was noted; a retry helps."""


class StorageError(ReconciliationError):
    """Raised when the database cannot be reached or its tables are not migrated. A retry helps after the remedy."""


class FillRefusedError(ReconciliationError):
    """Raised when a fill names an account that is not registered. A retry helps only after registration."""

    def __init__(self, account_id: str) -> None:
        super().__init__(
            f"account {account_id!r} is not registered: register it with `reconcile accounts add {account_id}`"
        )
        self.account_id = account_id


class BreakRefusedError(ReconciliationError):
    """Raised when an action or event is not possible in a break's state. A retry helps only after the state changed."""

    def __init__(self, message: str, *, state: str, kind: str) -> None:
        super().__init__(message)
        self.state = state
        self.kind = kind


class ReadError(ReconciliationError):
    """Raised by a provider or broker that cannot answer reliably and completely for an account.

    `kind` is the stable word for it in results and events; `retryable` says whether a later try may help.
    """

    kind: ClassVar[str] = "read_error"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, account_id: str | None = None) -> None:
        super().__init__(message)
        self.account_id = account_id


class AuthError(ReadError):
    """Raised when credentials are missing, wrong or lack a permission. No retry helps until someone acts."""

    kind = "auth"
    retryable = False


class RateLimited(ReadError):
    """Raised when the broker says that it was asked too often. Retry after `retry_after_seconds` (None: not said)."""

    kind = "rate_limited"

    def __init__(
        self, message: str, *, account_id: str | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, account_id=account_id)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ReadError):
    """Raised for no answer, a time-out, a dropped connection or a server error. A retry helps."""

    kind = "unavailable"


class BadData(ReadError):
    """Raised for an answer that cannot be understood, or that is of another account. A retry does not help."""

    kind = "bad_data"
    retryable = False


class Incomplete(ReadError):
    """Raised for an answer known to be incomplete. Retry; never compare it."""

    kind = "incomplete"


class Stale(ReadError):
    """Raised for an answer that is older than the greatest age. Never compare it; look why no newer one comes."""

    kind = "stale"
