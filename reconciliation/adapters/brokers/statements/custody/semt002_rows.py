"""From the elements of a semt.002 report to a page of holdings. Pure.

Element names are those of the schema: every path below is relative to the report, or to one balance.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from reconciliation.adapters.brokers.statements.custody.pages import Amount, Holding, Page, asset_type_of, book_cost
from reconciliation.adapters.brokers.statements.limits import MAX_PAGE_DIGITS
from reconciliation.adapters.brokers.statements.values import date_and_time, number
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import InvalidInputError

Path = tuple[str, ...]

#: The element of a quantity, and MT535's word for what it counts.
_QUANTITIES: Mapping[str, str] = {"FaceAmt": "FAMT", "Unit": "UNIT", "DgtlTknUnit": "UNIT", "AmtsdVal": "AMOR"}
_PREFERRED = ("FAMT", "UNIT", "AMOR")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_IDENTIFIERS = {"CUSP": "cusip", "SEDL": "sedol", "FIGI": "figi", "FIGC": "figi"}
#: The texts that are read; others are not kept.
_READ_OF_SUB_ACCOUNT = frozenset({("SfkpgAcct", "Id"), ("ActvtyInd",)})
_READ_OF_REPORT = frozenset(
    {
        ("SfkpgAcct", "Id"),
        ("Pgntn", "PgNb"),
        ("Pgntn", "LastPgInd"),
        ("StmtGnlDtls", "UpdTp", "Cd"),
        ("StmtGnlDtls", "RptNb", "Lng"),
        ("StmtGnlDtls", "RptNb", "Shrt"),
        ("StmtGnlDtls", "StmtId"),
        ("StmtGnlDtls", "StmtBsis", "Cd"),
        ("StmtGnlDtls", "ActvtyInd"),
        ("StmtGnlDtls", "StmtDtTm", "Dt"),
        ("StmtGnlDtls", "StmtDtTm", "DtTm"),
        ("StmtGnlDtls", "CreDtTm", "Dt"),
        ("StmtGnlDtls", "CreDtTm", "DtTm"),
    }
)
_READ_OF_BALANCE = frozenset(
    {
        ("FinInstrmId", "ISIN"),
        ("FinInstrmId", "Desc"),
        ("FinInstrmAttrbts", "ClssfctnTp", "ClssfctnFinInstrm"),
        ("InstrmCcyAmts", "HldgVal", "Sgn"),
    }
)
_SIDE = ("AggtBal", "ShrtLngInd")
_FRACTION = re.compile(r"\.\d+")
_ZONE = re.compile(r"(Z|[+-]\d{2}:\d{2})$")


class ReportRows:
    """What one report (one page) says, as it is read."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._texts: dict[Path, str] = {}
        self._holdings: list[Holding] = []
        self._flat: list[str] = []
        self._sub: dict[Path, str] | None = None
        self._sub_holdings: list[BrokerPosition] = []

    def take(self, path: Path, text: str) -> None:
        """Take the text of an element that is not in a balance; of a repeated one the first."""
        if self._sub is None and path in _READ_OF_REPORT:
            self._texts.setdefault(path, text)
        elif self._sub is not None and path[1:] in _READ_OF_SUB_ACCOUNT:
            self._sub.setdefault(path[1:], text)

    def open_sub_account(self, line: int) -> None:
        if self._sub is not None:
            raise InvalidInputError(f"line {line}: a sub-account within a sub-account")
        self._sub, self._sub_holdings = {}, []

    def close_sub_account(self) -> None:
        """Book the balances of the sub-account under its own number."""
        texts, self._sub = self._sub or {}, None
        account = texts.get(("SfkpgAcct", "Id"))
        active = _boolean(texts, ("ActvtyInd",))
        if active is False and self._sub_holdings:
            raise InvalidInputError(f"sub-account {account!r} says that it holds nothing, and lists balances")
        if active is not False and not self._sub_holdings:
            raise InvalidInputError(f"sub-account {account!r} lists no balance and does not say that there is none")
        if account and not self._sub_holdings:
            self._flat.append(account)
        self._holdings += [Holding(position=position, sub_account=account) for position in self._sub_holdings]

    def add(self, balance: "BalanceRow") -> None:
        position = balance.position()
        if self._sub is not None:
            self._sub_holdings.append(position)
        else:
            self._holdings.append(Holding(position=position))

    def page(self, line: int) -> Page:
        """Return the report as a page.

        Raises:
            InvalidInputError: an element is missing, or says that the report is a delta.
        """
        update = self._general("UpdTp", "Cd")
        if update != "COMP":
            raise InvalidInputError(
                f"update type {update or 'unknown'!r}: only a complete statement can be compared, and a delta must not "
                "be read as one; have the custodian send COMP"
            )
        is_last = _boolean(self._texts, ("Pgntn", "LastPgInd"))
        if is_last is None:
            raise InvalidInputError(f"the report that ends in line {line} does not say whether it is the last page")
        page_number = self._needed("Pgntn", "PgNb")
        if not page_number.isdecimal() or len(page_number) > MAX_PAGE_DIGITS:
            raise InvalidInputError(
                f"page number {page_number[:40]!r} is not a number of up to {MAX_PAGE_DIGITS} digits"
            )
        return Page(
            account_id=self._needed("SfkpgAcct", "Id"),
            statement=self._general("RptNb", "Lng") or self._general("RptNb", "Shrt") or self._general("StmtId"),
            number=int(page_number),
            is_last=is_last,
            basis=self._general("StmtBsis", "Cd") or "unknown",
            as_of=self._moment("StmtDtTm"),
            generated_at=self._moment("CreDtTm"),
            has_holdings=_boolean(self._texts, ("StmtGnlDtls", "ActvtyInd")),
            holdings=tuple(self._holdings),
            flat_sub_accounts=tuple(self._flat),
            line=self._line,
        )

    def _needed(self, *path: str) -> str:
        text = self._texts.get(path)
        if text is None:
            raise InvalidInputError(f"the report has no {'/'.join(path)}")
        return text

    def _general(self, *path: str) -> str | None:
        return self._texts.get(("StmtGnlDtls", *path))

    def _moment(self, name: str) -> datetime | None:
        text = self._general(name, "Dt") or self._general(name, "DtTm")
        return _moment(text, name) if text else None


