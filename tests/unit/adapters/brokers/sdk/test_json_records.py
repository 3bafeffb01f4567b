from decimal import Decimal

import pytest

from reconciliation.adapters.brokers.sdk.json_records import Record, decode_json, read_records
from reconciliation.errors import BadData, Incomplete


def test_numbers_with_a_point_keep_every_digit():
    assert str(decode_json(b'{"n": 0.10000000000000000000000001}', "X")["n"]) == "0.10000000000000000000000001"


@pytest.mark.parametrize("body", ["", "  ", '{"a": [1, 2', "[1,", '{"a": "b'])
def test_a_body_that_ends_early_is_incomplete(body):
    with pytest.raises(Incomplete):
        decode_json(body, "X")


@pytest.mark.parametrize("body", ["<html>", "[1,,2]", "[NaN]", "[-Infinity]", b"\xff\xfe", "[" * 100_000 + "]"])
def test_a_body_that_is_not_json_is_bad_data(body):
    with pytest.raises(BadData):
        decode_json(body, "X")


def test_missing_null_and_empty_are_all_not_given():
    record = Record({"null": None, "empty": ""}, "here")
    for name in ("null", "empty", "missing"):
        assert record.optional_text(name) is None
        assert record.optional_number(name) is None


@pytest.mark.parametrize("value", ["1e5000", "NaN", "12,5", True, [], {}, "∞"])
def test_what_is_not_a_plain_number_is_refused_with_its_place(value):
    with pytest.raises(BadData, match="row 3: 'qty'"):
        Record({"qty": value}, "row 3").number("qty")


def test_a_required_field_that_is_not_given_is_named():
    with pytest.raises(BadData, match="here has no 'symbol'"):
        Record({}, "here").text("symbol")


def test_a_number_where_a_text_is_due_is_refused():
    with pytest.raises(BadData, match="not a text"):
        Record({"symbol": 7}, "here").text("symbol")


def test_an_unknown_word_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(BadData, match="one of long, short"):
        Record({"side": "sideways"}, "here").choice("side", {"long": 1, "short": -1})


@pytest.mark.parametrize("raw", [None, {}, "", "[]", 0, [1], [None], [[]]])
def test_only_a_list_of_objects_is_a_list_of_records(raw):
    with pytest.raises(BadData):
        read_records(raw, "here")


def test_an_error_quotes_little_of_a_wrong_value():
    with pytest.raises(BadData) as caught:
        Record({"qty": "x" * 10_000}, "here").number("qty")
    assert len(str(caught.value)) < 200


def test_exact_numbers_come_from_texts_and_numbers_alike():
    record = Record({"text": "1.50", "whole": 2, "point": Decimal("2.50")}, "here")
    assert [str(record.number(name)) for name in ("text", "whole", "point")] == ["1.50", "2", "2.50"]
