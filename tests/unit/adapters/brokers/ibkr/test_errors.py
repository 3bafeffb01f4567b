import pytest

from reconciliation.adapters.brokers.ibkr.errors import Notice, error_of, notice_of
from reconciliation.errors import AuthError, BadData, Incomplete, RateLimited, Unavailable


@pytest.mark.parametrize(
    ("code", "notice"),
    [
        (1100, Notice.LINK_LOST),
        (2110, Notice.LINK_LOST),
        (1101, Notice.LINK_RESTORED),
        (1102, Notice.LINK_RESTORED),
        (326, Notice.CLIENT_ID_IN_USE),
        (2104, Notice.IGNORE),
        (2158, Notice.IGNORE),
        (2100, Notice.FAIL),
        (322, Notice.FAIL),
        (99999, Notice.FAIL),
    ],
)
def test_each_code_has_its_own_reaction(code, notice):
    assert notice_of(code) is notice


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (100, "Max rate of messages per second has been exceeded", RateLimited),
        (322, "Maximum number of account summary requests exceeded", RateLimited),
        (322, "Server error when processing an API client request", Unavailable),
        (321, "Error validating request", BadData),
        (503, "The TWS is out of date and must be upgraded", BadData),
        (504, "Not connected", Unavailable),
        (1300, "TWS socket port has been reset", Unavailable),
        (2100, "New account data requested from TWS", Incomplete),
        (10141, "Paper trading disclaimer must first be accepted", AuthError),
    ],
)
def test_each_code_has_its_place_in_the_error_tree(code, text, kind):
    error = error_of(code, text)
    assert type(error) is kind
    assert f"error {code}" in str(error)


def test_a_long_text_of_the_gateway_is_cut_and_kept_on_one_line():
    message = str(error_of(504, "a\nb\x00" + "x" * 5000))
    assert len(message) < 300
    assert "\n" not in message
