"""The investment statements of an OFX file, gathered element by element: the same for SGML and XML.

Only aggregates (elements that hold elements) are followed; in SGML they alone are sure to be closed. Everything that
is no aggregate known to us counts as a leaf, so vendors' extensions and empty leaves without a closing tag pass by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciliation.adapters.brokers.statements.limits import MAX_POSITIONS, MAX_STATEMENTS
from reconciliation.adapters.brokers.statements.ofx.statement import (
    OfxPosition,
    OfxSecurities,
    OfxStatement,
    SecurityId,
)
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.errors import AuthError

#: Aggregates whose content is ignored as a whole.
_SKIPPED = {
    "INVTRANLIST", "INVOOLIST", "INV401K", "INV401KBAL", "BAL", "FI", "BANKMSGSRSV1", "CREDITCARDMSGSRSV1",
    "SIGNUPMSGSRSV1", "PROFMSGSRSV1", "EMAILMSGSRSV1",
}  # fmt: skip

#: Aggregates that are followed, and the leaves that are read in each.
_READ: Mapping[str, frozenset[str]] = {
    name: frozenset(leaves.split())
    for name, leaves in {
        "OFX": "",
        "SIGNONMSGSRSV1": "",
        "SONRS": "",
        "STATUS": "CODE SEVERITY MESSAGE",
        "INVSTMTMSGSRSV1": "",
        "INVSTMTTRNRS": "",
        "INVSTMTRS": "DTASOF CURDEF",
        "INVACCTFROM": "ACCTID",
        "INVPOSLIST": "",
        "INVPOS": "POSTYPE UNITS MKTVAL",
        "SECID": "UNIQUEID UNIQUEIDTYPE",
        "CURRENCY": "CURSYM",
        "ORIGCURRENCY": "",
        "INVBAL": "AVAILCASH MARGINBALANCE BUYPOWER",
        "BALLIST": "",
        "SECLISTMSGSRSV1": "",
        "SECLISTTRNRS": "",
        "SECLIST": "",
        "SECINFO": "TICKER",
    }.items()
}
#: Aggregates all of whose children are aggregates: POSSTOCK and its like, STOCKINFO and its like, vendors' own too.
_LISTS: Mapping[str, frozenset[str]] = {"INVPOSLIST": frozenset(), "SECLIST": frozenset({"SHPERCTRCT"})}

#: Of the aggregates that are followed; a whole file has eight.
_MAX_DEPTH = 50

_CODES_OF_CREDENTIALS = {"15500", "15501", "15502", "15503"}


@dataclass
class _Frame:
    name: str
    line: int
    reads: frozenset[str] = frozenset()
    leaves: dict[str, str] = field(default_factory=dict)
    security: SecurityId | None = None
    has_position: bool = False


class OfxCollector:
    """Takes aggregates and leaves in file order; `finish` gives what they were."""

    def __init__(self, source: StatementSource) -> None:
        self._source = source
        self._stack: list[_Frame] = []
        self._closed = False
        self._statement: OfxStatement | None = None
        self.statements: list[OfxStatement] = []
        self.securities = OfxSecurities()
        self._positions = 0
        #: Statements and securities.
        self._entries = 0

    def is_aggregate(self, name: str) -> bool:
        """Say whether an element that opens here, inside what is open, is followed as an aggregate."""
        top = self._stack[-1].name if self._stack else None
        if top in _SKIPPED:
            return False
        return name in _READ or name in _SKIPPED or top in _LISTS

    def open(self, name: str, line: int) -> None:
        parent = self._stack[-1].name if self._stack else None
        if self._closed or (parent is None) != (name == "OFX"):
            raise self._source.bad(f"<{name}> stands outside of <OFX>", line)
        if len(self._stack) >= _MAX_DEPTH:
            raise self._source.bad(f"<{name}>: elements are nested more than {_MAX_DEPTH} deep", line)
        reads = _LISTS.get(parent or "") or _READ.get(name, frozenset())
        self._stack.append(_Frame(name, line, reads))
        if name == "INVSTMTRS":
            if self._statement is not None:
                raise self._source.bad("<INVSTMTRS> stands in another <INVSTMTRS>", line)
            self._statement = OfxStatement(line=line)
            self._count(line)
        elif name in {"INVPOSLIST", "INVBAL"}:
            self._open_once(name, line)
        elif name == "INVPOS":
            self._check_place_of_position(line)

    def close(self, name: str, line: int) -> None:
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.name != name:
            if frame is not None and frame.name in _SKIPPED and not self._is_open(name):
                return
            inside = f"<{frame.name}> of line {frame.line} is still open" if frame else "nothing is open"
            raise self._source.bad(f"</{name}> comes while {inside}: the file is damaged", line)
        self._stack.pop()
        self._conclude(frame, self._stack[-1] if self._stack else None)

    def leaf(self, name: str, value: str, line: int) -> None:
        if not self._stack:
            raise self._source.bad(f"<{name}> stands outside of <OFX>", line)
        frame = self._stack[-1]
        if name not in frame.reads:
            return
        if name in frame.leaves:
            raise self._source.bad(f"<{frame.name}> holds <{name}> twice", line)
        if value:
            frame.leaves[name] = value

    def closes(self, name: str) -> bool:
        """Say whether a closing tag is that of an aggregate (a leaf's needs no attention)."""
        return name in _READ or name in _SKIPPED or self._is_open(name)

    def finish(self) -> None:
        """Check that the file is whole.

        Raises:
            Incomplete: it ends before </OFX>.
            BadData: it holds no investment statement.
        """
        if not self._closed:
            inside = self._stack[-1] if self._stack else _Frame("OFX", 1)
            raise self._source.cut(f"the file ends before </{inside.name}>", inside.line)
        if not self.statements:
            raise self._source.bad("holds no investment statement (<INVSTMTRS>); bank statements are not read")

    def _is_open(self, name: str) -> bool:
        return any(frame.name == name for frame in self._stack)

    def _conclude(self, frame: _Frame, parent: _Frame | None) -> None:
        leaves = frame.leaves
        if frame.name == "OFX":
            self._closed = True
        elif frame.name == "STATUS":
            self._check_status(frame)
        elif frame.name == "SECID" and parent is not None:
            self._name_security(frame, parent)
        elif frame.name == "SECINFO" and parent is not None:
            self._count(frame.line)
            parent.security = frame.security
            self.securities.add_ticker(frame.security, leaves.get("TICKER"))
        elif parent is not None and parent.name == "SECLIST":
            self.securities.add_contract_size(frame.security, leaves.get("SHPERCTRCT"))
        elif self._statement is not None:
            self._conclude_in_statement(self._statement, frame, parent)

    def _count(self, line: int) -> None:
        self._entries += 1
        if self._entries > MAX_STATEMENTS:
            raise self._source.bad(f"more than {MAX_STATEMENTS} statements and securities: ask for fewer", line)

    def _name_security(self, frame: _Frame, parent: _Frame) -> None:
        """Take the id of a position or an entry. An option's entry may end with its underlying's: not its own."""
        if parent.name not in {"INVPOS", "SECINFO"}:
            return
        if parent.security is not None:
            raise self._source.bad(f"<{parent.name}> holds <SECID> twice", frame.line)
        parent.security = SecurityId(frame.leaves.get("UNIQUEID", ""), frame.leaves.get("UNIQUEIDTYPE", ""))

    def _open_once(self, name: str, line: int) -> None:
        statement = self._open_statement(line)
        if name in statement.parts:
            raise self._source.bad(f"<INVSTMTRS> holds <{name}> twice", line)
        statement.parts.add(name)

    def _check_place_of_position(self, line: int) -> None:
        """Refuse a position outside of its list, and a second one in one container: neither is added or dropped."""
        *_, around, container, _ = [_Frame("", 0), _Frame("", 0), *self._stack]
        if around.name != "INVPOSLIST":
            raise self._source.bad("<INVPOS> stands outside of the list of positions (<INVPOSLIST>)", line)
        if container.has_position:
            raise self._source.bad(f"<{container.name}> holds <INVPOS> twice", line)
        container.has_position = True

    def _conclude_in_statement(self, statement: OfxStatement, frame: _Frame, parent: _Frame | None) -> None:
        leaves = frame.leaves
        if frame.name == "INVPOS":
            self._add_position(statement, frame, parent)
        elif frame.name == "CURRENCY" and parent is not None:
            parent.leaves["CURSYM"] = leaves.get("CURSYM", "")
        elif frame.name == "INVACCTFROM":
            statement.account_id = leaves.get("ACCTID", "")
        elif frame.name == "INVBAL":
            statement.balances = leaves
        elif frame.name == "INVSTMTRS":
            statement.as_of = leaves.get("DTASOF")
            statement.currency = leaves.get("CURDEF")
            self.statements.append(statement)
            self._statement = None

    def _add_position(self, statement: OfxStatement, frame: _Frame, parent: _Frame | None) -> None:
        self._positions += 1
        if self._positions > MAX_POSITIONS:
            raise self._source.bad(f"more than {MAX_POSITIONS} positions: ask for fewer accounts", frame.line)
        container = parent.name if parent is not None else ""
        row = OfxPosition(container=container, security=frame.security, leaves=frame.leaves, line=frame.line)
        statement.positions.append(row)

    def _check_status(self, frame: _Frame) -> None:
        code = frame.leaves.get("CODE", "")
        if frame.leaves.get("SEVERITY", "").upper() != "ERROR":
            return
        said = f"the bank answered with error {code}: {frame.leaves.get('MESSAGE', 'no message')}"
        if code in _CODES_OF_CREDENTIALS:
            raise AuthError(f"{self._source.path}: line {frame.line}: {said}")
        raise self._source.bad(said, frame.line)

    def _open_statement(self, line: int) -> OfxStatement:
        if self._statement is None:
            raise self._source.bad("positions or balances stand outside of <INVSTMTRS>", line)
        return self._statement
