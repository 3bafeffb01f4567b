"""Brings both sides under common symbols. Pure.

In this order: the mapping table, equal strong identifiers, the same name written otherwise (`model.instruments` has the
rule). Anything else stays apart. Two holdings that may be one are named to the reader, and both stay findings.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher
from itertools import chain

from reconciliation.domain.model.instruments import Mark, PositionKey, contradict, marks_of, name_mark
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BookRow, BrokerPosition, LocalPosition, PositionLike
from reconciliation.domain.model.values import exact_sum
from reconciliation.errors import InvalidInputError

#: A mapping for every broker.
ANY_BROKER = "*"

_CONTRACTS = frozenset({AssetType.OPTION, AssetType.FUTURE, AssetType.FUTURE_OPTION})

#: Two costs of one holding differ by fees and methods, seldom by more.
_SAME_COST = Decimal("0.01")
_SIMILAR_NAME = 0.6
#: With more holdings of one quantity than this on a side, no hint is given: it would be slow, and only a guess.
_MAX_CANDIDATES = 20


@dataclass(frozen=True, kw_only=True)
class SymbolMapping:
    """States that a broker's symbol is a local one under another name, from one day to another, both included."""

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
        """Say whether both map the same symbol on the same day, so that only one of them can be right."""
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
    #: Pairs without evidence that may be one holding: a key that only the local book has, and one only the broker has.
    perhaps_the_same: Mapping[PositionKey, PositionKey] = field(default_factory=dict)


class SymbolResolver:
    """Brings both sides under common symbols: by mappings, by identifiers and by ways to write a name."""

    def __init__(self, mappings: Iterable[SymbolMapping] = ()) -> None:
        self._mappings: defaultdict[str, list[SymbolMapping]] = defaultdict(list)
        for mapping in mappings:
            self._mappings[mapping.broker_symbol.strip()].append(mapping)

    def mapped(self, symbol: str, asset_type: AssetType, brokers: Sequence[str], day: date) -> str | None:
        """Return the local name of a broker's symbol by the mapping table, or None. The more specific mapping wins."""
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
        """Return both sides under common symbols: the local one where the local book has the holding.

        Args:
            local: positions of the local book.
            broker: positions of the broker.
            brokers: the names under which mappings speak of this broker.
            day: of the broker's answer.
        """
        local_keys, broker_keys = _keys(local), _keys(broker)
        sized = _split_by_multiplier(local, broker)
        if (
            local_keys == broker_keys
            and (sized is broker or broker_keys == _keys(sized))
            and not self._has_to_rename(broker_keys)
        ):
            return AlignedRows(local=local, broker=sized)
        names = _LocalNames(local)
        mapped: set[PositionKey] = set()
        renamed: list[BrokerPosition] = []
        for row in sized:
            symbol = self.mapped(row.symbol, row.asset_type, brokers, day) if self._mappings else None
            if symbol is None:
                symbol = names.of(row)
            else:
                symbol = names.written(symbol, row.asset_type)
                mapped.add((symbol, row.asset_type))
            renamed.append(row if symbol == row.symbol else replace(row, symbol=symbol))
        common = [_renamed(row, names.written(row.symbol, AssetType(row.asset_type))) for row in local]
        return AlignedRows(local=common, broker=renamed, perhaps_the_same=_perhaps_the_same(common, renamed, mapped))

    def _has_to_rename(self, keys: set[PositionKey]) -> bool:
        """Say whether a symbol is mapped, or written in two ways. Rarely so: most accounts are done after this."""
        if self._mappings and any(symbol in self._mappings for symbol, _ in keys):
            return True
        return len({name_mark(*key) for key in keys}) < len(keys)


def _split_by_multiplier(local: Sequence[PositionLike], broker: Sequence[BrokerPosition]) -> Sequence[BrokerPosition]:
    """Rename the broker's contracts of another multiplier: they are other instruments than the local ones."""
    if not any(row.multiplier is not None and row.asset_type in _CONTRACTS for row in broker):
        return broker
    sizes: defaultdict[Mark, set[Decimal]] = defaultdict(set)
    for row in local:
        if isinstance(row, (LocalPosition, BookRow)) and row.multiplier is not None and row.asset_type in _CONTRACTS:
            sizes[name_mark(row.symbol, row.asset_type)].add(row.multiplier)
    return [
        replace(row, symbol=f"{row.symbol} x{row.multiplier.normalize():f}")
        if row.multiplier is not None
        and (local_sizes := sizes.get(name_mark(row.symbol, row.asset_type)))
        and row.multiplier not in local_sizes
        else row
        for row in broker
    ]


