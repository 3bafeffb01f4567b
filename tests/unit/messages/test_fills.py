"""What a report of a fill may look like, and the sentence for each that may not."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.domain.model.models import OrderFill, OrderSide
from reconciliation.errors import InvalidInputError
from reconciliation.messages.fills import FillEvent, fill_message, fill_payload, parse_fill_message

FULL = {
    "schema": 1,
    "account_id": "ACC-1",
    "event": "correction",
    "fill_id": "F-2",
    "order_id": "O-1",
    "symbol": "AAPL",
    "side": "sell",
    "quantity": "10.5",
    "price": "189.25",
    "executed_at": "2026-11-20T15:04:05+00:00",
    "corrects_fill_id": "F-1",
}


def test_a_message_survives_the_way_to_json_and_back():
    message = parse_fill_message(FULL)
    assert message.event is FillEvent.CORRECTION
    assert message.quantity == Decimal("10.5")
    assert message.side is OrderSide.SELL
    assert fill_payload(message) == FULL
    assert parse_fill_message(fill_payload(message)) == message


def test_only_schema_and_account_are_needed():
    message = parse_fill_message({"schema": 1, "account_id": "ACC-1"})
    assert message.summary() == {"order_id": None, "fill_id": None, "symbol": None}


def test_a_stream_entry_whose_values_are_all_texts_is_understood():
    assert parse_fill_message({**FULL, "schema": "1"}) == parse_fill_message(FULL)


def test_fields_of_a_later_producer_are_ignored():
    assert parse_fill_message({**FULL, "venue": "XNAS"}) == parse_fill_message(FULL)


def test_an_order_fill_becomes_a_message():
    fill = OrderFill("F-1", "O-1", "AAPL", "BUY", Decimal(10), Decimal("1.5"), datetime(2026, 11, 20, tzinfo=UTC))
    message = fill_message("ACC-1", fill)
    assert (message.side, message.quantity, message.account_id) == (OrderSide.BUY, Decimal(10), "ACC-1")
    figures = {"side": "buy", "quantity": "10", "price": "1.5"}
    assert message.summary() == {"order_id": "O-1", "fill_id": "F-1", "symbol": "AAPL"} | figures


def test_a_mapping_needs_no_schema_when_given_as_an_argument():
    assert fill_message("ACC-1", {"fill_id": "F-1"}).fill_id == "F-1"


def test_a_bust_says_so_in_the_context():
    assert parse_fill_message({**FULL, "event": "bust"}).summary()["event"] == "bust"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 2}, "schema: 2 is not known; send the number 1"),
        ({"schema": None}, "schema: None is not known"),
        ({"schema": True}, "schema: True is not known"),
        ({"account_id": None}, "account_id: is missing; name the account"),
        ({"account_id": " "}, "account_id: ' ' is not a text"),
        ({"account_id": 7}, "account_id: 7 is not a text"),
        ({"account_id": "A" * 129}, "account_id: has 129 characters; at most 128"),
        ({"account_id": "A\n"}, "account_id: holds characters that cannot be printed"),
        ({"fill_id": 12}, "fill_id: 12 is not a text"),
        ({"event": "cancel"}, "event: 'cancel' is not one of fill, bust, correction"),
        ({"side": "hold"}, "side: 'hold' is not one of buy, sell"),
        ({"quantity": "ten"}, "quantity: 'ten' is not a number"),
        ({"quantity": "NaN"}, "quantity: 'NaN' is not a finite number"),
        ({"price": []}, "price: [] is not a number"),
        ({"executed_at": "yesterday"}, "executed_at: 'yesterday' is not an ISO 8601 time"),
        ({"executed_at": 5}, "executed_at: 5 is not an ISO 8601 time"),
        ({"symbol": {"x": "y" * 100}}, "symbol: {'x': 'yyy"),
    ],
)
def test_a_bad_field_is_refused_by_its_name(change, sentence):
    with pytest.raises(InvalidInputError) as refused:
        parse_fill_message({**FULL, **change})
    assert sentence in str(refused.value)
    assert len(str(refused.value)) < 200
