"""What Alpaca's raw answers mean. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reconciliation.adapters.brokers.sdk.json_records import Record, read_records
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import EXACT
from reconciliation.errors import BadData

SIGNS: Mapping[str, int] = {"long": 1, "short": -1}

#: A class that is not among these is kept as OTHER: what is held is certain, only its kind is new.
ASSET_TYPES: Mapping[str, AssetType] = {
    "us_equity": AssetType.STOCK,
    "us_option": AssetType.OPTION,
    "crypto": AssetType.CRYPTO,
    "crypto_perp": AssetType.SWAP,
    "us_future": AssetType.FUTURE,
    "us_index": AssetType.OTHER,
}

STANDARD_OPTION_MULTIPLIER = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class HeldValue:
    """What an account says of its positions as a whole."""

    long: Decimal
    short: Decimal


def read_positions(raw: Any, account_id: str) -> list[BrokerPosition]:
    """Return every row of `GET positions`, or raise BadData naming the row."""
    return [_position(row) for row in read_records(raw, f"Alpaca's positions of {account_id!r}")]


def read_account(raw: Any, account_id: str) -> BrokerAccount:
    """Return the balances of `GET account`, or raise BadData if they are of another account."""
    account = _account_record(raw, account_id)
    cash = account.number("cash")
    currency = account.optional_text("currency")
    return BrokerAccount(
        account_id=account_id,
        cash=cash,
        buying_power=account.optional_number("buying_power"),
        total_equity=account.optional_number("equity"),
        margin_used=account.optional_number("initial_margin"),
        currency=currency,
        cash_by_currency={currency: cash} if currency else {},
        cash_split_is_whole=currency is not None,
    )


def read_held_value(raw: Any, account_id: str) -> HeldValue:
    """Return the market value of all holdings by `GET account`; what is not given counts as nothing."""
    account = _account_record(raw, account_id)
    return HeldValue(
        long=account.optional_number("long_market_value") or Decimal(0),
        short=account.optional_number("short_market_value") or Decimal(0),
    )


def _account_record(raw: Any, account_id: str) -> Record:
    account = Record(raw, f"Alpaca's account {account_id!r}")
    names = {account.text("account_number"), account.text("id")}
    # A UUID may be written in capitals.
    if account_id not in names and account_id.lower() not in names:
        raise BadData(
            f"asked for Alpaca account {account_id!r}, but these credentials are of another one "
            f"({account.text('account_number')}): use its number or id, or its own credentials",
            account_id=account_id,
        )
    return account


def _position(row: Record) -> BrokerPosition:
    symbol = row.text("symbol")
    row = Record(row.raw, f"{row.place} ({symbol})")
    quantity = _signed_quantity(row)
    asset_class = row.optional_text("asset_class")
    asset_type = ASSET_TYPES.get(asset_class or "", AssetType.OTHER)
    value = row.optional_number("market_value")
    return BrokerPosition(
        symbol=symbol,
        quantity=quantity,
        avg_cost=row.optional_number("avg_entry_price"),
        # Short values come with and without a sign.
        market_value=None if value is None else value.copy_abs().copy_sign(quantity),
        asset_type=asset_type,
        multiplier=_option_multiplier(row, quantity) if asset_type is AssetType.OPTION else None,
        identifiers=_identifiers(row),
    )


def _signed_quantity(row: Record) -> Decimal:
    """The side gives the sign; a quantity with another sign is a contradiction, not a guess."""
    sign = row.choice("side", SIGNS)
    quantity = row.number("qty")
    if sign > 0 > quantity:
        raise row.wrong("qty", "a long quantity")
    return quantity.copy_abs().copy_sign(sign)


def _option_multiplier(row: Record, quantity: Decimal) -> Decimal | None:
    """Alpaca does not say it; the standard one is stated only if the row's own numbers agree (adjusted options)."""
    price, value = row.optional_number("current_price"), row.optional_number("market_value")
    if price is None or value is None or not price:
        return None
    of_one_contract = EXACT.multiply(price, STANDARD_OPTION_MULTIPLIER)
    standard = EXACT.multiply(of_one_contract, quantity.copy_abs()) == value.copy_abs()
    return STANDARD_OPTION_MULTIPLIER if standard else None


def _identifiers(row: Record) -> dict[str, str]:
    asset_id = row.optional_text("asset_id")
    return {"alpaca_asset_id": asset_id} if asset_id else {}
