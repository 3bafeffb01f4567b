"""Generated statements: what was written is what is read, and damage is never read as something else."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import ReadError
from tests.brokers.cases import Book, Situation
from tests.brokers.format_cases import FORMAT_CASES
from tests.brokers.statement_cases import FileCase

#: Formats that have an end, so that a part is never taken for the whole.
ENDED = {name: case for name, case in FORMAT_CASES.items() if name != "csv"}
ended = pytest.mark.parametrize("case", ENDED.values(), ids=ENDED)
every_format = pytest.mark.parametrize("case", FORMAT_CASES.values(), ids=FORMAT_CASES)

numbers = st.decimals(min_value=-(10**12), max_value=10**12, places=6, allow_nan=False, allow_infinity=False)
quantities = numbers.filter(bool)
costs = st.none() | st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False, allow_infinity=False)
symbols = st.from_regex(r"[A-Z0189][A-Z0189./-]{0,11}", fullmatch=True)


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Positions of distinct symbols: lots are the contract suite's business."""
    chosen = draw(st.lists(symbols, unique=True, min_size=1, max_size=8))
    rows = []
    for symbol in chosen:
        quantity = draw(quantities)
        value = abs(draw(numbers)).copy_sign(quantity)
        kind = draw(st.sampled_from([AssetType.STOCK, AssetType.OPTION]))
        rows.append(BrokerPosition(symbol, quantity, draw(costs), value, kind, currency="USD", multiplier=Decimal(100)))
    return Book(tuple(rows), cash=draw(st.none() | numbers), equity=draw(st.none() | numbers))


def read(case: FileCase, content: bytes) -> list[Statement]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "statement"
        path.write_bytes(content)
        return list(read_statements(StatementSource(path=path), format_name=case.name))


@every_format
@settings(max_examples=40, deadline=None)
@given(book=books())
def test_what_was_written_is_what_is_read(case: FileCase, book: Book) -> None:
    (found,) = read(case, case.text(book).encode())

    assert [(row.symbol, row.quantity, row.market_value, row.asset_type) for row in found.positions or ()] == [
        (row.symbol, row.quantity, row.market_value, row.asset_type) for row in book.rows
    ]
    assert found.account.cash == (None if case.unsaid.cash else book.cash)
    assert found.account.total_equity == (None if case.unsaid.equity else book.equity)
    if not case.unsaid.avg_cost:
        assert [row.avg_cost for row in found.positions or ()] == [row.avg_cost for row in book.rows]


@ended
@settings(max_examples=40, deadline=None)
@given(book=books(), share=st.floats(min_value=0, max_value=1, exclude_max=True))
def test_a_part_of_a_statement_is_never_read_as_one(case: FileCase, book: Book, share: float) -> None:
    content = case.text(book).strip().encode()

    with pytest.raises(ReadError):
        read(case, content[: int(len(content) * share)])


@every_format
@settings(max_examples=60, deadline=None)
@given(at=st.floats(min_value=0, max_value=1), junk=st.binary(min_size=1, max_size=6), length=st.integers(0, 40))
def test_damage_anywhere_is_a_read_error_or_no_damage(case: FileCase, at: float, junk: bytes, length: int) -> None:
    content = case.text(Situation.TWO_LOTS.value).encode()
    start = int(len(content) * at)
    damaged = content[:start] + junk + content[start + length :]

    try:
        statements = read(case, damaged)
    except ReadError:
        return
    assert all(row.quantity.is_finite() for one in statements for row in one.positions or ())


@every_format
@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=300) | st.text(alphabet="<>/OFXINVPS&;!-[]\"'=, \n0a", max_size=300).map(str.encode))
def test_anything_at_all_is_a_read_error_and_never_another(case: FileCase, content: bytes) -> None:
    with pytest.raises(ReadError):
        read(case, content)
