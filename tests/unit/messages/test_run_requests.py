"""Requests from outside: what is accepted, what is refused, and one identity over every redelivery."""

from uuid import UUID, uuid4

import pytest

from reconciliation.errors import InvalidInputError
from reconciliation.messages.run_requests import on_demand


def test_a_request_without_context_is_on_demand():
    assert on_demand("A-1", None, str(uuid4())).context == {"trigger": "on_demand"}


def test_a_given_context_is_handed_through_unchanged():
    context = {"by": "ops", "nested": {"n": 1}}
    assert on_demand("A-1", context, str(uuid4())).context == context


def test_a_uuid_is_the_run_id():
    run_id = uuid4()
    assert on_demand("A-1", None, str(run_id)).run_id == run_id


def test_any_other_id_leads_to_the_same_run_id_each_time():
    first, again, other = (on_demand("A-1", None, request_id).run_id for request_id in ("x-7", "x-7", "x-8"))
    assert isinstance(first, UUID)
    assert first == again != other


def test_a_context_may_have_lines_and_any_script():
    context = {"note": "first\nsecond\tüñ 注 🙂", "figures": [1, 2.5, None, True]}
    assert on_demand("A-1", context, "r").context == context


def deep(levels):
    return [] if levels == 0 else [deep(levels - 1)]


@pytest.mark.parametrize(
    ("account_id", "context", "request_id", "sentence"),
    [
        (None, None, "r", "account_id: None is not a text"),
        (" ", None, "r", "not empty"),
        ("x" * 129, None, "r", "account_id: has 129 characters; at most 128"),
        ("A\x00", None, "r", "account_id: holds characters that cannot be printed"),
        ("A\ud800", None, "r", "account_id: holds characters that cannot be printed"),
        ("A ", None, "r", "account_id: 'A ' has blanks around it"),
        ("A", {"by": "x\x00"}, "r", "context: holds characters that cannot be printed"),
        ("A", {"by": {"deep": ["\udc00"]}}, "r", "context: holds characters that cannot be printed"),
        ("A", {"\ud800": 1}, "r", "context: holds characters that cannot be printed"),
        ("A", {"by": float("nan")}, "r", "context: holds nan, which is not a finite number"),
        ("A", {"by": "x" * 20_000}, "r", "context: is too large"),
        ("A", {"by": deep(30)}, "r", "context: is too large"),
        ("A", "text", "r", "context is a str: it must be a JSON object"),
        ("A", None, "", "run_id: '' is not a text"),
        ("A", None, 7, "run_id: 7 is not a text"),
        ("A", None, "r\x00", "run_id: holds characters"),
    ],
)
def test_a_wrong_shape_is_refused_with_a_sentence(account_id, context, request_id, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        on_demand(account_id, context, request_id)
