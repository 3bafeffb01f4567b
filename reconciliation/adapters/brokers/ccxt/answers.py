"""What ccxt's unified rows mean. Pure: markets and raw answers come in as they are."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from reconciliation.adapters.brokers.ccxt.evidence import (
    check_side,
    expect_nothing,
    expect_same_count,
    rows_at,
    value_at,
)
from reconciliation.adapters.brokers.ccxt.facts import RowEvidence
from reconciliation.adapters.brokers.ccxt.options import DERIVATIVES, CcxtOptions
from reconciliation.adapters.brokers.sdk.json_records import Record
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.domain.model.values import EXACT
from reconciliation.errors import BadData

SIGNS: Mapping[str, int] = {"long": 1, "short": -1}
ASSET_TYPES: Mapping[str, AssetType] = {
    "spot": AssetType.CRYPTO,
    "margin": AssetType.CRYPTO,
    "swap": AssetType.SWAP,
    "future": AssetType.FUTURE,
    "option": AssetType.OPTION,
}
#: Of a balance structure, what is not a currency.
NOT_CURRENCIES = frozenset({"info", "timestamp", "datetime", "free", "used", "total", "debt"})


class UnknownMarketError(BadData):
    """A position in a market that was not there when the markets were loaded: load them again."""


def read_positions(
    rows: Any, answers: Sequence[Any], markets: Mapping[str, Any], options: CcxtOptions, place: str
) -> list[BrokerPosition]:
    """Return the positions of one request, checked against the raw answers that ccxt read them from."""
    if not isinstance(rows, list):
        raise BadData(f"{place}: ccxt gave a {type(rows).__name__} where a list was due")
    records = [Record(row, f"{place}, row {number}") for number, row in enumerate(rows, start=1)]
    held = [record for record in records if record.number("contracts")]
    evidence = options.facts.positions
    if evidence is not None:
        expect_same_count(answers[-1] if answers else None, evidence, len(held), place)
    elif not held:
        expect_nothing(answers, len(records), place)
    return [_position(record, markets, options, evidence) for record in held]


def read_holdings(balance: Any, options: CcxtOptions, place: str) -> list[BrokerPosition]:
    """Return what a wallet holds besides money: total less debt, by currency code."""
    amounts = read_amounts(balance, options, place)
    return [
        BrokerPosition(code, amount, None, None, AssetType.CRYPTO)
        for code, amount in sorted(amounts.items())
        if amount and code not in options.cash_currencies
    ]


def read_account(balance: Any, account_id: str, options: CcxtOptions, place: str) -> BrokerAccount:
    """Return the balances that the answer states for certain; the others are None and not compared."""
    amounts = read_amounts(balance, options, place)
    cash = _cash(amounts, balance["info"], options, place)
    equity_path = options.facts.equity_path
    equity = value_at(balance["info"], equity_path) if equity_path else None
    return BrokerAccount(
        account_id=account_id,
        cash=None if cash is None or options.currency is None else cash.get(options.currency, Decimal(0)),
        buying_power=None,
        total_equity=None if equity is None else Record({"equity": equity}, place).number("equity"),
        margin_used=None,
        currency=options.currency,
        cash_by_currency=cash or {},
        cash_split_is_whole=cash is not None,
    )


def read_amounts(balance: Any, options: CcxtOptions, place: str) -> dict[str, Decimal]:
    """Return total less debt by currency code, checked against the raw answer and the account's identity."""
    structure = Record(balance, place)
    raw = structure.raw.get("info")
    _check_identity(raw, options, place)
    amounts, held = {}, 0
    for code in structure.raw.keys() - NOT_CURRENCIES:
        record = structure.record(code)
        total, debt = record.number("total"), record.optional_number("debt") or Decimal(0)
        held += bool(total or debt)
        amounts[code] = EXACT.subtract(total, debt)
    if options.facts.balances is not None:
        expect_same_count(raw, options.facts.balances, held, place)
    elif not held:
        expect_nothing([raw], len(amounts), place)
    if options.facts.total_has_open_profit:
        amounts |= _own_amounts(raw, amounts, options, place)
    return amounts


