"""The SDK's decoder of socket messages, made to report a message that it cannot read."""

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ib_async.decoder import Decoder

from reconciliation.errors import BadData, ReadError

#: Message types, as TWS numbers them.
_POSITION = 61


class StrictDecoder(Decoder):
    """Reports a message that cannot be decoded; the SDK's own logs it, drops the row and goes on."""

    def __init__(self, wrapper: Any, on_fault: Callable[[ReadError], None]) -> None:
        super().__init__(wrapper, 0)
        self._on_fault = on_fault

    def interpret(self, fields: list[str]) -> None:
        try:
            if int(fields[0]) == _POSITION:
                _check_numbers(quantity=fields[-2], cost=fields[-1])
            self.handlers[int(fields[0])](fields)
        except Exception as error:  # noqa: BLE001 - whatever a foreign decoder trips over, the row is lost
            kind = fields[0] if fields and fields[0].isdigit() else "without a number"
            self._on_fault(
                BadData(f"a message (type {kind}) of the Gateway cannot be understood ({type(error).__name__})")
            )

    def wrap(self, methodName: str, types: list[type], skip: int = 2) -> Callable[[list[str]], None]:  # noqa: N803 - the SDK's word
        def handler(fields: list[str]) -> None:
            method = getattr(self.wrapper, methodName, None)
            if method is not None:
                method(*(_converted(kind, text) for kind, text in zip(types, fields[skip:], strict=False)))

        return handler


def _converted(kind: type, text: str) -> str | float | bool:
    """Convert as the SDK does: an empty field of a number is 0."""
    if kind is str:
        return text
    if kind is bool:
        return bool(int(text or 0))
    return int(text or 0) if kind is int else float(text or 0)


def _check_numbers(*, quantity: str, cost: str) -> None:
    """Refuse what the SDK would read as zero, or round: it reads an empty field as 0, and all as floats."""
    if not math.isfinite(float(quantity)) or not math.isfinite(float(cost)):
        raise ValueError("not finite")
    if Decimal(quantity) != Decimal(str(float(quantity))):
        raise ValueError("more digits than the SDK carries")
