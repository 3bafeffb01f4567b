"""Accounts of a paper broker as JSON: the one reader for options and for files."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.errors import (
    AuthError,
    BadData,
    ConfigurationError,
    Incomplete,
    InvalidInputError,
    RateLimited,
    ReadError,
    Unavailable,
)

_FIGURES = ("cash", "buying_power", "total_equity", "margin_used")
_POSITION_FIELDS = ("symbol", "quantity", "avg_cost", "market_value", "asset_type", "currency", "multiplier")
_ERRORS: Mapping[str, type[ReadError]] = {
    error.kind: error for error in (AuthError, RateLimited, Unavailable, BadData, Incomplete)
}

Accounts = dict[str, BrokerSnapshot | ReadError]


def parse_accounts(accounts: Mapping[str, Any], where: str) -> Accounts:
    """Return each account's snapshot, or the error that it is set to answer with.

    An account is an object of `positions` (a list of objects), `cash`, `buying_power`, `total_equity`, `margin_used`
    and `currency`, each optional; or of `error`, a kind of ReadError ("auth", "unavailable", "incomplete", …).

    Raises:
        ConfigurationError: an account or position that cannot be read, named with its place.
    """
    return {
        account_id: _account(account_id, content, f"{where}: {account_id}") for account_id, content in accounts.items()
    }


def _account(account_id: str, content: Any, where: str) -> BrokerSnapshot | ReadError:
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{where}: an account must be an object, not {type(content).__name__}")
    _refuse_unknown(content, (*_FIGURES, "currency", "positions", "error"), where)
    if "error" in content:
        return _error(account_id, content["error"], where)
    values: dict[str, Any] = {name: content.get(name) for name in (*_FIGURES, "currency")}
    try:
        account = BrokerAccount(account_id, **values)
    except InvalidInputError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    rows = content.get("positions", [])
    if not isinstance(rows, list):
        raise ConfigurationError(f"{where}: positions must be a list")
    positions = tuple(_position(row, f"{where}: positions[{index}]") for index, row in enumerate(rows))
    return BrokerSnapshot(account=account, positions=positions)


def _error(account_id: str, kind: Any, where: str) -> ReadError:
    if kind not in _ERRORS:
        raise ConfigurationError(f"{where}: error {kind!r} is not one of: {', '.join(sorted(_ERRORS))}")
    return _ERRORS[kind](f"the paper broker is set to answer {kind!r} for {account_id!r}", account_id=account_id)


def _position(row: Any, where: str) -> BrokerPosition:
    if not isinstance(row, Mapping):
        raise ConfigurationError(f"{where}: a position must be an object, not {type(row).__name__}")
    _refuse_unknown(row, _POSITION_FIELDS, where)
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or not symbol:
        raise ConfigurationError(f"{where}: symbol must be a text")
    if row.get("quantity") is None:
        raise ConfigurationError(f"{where}: quantity is missing")
    try:
        return BrokerPosition(
            symbol,
            row["quantity"],
            row.get("avg_cost"),
            row.get("market_value"),
            AssetType(row.get("asset_type", "stock")),
            currency=row.get("currency"),
            multiplier=row.get("multiplier"),
        )
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _refuse_unknown(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise ConfigurationError(f"{where}: unknown {', '.join(map(repr, unknown))}; known are: {', '.join(known)}")


@dataclass
class PaperFile:
    """`{"accounts": {…}}` in a file. Replace the file in one step (write beside it, then rename)."""

    path: Path
    _stamp: tuple[int, int, int] | None = None
    _accounts: Accounts = field(default_factory=dict)

    def read(self) -> Accounts:
        """Return the accounts, parsed again if the file was replaced or written since.

        Raises:
            Unavailable: the file cannot be opened.
            BadData: it is not what a paper file must be.
        """
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._accounts = self._parse(self.path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except OSError as error:
            raise Unavailable(f"paper file {self.path}: {error.strerror or error}") from error
        return self._accounts

    def _parse(self, text: str) -> Accounts:
        try:
            content = json.loads(text, parse_float=Decimal)
        except json.JSONDecodeError as error:
            raise BadData(f"paper file {self.path}: line {error.lineno}: not JSON: {error.msg}") from None
        accounts = content.get("accounts") if isinstance(content, dict) else None
        if not isinstance(accounts, dict):
            raise BadData(f'paper file {self.path}: it must be an object like {{"accounts": {{…}}}}')
        try:
            return parse_accounts(accounts, f"paper file {self.path}")
        except ConfigurationError as error:
            raise BadData(str(error)) from None
