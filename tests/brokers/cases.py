"""The entrance exam's questions: what an account may hold, how an answer may fail, and what an adapter must supply.

A broker that is asked over HTTP writes a `WireCase` (`tests/brokers/wire_case.py`), any other a `BrokerCase`, and adds
it to `tests/contract/broker_cases.py`; the suite does the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import AuthError, RateLimited, ReadError, Unavailable
from reconciliation.ports.broker import BrokerQuery

ACCOUNT = "ACC-1"
OTHER_ACCOUNT = "ACC-2"
#: The symbols of a book of many rows.
SEVERAL = [f"SYM{number}" for number in range(1, 40)]


@dataclass(frozen=True)
class Book:
    """What the broker is to hold for the account. Rows of one symbol are lots, served apart where the medium can."""

    rows: tuple[BrokerPosition, ...] = ()
    cash: Decimal | None = Decimal("1234.56")
    equity: Decimal | None = Decimal("98765.43")
    #: A row has a field that nobody knows yet.
    unknown_field: bool = False
    #: A row has a word that nobody knows yet where it tells what kind of thing is held, or on which side.
    unknown_word: bool = False


def held(symbol: str, quantity: str, cost: str | None, value: str, *, kind: str = "stock", multiplier: str = "1"):
    return BrokerPosition(
        symbol,
        Decimal(quantity),
        None if cost is None else Decimal(cost),
        Decimal(value),
        AssetType(kind),
        currency="USD",
        multiplier=Decimal(multiplier),
    )


class Situation(Enum):
    """What an account may look like. The value is the book that is served."""

    FLAT = Book()
    ONE_POSITION = Book((held("AAPL", "100", "150.25", "15500.00"),))
    SHORT = Book((held("TSLA", "-20", "250.5", "-5050.00"),))
    FRACTION = Book((held("AMZN", "0.123456789", "185.4", "22.98"),))
    MANY_DIGITS = Book((held("VTI", "12345678.123456789012345678", "0.00000000013333333333", "98765432109876.54"),))
    OPTION = Book((held("AAPL  250221C00180000", "3", "5.506", "1725.00", kind="option", multiplier="100"),))
    FUTURE = Book((held("ESH5", "2", "5800.25", "581250", kind="future", multiplier="50"),))
    TWO_LOTS = Book((held("MSFT", "10", "400", "4500"), held("MSFT", "30", "420", "13500")))
    MISSING_COST = Book((held("GOOG", "7", None, "1200.00"),))
    MISSING_FIGURES = Book((held("AAPL", "1", "1", "1"),), cash=None, equity=None)
    NEGATIVE_CASH = Book((held("AAPL", "1", "1", "1"),), cash=Decimal("-5000.01"))
    SEVERAL = Book(tuple(held(symbol, str(n), "10", str(n * 11)) for n, symbol in enumerate(SEVERAL, 1)))
    UNKNOWN_FIELD = Book((held("AAPL", "100", "150.25", "15500.00"),), unknown_field=True)
    UNKNOWN_WORD = Book((held("AAPL", "100", "150.25", "15500.00"),), unknown_word=True)


@dataclass(frozen=True)
class Failing:
    """How an answer fails, and what the adapter must make of it."""

    meaning: str
    error: type[ReadError] = ReadError
    retry_after_seconds: float | None = None


class Fault(Enum):
    """How an answer may fail to be one."""

    OTHER_ACCOUNT = Failing("the answer holds an account that was not asked for, and only that")
    CUT_OFF = Failing("the answer ends too early")
    NOTHING = Failing("the answer is empty: no bytes, no body")
    GARBAGE = Failing("the answer is of another kind altogether: a page")
    WRONG_SHAPE = Failing("the answer is of the right kind, and holds something else")
    NOT_A_NUMBER = Failing("a quantity is NaN")
    NO_QUANTITY = Failing("a position has no quantity")
    GONE = Failing("there is nothing that could answer")
    DROPPED = Failing("the connection is dropped before the answer", Unavailable)
    TIME_OUT = Failing("the answer never comes", Unavailable)
    HTTP_401 = Failing("the credentials are refused", AuthError)
    HTTP_403 = Failing("access is refused", AuthError)
    HTTP_429 = Failing("asked too often, without a word when to come back", RateLimited)
    HTTP_429_RETRY_AFTER = Failing("asked too often: come back in 17 s", RateLimited, 17)
    HTTP_500 = Failing("the server fails, with a page", Unavailable)


#: What only a connection can do, and what only a server that is asked over HTTP can say.
CONNECTION_FAULTS = (Fault.DROPPED, Fault.TIME_OUT)
HTTP_FAULTS = (Fault.HTTP_401, Fault.HTTP_403, Fault.HTTP_429, Fault.HTTP_429_RETRY_AFTER, Fault.HTTP_500)

CannotExpress = Mapping[Situation | Fault, str]


@dataclass(frozen=True)
class Unsaid:
    """What a medium has no field for, so that the adapter must answer None."""

    avg_cost: bool = False
    market_value: bool = False
    cash: bool = False
    equity: bool = False
    multiplier: bool = False


class BrokerCase(ABC):
    """How one adapter is put into each situation."""

    account_id: str = ACCOUNT
    unsaid: ClassVar[Unsaid] = Unsaid()
    #: Situations and faults that the medium cannot express, each with the reason.
    cannot_express: ClassVar[CannotExpress] = {}
    #: Situations that the broker's own rules exclude: an answer that shows one all the same must be refused.
    refuses: ClassVar[Mapping[Situation, type[ReadError]]] = {}
    #: The parts of an account that are asked for apart, so that each may fail while the other does not.
    parts: Sequence[str] = ("whole",)

    def book(self, situation: Situation) -> Book:
        """Return the situation's book in what this medium can hold: its own symbols and kinds."""
        book: Book = situation.value
        return book

    def keeps(self, broker: BrokerQuery) -> bool:
        """Say whether the broker outlives the test, so that it must not be closed there."""
        del broker
        return False

    @abstractmethod
    def serve(self, book: Book) -> AbstractContextManager[BrokerQuery]:
        """Open the adapter on a medium that holds `book` for `account_id`."""

    @abstractmethod
    def fail(self, fault: Fault, part: str = "whole") -> AbstractContextManager[BrokerQuery]:
        """Open the adapter on a medium that fails so, but would hold one position otherwise."""
