"""When two rows are one instrument: the one rule, and the many ways to write one symbol. Pure.

Two rows are one instrument when they are of one asset type and share a mark: a strong identifier of the contract
itself, or one name however it is written. Nothing else is evidence; equal quantities are not.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow, BrokerPosition, LocalPosition

#: Symbol and asset type: what positions of both sides are keyed by.
PositionKey = tuple[str, AssetType]

#: What names an instrument beyond doubt, strongest first.
STRONG_IDENTIFIERS = ("conid", "figi", "isin", "cusip")
DERIVATIVES = frozenset(
    {AssetType.OPTION, AssetType.FUTURE, AssetType.FUTURE_OPTION, AssetType.SWAP, AssetType.CFD, AssetType.WARRANT}
)
#: A derivative may carry these of its underlying, so they do not name the derivative.
_MAY_BE_THE_UNDERLYING_S = frozenset({"isin", "cusip"})

#: Asset type, kind of mark, value.
Mark = tuple[AssetType, str, str]

_SEPARATORS = re.compile(r"[\W_]")
_STOCKS = frozenset({AssetType.STOCK, AssetType.FUND, AssetType.WARRANT, AssetType.CFD})
_OPTIONS = frozenset({AssetType.OPTION, AssetType.FUTURE_OPTION})

#: `BRK.B`, `BRK B`, `BRK-B`, `BRK/B`, `BAC PRK`: a root, one separator, a class.
_SHARE_CLASS = re.compile(r"([A-Z0-9]{1,6})[ ./-]{1,2}([A-Z]{1,4})")
#: Root, date, right and strike in thousandths; read from the end, so that the digit of an adjusted root stays with it.
_OCC = re.compile(r"(?:O:)?([A-Z0-9./-]{1,6}?) *(\d{6})([CP])(\d{8})")
#: `.AAPL260116C200` and `-AAPL260116C202.5`: the strike as people write it.
_SHORT_STRIKE = re.compile(r"[.-]?([A-Z]{1,6}\d?)(\d{6})([CP])(\d{1,5}(?:\.\d{1,3})?)")
#: `AAPL 16JAN26 200 C`.
_DESCRIBED = re.compile(r"([A-Z]{1,6}\d?) (\d{1,2})([A-Z]{3})(\d{2}) (\d{1,5}(?:\.\d{1,3})?) ([CP])")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_PAIR = re.compile(r"([A-Z0-9]{1,12})[./_-]([A-Z0-9]{2,6})")
_KRAKEN_PAIR = re.compile(r"[XZ]([A-Z]{3})Z([A-Z]{3})")
#: The names that Kraken alone uses.
_KRAKEN_NAMES = {"XBT": "BTC", "XDG": "DOGE"}
#: What a pair without a separator may end with; longer ones first, so that `BTCUSDT` is not `BTCUS` in `DT`.
_QUOTES = ("USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "BTC", "ETH", "XBT")


def marks_of(row: Any) -> list[Mark]:
    """Return all that names the row's instrument, strongest first. Rows that share a mark are one instrument.

    An ISIN counts only with its currency: one security may trade in several.
    """
    kind = AssetType(row.asset_type)
    marks: list[Mark] = []
    if isinstance(row, (LocalPosition, BookRow, BrokerPosition)) and row.identifiers:
        for name in STRONG_IDENTIFIERS:
            value = row.identifiers.get(name, "").strip().upper()
            if not value or (kind in DERIVATIVES and name in _MAY_BE_THE_UNDERLYING_S):
                continue
            if name != "isin":
                marks.append((kind, name, value))
            elif row.currency:
                marks.append((kind, name, f"{value} {row.currency}"))
    marks.append(name_mark(row.symbol, kind))
    return marks


def name_mark(symbol: str, asset_type: AssetType) -> Mark:
    """Return the mark of a name: the same for every way to write it."""
    return (asset_type, "name", common_form(symbol, asset_type))


def contradict(one: Any, other: Any) -> bool:
    """Say whether both rows have a strong identifier of one kind, and not the same."""
    mine, others = ({name: value for _, name, value in marks_of(row) if name != "name"} for row in (one, other))
    return any(mine[name] != others[name] for name in mine.keys() & others.keys())


def derives_from(symbol: str, name: str) -> bool:
    """Say whether a derivative's symbol begins with `name`: `ESZ6` with `ES`, `BRKB  260116C…` with `BRK.B`."""
    return _SEPARATORS.sub("", symbol.upper()).startswith(_SEPARATORS.sub("", name.upper()))


@lru_cache(maxsize=65_536)
def common_form(symbol: str, asset_type: AssetType) -> str:
    """Return the form that all ways to write this symbol share; a symbol of no known form stays as it is.

    A form is only for finding equal things. People see the symbol as one side writes it.
    """
    text = symbol.strip().upper()
    if asset_type in _OPTIONS:
        return _option(text)
    if asset_type in _STOCKS:
        found = _SHARE_CLASS.fullmatch(text)
        return f"{found[1]}.{found[2]}" if found else text
    if asset_type in (AssetType.CRYPTO, AssetType.FOREX):
        return _pair(text)
    return text


def _option(text: str) -> str:
    if found := _OCC.fullmatch(text):
        root, day, right, strike = found.groups()
        return _occ(root, day, right, Decimal(strike) / 1000)
    if found := _SHORT_STRIKE.fullmatch(text):
        root, day, right, strike = found.groups()
        return _occ(root, day, right, Decimal(strike))
    if (found := _DESCRIBED.fullmatch(text)) and found[3] in _MONTHS:
        root, day, month, year, strike, right = found.groups()
        return _occ(root, f"{year}{_MONTHS.index(month) + 1:02}{int(day):02}", right, Decimal(strike))
    return text


def _occ(root: str, day: str, right: str, strike: Decimal) -> str:
    # The class of a share has no separator in its options: BRKB. A digit marks an adjusted option and stays.
    plain = re.sub(r"[ ./-]", "", root)
    return f"{plain}{day}{right}{int(strike * 1000):08}"


def _pair(text: str) -> str:
    if ":" in text:  # ccxt's `BTC/USDT:USDT` is a swap, and never the spot pair
        return text
    if found := _PAIR.fullmatch(text) or _KRAKEN_PAIR.fullmatch(text):
        return f"{_coin(found[1])}/{_coin(found[2])}"
    for quote in _QUOTES:
        if text.endswith(quote) and len(text) >= len(quote) + 3:
            return f"{_coin(text.removesuffix(quote))}/{_coin(quote)}"
    return _coin(text)


def _coin(name: str) -> str:
    return _KRAKEN_NAMES.get(name, name)
