"""The one module that imports ccxt. Not safe for two threads at once: its exchanges are not."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any

import ccxt
from requests import Session

from reconciliation.adapters.brokers.ccxt.options import CcxtOptions
from reconciliation.adapters.brokers.sdk.http_status import rate_limited, refusal
from reconciliation.adapters.brokers.sdk.json_records import decode_json
from reconciliation.adapters.brokers.sdk.requests_transport import GuardedAdapter, guard
from reconciliation.errors import AuthError, BadData, ReadError, Unavailable

#: Statuses whose bodies ccxt reads better than we: many exchanges say with 400 or 401 that a clock is wrong.
JUDGED_BY_CCXT = frozenset({400, 401, 403, 404, 405, 409, 410, 422, 451})
FORBIDDEN = 403

#: Subclasses before their parents: the first match counts.
KINDS: tuple[tuple[type[ccxt.BaseError], type[ReadError], str], ...] = (
    (ccxt.AuthenticationError, AuthError, "refused the credentials, or they lack a permission"),
    (ccxt.RestrictedLocation, AuthError, "may not be used from this place"),
    (ccxt.OnMaintenance, Unavailable, "is under maintenance"),
    (ccxt.InvalidNonce, Unavailable, "refused the request's time or number: check this machine's clock"),
    (ccxt.RequestTimeout, Unavailable, "gave no answer in time"),
    (ccxt.ExchangeNotAvailable, Unavailable, "could not answer"),
    (ccxt.NetworkError, Unavailable, "could not be reached"),
    (ccxt.BadResponse, BadData, "answered with what ccxt cannot read"),
    (ccxt.NotSupported, BadData, "cannot be asked this through ccxt: check the connection's options"),
    (ccxt.ArgumentsRequired, BadData, "needs more parameters: check balance_params and position_params"),
    (ccxt.BadRequest, BadData, "refused the request: check balance_params and position_params"),
    (ccxt.ExchangeError, BadData, "refused the request"),
)


class CcxtExchange:
    """One exchange object over our transport, with a record of the raw answers."""

    def __init__(
        self,
        options: CcxtOptions,
        secrets: Mapping[str, str],
        who: str,
        permit: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._who = who
        self._adapter = GuardedAdapter(who=who, timeout_seconds=options.timeout_seconds, judge=_judge, permit=permit)
        self._session = Session()
        self._session.trust_env = False
        guard(self._session, self._adapter)
        self._exchange = getattr(ccxt, options.exchange)(
            {
                "enableRateLimit": True,
                **options.config,
                **secrets,
                "session": self._session,
                # ccxt's own logger prints headers.
                "logger": _silent(),
                "timeout": int(options.timeout_seconds * 1000),
            }
        )
        # Not Decimal: ccxt drops what is neither text nor a plain number on the way from one step to the next.
        self._exchange.number = str
        self._exchange.on_json_response = self._decode
        if options.sandbox:
            self._exchange.set_sandbox_mode(True)
        #: The raw answers of the current request.
        self.answers: list[Any] = []
        self._markets_loaded_at = 0.0
        self._reload_seconds = options.markets_reload_seconds

    @property
    def has_markets(self) -> bool:
        return self._markets_loaded_at > 0

    @property
    def markets(self) -> Mapping[str, Any]:
        markets: Mapping[str, Any] = self._exchange.markets
        return markets

    def load_markets(self) -> None:
        self._exchange.load_markets(reload=self.has_markets)
        self._markets_loaded_at = monotonic()

    def may_reload(self) -> bool:
        return monotonic() - self._markets_loaded_at >= self._reload_seconds

    def positions(self, symbols: Any, params: Mapping[str, Any]) -> Any:
        self.answers.clear()
        return self._exchange.fetch_positions(symbols, dict(params))

    def balance(self, params: Mapping[str, Any]) -> Any:
        self.answers.clear()
        return self._exchange.fetch_balance(dict(params))

    def explain(self, error: Exception) -> ReadError | None:
        """Return the error of our tree. ccxt's text has the URL, and with it key and signature: it stays here."""
        if isinstance(error, (ccxt.RateLimitExceeded, ccxt.DDoSProtection)):
            return rate_limited(f"{self._who} was asked too often", self._adapter.last_headers)
        if self._adapter.last_status == FORBIDDEN:
            return refusal(FORBIDDEN, {}, self._who)
        for kind, local, text in KINDS:
            if isinstance(error, kind):
                return local(f"{self._who} {text} ({type(error).__name__})")
        return None

    def close(self) -> None:
        self._session.close()

    def _decode(self, text: str) -> Any:
        # Digits as text: that is how ccxt's exchanges, written for quoted numbers, expect them.
        answer = decode_json(text, self._who, str)
        self.answers.append(answer)
        return answer


def _judge(status: int, headers: Mapping[str, str], who: str) -> ReadError | None:
    return None if status in JUDGED_BY_CCXT else refusal(status, headers, who)


def _silent() -> logging.Logger:
    logger = logging.getLogger("reconciliation.adapters.brokers.ccxt.adapter.silent")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
