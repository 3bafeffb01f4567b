"""Brokers that are files or memory: each situation is written as the file that a broker would send."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from xml.sax.saxutils import quoteattr

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import BadData, ReadError
from reconciliation.ports.broker import BrokerQuery
from tests.brokers.cases import (
    ACCOUNT,
    CONNECTION_FAULTS,
    HTTP_FAULTS,
    OTHER_ACCOUNT,
    Book,
    BrokerCase,
    CannotExpress,
    Fault,
    Situation,
    Unsaid,
)

_FLEX_CATEGORIES = {AssetType.STOCK: "STK", AssetType.OPTION: "OPT", AssetType.FUTURE: "FUT"}
_OFX_CONTAINERS = {AssetType.STOCK: "POSSTOCK", AssetType.OPTION: "POSOPT"}
_OFX_INFOS = {AssetType.STOCK: "STOCKINFO", AssetType.OPTION: "OPTINFO"}
OFX_HEADER = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nSECURITY:NONE\nENCODING:USASCII\nCHARSET:1252\n\n"


#: What only a wire can do.
NO_WIRE: CannotExpress = {
    **dict.fromkeys(CONNECTION_FAULTS, "a file is there or not: nobody is waited for"),
    **dict.fromkeys(HTTP_FAULTS, "a file has no server that could refuse"),
}


class FileCase(BrokerCase):
    """A broker that is one file; subclasses write it."""

    name: ClassVar[str]
    suffix = ".txt"
    path_option = "path"
    options: ClassVar[Mapping[str, Any]] = {}
    cannot_express: ClassVar[CannotExpress] = NO_WIRE
    #: Where a cut-off file ends: amid the only position.
    cut_before = "15500.00"
    #: What to replace in the text with one position: for a field that nobody knows, and for such a word.
    unknown_field: ClassVar[Mapping[str, str]]
    unknown_word: ClassVar[Mapping[str, str]]
    #: A file of the same format that holds something else.
    wrong_shape: str

    @abstractmethod
    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        """Return the file of a book."""

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        with self._file(self.served_text(book).encode()) as path:
            yield self.open(path)

    @contextmanager
    def fail(self, fault: Fault, part: str = "whole") -> Iterator[BrokerQuery]:
        del part
        with self._file(self._broken(fault)) as path:
            if fault is Fault.GONE:
                self.remove(path)
            yield self.open(path)

    def open(self, path: Path) -> BrokerQuery:
        return open_broker(self.name, {self.path_option: str(path), **self.options})

    def remove(self, path: Path) -> None:
        path.unlink()

    def served_text(self, book: Book) -> str:
        text = self.text(book)
        fields = self.unknown_field if book.unknown_field else {}
        words = self.unknown_word if book.unknown_word else {}
        for known, unknown in (*fields.items(), *words.items()):
            assert known in text
            text = text.replace(known, unknown)
        return text

    def _broken(self, fault: Fault) -> bytes:
        one = Situation.ONE_POSITION.value
        whole = self.text(one)
        broken = {
            Fault.OTHER_ACCOUNT: self.text(one, OTHER_ACCOUNT),
            Fault.CUT_OFF: whole[: whole.index(self.cut_before)],
            Fault.NOTHING: "",
            Fault.WRONG_SHAPE: self.wrong_shape,
            Fault.GARBAGE: "<html><body>504 Gateway Time-out</body></html>\n",
            Fault.NOT_A_NUMBER: self.without_quantity(whole, "NaN"),
            Fault.NO_QUANTITY: self.without_quantity(whole, ""),
            Fault.GONE: whole,
        }
        return broken[fault].encode()

    @abstractmethod
    def without_quantity(self, text: str, instead: str) -> str:
        """Return a file's text with other words in place of its quantity."""

    @contextmanager
    def _file(self, content: bytes) -> Iterator[Path]:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "statements" / f"statement{self.suffix}"
            path.parent.mkdir()
            path.write_bytes(content)
            yield path


