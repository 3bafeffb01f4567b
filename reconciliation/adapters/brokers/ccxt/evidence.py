"""Holding what ccxt made of an answer against the raw answer. Pure."""

from collections.abc import Iterator, Mapping, Sequence
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


def expect_a_list(answers: Sequence[Any], place: str) -> None:
    """Raise Incomplete if "nothing held" rests on answers without any list: of another shape, they say nothing."""
    if not any(_lists_in(answer, MAX_DEPTH) for answer in answers):
        raise Incomplete(
            f"{place}: the answer shows no holdings, but no list of them either; if this is how the exchange says "
            "'nothing', name the place of the rows by the options positions_path and balances_path"
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
    """Return what stands at a dotted place, None if there is nothing."""
    for name in filter(None, path.split(".")):
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


def _lists_in(value: Any, depth: int) -> bool:
    return isinstance(value, list) or (depth > 0 and any(_lists_in(inner, depth - 1) for inner in _values(value)))


def _values(value: Any) -> Iterator[Any]:
    return iter(value.values()) if isinstance(value, Mapping) else iter(())
