"""Which accounts of two books are plainly equal, decided for all rows at once.

The rows of an account, in any order, are summed up in digests of 128 bits, with new random seeds for each run:
equal digests are equal rows. Numbers stay text, so that the first look costs nothing but hashing. What differs as text
is looked at again as sums of exact decimals by instrument: lots, and 100 beside 100.00. The rest is left to the
comparator, row by row: it alone says what a difference is.
"""

import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from reconciliation.adapters.bulk.text_frame import NotPlainError
from reconciliation.domain.model.instruments import name_mark
from reconciliation.domain.model.models import AssetType, Measure
from reconciliation.ports.whole_books import EqualPart

_NUMBER = r"^-?\d+(\.\d+)?$"
#: The reader of rows accepts every number up to this number of characters.
_MAX_NUMBER_CHARACTERS = 60
_MAX_NAME_CHARACTERS = 128
#: The sum of any number of such rows has no more digits than the reader of rows takes.
_SHORT = r"^-?\d{1,30}(\.\d{1,20})?$"
#: What a decimal of 38 digits holds, and the sum of any number of rows too.
_SUMMED = r"^-?\d{1,20}(\.\d{1,10})?$"
_DECIMAL = pl.Decimal(38, 10)
_ZERO = r"^-?0*(\.0*)?$"
_NUMBERS = ("quantity", "avg_cost", "multiplier", "cash", "equity")
_IDENTIFIERS = ("isin", "cusip", "figi", "conid")
_KEY = ("account", "symbol", "asset_type")


@dataclass(frozen=True, kw_only=True)
class Books:
    """Both sides as columns of text, under the names that statements have."""

    #: account, symbol, asset_type, quantity, avg_cost, and perhaps multiplier and identifiers.
    local: pl.DataFrame
    #: account, cash, equity; None: not compared.
    balances: pl.DataFrame | None
    #: account, symbol, quantity, and perhaps the others, with cash and equity in each row.
    broker: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class Split:
    """The accounts of both sides."""

    equal: EqualPart
    #: Named by both sides, and not plainly equal.
    to_judge: frozenset[str]
    only_local: list[str]
    only_broker: list[str]
    #: Rows of the accounts to judge that are plainly equal, and need not be: their places in the local file...
    equal_local_rows: pl.Series
    #: ... and in the broker's.
    equal_broker_rows: pl.Series


def split_accounts(books: Books, mapped_symbols: Collection[str]) -> Split:
    """Say which accounts are plainly equal.

    Args:
        books: both sides.
        mapped_symbols: symbols of the broker that a table maps to local ones; their accounts are left to be judged.

    Raises:
        NotPlainError: a cell that the reader of rows must read, or complain about.
    """
    local, broker = _checked(books.local, ()), _checked(books.broker, ("-", "--", "n/a", "N/A", "null"))
    balances = None if books.balances is None else _checked(books.balances, ())
    held = _held(broker)
    for frame, needed in ((local, (*_KEY, "quantity")), (held, ("symbol", "quantity")), (broker, ("account",))):
        if any(frame[name].null_count() for name in needed):
            raise NotPlainError("an empty cell")
    for frame in (local, held):
        if not _can_be_summed(frame):
            raise NotPlainError("long numbers in several rows of one instrument")
    local_names = _names(local) | (frozenset() if balances is None else _names(balances))
    broker_names = _names(broker)
    both = local_names & broker_names
    figures = _compared_balances(balances, broker)
    rest = both - _equal_balances(figures)
    ambiguous = _accounts_with(local, held, _ambiguous(local, held, mapped_symbols))
    positions = _PlainPositions(local, held)
    equal = positions.equal(both - rest - ambiguous)
    done = frozenset(equal["account"].to_list())
    left_out = positions.equal_rows(both - done - ambiguous)
    not_compared = Counter({Measure.COST: int(equal["without_cost"].sum()) + int(left_out["without_cost"].sum())})
    for measure, name in ((Measure.CASH, "cash"), (Measure.EQUITY, "equity")):
        not_compared[measure] += _missing(figures, name, done)
    return Split(
        equal=EqualPart(
            accounts=len(done), positions=int(equal["rows"].sum()) + left_out.height, not_compared=+not_compared
        ),
        to_judge=frozenset(both - done),
        only_local=sorted(local_names - broker_names),
        only_broker=sorted(broker_names - local_names),
        equal_local_rows=left_out["place"],
        equal_broker_rows=left_out["place_broker"],
    )


