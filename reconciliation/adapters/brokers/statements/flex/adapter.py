"""IBKR Flex activity statements (XML).

Read are only the sections OpenPositions, CashReport and EquitySummaryInBase; any other section is ignored.
Nothing of a row that is read is ignored: what cannot be understood is an error with its line.
"""

from collections.abc import Mapping

from reconciliation.adapters.brokers.statements.flex.rows import CashRow, EquityRow, FlexRows, PositionRow
from reconciliation.adapters.brokers.statements.flex.statement import conclude_statement
from reconciliation.adapters.brokers.statements.format import StatementFormat, contains
from reconciliation.adapters.brokers.statements.limits import MAX_PAGE_DIGITS, MAX_POSITIONS, MAX_STATEMENTS
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement, newest_per_account
from reconciliation.adapters.brokers.statements.values import shortened
from reconciliation.adapters.brokers.statements.xml_stream import parse_xml
from reconciliation.errors import AuthError, Incomplete, InvalidInputError, ReadError

#: Codes of the Flex web service: the statement is being made, or the service is busy.
_CODES_TO_RETRY = {"1001", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1018", "1019", "1021"}
_CODES_OF_CREDENTIALS = {"1012", "1013", "1015"}

_ROWS: Mapping[tuple[str, str], type[PositionRow | CashRow | EquityRow]] = {
    ("OpenPositions", "OpenPosition"): PositionRow,
    ("CashReport", "CashReportCurrency"): CashRow,
    ("EquitySummaryInBase", "EquitySummaryByReportDateInBase"): EquityRow,
}
_SECTIONS = {section for section, _ in _ROWS}
_ROW_NAMES = {name for _, name in _ROWS}


def read_flex(source: StatementSource) -> list[Statement]:
    """Return the newest statement of each account in the file.

    Raises:
        ReadError: the file cannot be read completely and without doubt; the message names file, line and remedy.
    """
    reader = _FlexReader(source)
    parse_xml(source, reader)
    return newest_per_account(reader.finish(), source)


class _FlexReader:
    """Collects the rows of each `FlexStatement` as the elements come."""

    def __init__(self, source: StatementSource) -> None:
        self._source = source
        self._path: list[str] = []
        self._announced: str | None = None
        self._seen = 0
        self._positions = 0
        self._rows: FlexRows | None = None
        self._failure: dict[str, str] = {}
        self._statements: list[Statement] = []

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        parent = self._path[-1] if self._path else None
        self._path.append(name)
        if parent is None:
            self._check_root(name, attributes, line)
        elif name == "FlexStatements":
            self._announced = attributes.get("count")
        elif name == "FlexStatement":
            if self._rows is not None:
                raise self._source.bad("<FlexStatement> stands in another <FlexStatement>", line)
            self._seen += 1
            if self._seen > MAX_STATEMENTS:
                raise self._source.bad(f"more than {MAX_STATEMENTS} statements: ask for fewer accounts or days", line)
            self._rows = FlexRows(attributes, line)
        elif name in _SECTIONS | _ROW_NAMES or parent in _SECTIONS:
            self._check_place(name, line)
            self._take(name, attributes, line)
        elif name == "AccountInformation" and self._rows is not None:
            self._rows.account_currency = attributes.get("currency") or None

    def end(self, name: str, text: str, line: int) -> None:
        self._path.pop()
        if text.strip() and name in _SECTIONS | _ROW_NAMES:
            raise self._source.bad(f"<{name}> holds {shortened(text.strip())!r}, where no text can be", line)
        if name == "FlexStatement" and self._rows is not None:
            self._statements.append(self._conclude(self._rows))
            self._rows = None
        elif self._path == ["FlexStatementResponse"]:
            self._failure[name] = text.strip()
        elif name == "FlexStatementResponse":
            raise self._refused()

    def finish(self) -> list[Statement]:
        """Return every statement of the file.

        Raises:
            Incomplete: fewer than the file announces.
            BadData: more than that.
        """
        announced = self._announced
        if announced and announced != str(self._seen):
            problem = f"announces {shortened(announced)} statements and holds {self._seen}"
            if announced.isdecimal() and len(announced) <= MAX_PAGE_DIGITS and int(announced) > self._seen:
                raise self._source.cut(problem)
            raise self._source.bad(f"{problem}: it was put together or changed after it was fetched; fetch it again")
        return self._statements

    def _check_place(self, name: str, line: int) -> None:
        """Refuse a section or a row out of its place: it would be dropped, and its account read as flat."""
        around, parent = (None, *self._path)[-3], self._path[-2]
        in_place = (
            parent == "FlexStatement" if name in _SECTIONS else around == "FlexStatement" and (parent, name) in _ROWS
        )
        if self._rows is None or not in_place:
            raise self._source.bad(f"<{parent}> holds <{name}>, which is not known there", line)

    def _take(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        rows = self._rows
        if rows is None:
            return
        if name in _SECTIONS:
            rows.open_section(name)
            return
        row_type = _ROWS[self._path[-2], name]
        if row_type is PositionRow:
            self._positions += 1
            if self._positions > MAX_POSITIONS:
                raise self._source.bad(f"more than {MAX_POSITIONS} positions: ask for fewer accounts or days", line)
        try:
            rows.add(row_type.read(attributes, rows.account_id))
        except InvalidInputError as error:
            raise self._source.bad(f"<{name}>: {error}", line) from None

    def _conclude(self, rows: FlexRows) -> Statement:
        try:
            return conclude_statement(rows)
        except InvalidInputError as error:
            raise self._source.bad(f"<FlexStatement> of account {rows.account_id!r}: {error}", rows.line) from None

    def _check_root(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        if name not in {"FlexQueryResponse", "FlexStatementResponse"}:
            raise self._source.bad(f"<{name}> is not a Flex statement, which begins with <FlexQueryResponse>", line)
        kind = attributes.get("type", "AF")
        if name == "FlexQueryResponse" and kind != "AF":
            raise self._source.bad(f"a Flex query of type {kind!r}; make it an Activity Flex Query (type AF)", line)

    def _refused(self) -> ReadError:
        code, said = self._failure.get("ErrorCode", ""), self._failure.get("ErrorMessage", "")
        if not code and self._failure.get("Status") == "Success":
            return self._source.bad(
                "is the receipt of a request to the Flex service, not a statement: fetch the statement with the "
                "reference code in it"
            )
        message = f"{self._source.path}: not a statement but the Flex service's refusal {code}: {said}"
        if code in _CODES_OF_CREDENTIALS:
            return AuthError(message)
        return Incomplete(message) if code in _CODES_TO_RETRY else self._source.bad(message)


FLEX = StatementFormat(
    name="flex", title="Flex", sniff=contains(r"<(FlexQueryResponse|FlexStatementResponse)\b"), read=read_flex
)
open_flex = FLEX.open