class _LocalNames:
    """The symbols of the local book by the marks of their instruments: one symbol for each."""

    def __init__(self, local: Sequence[PositionLike]) -> None:
        self._by_mark: dict[Mark, str] = {}
        for row in sorted(local, key=lambda row: row.symbol):
            symbol = self.written(row.symbol, AssetType(row.asset_type))
            for mark in marks_of(row):
                self._by_mark.setdefault(mark, symbol)

    def written(self, symbol: str, kind: AssetType) -> str:
        """Return the symbol in the spelling that was met first."""
        return self._by_mark.setdefault(name_mark(symbol, kind), symbol)

    def of(self, row: BrokerPosition) -> str:
        """Return the local symbol of a broker's row, or its own where no mark is known."""
        found = (self._by_mark[mark] for mark in marks_of(row) if mark in self._by_mark)
        return next(found, None) or self.written(row.symbol, row.asset_type)


def _keys(rows: Iterable[PositionLike | BrokerPosition]) -> set[PositionKey]:
    return {(row.symbol, row.asset_type) for row in rows}


def _renamed(row: PositionLike, symbol: str) -> PositionLike:
    if row.symbol == symbol:
        return row
    if isinstance(row, BookRow):
        return row._replace(symbol=symbol)
    if isinstance(row, LocalPosition):
        return replace(row, symbol=symbol)
    return BookRow(symbol, row.quantity, row.avg_cost, AssetType(row.asset_type))


def _perhaps_the_same(
    local: Sequence[PositionLike], broker: Sequence[BrokerPosition], mapped: set[PositionKey]
) -> dict[PositionKey, PositionKey]:
    """Pair what only the local book has with what only the broker has, where quantity and cost or name are alike."""
    local_rows, broker_rows = _by_key(local), _by_key(broker)
    only_local = _by_quantity({key: rows for key, rows in local_rows.items() if key not in broker_rows})
    only_broker = _by_quantity(
        {key: rows for key, rows in broker_rows.items() if key not in local_rows and key not in mapped}
    )
    pairs: dict[PositionKey, PositionKey] = {}
    for amount in only_local.keys() & only_broker.keys():
        ones, others = only_local[amount], only_broker[amount]
        if len(ones) > _MAX_CANDIDATES or len(others) > _MAX_CANDIDATES:
            continue
        alike = [(one, other) for one in ones for other in others if _is_alike(local_rows[one], broker_rows[other])]
        often = Counter(chain.from_iterable(((one, "local"), (other, "broker")) for one, other in alike))
        # Among several candidates a hint would name the wrong one.
        pairs |= {one: other for one, other in alike if often[one, "local"] == often[other, "broker"] == 1}
    return pairs


def _by_key(rows: Iterable[PositionLike]) -> dict[PositionKey, list[PositionLike]]:
    by_key: defaultdict[PositionKey, list[PositionLike]] = defaultdict(list)
    for row in rows:
        by_key[row.symbol, AssetType(row.asset_type)].append(row)
    return by_key


def _by_quantity(
    holdings: Mapping[PositionKey, list[PositionLike]],
) -> dict[tuple[AssetType, Decimal], list[PositionKey]]:
    """Group the keys of holdings that are not flat by asset type and quantity."""
    groups: defaultdict[tuple[AssetType, Decimal], list[PositionKey]] = defaultdict(list)
    for key, rows in holdings.items():
        quantity = exact_sum(Decimal(row.quantity) for row in rows)
        if quantity:
            groups[key[1], quantity].append(key)
    return groups


def _is_alike(local: list[PositionLike], broker: list[PositionLike]) -> bool:
    """Say whether two holdings of one quantity may be one: by cost or name. An unknown cost rules nothing out."""
    if any(contradict(one, other) for one in local for other in broker):
        return False
    costs = [row.avg_cost for row in (*local, *broker)]
    known = [Decimal(cost) for cost in costs if cost is not None]
    if len(known) < len(costs):
        return True
    spread, largest = max(known) - min(known), max(abs(cost) for cost in known)
    return spread <= _SAME_COST * largest or _is_similar(local[0].symbol, broker[0].symbol)


def _is_similar(local: str, broker: str) -> bool:
    return SequenceMatcher(None, local, broker).ratio() >= _SIMILAR_NAME