class FlexCase(FileCase):
    name = "flex"
    suffix = ".xml"
    unknown_field: ClassVar[Mapping[str, str]] = {"assetCategory=": 'ofTomorrow="1" assetCategory='}
    unknown_word: ClassVar[Mapping[str, str]] = {'assetCategory="STK"': 'assetCategory="TOMORROW"'}
    wrong_shape = "<FlexStatementResponse><Status>Success</Status></FlexStatementResponse>"

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        lots = len({row.symbol for row in book.rows}) < len(book.rows)
        rows = "".join(self._row(row, account_id, "LOT" if lots else "SUMMARY") for row in book.rows)
        equity = "" if book.equity is None else self._equity(book, account_id)
        cash = "" if book.cash is None else self._cash(book, account_id)
        return (
            '<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1">\n'
            f'<FlexStatement accountId="{account_id}" fromDate="20250115" toDate="20250115" '
            'period="LastBusinessDay" whenGenerated="20250116;093000">\n'
            f"<OpenPositions>\n{rows}</OpenPositions>\n{equity}{cash}"
            "</FlexStatement>\n</FlexStatements></FlexQueryResponse>\n"
        )

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace('position="100"', f'position="{instead}"')

    def _row(self, row: BrokerPosition, account_id: str, level: str) -> str:
        attributes = {
            "accountId": account_id,
            "currency": row.currency,
            "assetCategory": _FLEX_CATEGORIES[row.asset_type],
            "symbol": row.symbol,
            "multiplier": row.multiplier,
            "position": row.quantity,
            "positionValue": row.market_value,
            "costBasisPrice": "" if row.avg_cost is None else f"{row.avg_cost:f}",
            "levelOfDetail": level,
            "reportDate": "20250115",
        }
        written = " ".join(f"{name}={quoteattr(str(value))}" for name, value in attributes.items())
        return f"<OpenPosition {written} />\n"

    def _equity(self, book: Book, account_id: str) -> str:
        return (
            f'<EquitySummaryInBase><EquitySummaryByReportDateInBase accountId="{account_id}" currency="USD" '
            f'reportDate="20250115" total="{book.equity}" /></EquitySummaryInBase>\n'
        )

    def _cash(self, book: Book, account_id: str) -> str:
        rows = "".join(
            f'<CashReportCurrency accountId="{account_id}" currency="{currency}" endingCash="{book.cash}" />'
            for currency in ("BASE_SUMMARY", "USD")
        )
        return f"<CashReport>{rows}</CashReport>\n"


class OfxSgmlCase(FileCase):
    name = "ofx"
    suffix = ".ofx"
    unsaid = Unsaid(avg_cost=True, equity=True)
    cannot_express: ClassVar[CannotExpress] = {**NO_WIRE, Situation.FUTURE: "OFX has no futures"}
    unknown_field: ClassVar[Mapping[str, str]] = {"<INVPOS>": "<INVPOS><TOMORROW>1"}
    unknown_word: ClassVar[Mapping[str, str]] = {"<POSTYPE>LONG": "<POSTYPE>TOMORROW"}
    wrong_shape = f"{OFX_HEADER}<OFX><BANKMSGSRSV1></BANKMSGSRSV1></OFX>\n"
    header = OFX_HEADER

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        balances = "" if book.cash is None else f"<INVBAL>{self.leaf('AVAILCASH', book.cash)}</INVBAL>\n"
        positions = "".join(self._row(row) for row in book.rows)
        securities = "".join(self._info(row) for row in {row.symbol: row for row in book.rows}.values())
        return (
            f"{self.header}<OFX><SIGNONMSGSRSV1><SONRS><STATUS>{self.leaf('CODE', 0)}{self.leaf('SEVERITY', 'INFO')}"
            "</STATUS></SONRS></SIGNONMSGSRSV1>\n<INVSTMTMSGSRSV1><INVSTMTTRNRS><INVSTMTRS>"
            f"{self.leaf('DTASOF', '20250115210000[-5:EST]')}{self.leaf('CURDEF', 'USD')}"
            f"<INVACCTFROM>{self.leaf('BROKERID', 'b.example')}{self.leaf('ACCTID', account_id)}</INVACCTFROM>\n"
            f"<INVPOSLIST>\n{positions}</INVPOSLIST>\n{balances}"
            "</INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1>\n"
            f"<SECLISTMSGSRSV1><SECLIST>\n{securities}</SECLIST></SECLISTMSGSRSV1></OFX>\n"
        )

    def leaf(self, name: str, value: object) -> str:
        return f"<{name}>{value}"

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace(self.leaf("UNITS", 100), self.leaf("UNITS", instead))

    def _id(self, row: BrokerPosition) -> str:
        return f"<SECID>{self.leaf('UNIQUEID', 'ID' + row.symbol)}{self.leaf('UNIQUEIDTYPE', 'CUSIP')}</SECID>"

    def _row(self, row: BrokerPosition) -> str:
        container = _OFX_CONTAINERS[row.asset_type]
        side = "SHORT" if row.quantity < 0 else "LONG"
        value = "" if row.market_value is None else self.leaf("MKTVAL", row.market_value)
        figures = f"{self.leaf('POSTYPE', side)}{self.leaf('UNITS', f'{row.quantity:f}')}{value}"
        return f"<{container}><INVPOS>{self._id(row)}{figures}</INVPOS></{container}>\n"

    def _info(self, row: BrokerPosition) -> str:
        info = _OFX_INFOS[row.asset_type]
        size = self.leaf("SHPERCTRCT", row.multiplier)
        return f"<{info}><SECINFO>{self._id(row)}{self.leaf('TICKER', row.symbol)}</SECINFO>{size}</{info}>\n"


