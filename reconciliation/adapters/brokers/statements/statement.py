"""What every statement file is read into: accounts, each with balances and positions of one moment."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.domain.comparison.lots import sum_of_lots
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.domain.model.values import exact_sum
from reconciliation.errors import Incomplete


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One account in one statement file. Rows of one instrument are added up, flat ones left out."""

    account: BrokerAccount
    #: None: the file does not list positions at all, which does not mean that there are none.
    positions: tuple[BrokerPosition, ...] | None
    #: When its data were true; None where the file does not say.
    as_of: datetime | None
    #: When the broker wrote them; decides between statements of one date.
    generated_at: datetime | None = None
    #: What a reader should know, as sentences.
    notes: tuple[str, ...] = ()
    #: Why `positions` is None, and what to do about it.
    no_positions: str = "the file does not list positions"

    @property
    def account_id(self) -> str:
        return self.account.account_id

    def snapshot(self, source: StatementSource) -> BrokerSnapshot:
        """Return the statement as a broker's answer.

        A file that states no time was true, at the latest, when it was last written.

        Raises:
            Incomplete: the file does not list positions.
        """
        if self.positions is None:
            raise Incomplete(
                f"{source.path}: account {self.account_id}: {self.no_positions}", account_id=self.account_id
            )
        as_of = self.as_of or source.modified_at()
        return BrokerSnapshot(account=self.account, positions=self.positions, as_of=as_of, is_statement=True)


def newest_per_account(statements: Iterable[Statement], source: StatementSource) -> list[Statement]:
    """Return the newest statement of each account, sorted by account.

    Raises:
        BadData: no statement at all, or two of one account of which neither is the newer.
    """
    by_account: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        by_account[statement.account_id].append(statement)
    if not by_account:
        raise source.bad("holds no account statement")
    return [_newest(by_account[account_id], source) for account_id in sorted(by_account)]


def _newest(statements: Sequence[Statement], source: StatementSource) -> Statement:
    if len(statements) == 1:
        return statements[0]
    account_id = statements[0].account_id
    if any(statement.as_of is None for statement in statements):
        raise source.bad(f"holds {len(statements)} statements of account {account_id}, and not all say of when")
    ordered = sorted(statements, key=_age)
    if _age(ordered[-1]) == _age(ordered[-2]):
        raise source.bad(
            f"holds two statements of account {account_id} for {ordered[-1].as_of:%Y-%m-%d}; "
            "neither is the newer: keep one of them"
        )
    note = f"the newest of {len(statements)} statements of the account in this file"
    return replace(ordered[-1], notes=(*ordered[-1].notes, note))


def _age(statement: Statement) -> tuple[float, float]:
    as_of, generated_at = statement.as_of, statement.generated_at
    return (as_of.timestamp() if as_of else 0.0, generated_at.timestamp() if generated_at else 0.0)


def add_up_positions(rows: Iterable[BrokerPosition]) -> tuple[BrokerPosition, ...]:
    """Return one row per instrument and direction, in the order of first sight: long and short stay two legs."""
    by_instrument: dict[Hashable, list[BrokerPosition]] = defaultdict(list)
    for row in rows:
        identifiers = tuple(sorted(row.identifiers.items()))
        by_instrument[row.symbol, row.asset_type, row.currency, row.multiplier, identifiers, row.quantity > 0].append(
            row
        )
    summed = (_sum_of_lots(rows) for rows in by_instrument.values())
    return tuple(row for row in summed if row.quantity)


def _sum_of_lots(rows: Sequence[BrokerPosition]) -> BrokerPosition:
    if len(rows) == 1:
        return rows[0]
    quantity, avg_cost = sum_of_lots([(row.quantity, row.avg_cost) for row in rows])
    values = [row.market_value for row in rows if row.market_value is not None]
    market_value = exact_sum(values) if len(values) == len(rows) else None
    return replace(rows[0], quantity=quantity, avg_cost=avg_cost, market_value=market_value)
