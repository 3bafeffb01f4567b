"""What the error codes of TWS and IB Gateway mean for a read. Pure: a code and its text in, an error out.

The codes are those of https://ibkrcampus.com/campus/ibkr-api-page/twsapi-doc/#api-error-codes
"""

from enum import Enum

from reconciliation.errors import AuthError, BadData, Incomplete, RateLimited, ReadError, Unavailable

#: The Gateway runs on, but without IBKR's servers: what it answers now comes from its memory.
LINK_LOST = frozenset({1100, 2110})
#: The link is back, with or without a gap.
LINK_RESTORED = frozenset({1101, 1102})
CLIENT_ID_IN_USE = 326

#: Codes that belong to a connection and mean nothing for an answer: data farms coming and going, hints.
_NOTICES = range(2100, 2200)
#: In that range, and yet the end of a subscription that an answer was being read from.
_UNSUBSCRIBED = 2100

_DISCLAIMER_NOT_ACCEPTED = 10141
_RATE_EXCEEDED = 100
_REFUSED_REQUEST = 321
_FAILED_REQUEST = 322
_PROTOCOL = frozenset({503, 505, 506, 508})
_MAX_TEXT_LENGTH = 200


class Notice(Enum):
    """What to do about a message of the Gateway."""

    IGNORE = "ignore"
    LINK_LOST = "link lost"
    LINK_RESTORED = "link restored"
    CLIENT_ID_IN_USE = "client id in use"
    FAIL = "fail"


def notice_of(code: int) -> Notice:
    """Return what to do for a message with this code. An unknown code fails the read, to be careful."""
    if code in LINK_LOST:
        return Notice.LINK_LOST
    if code in LINK_RESTORED:
        return Notice.LINK_RESTORED
    if code == CLIENT_ID_IN_USE:
        return Notice.CLIENT_ID_IN_USE
    if code in _NOTICES and code != _UNSUBSCRIBED:
        return Notice.IGNORE
    return Notice.FAIL


def error_of(code: int, text: str) -> ReadError:
    """Return the error of a read that the Gateway answered with this code."""
    said = f"IBKR answered with error {code}: {_one_line(text)}"
    if code == _RATE_EXCEEDED:
        return RateLimited(f"{said}. Lower the rate of this connection")
    if code == _FAILED_REQUEST and "maximum number" in text.lower():
        return RateLimited(f"{said}. Something else on this client id holds the account summaries open")
    if code == _UNSUBSCRIBED:
        return Incomplete(f"{said}. Another client took over the account updates")
    if code == _DISCLAIMER_NOT_ACCEPTED:
        return AuthError(f"{said}. Log in to the paper account once by hand and accept it")
    if code == _REFUSED_REQUEST or code in _PROTOCOL:
        return BadData(f"{said}. The request does not suit this Gateway: check its version and the account's rights")
    return Unavailable(said)


def link_lost_error() -> Incomplete:
    """Return the error of a read while the Gateway is cut off from IBKR."""
    return Incomplete(
        "the Gateway has lost its link to IBKR (error 1100) and would answer from its memory: "
        "nothing is compared until it reports the link restored (1101 or 1102)"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_MAX_TEXT_LENGTH].rstrip(".")
