"""Which symbol of the broker is which of ours. Pure.

In this order: the mapping table, equal strong identifiers, forms of writing, and else it stays unresolved: a holding
that each side has under a name of its own is one finding, and not two missing ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from reconciliation.domain.comparison.symbol_notation import common_form
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow, BrokerPosition, LocalPosition, PositionLike
from reconciliation.errors import InvalidInputError

Key = tuple[str, AssetType]

#: A mapping for every broker.
ANY_BROKER = "*"

#: Strongest first. A derivative may carry its underlying's ISIN or CUSIP, so those don't speak for it.
_STRONG = ("conid", "figi", "isin", "cusip")
_OF_UNDERLYING = frozenset({"isin", "cusip"})
_DERIVATIVES = frozenset(
    {AssetType.OPTION, AssetType.FUTURE, AssetType.FUTURE_OPTION, AssetType.SWAP, AssetType.CFD, AssetType.WARRANT}
)

_CONTRACTS = frozenset({AssetType.OPTION, AssetType.FUTURE, AssetType.FUTURE_OPTION})

#: Two costs of one holding differ by fees and methods, seldom by more.
_SAME_COST = Decimal("0.01")
_SAME_NAME = 0.6
#: Holdings of one quantity among which no pair is looked for: it could only be a guess, and a slow one.
_MOST_ALIKE = 20


@dataclass(frozen=True, kw_only=True)
class SymbolMapping:
    """That a broker's symbol is ours under another name, from one day to another, both included."""

    #: The name of a connection or of a kind of broker; `*` is any.
    broker: str
    broker_symbol: str
    local_symbol: str
    asset_type: AssetType | None = None
    valid_from: date | None = None
    valid_to: date | None = None

    def __post_init__(self) -> None:
        for name in ("broker", "broker_symbol", "local_symbol"):
            if not getattr(self, name).strip():
                raise InvalidInputError(f"a symbol mapping needs a {name}")
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise InvalidInputError(f"a symbol mapping ends on {self.valid_to}, before it begins on {self.valid_from}")

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def overlaps(self, other: "SymbolMapping") -> bool:
        """Say whether both speak of the same symbol on the same day, so that only one of them can be right."""
        subject = (self.broker, self.broker_symbol, self.asset_type)
        if subject != (other.broker, other.broker_symbol, other.asset_type):
            return False
        starts_in_time = self.valid_from is None or other.valid_to is None or self.valid_from <= other.valid_to
        ends_in_time = other.valid_from is None or self.valid_to is None or other.valid_from <= self.valid_to
        return starts_in_time and ends_in_time


@dataclass(frozen=True, kw_only=True)
class AlignedRows:
    """Both sides under common names."""

    local: Sequence[PositionLike]
    broker: Sequence[BrokerPosition]
    #: A key of ours without its like at the broker, and the broker's symbol that is most likely the same holding.
    unresolved: Mapping[Key, str] = field(default_factory=dict)


