"""What a report of a fill looks like, whichever way it comes in: one flat JSON object, checked once, here.

Only `schema` and `account_id` are needed: a fill is a reason to compare. Its numbers are checked, and never booked.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, TypeVar

from reconciliation.domain.model.models import OrderFill, OrderSide
from reconciliation.domain.model.values import aware_utc, checked_text, exact_decimal, shown
from reconciliation.errors import InvalidInputError

E = TypeVar("E", bound=Enum)

SCHEMA = 1


class FillEvent(str, Enum):
    """What happened to the order. Each of them changes a position, so each of them leads to a run."""

    FILL = "fill"
    BUST = "bust"
    CORRECTION = "correction"


class FillMessage(NamedTuple):
    """A fill, bust or correction as reported. None: not said.

    A tuple, because one is made for each fill, in a third of a frozen dataclass's time.
    """

    account_id: str
    event: FillEvent = FillEvent.FILL
    fill_id: str | None = None
    order_id: str | None = None
    symbol: str | None = None
    side: OrderSide | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    #: By the producer's clock: kept for people, never used to decide.
    executed_at: datetime | None = None
    #: The fill that a bust or correction is about.
    corrects_fill_id: str | None = None

    def summary(self) -> dict[str, str | None]:
        """Return what a run's context says of the last fill: names always, numbers where they were stated."""
        named: dict[str, str | None] = {"order_id": self.order_id, "fill_id": self.fill_id, "symbol": self.symbol}
        if self.side is not None and self.quantity is not None and self.price is not None:
            named |= {"side": self.side.value, "quantity": f"{self.quantity:f}", "price": f"{self.price:f}"}
        return named if self.event is FillEvent.FILL else named | {"event": self.event.value}


#: A stream's entries hold text only.
_SCHEMAS = (SCHEMA, str(SCHEMA))
_EVENTS = {event.value: event for event in FillEvent}
_SIDES = {side.value: side for side in OrderSide}


def parse_fill_message(payload: Mapping[str, Any]) -> FillMessage:
    """Return the message in `payload`. Fields that this schema does not know are ignored.

    Raises:
        InvalidInputError: a field is missing or cannot be accepted; the message names it.
    """
    _check_schema(payload.get("schema"))
    return _message(_text(payload, "account_id"), payload)


def _check_schema(schema: Any) -> None:
    if schema not in _SCHEMAS or isinstance(schema, bool):
        raise InvalidInputError(f"schema: {schema!r} is not known; send the number {SCHEMA}")


def _message(account_id: str | None, payload: Mapping[str, Any]) -> FillMessage:
    if account_id is None:
        raise InvalidInputError("account_id: is missing; name the account that was filled")
    return FillMessage(
        account_id=account_id,
        event=_choice(payload, "event", _EVENTS) or FillEvent.FILL,
        fill_id=_text(payload, "fill_id"),
        order_id=_text(payload, "order_id"),
        symbol=_text(payload, "symbol"),
        side=_choice(payload, "side", _SIDES),
        quantity=_number(payload, "quantity"),
        price=_number(payload, "price"),
        executed_at=_time(payload, "executed_at"),
        corrects_fill_id=_text(payload, "corrects_fill_id"),
    )


def fill_message(account_id: str, fill: OrderFill | Mapping[str, Any]) -> FillMessage:
    """Return the message for `fill` of `account_id`; a mapping has the fields of the schema, `schema` left out.

    Raises:
        InvalidInputError: as `parse_fill_message`.
    """
    if not isinstance(fill, OrderFill):
        _check_schema(fill.get("schema", SCHEMA))
        return _message(checked_text(account_id, "account_id"), fill)
    return _message(
        checked_text(account_id, "account_id"),
        {
            "fill_id": fill.fill_id,
            "order_id": fill.order_id,
            "symbol": fill.symbol,
            "side": str(getattr(fill.side, "value", fill.side)),
            "quantity": fill.quantity,
            "price": fill.price,
            "executed_at": fill.timestamp,
        },
    )


def fill_payload(message: FillMessage) -> dict[str, Any]:
    """Return the JSON object that `parse_fill_message` reads back as `message`; what was not said is left out."""
    fields = {
        "schema": SCHEMA,
        "account_id": message.account_id,
        "event": message.event.value,
        "fill_id": message.fill_id,
        "order_id": message.order_id,
        "symbol": message.symbol,
        "side": None if message.side is None else message.side.value,
        "quantity": None if message.quantity is None else f"{message.quantity:f}",
        "price": None if message.price is None else f"{message.price:f}",
        "executed_at": None if message.executed_at is None else message.executed_at.isoformat(),
        "corrects_fill_id": message.corrects_fill_id,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _text(payload: Mapping[str, Any], name: str) -> str | None:
    value = payload.get(name)
    return None if value is None else checked_text(value, name)


def _number(payload: Mapping[str, Any], name: str) -> Decimal | None:
    value = payload.get(name)
    return None if value is None else exact_decimal(value, name)


def _choice(payload: Mapping[str, Any], name: str, known: Mapping[str, E]) -> E | None:
    value = payload.get(name)
    if value is None:
        return None
    found = known.get(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise InvalidInputError(f"{name}: {shown(value)} is not one of {', '.join(known)}")
    return found


def _time(payload: Mapping[str, Any], name: str) -> datetime | None:
    value = payload.get(name)
    if value is None or isinstance(value, datetime):
        return None if value is None else aware_utc(value)
    try:
        return aware_utc(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"{name}: {shown(value)} is not an ISO 8601 time") from None