class BalanceRow:
    """One `BalForAcct` or `BalForSubAcct`, as it is read."""

    def __init__(self, line: int, depth: int) -> None:
        #: How many elements are open around what it holds.
        self.depth = depth
        self._line = line
        self._texts: dict[Path, str] = {}
        self._quantities: dict[str, Decimal] = {}
        #: By element: market values, and book values.
        self._values: dict[str, list[Amount]] = {"HldgVal": [], "BookVal": []}
        self._identifiers: dict[str, str] = {}
        self._other_id = ""

    def take(self, path: Path, text: str, currency: str | None) -> None:
        """Take the text of an element below the balance."""
        if path[0] == "AggtBal":
            self._take_quantity(path, text)
        elif path[:1] == ("InstrmCcyAmts",) and path[2:] == ("Amt",) and path[1] in self._values and currency:
            self._values[path[1]].append((currency, number(text, path[1])))
        elif path[:2] == ("FinInstrmId", "OthrId"):
            self._take_other_id(path[2:], text)
        elif text and path in _READ_OF_BALANCE:
            self._texts.setdefault(path, text)

    def position(self) -> BrokerPosition:
        """Return the balance as a position.

        Raises:
            InvalidInputError: no instrument, no quantity, or a sign that contradicts itself.
        """
        isin = self._texts.get(("FinInstrmId", "ISIN"))
        identifiers = ({"isin": isin} if isin else {}) | self._identifiers
        symbol = isin or self._identifiers.get("cusip") or next(iter(self._identifiers.values()), "") or self._other_id
        symbol = symbol or self._texts.get(("FinInstrmId", "Desc"), "")
        if not symbol:
            raise InvalidInputError(f"line {self._line}: the balance names no instrument")
        quantity_type, quantity = self._signed_quantity(symbol)
        value, book_value = self._amount("HldgVal"), self._amount("BookVal")
        currency = (value or book_value or (None,))[0]
        asset_type = asset_type_of(self._cfi(), quantity_type)
        return BrokerPosition(
            symbol=symbol,
            quantity=quantity,
            avg_cost=book_cost(book_value, currency, quantity, asset_type),
            market_value=self._signed_value(value[1]) if value else None,
            asset_type=asset_type,
            currency=currency,
            identifiers=identifiers,
        )

    def _take_quantity(self, path: Path, text: str) -> None:
        kind = _QUANTITIES.get(path[-1])
        if kind is not None:
            if kind in self._quantities:
                raise InvalidInputError(f"line {self._line}: the balance gives {path[-1]} twice")
            self._quantities[kind] = number(text, path[-1])
        elif path == _SIDE:
            self._texts[path] = text

    def _take_other_id(self, path: Path, text: str) -> None:
        if path == ("Id",):
            self._other_id = text
        elif path == ("Tp", "Cd") and text in _IDENTIFIERS:
            self._identifiers[_IDENTIFIERS[text]] = self._other_id

    def _signed_quantity(self, symbol: str) -> tuple[str, Decimal]:
        found = [kind for kind in _PREFERRED if kind in self._quantities]
        if not found:
            raise InvalidInputError(f"line {self._line}: {symbol}: the balance has no quantity (AggtBal)")
        if found[:2] == ["FAMT", "UNIT"]:
            raise InvalidInputError(f"line {self._line}: {symbol}: both FaceAmt and Unit: which one counts is unsure")
        quantity, side = self._quantities[found[0]], self._side()
        if side not in {None, "LONG", "SHOR"}:
            raise InvalidInputError(f"line {self._line}: {symbol}: ShrtLngInd {side!r} is neither LONG nor SHOR")
        if side is not None and quantity < 0:
            raise InvalidInputError(f"line {self._line}: {symbol}: a negative quantity marked {side}")
        return found[0], -quantity if side == "SHOR" else quantity

    def _amount(self, name: str) -> Amount | None:
        values = self._values[name]
        return values[0] if len(values) == 1 else None

    def _signed_value(self, value: Decimal) -> Decimal:
        negative = _BOOLEANS.get(self._texts.get(("InstrmCcyAmts", "HldgVal", "Sgn"), "true")) is False
        return -value if negative and value > 0 else value

    def _side(self) -> str | None:
        return self._texts.get(_SIDE)

    def _cfi(self) -> str | None:
        return self._texts.get(("FinInstrmAttrbts", "ClssfctnTp", "ClssfctnFinInstrm"))


def _boolean(texts: Mapping[Path, str], path: Path) -> bool | None:
    text = texts.get(path)
    if text is None:
        return None
    if text not in _BOOLEANS:
        raise InvalidInputError(f"{'/'.join(path)}: {text!r} is neither true nor false")
    return _BOOLEANS[text]


def _moment(text: str, what: str) -> datetime:
    """Return an ISO date or date-time; an offset is applied, none means UTC."""
    if _ZONE.search(text) and "T" in text:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise InvalidInputError(f"{what}: {text!r} is not a date") from None
    return date_and_time(_FRACTION.sub("", text), what)
