"""What OANDA's answers mean. Pure: no network, no clock, so that every odd answer is one small test."""

from typing import Any

from reconciliation.broker import AssetType, BadData, BrokerAccount, BrokerPosition, Record

_CODES = "AUD CAD CHF CNH CZK DKK EUR GBP HKD HUF JPY MXN NOK NZD PLN SEK SGD THB TRY USD ZAR"
CURRENCIES = frozenset(_CODES.split())


def read_positions(raw: Any, account_id: str) -> list[BrokerPosition]:
    """Return a row for each leg that is open: OANDA keeps long and short of one instrument apart."""
    answer = Record(raw, f"OANDA's positions of {account_id!r}")
    return [
        position
        for row in answer.records("positions")
        for position in (_leg(row, "long"), _leg(row, "short"))
        if position.quantity
    ]


def read_account(raw: Any, account_id: str) -> BrokerAccount:
    """Return the balances of the summary, or raise BadData if they are of another account."""
    account = _account(raw, account_id)
    cash, currency = account.number("balance"), account.text("currency")
    return BrokerAccount(
        account_id=account_id,
        cash=cash,
        buying_power=account.optional_number("marginAvailable"),
        total_equity=account.optional_number("NAV"),
        margin_used=account.optional_number("marginUsed"),
        currency=currency,
        cash_by_currency={currency: cash},
    )


def read_open_count(raw: Any, account_id: str) -> int:
    """Return how many positions the account says it has."""
    return int(_account(raw, account_id).number("openPositionCount"))


def _account(raw: Any, account_id: str) -> Record:
    account = Record(raw, f"OANDA's summary of {account_id!r}").record("account")
    if account.text("id") != account_id:
        raise BadData(f"asked OANDA for account {account_id!r}, got {account.text('id')!r}", account_id=account_id)
    return account


def _leg(row: Record, side: str) -> BrokerPosition:
    instrument = row.text("instrument")
    leg = row.record(side)
    units = leg.number("units")
    if (units > 0) if side == "short" else (units < 0):
        raise leg.wrong("units", f"the units of a {side} leg")
    base, _, quote = instrument.partition("_")
    return BrokerPosition(
        symbol=instrument,
        quantity=units,
        avg_cost=leg.optional_number("averagePrice"),
        market_value=None,
        asset_type=AssetType.FOREX if {base, quote} <= CURRENCIES else AssetType.CFD,
        currency=quote or None,
    )