def _checked(frame: pl.DataFrame, empty: Collection[str]) -> pl.DataFrame:
    """Return the columns with null for nothing, and asset types by their names."""
    names = [name for name in ("account", "symbol") if name in frame.columns]
    others = [name for name in frame.columns if name not in names]
    numbers = [name for name in _NUMBERS if name in frame.columns]
    faults = [
        ~pl.col(name).str.contains(_NUMBER) | (pl.col(name).str.len_bytes() > _MAX_NUMBER_CHARACTERS)
        for name in numbers
    ]
    faults += [pl.col(name).str.len_chars() > _MAX_NAME_CHARACTERS for name in names]
    is_faulty = pl.any_horizontal([fault.any() for fault in faults])
    if empty and frame.select(is_faulty).item():
        # Words for nothing; a number is looked at again without them.
        frame = frame.with_columns(
            pl.when(~pl.col(name).is_in(list(empty))).then(pl.col(name)).alias(name) for name in others
        )
    elif empty:
        words = [name for name in others if name not in numbers]
        frame = frame.with_columns(
            pl.when(~pl.col(name).is_in(list(empty))).then(pl.col(name)).alias(name) for name in words
        )
    if frame.select(is_faulty).item():
        raise NotPlainError("a number of another style, or a name that is too long")
    frame = frame.with_row_index("place")
    if "asset_type" not in frame.columns:
        return frame.with_columns(asset_type=pl.lit(AssetType.STOCK.value)) if "symbol" in frame.columns else frame
    kinds = {kind for kind in frame["asset_type"].unique() if kind is not None}
    if any(kind.lower() not in AssetType.__members__.values() for kind in kinds):
        raise NotPlainError("an asset type of another name")
    return frame.with_columns(pl.col("asset_type").str.to_lowercase().fill_null(AssetType.STOCK.value))


