from decimal import Decimal

import pytest

from reconciliation.adapters.brokers.ibkr.rows import UNSET, GatewayBook, PositionRow, SummaryRow, snapshot_of
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import BadData, Incomplete
from tests.contract.samples import load_sample


def row(**changed) -> PositionRow:
    fields = {
        "account": "U1",
        "con_id": 265598,
        "symbol": "AAPL",
        "local_symbol": "AAPL",
        "sec_type": "STK",
        "currency": "USD",
        "multiplier": "",
        "quantity": 10.0,
        "avg_cost": 150.25,
    }
    return PositionRow(**{**fields, **changed})


def figures(*changed: tuple[str, str, str], account: str = "U1") -> tuple[SummaryRow, ...]:
    rows = {("NetLiquidation", "USD"): "25000.50", ("TotalCashValue", "USD"): "1000.00"}
    rows.update({(tag, currency): value for tag, value, currency in changed})
    return tuple(
        SummaryRow(account=account, tag=tag, value=value, currency=currency) for (tag, currency), value in rows.items()
    )


def only_position(position: PositionRow) -> BrokerPosition:
    (found,) = snapshot_of("U1", GatewayBook(positions=(position,), summary=figures())).positions
    return found


def test_a_short_fraction_keeps_its_sign_and_its_digits():
    position = only_position(row(quantity=-0.1))
    assert position.quantity == Decimal("-0.1")
    assert str(position.quantity) == "-0.1"


def test_an_option_costs_per_unit_and_is_named_by_its_local_symbol():
    position = only_position(
        row(sec_type="OPT", multiplier="100", avg_cost=550.65, local_symbol="AAPL  250221C00180000")
    )
    assert position.symbol == "AAPL  250221C00180000"
    assert position.asset_type is AssetType.OPTION
    assert (position.avg_cost, position.multiplier) == (Decimal("5.5065"), Decimal(100))


def test_a_derivative_without_multiplier_has_no_known_cost_per_unit():
    assert only_position(row(sec_type="FUT", local_symbol="ESZ6", avg_cost=250000.0)).avg_cost is None


def test_an_unset_cost_is_unknown_and_not_zero():
    assert only_position(row(avg_cost=UNSET)).avg_cost is None


def test_an_unknown_kind_of_contract_is_held_all_the_same():
    assert only_position(row(sec_type="NEWKIND")).asset_type is AssetType.OTHER


def test_a_class_of_shares_keeps_the_broker_s_spelling_and_its_conid():
    position = only_position(row(symbol="BRK B", local_symbol="BRK B", con_id=72063691))
    assert position.symbol == "BRK B"
    assert position.identifiers == {"conid": "72063691"}


def test_virtual_fx_positions_and_flat_rows_are_no_holdings():
    book = GatewayBook(positions=(row(sec_type="CASH", con_id=1), row(quantity=0.0, con_id=2)), summary=figures())
    assert snapshot_of("U1", book).positions == ()


def test_a_row_that_changed_amid_the_answer_counts_once_with_its_last_quantity():
    book = GatewayBook(positions=(row(quantity=10.0), row(quantity=15.0)), summary=figures())
    (position,) = snapshot_of("U1", book).positions
    assert position.quantity == 15


def test_one_symbol_in_two_contracts_stays_two_rows():
    book = GatewayBook(positions=(row(con_id=1), row(con_id=2)), summary=figures())
    assert len(snapshot_of("U1", book).positions) == 2


def test_rows_of_another_account_stay_there():
    book = GatewayBook(positions=(row(account="U2"),), summary=figures() + figures(account="U2"))
    assert snapshot_of("U1", book).positions == ()
    assert len(snapshot_of("U2", book).positions) == 1


def test_the_base_currency_is_the_account_s_own():
    summary = (
        SummaryRow(account="U1", tag="NetLiquidation", value="9.5", currency="CHF"),
        SummaryRow(account="U1", tag="TotalCashValue", value="-3.25", currency="CHF"),
        SummaryRow(account="U1", tag="InitMarginReq", value="2", currency="CHF"),
        SummaryRow(account="U1", tag="BuyingPower", value="1.7976931348623157E308", currency="CHF"),
    )
    account = snapshot_of("U1", GatewayBook(positions=(), summary=summary)).account
    assert (account.currency, account.total_equity, account.cash) == ("CHF", Decimal("9.5"), Decimal("-3.25"))
    assert (account.margin_used, account.buying_power) == (Decimal(2), None)


def test_cash_by_currency_is_whole_with_its_zeros_and_without_the_sum():
    summary = figures(
        ("CashBalance", "700.00", "USD"),
        ("CashBalance", "-20.5", "EUR"),
        ("CashBalance", "0.00", "JPY"),
        ("CashBalance", "679.50", "BASE"),
    )
    account = snapshot_of("U1", GatewayBook(positions=(), summary=summary)).account
    assert account.cash_by_currency == {"USD": Decimal("700.00"), "EUR": Decimal("-20.5"), "JPY": Decimal(0)}
    assert account.cash_split_is_whole


def test_text_rows_of_the_ledger_are_not_read_as_numbers():
    words = (("Currency", "USD", "USD"), ("RealCurrency", "BASE", "BASE"), ("AccountOrGroup", "U1", "BASE"))
    account = snapshot_of("U1", GatewayBook(positions=(), summary=figures(*words))).account
    assert (account.cash, account.total_equity) == (Decimal("1000.00"), Decimal("25000.50"))


def test_a_recorded_answer_with_its_whole_ledger_is_read_digit_for_digit():
    rows = tuple(
        SummaryRow(account=row["account"], tag=row["tag"], value=row["value"], currency=row["currency"])
        for row in load_sample("ibkr_gateway/ledger_rows.json")
    )
    total = SummaryRow(account="DU1xxxxxx", tag="TotalCashValue", value="1019624.57", currency="USD")
    account = snapshot_of("DU1xxxxxx", GatewayBook(positions=(), summary=(*rows, total))).account
    assert str(account.total_equity) == "1020194.83"
    assert account.cash_by_currency == {"USD": Decimal("1019624.57")}


@pytest.mark.parametrize("tag", ["NetLiquidation", "TotalCashValue"])
@pytest.mark.parametrize("value", ["", "1.7976931348623157E308"])
def test_an_account_without_equity_or_cash_is_incomplete(tag, value):
    with pytest.raises(Incomplete, match=tag):
        snapshot_of("U1", GatewayBook(positions=(), summary=figures((tag, value, "USD"))))


@pytest.mark.parametrize("value", ["n/a", "NaN", "Infinity"])
def test_a_value_that_is_not_a_number_is_bad_data(value):
    with pytest.raises(BadData, match="TotalCashValue"):
        snapshot_of("U1", GatewayBook(positions=(), summary=figures(("TotalCashValue", value, "USD"))))


def test_two_base_currencies_are_refused():
    with pytest.raises(BadData, match="2 currencies"):
        snapshot_of("U1", GatewayBook(positions=(), summary=figures(("NetLiquidation", "1", "EUR"))))
