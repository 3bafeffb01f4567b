from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.domain.model.models import AssetType
from reconciliation.errors import AuthError, BadData, Incomplete
from tests.unit.adapters.brokers.statements.flex_text import EQUITY, POSITION, cash, flex, position, read, statement


def test_lots_are_added_up_with_their_costs_weighted(source: StatementSource) -> None:
    lots = position(levelOfDetail="LOT", position="10", costBasisPrice="100", positionValue="1500") + position(
        levelOfDetail="LOT", position="30", costBasisPrice="200", positionValue="4500"
    )

    (read_one,) = read(source, flex(statement(positions=lots)))

    (held,) = read_one.positions or ()
    assert (held.quantity, held.avg_cost, held.market_value) == (40, 175, 6000)


def test_a_summary_row_counts_and_its_lots_do_not_count_again(source: StatementSource) -> None:
    rows = POSITION + position(levelOfDetail="LOT", position="60") + position(levelOfDetail="LOT", position="40")
    other = position(levelOfDetail="LOT", symbol="MSFT", conid="2", position="5")

    (read_one,) = read(source, flex(statement(positions=rows + other)))

    assert {row.symbol: row.quantity for row in read_one.positions or ()} == {"AAPL": 100, "MSFT": 5}


def test_a_symbol_of_two_listings_stays_two_rows(source: StatementSource) -> None:
    rows = POSITION + position(conid="999", currency="CAD", position="7")

    (read_one,) = read(source, flex(statement(positions=rows)))

    assert [(row.currency, row.quantity) for row in read_one.positions or ()] == [("USD", 100), ("CAD", 7)]


def test_the_base_summary_is_the_cash_and_is_not_added_to_the_currencies(source: StatementSource) -> None:
    rows = cash("BASE_SUMMARY", "150") + cash("USD", "100") + cash("EUR", "45") + cash("JPY", "0")

    (read_one,) = read(source, flex(statement(cash_rows=rows, equity=EQUITY)))

    account = read_one.account
    assert (account.cash, account.total_equity, account.currency) == (150, 1000, "USD")
    assert account.cash_by_currency == {"EUR": 45, "USD": 100, "JPY": 0}
    assert account.cash_split_is_whole


def test_one_currency_that_is_the_base_needs_no_summary(source: StatementSource) -> None:
    (read_one,) = read(source, flex(statement(cash_rows=cash("USD", "100"), equity=EQUITY)))

    assert read_one.account.cash == 100


@pytest.mark.parametrize("rows", [cash("USD", "100") + cash("EUR", "50"), cash("EUR", "50")])
def test_currencies_that_are_not_the_base_have_no_total(source: StatementSource, rows: str) -> None:
    (read_one,) = read(source, flex(statement(cash_rows=rows, equity=EQUITY)))

    assert read_one.account.cash is None
    assert "BASE_SUMMARY" in read_one.notes[0]


def test_values_that_are_not_in_the_file_are_none_and_not_zero(source: StatementSource) -> None:
    (read_one,) = read(source, flex(statement(positions=POSITION)))

    assert (read_one.account.cash, read_one.account.total_equity) == (None, None)
    assert "Cash Report" in read_one.notes[0]


def test_an_empty_section_is_flat_and_a_missing_one_is_unknown(source: StatementSource) -> None:
    (flat,) = read(source, flex(statement(positions="")))
    (unknown,) = read(source, flex(statement(positions=None)))

    assert flat.positions == ()
    assert unknown.positions is None
    with pytest.raises(Incomplete, match="Open Positions"):
        unknown.snapshot(source)


def test_the_newest_statement_of_each_account_counts(source: StatementSource) -> None:
    old = statement(positions=position(position="1"), toDate="20250114")
    new = statement(positions=position(position="2"), toDate="2025-01-15")
    rerun = statement(positions=position(position="3"), toDate="20250115", whenGenerated="20250117;080000")
    other = statement(accountId="U2", toDate="20250101")

    first, second = read(source, flex(new, old, rerun, other))

    assert [row.quantity for row in first.positions or ()] == [3]
    assert first.as_of == datetime(2025, 1, 15, tzinfo=UTC)
    assert (second.account_id, second.positions) == ("U2", ())


def test_the_newest_date_of_equity_and_positions_counts(source: StatementSource) -> None:
    equity = EQUITY.replace("20250115", "20250113").replace("1000", "900") + EQUITY
    rows = position(reportDate="20250114", position="90") + POSITION

    (read_one,) = read(source, flex(statement(positions=rows, equity=equity)))

    assert read_one.account.total_equity == 1000
    assert [row.quantity for row in read_one.positions or ()] == [100]