class SymbolResolver:
    """Brings both sides under common names. Without mappings it knows identifiers and forms of writing."""

    def __init__(self, mappings: Iterable[SymbolMapping] = ()) -> None:
        self._mappings: defaultdict[str, list[SymbolMapping]] = defaultdict(list)
        for mapping in mappings:
            self._mappings[mapping.broker_symbol.strip()].append(mapping)

    def mapped(self, symbol: str, asset_type: AssetType, brokers: Sequence[str], day: date) -> str | None:
        """Return our name of a broker's symbol as the table says, or None. What is said more narrowly wins."""
        found = [
            mapping
            for mapping in self._mappings.get(symbol.strip(), ())
            if mapping.broker in (*brokers, ANY_BROKER)
            and mapping.asset_type in (None, asset_type)
            and mapping.holds_on(day)
        ]
        found.sort(key=lambda one: (one.broker != ANY_BROKER, one.asset_type is not None, one.valid_from or date.min))
        return found[-1].local_symbol if found else None

    def align(
        self, local: Sequence[PositionLike], broker: Sequence[BrokerPosition], *, brokers: Sequence[str], day: date
    ) -> AlignedRows:
        """Return both sides under common names: ours where we have the holding.

        Args:
            local: our positions.
            broker: the broker's.
            brokers: the names under which mappings speak of this broker.
            day: of the broker's figures.
        """
        local_side, broker_side = _keys(local), _keys(broker)
        sized = _split_by_multiplier(local, broker)
        if (
            local_side == broker_side
            and (sized is broker or broker_side == _keys(sized))
            and not self._has_to_rename(broker_side)
        ):
            return AlignedRows(local=local, broker=sized)
        names = _Names(local)
        mapped: set[Key] = set()
        renamed: list[BrokerPosition] = []
        for row in sized:
            told = self.mapped(row.symbol, AssetType(row.asset_type), brokers, day) if self._mappings else None
            symbol = told if told is not None else names.of_identifiers(row)
            symbol = names.common(symbol or row.symbol, AssetType(row.asset_type))
            if told is not None:
                mapped.add((symbol, AssetType(row.asset_type)))
            renamed.append(row if symbol == row.symbol else replace(row, symbol=symbol))
        common = [_renamed(row, names.common(row.symbol, AssetType(row.asset_type))) for row in local]
        return AlignedRows(local=common, broker=renamed, unresolved=_probable_matches(common, renamed, mapped))

    def _has_to_rename(self, keys: set[Key]) -> bool:
        """Say whether a symbol is mapped, or two symbols are one; seldom, so it is looked at first."""
        if self._mappings and any(symbol in self._mappings for symbol, _ in keys):
            return True
        return len({(common_form(symbol, kind), kind) for symbol, kind in keys}) < len(keys)


def _split_by_multiplier(local: Sequence[PositionLike], broker: Sequence[BrokerPosition]) -> Sequence[BrokerPosition]:
    """Give a contract of another size than ours a name of its own: ten of the one are not ten of the other."""
    if not any(row.multiplier is not None and row.asset_type in _CONTRACTS for row in broker):
        return broker
    sizes: defaultdict[Key, set[Decimal]] = defaultdict(set)
    for row in local:
        if isinstance(row, (LocalPosition, BookRow)) and row.multiplier is not None and row.asset_type in _CONTRACTS:
            sizes[common_form(row.symbol, row.asset_type), row.asset_type].add(row.multiplier)
    return [
        replace(row, symbol=f"{row.symbol} x{row.multiplier.normalize():f}")
        if row.multiplier is not None
        and (local_side := sizes.get((common_form(row.symbol, row.asset_type), row.asset_type)))
        and row.multiplier not in local_side
        else row
        for row in broker
    ]


class _Names:
    """The names of our book: one for each form of writing, and one for each strong identifier."""

    def __init__(self, local: Sequence[PositionLike]) -> None:
        self._by_form: dict[Key, str] = {}
        self._by_identifier: dict[tuple[AssetType, str, str], str] = {}
        for row in sorted(local, key=lambda row: row.symbol):
            kind = AssetType(row.asset_type)
            self._by_form.setdefault((common_form(row.symbol, kind), kind), row.symbol)
            for name, value in _identifiers(row):
                self._by_identifier.setdefault((kind, name, value), row.symbol)

    def common(self, symbol: str, kind: AssetType) -> str:
        """Return our way to write `symbol`, or itself where we don't have it."""
        return self._by_form.setdefault((common_form(symbol, kind), kind), symbol)

    def of_identifiers(self, row: BrokerPosition) -> str | None:
        kind = AssetType(row.asset_type)
        return next(
            (found for name, value in _identifiers(row) if (found := self._by_identifier.get((kind, name, value)))),
            None,
        )