def _own_amounts(raw: Any, amounts: Mapping[str, Decimal], options: CcxtOptions, place: str) -> dict[str, Decimal]:
    """Return the wallet's own amounts, without open profit, for each row that states one."""
    wallet, evidence = options.facts.wallet, options.facts.balances
    if wallet is None or evidence is None:
        return {}
    code, amount = wallet
    own: dict[str, Decimal] = {}
    for row in rows_at(raw, evidence, place):
        stated = row.optional_number(amount)
        if stated is None:
            continue
        name = row.text(code)
        if name not in amounts:
            raise BadData(f"{row.place}: ccxt gives {name} another name, so its amount without open profit is unclear")
        own[name] = stated
    return own


def _check_identity(raw: Any, options: CcxtOptions, place: str) -> None:
    path = options.facts.identity_path
    if options.identity is None or path is None:
        return
    found = value_at(raw, path)
    if found is None or str(found) != options.identity:
        raise BadData(f"{place}: the answer is of {path} {found!r}, not of {options.identity!r}")


def _cash(amounts: Mapping[str, Decimal], raw: Any, options: CcxtOptions, place: str) -> Mapping[str, Decimal] | None:
    """Return the money by currency; None where it cannot be separated from open profit.

    Of a derivatives wallet, ccxt's total has the open profit in it at some exchanges and not at others.
    """
    if options.holds != DERIVATIVES or options.facts.total_has_open_profit:
        return {code: amount for code, amount in amounts.items() if code in options.cash_currencies}
    wallet, evidence = options.facts.wallet, options.facts.balances
    if wallet is None or evidence is None:
        return None
    code, amount = wallet
    return {row.text(code): row.number(amount) for row in rows_at(raw, evidence, place)}


def _position(
    row: Record, markets: Mapping[str, Any], options: CcxtOptions, evidence: RowEvidence | None
) -> BrokerPosition:
    symbol = row.text("symbol")
    place = f"{row.place} ({symbol})"
    if symbol not in markets:
        raise UnknownMarketError(f"{place}: the exchange lists no such market")
    market = Record(markets[symbol], f"market {symbol}")
    units, multiplier = _units(row, market, options)
    contracts = _contracts(row, evidence, place)
    quantity = EXACT.multiply(contracts, units).copy_sign(row.choice("side", SIGNS))
    if evidence is not None:
        check_side(row.raw.get("info"), evidence, quantity, place)
    notional = None if market.raw.get("inverse") else row.optional_number("notional")
    return BrokerPosition(
        symbol=symbol,
        quantity=quantity,
        avg_cost=row.optional_number("entryPrice"),
        market_value=None if notional is None else notional.copy_abs().copy_sign(quantity),
        asset_type=ASSET_TYPES.get(market.optional_text("type") or "", AssetType.OTHER),
        currency=market.optional_text("quote"),
        multiplier=multiplier,
        identifiers={"ccxt_market_id": market.text("id")},
    )


def _contracts(row: Record, evidence: RowEvidence | None, place: str) -> Decimal:
    contracts = row.number("contracts")
    if evidence is not None and evidence.closed is not None:
        contracts = EXACT.subtract(contracts, Record(row.raw.get("info"), place).number(evidence.closed))
    if contracts < 0:
        raise BadData(f"{place}: 'contracts' is {contracts}, where the side gives the sign")
    return contracts


def _units(row: Record, market: Record, options: CcxtOptions) -> tuple[Decimal, Decimal | None]:
    """Return how much of our quantity one contract is, and what one unit of our quantity stands for.

    A linear contract is a piece of the base currency, so its quantity can be in that. An inverse one is worth a
    sum of the quote currency: it stays in contracts.
    """
    if not market.raw.get("contract"):
        return Decimal(1), None
    size = row.optional_number("contractSize") or market.optional_number("contractSize")
    if size is None:
        raise BadData(f"{row.place}: neither the row nor {market.place} states the size of a contract")
    is_piece = market.raw.get("linear") and market.raw.get("type") != "option" and not options.linear_in_contracts
    return (size, Decimal(1)) if is_piece else (Decimal(1), size)