class OfxXmlCase(OfxSgmlCase):
    unknown_field: ClassVar[Mapping[str, str]] = {"<INVPOS>": "<INVPOS><TOMORROW>1</TOMORROW>"}
    header = '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n'

    def leaf(self, name: str, value: object) -> str:
        return f"<{name}>{value}</{name}>"


class CsvCase(FileCase):
    name = "csv"
    suffix = ".csv"
    cannot_express: ClassVar[CannotExpress] = {
        **NO_WIRE,
        Situation.FLAT: "an account without a row is not in the file",
    }
    unknown_field: ClassVar[Mapping[str, str]] = {"account_id,": "of_tomorrow,account_id,", "ACC-1,": "1,ACC-1,"}
    unknown_word: ClassVar[Mapping[str, str]] = {",stock,": ",tomorrow,"}
    wrong_shape = "booked_on,amount\n2025-01-15,100\n"

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        lines = ["account_id,symbol,asset_type,quantity,avg_cost,market_value,currency,multiplier,cash,equity"]
        lines += [self._row(row, book, account_id) for row in book.rows]
        return "\n".join(lines) + "\n"

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace("stock,100,", f"stock,{instead},")

    def _row(self, row: BrokerPosition, book: Book, account_id: str) -> str:
        kind = row.asset_type.value
        cells = [account_id, row.symbol, kind, f"{row.quantity:f}", row.avg_cost, row.market_value]
        cells += [row.currency, row.multiplier, book.cash, book.equity]
        return ",".join("" if cell is None else str(cell) for cell in cells)


class PaperFileCase(FileCase):
    name = "paper"
    suffix = ".json"
    path_option = "file"
    cannot_express: ClassVar[CannotExpress] = {
        **NO_WIRE,
        Fault.OTHER_ACCOUNT: "an account that was never set has the documented figures",
    }
    # People write it: a field that nobody knows is a typing error.
    refuses: ClassVar[Mapping[Situation, type[ReadError]]] = {Situation.UNKNOWN_FIELD: BadData}
    unknown_field: ClassVar[Mapping[str, str]] = {'"symbol":': '"of_tomorrow": 1, "symbol":'}
    unknown_word: ClassVar[Mapping[str, str]] = {'"stock"': '"tomorrow"'}
    wrong_shape = '{"accounts": ["ACC-1"]}'

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        rows = ", ".join(self._row(row) for row in book.rows)
        return f'{{"accounts": {{"{account_id}": {{{self._figures(book)}"positions": [{rows}]}}}}}}'

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace('"quantity": 100,', f'"quantity": {instead or "null"},')

    def _figures(self, book: Book) -> str:
        figures = {"cash": book.cash, "total_equity": book.equity}
        return "".join(f'"{name}": {value}, ' for name, value in figures.items() if value is not None)

    def _row(self, row: BrokerPosition) -> str:
        cost = "null" if row.avg_cost is None else f"{row.avg_cost:f}"
        return (
            f'{{"symbol": "{row.symbol}", "quantity": {row.quantity:f}, "avg_cost": {cost}, '
            f'"market_value": {row.market_value}, "asset_type": "{row.asset_type.value}", '
            f'"currency": "{row.currency}", "multiplier": {row.multiplier}}}'
        )
