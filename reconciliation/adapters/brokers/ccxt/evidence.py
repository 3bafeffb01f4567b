"""Holding what ccxt made of an answer against the raw answer. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from reconciliation.adapters.brokers.ccxt.facts import RowEvidence
from reconciliation.adapters.brokers.sdk.json_records import Record
from reconciliation.errors import BadData, Incomplete

#: How deep a list may lie in an answer whose shape is not described.
MAX_DEPTH = 4


def expect_same_count(raw: Any, evidence: RowEvidence, parsed: int, place: str) -> None:
    """Raise Incomplete unless the raw answer has just as many holdings as ccxt shows.

    Raises:
        BadData: the raw answer has no rows at the place where they belong, or a row without a size.
    """
    held = sum(1 for row in rows_at(raw, evidence, place) if _is_holding(row, evidence))
    if held != parsed:
        raise Incomplete(f"{place}: the exchange lists {held} holdings, of which ccxt shows {parsed}")


def expect_nothing(answers: Sequence[Any], shown: int, place: str) -> None:
    """Raise Incomplete unless the raw answers agree that nothing is held.

    Answers without any list say nothing, and rows that ccxt does not show may be holdings that it dropped.

    Args:
        answers: the raw answers.
        shown: how many rows ccxt shows, all of them zero.
        place: for messages.
    """
    counts = [count for answer in answers if (count := _rows_in(answer, MAX_DEPTH)) is not None]
    remedy = "name the place of the rows by the options positions_path and balances_path, with the _size of each"
    if not counts:
        raise Incomplete(
            f"{place}: the answer shows no holdings, but no list of them either; if this is how the exchange says "
            f"'nothing', {remedy}"
        )
    if sum(counts) > shown:
        raise Incomplete(
            f"{place}: ccxt shows no holdings, yet the exchange lists {sum(counts)} rows, of which ccxt shows {shown}: "
            f"it may have dropped some; {remedy}"
        )


def rows_at(raw: Any, evidence: RowEvidence, place: str) -> list[Record]:
    """Return the rows of a raw answer, or raise BadData."""
    for path in evidence.paths:
        found = value_at(raw, path)
        if isinstance(found, Mapping) and path:
            # Rows by name (Kraken), or one row that is a sum.
            named = all(isinstance(value, Mapping) for value in found.values())
            found = list(found.values()) if named else [found]
        if isinstance(found, list):
            rows = [Record(row, f"{place}, row {number}") for number, row in enumerate(found, start=1)]
            for row, name in product(rows, evidence.whole.get(path, ())):
                row.number(name)
            return rows
    raise BadData(f"{place}: the answer has no list of holdings where the exchange puts it")


def value_at(raw: Any, path: str) -> Any:
    """Return what stands at a dotted place, None if there is nothing; a number is a place in a list."""
    for name in filter(None, path.split(".")):
        if isinstance(raw, list):
            raw = raw[int(name)] if name.isdecimal() and int(name) < len(raw) else None
        else:
            raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw


def check_side(raw: Any, evidence: RowEvidence, quantity: Decimal, place: str) -> None:
    """Raise BadData if the raw row's own sign or side is not the one that ccxt read out of it."""
    row = Record(raw, place)
    if evidence.side is not None:
        name, words = evidence.side
        row.choice(name, dict.fromkeys(words, 1))
    if evidence.is_signed:
        size = _sizes(row, evidence)[0]
        if _size(row, size) * quantity < 0:
            raise BadData(f"{place}: ccxt reads {quantity}, against the sign of the exchange's own {size!r}")


def _is_holding(row: Record, evidence: RowEvidence) -> bool:
    if evidence.stale is not None and evidence.stale in row.raw and not row.optional_number(evidence.stale):
        return False
    return any(_size(row, name) for name in _sizes(row, evidence))


def _sizes(row: Record, evidence: RowEvidence) -> list[str]:
    """Return the fields of sizes that the row has, or raise BadData."""
    options = [name for name in evidence.sizes if value_at(row.raw, name) not in {None, ""}]
    if not options:
        raise BadData(f"{row.place} has none of {', '.join(map(repr, evidence.sizes))}")
    return options


def _size(row: Record, path: str) -> Decimal:
    holder, _, name = path.rpartition(".")
    return Record(value_at(row.raw, holder), row.place).number(name)


def _rows_in(value: Any, depth: int) -> int | None:
    """Return how many rows the lists of an answer hold; None: there is no list.

    An entry that has lists of its own is no row (an account with its coins), and neither is a plain word.
    """
    if depth < 0 or not isinstance(value, (Mapping, list)):
        return None
    if isinstance(value, Mapping):
        counts = [count for inner in value.values() if (count := _rows_in(inner, depth - 1)) is not None]
        return sum(counts) if counts else None
    rows = 0
    for entry in value:
        inner = _rows_in(entry, depth - 1) if isinstance(entry, Mapping) else None
        rows += isinstance(entry, (Mapping, list)) if inner is None else inner
    return rows
