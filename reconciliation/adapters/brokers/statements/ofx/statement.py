"""From what an OFX file says of an account to a statement."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, add_up_positions
from reconciliation.adapters.brokers.statements.values import HOURS_BY_ZONE, number
from reconciliation.domain.model.instruments import STRONG_IDENTIFIERS
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.errors import InvalidInputError

_ASSET_TYPES: Mapping[str, AssetType] = {
    "POSSTOCK": AssetType.STOCK,
    "POSMF": AssetType.FUND,
    "POSDEBT": AssetType.BOND,
    "POSOPT": AssetType.OPTION,
}
_HOURS = re.compile(r"[+-]? *\d{1,2}(\.\d{1,4})?", re.ASCII)
_TIME = re.compile(r"(\d{8})(\d{6})?(?:\.\d+)?\s*(?:\[([^:\]]*):?([^\]]*)\])?", re.ASCII)

_DIGITS_OF_A_THOUSAND = 3

_NO_POSITIONS = (
    "the statement has no <INVPOSLIST>, which may mean that positions were not asked for; "
    "if this bank leaves it out for a flat account, set the option no_position_list_means_flat"
)


class SecurityId(NamedTuple):
    """How OFX names a security: an id, and of what kind it is."""

    unique_id: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class OfxPosition:
    """One <INVPOS> as it was read."""

    container: str
    security: SecurityId | None
    leaves: Mapping[str, str]
    line: int


@dataclass
class OfxStatement:
    """One <INVSTMTRS> as it was read."""

    line: int
    account_id: str = ""
    as_of: str | None = None
    currency: str | None = None
    #: Which of <INVPOSLIST> and <INVBAL> it has.
    parts: set[str] = field(default_factory=set)
    positions: list[OfxPosition] = field(default_factory=list)
    balances: dict[str, str] = field(default_factory=dict)


class OfxSecurities:
    """The security list of a file, which may lack entries and may be missing."""

    def __init__(self) -> None:
        self._tickers: dict[SecurityId, set[str]] = defaultdict(set)
        self._contract_sizes: dict[SecurityId, Mapping[str, str]] = {}

    def add_ticker(self, security: SecurityId | None, ticker: str | None) -> None:
        if security is not None and ticker:
            self._tickers[security].add(ticker)

    def add_contract_size(self, security: SecurityId | None, shares: str | None) -> None:
        if security is not None and shares:
            self._contract_sizes[security] = {"SHPERCTRCT": shares}

    def tickers(self, security: SecurityId) -> set[str]:
        return self._tickers.get(security, set())

    def contract_size(self, security: SecurityId) -> Decimal | None:
        return _optional_amount(self._contract_sizes.get(security, {}), "SHPERCTRCT")


def conclude_statement(
    found: OfxStatement, securities: OfxSecurities, source: StatementSource, *, no_position_list_means_flat: bool
) -> Statement:
    """Return the statement that was read.

    Raises:
        BadData: a value that cannot be understood, with its line.
    """
    try:
        as_of = _moment(found.as_of)
        account = _account(found, as_of)
    except InvalidInputError as error:
        raise source.bad(f"<INVSTMTRS>: {error}", found.line) from None
    rows, notes = [], []
    for row in found.positions:
        try:
            rows.append(_position(row, found, securities))
        except InvalidInputError as error:
            raise source.bad(f"<INVPOS>: {error}", row.line) from None
        notes.extend(_notes(row, securities))
    listed = "INVPOSLIST" in found.parts or no_position_list_means_flat
    return Statement(
        account=account,
        positions=add_up_positions(rows) if listed else None,
        as_of=as_of,
        notes=tuple(dict.fromkeys(notes)),
        no_positions=_NO_POSITIONS,
    )


def _account(found: OfxStatement, as_of: datetime | None) -> BrokerAccount:
    if not found.account_id:
        raise InvalidInputError("<ACCTID> is missing")
    margin = _optional_amount(found.balances, "MARGINBALANCE")
    return BrokerAccount(
        found.account_id,
        _optional_amount(found.balances, "AVAILCASH"),
        _optional_amount(found.balances, "BUYPOWER"),
        None,  # OFX has no field for equity; banks' own balances differ in what they count
        None if margin is None else max(-margin, Decimal(0)),
        currency=found.currency,
        as_of=as_of,
    )


def _position(row: OfxPosition, found: OfxStatement, securities: OfxSecurities) -> BrokerPosition:
    security = row.security
    if security is None or not security.unique_id:
        raise InvalidInputError("<UNIQUEID> is missing")
    quantity = _quantity(row, security)
    value = _optional_amount(row.leaves, "MKTVAL")
    asset_type = _ASSET_TYPES.get(row.container, AssetType.OTHER)
    kind = security.kind.lower()
    return BrokerPosition(
        _symbol(security, securities),
        quantity,
        None,  # <UNITPRICE> is the market's, not what was paid
        -abs(value) if value is not None and quantity < 0 else value,
        asset_type,
        currency=row.leaves.get("CURSYM") or found.currency,
        multiplier=securities.contract_size(security),
        identifiers={kind: security.unique_id} if kind in STRONG_IDENTIFIERS else {},
    )


def _optional_amount(leaves: Mapping[str, str], name: str) -> Decimal | None:
    text = leaves.get(name)
    return None if text is None else _amount(text, name)


def _amount(text: str, name: str) -> Decimal:
    """Return an OFX amount, whose decimal sign may be a comma; 1,234 is not accepted, because it may be two numbers."""
    whole, comma, fraction = text.strip().partition(",")
    if not comma or "." in text or "," in fraction:
        return number(text, name)
    if len(fraction) == _DIGITS_OF_A_THOUSAND:
        raise InvalidInputError(f"{name}: {text!r} may be meant with a decimal comma or a thousands comma")
    return number(f"{whole}.{fraction}", name)


def _quantity(row: OfxPosition, security: SecurityId) -> Decimal:
    """Return units with the sign of <POSTYPE>; banks differ in whether short units carry one themselves."""
    name = security.unique_id
    units = _amount(row.leaves.get("UNITS", ""), "UNITS")
    side = row.leaves.get("POSTYPE", "").upper()
    if side == "SHORT":
        return -abs(units)
    if side != "LONG":
        raise InvalidInputError(f"{name}: POSTYPE {side!r} is neither LONG nor SHORT")
    if units < 0:
        raise InvalidInputError(f"{name}: POSTYPE LONG and UNITS {units} contradict each other")
    return units


def _symbol(security: SecurityId, securities: OfxSecurities) -> str:
    tickers = securities.tickers(security)
    return next(iter(tickers)) if len(tickers) == 1 else security.unique_id


def _notes(row: OfxPosition, securities: OfxSecurities) -> list[str]:
    if row.security is None:
        return []
    tickers = sorted(securities.tickers(row.security))
    name = row.security.unique_id
    if not tickers:
        return [f"{name} has no ticker in the file: the id stands for the symbol"]
    if len(tickers) > 1:
        return [f"{name} has several tickers in the file ({', '.join(tickers)}): the id stands for the symbol"]
    return []


def _moment(text: str | None) -> datetime | None:
    """Return an OFX time as UTC: 20091215, 20091215202000.000[-4:EST]. Without a zone it is UTC, as OFX says."""
    if not text:
        return None
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"{text!r} is not an OFX time such as 20250115160000[-5:EST]")
    day, time, hours, zone = match.groups()
    try:
        local = datetime.strptime(day + (time or "000000"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return local - timedelta(hours=_offset(hours, zone))
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{text!r} is not a time") from None


def _offset(hours: str | None, zone: str | None) -> float:
    if hours is None or not hours.strip("+- "):
        return HOURS_BY_ZONE.get((zone or "").strip(), 0)
    if not _HOURS.fullmatch(hours.strip()):
        raise ValueError(hours)
    return float(hours)
