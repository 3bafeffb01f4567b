"""What an HTTP status means for a read. Stdlib only, and open to brokers in other packages."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from reconciliation.domain.model.values import aware_utc
from reconciliation.errors import AuthError, BadData, RateLimited, ReadError, Unavailable

#: A longer wait than this is a mistake of the broker's clock, not a plan.
MAX_RETRY_AFTER_SECONDS = 3600.0

#: 418 is what Binance answers when it has banned an address for going on after 429.
_TOO_MANY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT})
_TRY_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


def refusal(status: int, headers: Mapping[str, str], who: str, *, now: datetime | None = None) -> ReadError | None:
    """Return the error that an HTTP status stands for, None for success (2xx).

    Nothing of the body gets into the message: a server may quote the credentials that it refuses.
    """
    answer: ReadError | None
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        answer = None
    elif status == HTTPStatus.UNAUTHORIZED:
        answer = AuthError(f"{who} refused the credentials (HTTP 401): check the key and its secret")
    elif status == HTTPStatus.FORBIDDEN:
        answer = AuthError(
            f"{who} refused access (HTTP 403): the credentials are wrong, lack a permission, "
            "or may not be used from this address"
        )
    elif status in _TOO_MANY:
        answer = rate_limited(f"{who} was asked too often (HTTP {status})", headers, now=now)
    elif status in _TRY_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        answer = Unavailable(f"{who} could not answer (HTTP {status})")
    elif HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        answer = BadData(f"{who} answered with a redirect (HTTP {status}): check the address; secrets do not follow")
    else:
        answer = BadData(f"{who} refused the request (HTTP {status})")
    return answer


def rate_limited(message: str, headers: Mapping[str, str], *, now: datetime | None = None) -> RateLimited:
    """Return the error that says when to come back, as far as the headers say it."""
    seconds = retry_after_seconds(headers, now or datetime.now(UTC))
    when = "it did not say when to come back" if seconds is None else f"come back in {seconds:g} s"
    return RateLimited(f"{message}: {when}", retry_after_seconds=seconds)


def retry_after_seconds(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds to wait by `Retry-After` (seconds or a date), else by `X-RateLimit-Reset` (epoch seconds)."""
    options = {name.lower(): value.strip() for name, value in headers.items()}
    seconds = _retry_after(options.get("retry-after", ""), now)
    if seconds is None:
        reset = _number(options.get("x-ratelimit-reset", ""))
        seconds = None if reset is None else reset - now.timestamp()
    return None if seconds is None else round(min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS), 3)


def _retry_after(text: str, now: datetime) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return (aware_utc(parsedate_to_datetime(text)) - now).total_seconds()
    except ValueError:
        return None


def _number(text: str) -> float | None:
    return float(text) if text.replace(".", "", 1).isdecimal() else None