@pytest.mark.parametrize(
    "text", ["20250115", "2025-01-15", "20250115;235959", "2025-01-15;23:59:59", "2025-01-15 235959", "15-Jan-25"]
)
def test_dates_come_in_several_shapes(source: StatementSource, text: str) -> None:
    (read_one,) = read(source, flex(statement(toDate=text)))

    assert read_one.as_of is not None
    assert f"{read_one.as_of:%Y-%m-%d}" == "2025-01-15"


def test_options_and_futures_keep_quantity_multiplier_and_cost_per_unit(source: StatementSource) -> None:
    option = position(assetCategory="OPT", symbol="AAPL  250221C00180000", multiplier="100", costBasisPrice="5.506")
    future = position(assetCategory="FUT", symbol="ESH5", conid="5", multiplier="50", costBasisPrice="0")

    (read_one,) = read(source, flex(statement(positions=option + future)))

    first, second = read_one.positions or ()
    assert (first.symbol, first.asset_type, first.multiplier) == ("AAPL  250221C00180000", AssetType.OPTION, 100)
    assert first.avg_cost == Decimal("5.506")
    assert (second.asset_type, second.multiplier, second.avg_cost) == (AssetType.FUTURE, 50, None)


def test_other_sections_may_hold_whatever_they_like(source: StatementSource) -> None:
    trades = '<Trades><Trade quantity="NaN" assetCategory="??" /><Order><Nested x="1"/></Order></Trades>'

    (read_one,) = read(source, flex(statement(positions=POSITION).replace("<CashReport>", trades + "<CashReport>")))

    assert len(read_one.positions or ()) == 1


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (position(position="NaN"), "AAPL: position: 'NaN' is not a number"),
        (position(position="1_000"), "is not a number"),
        (position(position=""), "position is missing: add the field"),
        (position(symbol=""), "symbol is missing"),
        (position(costBasisPrice="1,5"), "costBasisPrice: '1,5' is not a number"),
        (position(side="Short"), "contradict each other"),
        (position(accountId="U9"), "of account 'U9' in a statement of 'U1'"),
        (position(reportDate="01/02/2025"), "is not a date"),
        (POSITION + POSITION, "two summary rows of position 265598"),
        ("<Lot/>", "<OpenPositions> holds <Lot>"),
    ],
)
def test_a_row_that_cannot_be_read_is_an_error_with_file_line_and_reason(
    source: StatementSource, row: str, problem: str
) -> None:
    with pytest.raises(BadData) as raised:
        read(source, flex(statement(positions=row)))

    assert problem in str(raised.value)
    assert str(raised.value).startswith(f"{source.path}: line ")


def test_the_error_names_the_very_line(source: StatementSource) -> None:
    rows = "\n".join([POSITION, "", position(symbol="MSFT", conid="2", position="x")])

    with pytest.raises(BadData, match="line 7: <OpenPosition>: MSFT"):
        read(source, flex(statement(positions=rows)))


@pytest.mark.parametrize(
    ("rows", "equity"),
    [(cash("USD", "1") + cash("USD", "1"), ""), ("", EQUITY + EQUITY), (cash("USD", ""), ""), (cash("USD", "abc"), "")],
)
def test_repeated_or_unreadable_values_are_an_error(source: StatementSource, rows: str, equity: str) -> None:
    with pytest.raises(BadData):
        read(source, flex(statement(cash_rows=rows, equity=equity)))


def test_two_statements_of_one_account_and_date_are_an_error(source: StatementSource) -> None:
    with pytest.raises(BadData, match="neither is the newer"):
        read(source, flex(statement(), statement()))


def test_models_of_one_account_are_added_up(source: StatementSource) -> None:
    rows = cash("USD", "1", 'model="A" ') + cash("USD", "2", 'model="B" ')

    (read_one,) = read(source, flex(statement(cash_rows=rows, equity=EQUITY)))

    assert read_one.account.cash == 3


def test_fewer_statements_than_announced_are_incomplete(source: StatementSource) -> None:
    with pytest.raises(Incomplete, match="announces 2 statements and holds 1"):
        read(source, flex(statement(), announced=2))


