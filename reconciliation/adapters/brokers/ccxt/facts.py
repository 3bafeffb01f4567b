"""What we know of single exchanges beyond what ccxt says: where the raw answers keep their rows, and the limits.

ccxt takes a missing list for an empty one, drops rows that it cannot place, and guesses an unknown side. The raw
answer is checked against all three; for an exchange that is not listed here, options name the places.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class RowEvidence:
    """Where a raw answer keeps its rows, and what makes a row a holding."""

    #: Dotted places, tried in order; "" is the answer itself. An object of objects counts as their list.
    paths: tuple[str, ...]
    #: Fields of a row; it is a holding if any of them is not zero.
    sizes: tuple[str, ...]
    #: The first of `sizes` that a row has has the sign of the position.
    is_signed: bool = False
    #: The field with the side, with all of its words: ccxt reads any other word as one of them.
    side: tuple[str, frozenset[str]] | None = None
    #: What has been closed of the position already, and is still part of ccxt's `contracts`.
    closed: str | None = None
    #: A row with zero here was never filled in, says the exchange.
    stale: str | None = None
    #: By place: the fields that make up an amount, so that a row without one of them says too little.
    whole: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ExchangeFacts:
    """One exchange. None: not known, so options must say it or it is not compared."""

    positions: RowEvidence | None = None
    balances: RowEvidence | None = None
    #: In the balance answer: whose it is, the account's equity, and each wallet's cash without open profit.
    identity_path: str | None = None
    equity_path: str | None = None
    wallet: tuple[str, str] | None = None
    #: ccxt's total of a currency includes open profit, so the wallet's own amount counts.
    total_has_open_profit: bool = False
    #: By the exchange's documentation, at the weight of the requests used here.
    requests_per_second: float = 1.0


# Futures, and options.
BINANCE_POSITIONS = RowEvidence(paths=("", "positions"), sizes=("positionAmt", "quantity"), is_signed=True)
BINANCE_BALANCES = RowEvidence(
    paths=("balances", "userAssets", "assets", ""),
    sizes=("free", "locked", "walletBalance", "marginBalance", "balance", "borrowed"),
    stale="updateTime",
    whole={"balances": ("free", "locked"), "userAssets": ("free", "locked", "borrowed", "interest")},
)
# Spot: 6000 weight a minute, 20 an account; futures: 2400, and 5.
BINANCE = ExchangeFacts(
    positions=BINANCE_POSITIONS,
    balances=BINANCE_BALANCES,
    identity_path="uid",
    wallet=("asset", "walletBalance"),
    requests_per_second=5.0,
)

FACTS: Mapping[str, ExchangeFacts] = {
    "binance": BINANCE,
    "binanceusdm": BINANCE,
    "binancecoinm": BINANCE,
    "binanceus": BINANCE,
    # The call counter of the lowest tier falls by 0.33 a second, and each request adds 1.
    "kraken": ExchangeFacts(
        positions=RowEvidence(
            paths=("result",), sizes=("vol",), side=("type", frozenset({"buy", "sell"})), closed="vol_closed"
        ),
        balances=RowEvidence(paths=("result",), sizes=("balance",)),
        requests_per_second=0.33,
    ),
    # The trading account, and the funding account. Balances: 10 requests in 2 seconds.
    "okx": ExchangeFacts(
        balances=RowEvidence(paths=("data.0.details", "data"), sizes=("eq", "bal")),
        wallet=("ccy", "cashBal"),
        total_has_open_profit=True,
        requests_per_second=5.0,
    ),
    # 1200 weight a minute to an address, 2 a request.
    "hyperliquid": ExchangeFacts(
        positions=RowEvidence(paths=("assetPositions",), sizes=("position.szi",), is_signed=True),
        # A derivatives account has a sum and no rows.
        balances=RowEvidence(paths=("balances", "marginSummary"), sizes=("total", "accountValue")),
        equity_path="marginSummary.accountValue",
        requests_per_second=10.0,
    ),
}

UNKNOWN_EXCHANGE = ExchangeFacts()