def _held(broker: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of positions; others may state balances."""
    is_held = pl.col("symbol").is_not_null() | pl.col("quantity").is_not_null()
    balances = [name for name in ("cash", "equity") if name in broker.columns]
    stated = pl.any_horizontal([pl.col(name).is_not_null() for name in balances] or [pl.lit(value=False)])
    if broker.select((~is_held & ~stated).any()).item():
        raise NotPlainError("a row that states nothing")
    return broker.filter(is_held)


def _can_be_summed(frame: pl.DataFrame) -> bool:
    """Say whether all numbers are short, or no instrument of an account has several rows."""
    numbers = [name for name in ("quantity", "avg_cost") if name in frame.columns]
    short = pl.all_horizontal(pl.col(name).str.contains(_SHORT).all() for name in numbers)
    return bool(frame.select(short).item()) or not frame.select(pl.struct(_KEY).is_duplicated().any()).item()


def _names(frame: pl.DataFrame) -> frozenset[str]:
    return frozenset(frame["account"].unique().to_list())


def _compared_balances(balances: pl.DataFrame | None, broker: pl.DataFrame) -> pl.DataFrame:
    """Return cash and equity of both sides by account, for accounts that state each at most once."""
    empty = pl.lit(None, dtype=pl.String)
    figures = ("cash", "equity")
    have = [name for name in figures if name in broker.columns]
    of_broker = broker.group_by("account").agg(
        *(
            pl.col(name).drop_nulls().unique().alias(name) if name in have else empty.implode().alias(name)
            for name in figures
        )
    )
    if have and of_broker.select(pl.any_horizontal((pl.col(name).list.len() > 1).any() for name in have)).item():
        raise NotPlainError("balances that differ between rows")
    of_broker = of_broker.with_columns(pl.col(name).list.first() for name in figures)
    if balances is None:
        local = broker.select(pl.col("account").unique()).with_columns(empty.alias(name) for name in figures)
    else:
        local = balances.select("account", *figures)
        if local["account"].n_unique() < local.height:
            raise NotPlainError("several rows of balances of an account")
    return local.join(of_broker, on="account", how="full", coalesce=True, suffix="_broker")


def _equal_balances(figures: pl.DataFrame) -> frozenset[str]:
    same = []
    for name in ("cash", "equity"):
        local, broker = pl.col(name), pl.col(f"{name}_broker")
        local_sum, broker_sum = (pl.when(one.str.contains(_SUMMED)).then(one).cast(_DECIMAL) for one in (local, broker))
        same.append(local.is_null() | broker.is_null() | (local == broker) | (local_sum == broker_sum))
    return frozenset(figures.filter(pl.all_horizontal(same))["account"].to_list())


def _missing(figures: pl.DataFrame, name: str, accounts: Collection[str]) -> int:
    lacking = figures.filter(pl.col(name).is_null() | pl.col(f"{name}_broker").is_null())
    return sum(account in accounts for account in lacking["account"].to_list())


def _ambiguous(local: pl.DataFrame, broker: pl.DataFrame, mapped_symbols: Collection[str]) -> list[str]:
    """Return the symbols that another one may be, by a table or by the way they are written."""
    pairs = pl.concat([frame.select("symbol", "asset_type").unique() for frame in (local, broker)]).unique()
    by_mark: dict[object, set[str]] = {}
    for symbol, kind in pairs.iter_rows():
        by_mark.setdefault(name_mark(symbol, AssetType(kind)), set()).add(symbol)
    written_in_ways = {symbol for symbols in by_mark.values() if len(symbols) > 1 for symbol in symbols}
    return sorted(written_in_ways | set(mapped_symbols))


def _accounts_with(local: pl.DataFrame, broker: pl.DataFrame, symbols: list[str]) -> frozenset[str]:
    if not symbols:
        return frozenset()
    found: Iterable[str] = ()
    for frame in (local, broker):
        found = [*found, *frame.filter(pl.col("symbol").is_in(symbols))["account"].unique().to_list()]
    return frozenset(found)


def _has_identifiers(frame: pl.DataFrame) -> bool:
    return any(name in frame.columns and frame[name].null_count() < frame.height for name in _IDENTIFIERS)


class _PlainPositions:
    """The positions of both sides, looked at as text first and as sums then."""

    def __init__(self, local: pl.DataFrame, broker: pl.DataFrame) -> None:
        is_zero = pl.col("quantity").str.contains(_ZERO)
        # A flat row names nothing that a broker's row could be, unless by an identifier.
        keeps_flat = _has_identifiers(local)
        self._without_cost = any(
            "avg_cost" not in frame.columns or frame["avg_cost"].null_count() == frame.height
            for frame in (local, broker)
        )
        values = ["quantity", *([] if self._without_cost else ["avg_cost"])]
        values += ["multiplier"] if all("multiplier" in frame.columns for frame in (local, broker)) else []
        self._values = values
        #: Whether an instrument can be known by its name alone: not by identifiers that both sides give.
        self._names_are_all = not all(_has_identifiers(frame) for frame in (local, broker))
        self._all_local, self._all_broker = (frame.select(*_KEY, *values, "place") for frame in (local, broker))
        self._local = (local if keeps_flat else local.filter(~is_zero)).select(*_KEY, *values)
        self._broker = broker.filter(~is_zero).select(*_KEY, *values)
        self._seeds = [secrets.randbits(63) for _ in range(2)]

    def equal(self, accounts: Collection[str]) -> pl.DataFrame:
        """Return account, rows and rows without a cost, of those that are plainly equal."""
        wanted = pl.DataFrame({"account": list(accounts)}, schema={"account": pl.String})
        sides = [frame.with_columns(is_plain=pl.lit(value=True)) for frame in (self._local, self._broker)]
        found = [self._look(sides, wanted)]
        rest = wanted.join(found[0], on="account", how="anti")
        if rest.height:
            held = [frame.join(rest, on="account", how="semi") for frame in (self._local, self._broker)]
            found.append(self._look([self._as_sums(frame) for frame in held], rest))
            # Neither side holds anything in these.
            flat = rest.join(pl.concat([frame.select("account") for frame in held]), on="account", how="anti")
            found.append(flat.with_columns(rows=0, without_cost=0))
        return pl.concat(found, how="vertical_relaxed")

    def equal_rows(self, accounts: Collection[str]) -> pl.DataFrame:
        """Return the places of rows that are plainly equal in accounts that are not, and whether they lack a cost.

        Such a row has the only one of its instrument on either side, and nothing but its own name can make it another.
        One row of each account stays, so that the account is still there.
        """
        wanted = pl.DataFrame({"account": list(accounts) if self._names_are_all else []}, schema={"account": pl.String})
        left, right = (
            frame.join(wanted, on="account", how="semi").filter(~pl.struct(_KEY).is_duplicated())
            for frame in (self._all_local, self._all_broker)
        )
        same = left.join(right, on=[*_KEY, *self._values], how="inner", nulls_equal=True, suffix="_broker")
        same = same.filter(~pl.col("quantity").str.contains(_ZERO)).filter(pl.col("account").is_first_distinct().not_())
        lacks_cost = pl.lit(value=True) if self._without_cost else pl.col("avg_cost").is_null()
        return same.select("place", "place_broker", without_cost=lacks_cost)

    def _look(self, sides: Sequence[pl.DataFrame], accounts: pl.DataFrame) -> pl.DataFrame:
        """Return those of the accounts whose rows are equal on both sides."""
        left, right = map(self._digests, sides)
        same = left.join(right, on=left.columns, how="inner").filter(pl.col("is_plain"))
        return same.join(accounts, on="account", how="semi").select("account", "rows", "without_cost")

    def _as_sums(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return one row for each instrument; long numbers, opposite legs and costs that differ are not plain."""
        is_summed = pl.all_horizontal(
            pl.col(name).is_null() | pl.col(name).str.contains(_SUMMED) for name in self._values
        )
        numbers = [pl.when(is_summed).then(pl.col(name)).cast(_DECIMAL).alias(name) for name in self._values]
        others = [name for name in self._values if name != "quantity"]
        return (
            frame.with_columns(*numbers, is_plain=is_summed)
            .group_by(_KEY)
            .agg(
                pl.col("quantity").sum(),
                *(pl.col(name).first() for name in others),
                is_plain=pl.col("is_plain").all()
                & ((pl.col("quantity") > 0).all() | (pl.col("quantity") < 0).all())
                & pl.all_horizontal([pl.col(name).n_unique() == 1 for name in others] or [pl.lit(value=True)]),
            )
        )

    def _digests(self, frame: pl.DataFrame) -> pl.DataFrame:
        row = pl.struct("symbol", "asset_type", *self._values)
        one, other = self._seeds
        key = pl.struct(_KEY).hash(one)
        digests = frame.select(
            "account",
            "is_plain",
            row.hash(one).alias("a"),
            row.hash(other).alias("b"),
            key.alias("key"),
            (pl.lit(value=True) if self._without_cost else pl.col("avg_cost").is_null()).alias("without_cost"),
        )
        repeated = digests.filter(pl.col("key").is_duplicated())["account"].unique()
        halves = [
            ((pl.col(name) // (1 << 32)) if high else (pl.col(name) % (1 << 32))).sum().alias(f"{name}{int(high)}")
            for name in ("a", "b")
            for high in (False, True)
        ]
        summed = digests.group_by("account").agg(
            pl.len().alias("rows"), pl.col("without_cost").sum(), pl.col("is_plain").all(), *halves
        )
        return summed.with_columns(is_plain=pl.col("is_plain") & ~pl.col("account").is_in(repeated.implode()))
