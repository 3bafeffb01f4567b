"""ISO 20022 semt.002 (securities balance custody report), any version of the message.

The total of an instrument is its `AggtBal`; available, blocked and other balances are parts of it.
"""

from collections.abc import Mapping
from typing import Any

from reconciliation.adapters.brokers.statements.custody.basis import BASIS
from reconciliation.adapters.brokers.statements.custody.pages import statements_of
from reconciliation.adapters.brokers.statements.custody.semt002_rows import BalanceRow, ReportRows
from reconciliation.adapters.brokers.statements.format import StatementFormat, contains
from reconciliation.adapters.brokers.statements.limits import MAX_POSITIONS, MAX_STATEMENTS
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.adapters.brokers.statements.xml_stream import parse_xml
from reconciliation.errors import InvalidInputError

REPORT = "SctiesBalCtdyRpt"
_SUB_ACCOUNT = "SubAcctDtls"
#: What is read of a report, and where each must stand.
_PLACES = {"BalForAcct": REPORT, _SUB_ACCOUNT: REPORT, "BalForSubAcct": _SUB_ACCOUNT}
#: Related messages that look alike and mean something else.
_OTHER_REPORTS = {
    "SctiesBalAcctgRpt": "an accounting report (semt.003), not a custody report (semt.002)",
    "SctiesTxPstngRpt": "a report of transactions (semt.017), not a custody report (semt.002)",
    "CtdyStmtOfHldgsV01": "semt.002.001.01; versions from 03 on are read, so have the custodian send a newer one",
    "CtdyStmtOfHldgsV02": "semt.002.001.02; versions from 03 on are read, so have the custodian send a newer one",
}


def read_semt002(source: StatementSource, *, basis: str | None = None) -> list[Statement]:
    """Return the newest statement of each account in the file.

    Raises:
        ReadError: the file cannot be read completely and without doubt; the message names file, line and remedy.
    """
    reader = _ReportReader(source)
    parse_xml(source, reader)
    return statements_of(reader.pages, source, basis)


class _ReportReader:
    """Collects each report of the file as a page; envelopes around it are ignored."""

    def __init__(self, source: StatementSource) -> None:
        self.pages: list[Any] = []
        self._source = source
        self._path: list[str] = []
        self._positions = 0
        self._attributes: Mapping[str, str] = {}
        self._report: ReportRows | None = None
        self._balance: BalanceRow | None = None
        self._depth = 0

    def start(self, name: str, attributes: Mapping[str, str], line: int) -> None:
        local = name.rpartition(":")[2]
        self._path.append(local)
        self._attributes = attributes
        if local in _OTHER_REPORTS:
            raise self._source.bad(f"<{local}> is {_OTHER_REPORTS[local]}", line)
        if local == REPORT:
            if len(self.pages) >= MAX_STATEMENTS:
                raise self._source.bad(f"more than {MAX_STATEMENTS} reports: ask for fewer accounts per file", line)
            self._report, self._depth = ReportRows(line), len(self._path)
        elif local in _PLACES and self._balance is None:
            self._open(local, line)

    def end(self, name: str, text: str, line: int) -> None:
        local = name.rpartition(":")[2]
        try:
            self._end(local, text.strip(), line)
        except InvalidInputError as error:
            raise self._source.bad(str(error), line) from None
        self._path.pop()

    def _open(self, local: str, line: int) -> None:
        """Begin with a sub-account or a balance; out of its place it would be dropped or be of another account."""
        parent = self._path[-2] if len(self._path) > 1 else ""
        if self._report is None or parent != _PLACES[local]:
            raise self._source.bad(f"<{local}> stands in <{parent}>, not in <{_PLACES[local]}>", line)
        if local == _SUB_ACCOUNT:
            self._report.open_sub_account(line)
        else:
            self._balance = BalanceRow(line, len(self._path))
            self._positions += 1
            if self._positions > MAX_POSITIONS:
                raise self._source.bad(f"more than {MAX_POSITIONS} positions: ask for fewer accounts per file", line)

    def _end(self, local: str, text: str, line: int) -> None:
        report, balance = self._report, self._balance
        if report is None:
            return
        if balance is not None:
            if len(self._path) == balance.depth:
                report.add(balance)
                self._balance = None
            else:
                balance.take(tuple(self._path[balance.depth :]), text, self._attributes.get("Ccy"))
        elif local == _SUB_ACCOUNT:
            report.close_sub_account()
        elif local == REPORT:
            self.pages.append(report.page(line))
            self._report = None
        elif text:
            report.take(tuple(self._path[self._depth :]), text)


SEMT002 = StatementFormat(
    name="semt002",
    title="semt.002",
    sniff=contains(rf"\bsemt\.002\.|<(\w+:)?({REPORT}|CtdyStmtOfHldgsV)"),
    read=read_semt002,
    options=(BASIS,),
)
open_semt002 = SEMT002.open
