"""The entrance exam's questions: what an account may hold, how an answer may fail, and what an adapter must supply.

A new broker writes a `BrokerCase` and adds it to `tests/contract/broker_cases.py`; the suite does the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import ClassVar

from reconciliation.broker.query import BrokerPosition, BrokerQuery
from reconciliation.models import AssetType

ACCOUNT = "ACC-1"
OTHER_ACCOUNT = "ACC-2"


@dataclass(frozen=True)
class Book:
    """What the broker is to hold for `ACCOUNT`. Rows of one symbol are lots, served apart where the medium can."""

    rows: tuple[BrokerPosition, ...] = ()
    cash: Decimal | None = Decimal("1234.56")
    equity: Decimal | None = Decimal("98765.43")


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
    MANY_DIGITS = Book((held("VTI", "12345678.12345678", "0.0000000001", "98765432109876.54"),))
    OPTION = Book((held("AAPL  250221C00180000", "3", "5.506", "1725.00", kind="option", multiplier="100"),))
    FUTURE = Book((held("ESH5", "2", "5800.25", "581250", kind="future", multiplier="50"),))
    TWO_LOTS = Book((held("MSFT", "10", "400", "4500"), held("MSFT", "30", "420", "13500")))
    MISSING_COST = Book((held("GOOG", "7", None, "1200.00"),))
    MISSING_FIGURES = Book((held("AAPL", "1", "1", "1"),), cash=None, equity=None)
    NEGATIVE_CASH = Book((held("AAPL", "1", "1", "1"),), cash=Decimal("-5000.01"))
    SEVERAL = Book(tuple(held(f"SYM{n}", str(n), "10", str(n * 11)) for n in range(1, 40)))


class Fault(Enum):
    """How an answer may fail to be one."""

    OTHER_ACCOUNT = "the answer holds an account that was not asked for, and only that"
    CUT_OFF = "the answer ends too early"
    NOTHING = "the answer is empty: no bytes, no body"
    GARBAGE = "the answer is of another kind altogether"
    NOT_A_NUMBER = "a quantity is NaN"
    NO_QUANTITY = "a position has no quantity"
    GONE = "there is nothing that could answer"


@dataclass(frozen=True)
class Unsaid:
    """What a medium has no field for, so that the adapter must answer None."""

    avg_cost: bool = False
    cash: bool = False
    equity: bool = False
    multiplier: bool = False


class BrokerCase(ABC):
    """How one adapter is put into each situation."""

    name: ClassVar[str]
    unsaid: ClassVar[Unsaid] = Unsaid()
    #: Situations and faults that the medium cannot express, each with the reason.
    cannot_express: ClassVar[Mapping[Situation | Fault, str]] = {}

    @abstractmethod
    def serve(self, book: Book) -> AbstractContextManager[BrokerQuery]:
        """Open the adapter on a medium that holds `book` for `ACCOUNT`."""

    @abstractmethod
    def fail(self, fault: Fault) -> AbstractContextManager[BrokerQuery]:
        """Open the adapter on a medium that fails so, but would hold one position otherwise."""
