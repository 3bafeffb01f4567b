"""The many ways to write one symbol, as one: share classes, OCC option symbols, crypto pairs. Pure.

A form is only for finding equal things; what people see is always the symbol as one side writes it.
"""

import re
from decimal import Decimal
from functools import lru_cache

from reconciliation.domain.model.models import AssetType

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


@lru_cache(maxsize=65_536)
def common_form(symbol: str, asset_type: AssetType) -> str:
    """Return the form that all ways to write this symbol share; a symbol of no known form stays as it is."""
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
