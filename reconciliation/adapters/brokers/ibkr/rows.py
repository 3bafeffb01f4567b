"""What the Gateway answered, as plain rows, and what they mean for one account. Pure; no SDK."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import BadData, Incomplete, InvalidInputError

#: Virtual positions: the currency halves of FX trades, which are in the cash already.
FX_POSITION = "CASH"
#: How TWS writes "no value" in a field of type double.
UNSET = 1.7976931348623157e308

_ASSET_TYPES = {
    "STK": AssetType.STOCK,
    "OPT": AssetType.OPTION,
    "FUT": AssetType.FUTURE,
    "FOP": AssetType.FUTURE_OPTION,
    "FUND": AssetType.FUND,
    "BOND": AssetType.BOND,
    "BILL": AssetType.BOND,
    "CRYPTO": AssetType.CRYPTO,
    "CFD": AssetType.CFD,
    "WAR": AssetType.WARRANT,
    "IOPT": AssetType.WARRANT,
}
#: Contracts whose name is in the local symbol; `symbol` is only their underlying.
_NAMED_LOCALLY = frozenset({"OPT", "FUT", "FOP", "WAR", "IOPT"})
#: The tags that are read. The ledger sends some twenty more for each currency, words such as `RealCurrency` among them.
_USED_TAGS = frozenset({"NetLiquidation", "TotalCashValue", "BuyingPower", "InitMarginReq", "CashBalance"})
_PER_UNIT = Context(prec=28)


@dataclass(frozen=True, kw_only=True)
class PositionRow:
    """One row of `reqPositions`. `avg_cost` includes the multiplier."""

    account: str
    con_id: int
    symbol: str
    local_symbol: str
    sec_type: str
    currency: str
    multiplier: str
    quantity: float
    avg_cost: float
    market_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class SummaryRow:
    """One row of `reqAccountSummary`; `currency` is `BASE` for sums over currencies."""

    account: str
    tag: str
    value: str
    currency: str


@dataclass(frozen=True, kw_only=True)
class GatewayBook:
    """All that one read of a login gave: complete, because each request was followed by its end marker."""

    positions: tuple[PositionRow, ...]
    summary: tuple[SummaryRow, ...]


def snapshot_of(account_id: str, book: GatewayBook) -> BrokerSnapshot:
    """Return what the book says about one account.

    Raises:
        Incomplete: the account's summary lacks net liquidation or cash.
        BadData: a value is not a number, or the summary names two base currencies.
    """
    try:
        account = _account(account_id, [row for row in book.summary if row.account == account_id])
        # A row that changes while the answer is being sent comes twice: the later one is true.
        latest = {row.con_id: row for row in book.positions if row.account == account_id}
        held = [row for row in latest.values() if row.sec_type != FX_POSITION and row.quantity != 0]
        return BrokerSnapshot(account=account, positions=tuple(_position(row) for row in held))
    except InvalidInputError as error:
        raise BadData(f"account {account_id!r} at IBKR: {error}", account_id=account_id) from error


def _position(row: PositionRow) -> BrokerPosition:
    multiplier = exact_decimal(row.multiplier, f"{row.symbol!r}: multiplier") if row.multiplier.strip() else None
    name = row.local_symbol if row.sec_type in _NAMED_LOCALLY and row.local_symbol else row.symbol
    return BrokerPosition(
        symbol=name.strip(),
        quantity=exact_decimal(row.quantity, f"{row.symbol!r}: quantity"),
        avg_cost=_cost_per_unit(row, multiplier),
        market_value=None if row.market_value is None else Decimal(str(row.market_value)),
        asset_type=_ASSET_TYPES.get(row.sec_type, AssetType.OTHER),
        currency=row.currency or None,
        multiplier=multiplier,
        identifiers={"conid": str(row.con_id)},
    )


def _cost_per_unit(row: PositionRow, multiplier: Decimal | None) -> Decimal | None:
    if row.avg_cost == UNSET or (multiplier is None and row.sec_type in _NAMED_LOCALLY) or multiplier == 0:
        return None
    cost = exact_decimal(row.avg_cost, f"{row.symbol!r}: avgCost")
    return cost if multiplier is None else _PER_UNIT.divide(cost, multiplier)


def _account(account_id: str, rows: Iterable[SummaryRow]) -> BrokerAccount:
    values = {(row.tag, row.currency): _number(row) for row in rows if row.tag in _USED_TAGS}
    currencies = {currency for tag, currency in values if tag == "NetLiquidation"}
    if len(currencies) > 1:
        raise InvalidInputError(f"NetLiquidation came in {len(currencies)} currencies: which one is the base is unsure")
    base = next(iter(currencies), "")
    for tag in ("NetLiquidation", "TotalCashValue"):
        if values.get((tag, base)) is None:
            raise Incomplete(f"account {account_id!r}: IBKR's account summary lacks {tag}", account_id=account_id)
    split = _cash_by_currency(values)
    return BrokerAccount(
        account_id=account_id,
        cash=values["TotalCashValue", base],
        buying_power=values.get(("BuyingPower", base)),
        total_equity=values["NetLiquidation", base],
        margin_used=values.get(("InitMarginReq", base)),
        currency=base or None,
        cash_by_currency=split,
        cash_split_is_whole=bool(split),
    )


def _cash_by_currency(values: Mapping[tuple[str, str], Decimal | None]) -> dict[str, Decimal]:
    """Return the ledger's cash by currency, zeros included; its `BASE` row is their sum, never to be added."""
    return {
        currency: amount
        for (tag, currency), amount in values.items()
        if tag == "CashBalance" and currency not in {"", "BASE"} and amount is not None
    }


def _number(row: SummaryRow) -> Decimal | None:
    text = row.value.strip()
    if not text:
        return None
    try:
        if float(text) == UNSET:
            return None
    except ValueError:
        pass
    return exact_decimal(text, row.tag)