@pytest.mark.parametrize(("code", "error"), [("1019", Incomplete), ("1012", AuthError), ("1020", BadData)])
def test_the_services_refusal_is_not_a_statement(source: StatementSource, code: str, error: type[Exception]) -> None:
    text = (
        f"<FlexStatementResponse><Status>Fail</Status><ErrorCode>{code}</ErrorCode>"
        "<ErrorMessage>Statement generation in progress.</ErrorMessage></FlexStatementResponse>"
    )

    with pytest.raises(error, match=f"{code}: Statement generation"):
        read(source, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<FlexQueryResponse type='TCF'></FlexQueryResponse>", "Activity Flex Query"),
        ("<FlexQueryResponse><FlexStatements count='0'/></FlexQueryResponse>", "no account statement"),
        ("<Report/>", "<Report> is not a Flex statement"),
    ],
)
def test_other_documents_are_refused(source: StatementSource, text: str, problem: str) -> None:
    with pytest.raises(BadData, match=problem):
        read(source, text)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (f"<OpenPositions>\n{POSITION}\n", f"{POSITION}<OpenPositions>\n", "<FlexStatement> holds <OpenPosition>"),
        (
            f"<OpenPositions>\n{POSITION}\n",
            f"<Trades>{POSITION}</Trades><OpenPositions>\n",
            "<Trades> holds <OpenPosition>",
        ),
        ("<CashReport>", f"<CashReport>{POSITION}", "<CashReport> holds <OpenPosition>"),
        (POSITION, f"<Group>{POSITION}</Group>", "<OpenPositions> holds <Group>"),
        (
            "<OpenPositions>",
            "<Group><OpenPositions></OpenPositions></Group><OpenPositions>",
            "<Group> holds <OpenPositions>",
        ),
        ("<FlexStatements ", f"<Odd>{POSITION}</Odd><FlexStatements ", "<Odd> holds <OpenPosition>"),
        ("</FlexStatements>", f"{POSITION}</FlexStatements>", "<FlexStatements> holds <OpenPosition>"),
        ("<CashReport>", "<FlexStatement></FlexStatement><CashReport>", "stands in another <FlexStatement>"),
    ],
)
def test_a_row_out_of_its_place_is_refused_and_never_dropped(source: StatementSource, old, new, told) -> None:
    text = flex(statement(positions=POSITION))
    assert old in text

    with pytest.raises(BadData, match=told):
        read(source, text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("20260131;093722 EST", datetime(2026, 1, 31, 14, 37, 22, tzinfo=UTC)),
        ("2026-07-31, 09:37:22 EDT", datetime(2026, 7, 31, 13, 37, 22, tzinfo=UTC)),
        ("20260131093722", datetime(2026, 1, 31, 9, 37, 22, tzinfo=UTC)),
        ("2026-01-3109:37:22", datetime(2026, 1, 31, 9, 37, 22, tzinfo=UTC)),
        ("31-Jan-26093722 EST", datetime(2026, 1, 31, 14, 37, 22, tzinfo=UTC)),
        ("20260131 093722 UTC", datetime(2026, 1, 31, 9, 37, 22, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_the_query_may_write_them(source: StatementSource, written: str, moment: datetime) -> None:
    (read_one,) = read(source, flex(statement(positions=POSITION, whenGenerated=written)))

    assert read_one.generated_at == moment


@pytest.mark.parametrize("written", ["20260131;093722 IST", "20260131 EST", "20260131;0937221", "x" * 100_000])
def test_a_time_that_is_not_certain_is_refused(source: StatementSource, written: str) -> None:
    with pytest.raises(BadData, match="is not a date") as caught:
        read(source, flex(statement(positions=POSITION, whenGenerated=written)))
    assert len(str(caught.value)) < 1000


def test_more_statements_than_announced_are_not_called_cut_off(source: StatementSource) -> None:
    with pytest.raises(BadData, match="announces 1 statements and holds 2: it was put together"):
        read(source, flex(statement(), statement(accountId="U2"), announced=1))
    with pytest.raises(Incomplete, match="announces 3 statements and holds 1: the file is cut off"):
        read(source, flex(statement(), announced=3))


def test_the_receipt_of_a_request_is_called_so(source: StatementSource) -> None:
    receipt = "<Status>Success</Status><ReferenceCode>123</ReferenceCode><Url>https://flex.example</Url>"
    with pytest.raises(BadData, match="is the receipt of a request to the Flex service, not a statement"):
        read(source, f'<FlexStatementResponse timestamp="1">{receipt}</FlexStatementResponse>')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (POSITION, f"{POSITION}&lt;OpenPosition/>"),
        (POSITION, "OpenPosition position"),
        ("<CashReport>", "stray<CashReport>"),
        ("</FlexStatement>", "stray</FlexStatement>"),
    ],
)
def test_text_where_only_rows_can_be_is_refused(source: StatementSource, old: str, new: str) -> None:
    with pytest.raises(BadData, match=r"where only elements can be|where no text can be"):
        read(source, flex(statement(positions=POSITION)).replace(old, new, 1))


@pytest.mark.parametrize("level", ["LOTS", ""])
def test_a_row_beside_lots_is_a_lot_or_a_summary(source: StatementSource, level: str) -> None:
    rows = position(levelOfDetail="LOT", position="60") + position(levelOfDetail=level, position="40")
    with pytest.raises(BadData, match="has lots, and a row that is neither LOT nor SUMMARY"):
        read(source, flex(statement(positions=rows)))