def _identifiers(row: Any) -> list[tuple[str, str]]:
    """Return what names the instrument beyond doubt: an ISIN only with its currency, for it may trade in several."""
    if not isinstance(row, (LocalPosition, BookRow, BrokerPosition)) or not row.identifiers:
        return []
    skipped = _OF_UNDERLYING if row.asset_type in _DERIVATIVES else frozenset()
    named = [(name, row.identifiers[name].strip().upper()) for name in _STRONG if name in row.identifiers]
    return [
        (name, f"{value} {row.currency}" if name == "isin" else value)
        for name, value in named
        if value and name not in skipped and (name != "isin" or row.currency)
    ]


def _keys(rows: Iterable[PositionLike | BrokerPosition]) -> set[Key]:
    return {(row.symbol, row.asset_type) for row in rows}


def _renamed(row: PositionLike, symbol: str) -> PositionLike:
    if row.symbol == symbol:
        return row
    if isinstance(row, BookRow):
        return row._replace(symbol=symbol)
    if isinstance(row, LocalPosition):
        return replace(row, symbol=symbol)
    return BookRow(symbol, row.quantity, row.avg_cost, AssetType(row.asset_type))


def _probable_matches(
    local: Sequence[PositionLike], broker: Sequence[BrokerPosition], mapped: set[Key]
) -> dict[Key, str]:
    """Pair what only we have with what only the broker has, where both are most likely one holding."""
    local_side, broker_side = _totals(local), _totals(broker)
    only_ours = _by_quantity(rows for key, rows in local_side.items() if key not in broker_side)
    only_theirs = _by_quantity(rows for key, rows in broker_side.items() if key not in local_side and key not in mapped)
    twins: dict[Key, str] = {}
    for amount in only_ours.keys() & only_theirs.keys():
        left, right = only_ours[amount], only_theirs[amount]
        if len(left) > _MOST_ALIKE or len(right) > _MOST_ALIKE:
            continue
        pairs = [(one, other) for one in left for other in right if _is_alike(one, other)]
        for one, other in pairs:
            # A guess among several would be none.
            if sum(one is a or other is b for a, b in pairs) == 1:
                twins[one[0].symbol, one[0].asset_type] = other[0].symbol
    return twins


def _totals(rows: Iterable[PositionLike]) -> dict[Key, list[PositionLike]]:
    totals: defaultdict[Key, list[PositionLike]] = defaultdict(list)
    for row in rows:
        totals[row.symbol, AssetType(row.asset_type)].append(row)
    return totals


def _by_quantity(
    holdings: Iterable[list[PositionLike]],
) -> Mapping[tuple[AssetType, Decimal], list[list[PositionLike]]]:
    """Group holdings that are not flat by what they are and how much."""
    groups: defaultdict[tuple[AssetType, Decimal], list[list[PositionLike]]] = defaultdict(list)
    for rows in holdings:
        quantity = sum((Decimal(row.quantity) for row in rows), Decimal(0))
        if quantity:
            groups[AssetType(rows[0].asset_type), quantity].append(rows)
    return groups


def _is_alike(local: list[PositionLike], broker: list[PositionLike]) -> bool:
    """Say whether two holdings of one quantity may be one: by cost, or by name where cost says nothing."""
    if _contradict(local, broker):
        return False
    costs = [row.avg_cost for row in (*local, *broker)]
    known = [Decimal(cost) for cost in costs if cost is not None]
    if len(known) < len(costs):
        return True
    spread, largest = max(known) - min(known), max(abs(cost) for cost in known)
    return spread <= _SAME_COST * largest or _is_like(local[0].symbol, broker[0].symbol)


def _is_like(local: str, broker: str) -> bool:
    return SequenceMatcher(None, local, broker).ratio() >= _SAME_NAME


def _contradict(local: list[PositionLike], broker: list[PositionLike]) -> bool:
    """Say whether both sides name a strong identifier of one kind, and not the same."""
    for left in local:
        for right in broker:
            mine, other = dict(_identifiers(left)), dict(_identifiers(right))
            if any(mine[name] != other[name] for name in mine.keys() & other.keys()):
                return True
    return False
