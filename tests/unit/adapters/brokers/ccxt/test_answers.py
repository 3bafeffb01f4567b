"""What the real ccxt makes of recorded and odd answers, and what we make of that. No exchange is asked."""

from decimal import Decimal

import ccxt
import pytest

from reconciliation.adapters.brokers.ccxt.answers import read_account, read_holdings, read_positions
from reconciliation.adapters.brokers.ccxt.options import read_ccxt_options
from reconciliation.errors import BadData, Incomplete
from tests.contract.samples import load_sample


def options(exchange, **more):
    return read_ccxt_options({"exchange": exchange, "account_id": "A", "currency": "USDT", **more})


def parsed(exchange, method, raw):
    """Return ccxt's balance structure of a raw answer, with digits as text as the adapter reads them."""
    market = getattr(ccxt, exchange)()
    market.number = str
    return getattr(market, method)(raw)


def okx(*rows):
    details = [{"ccy": "USDT", "eq": "0", "cashBal": "0", "availEq": "0", "upl": "0", **row} for row in rows]
    return {"code": "0", "data": [{"details": details, "uTime": "1744499648556"}], "msg": ""}


@pytest.mark.parametrize("holds", ["spot", "both", "derivatives"])
def test_cash_at_okx_is_without_open_profit(holds):
    raw = okx({"eq": "99.9", "cashBal": "94.4", "upl": "5.5"}, {"ccy": "BTC", "eq": "0.5", "cashBal": "0.4"})
    balance = parsed("okx", "parse_trading_balance", raw)

    account = read_account(balance, "A", options("okx", holds=holds), "balance")

    assert account.cash == Decimal("94.4")


def test_a_coin_at_okx_is_without_open_profit():
    balance = parsed("okx", "parse_trading_balance", okx({"ccy": "BTC", "eq": "0.5", "cashBal": "0.4"}))

    [row] = read_holdings(balance, options("okx"), "balance")

    assert (row.symbol, row.quantity) == ("BTC", Decimal("0.4"))


def test_the_recorded_answer_of_okx_is_read_digit_for_digit():
    raw = load_sample("ccxt/okx__account_balance_raw.json")
    balance = parsed("okx", "parse_trading_balance", raw)

    assert str(read_account(balance, "A", options("okx"), "balance").cash) == "94.42612990333333"


def test_the_funding_account_of_okx_has_plain_balances():
    raw = {"code": "0", "data": [{"ccy": "USDT", "bal": "7.5", "availBal": "7.5", "frozenBal": "0"}], "msg": ""}
    balance = parsed("okx", "parse_funding_balance", raw)

    assert read_account(balance, "A", options("okx"), "balance").cash == Decimal("7.5")


def test_an_okx_account_without_a_coin_is_flat():
    balance = parsed("okx", "parse_trading_balance", okx())

    assert read_holdings(balance, options("okx", holds="both"), "balance") == []


def test_a_coin_that_ccxt_names_otherwise_has_no_sure_amount_at_okx():
    balance = parsed("okx", "parse_trading_balance", okx({"ccy": "AE", "eq": "1", "cashBal": "1"}))

    with pytest.raises(BadData, match="another name"):
        read_holdings(balance, options("okx"), "balance")


def coinbase(*kinds):
    accounts = [
        {
            "uuid": f"u{number}",
            "currency": f"C{number}",
            "type": kind,
            "available_balance": {"value": amount, "currency": f"C{number}"},
            "hold": {"value": "0", "currency": f"C{number}"},
        }
        for number, (kind, amount) in enumerate(kinds)
    ]
    return {"accounts": accounts, "has_next": False, "cursor": "", "size": len(accounts)}


def test_wallets_that_ccxt_drops_are_not_taken_for_nothing_held():
    balance = parsed("coinbase", "parse_custom_balance", coinbase(("ACCOUNT_TYPE_VAULT", "1.5")))

    with pytest.raises(Incomplete, match="lists 1 rows, of which ccxt shows 0"):
        read_holdings(balance, options("coinbase"), "balance")


def test_empty_wallets_that_ccxt_shows_are_flat():
    balance = parsed(
        "coinbase", "parse_custom_balance", coinbase(("ACCOUNT_TYPE_CRYPTO", "0"), ("ACCOUNT_TYPE_FIAT", "0"))
    )

    assert read_holdings(balance, options("coinbase"), "balance") == []


@pytest.mark.parametrize(
    ("answer", "is_flat"),
    [
        ({"result": {"list": [{"accountType": "UNIFIED", "coin": []}]}}, True),
        ({"result": {"list": [{"accountType": "UNIFIED", "coin": [{"coin": "BTC"}]}]}}, False),
        ([], True),
        ([["exchange", "BTC", "1"]], False),
        ({"data": [], "permissions": ["read", "trade"]}, True),
        ({"data": {}}, False),
    ],
)
def test_nothing_held_needs_an_answer_without_rows(answer, is_flat):
    if is_flat:
        assert read_positions([], [answer], {}, options("bybit"), "positions") == []
    else:
        with pytest.raises(Incomplete):
            read_positions([], [answer], {}, options("bybit"), "positions")
