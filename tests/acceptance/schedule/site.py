"""What the acceptance tests of the schedule look at: the registry, the due-queue, the runs on record."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Self

from sqlalchemy import insert, select

from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.adapters.database.tables.local_book import Account
from reconciliation.bootstrap import open_parts
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.settings import Settings
from tests.builders.accounts import ANY_ACCOUNT
from tests.support.waiting import wait_for


class Site:
    """The parts of a running site, from the outside."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings: dict[str, Any] = {**ANY_ACCOUNT, **settings}

    def __enter__(self) -> Self:
        self.parts = open_parts(Settings(**self.settings))
        return self

    def __exit__(self, *_: object) -> None:
        self.parts.close()

    def add(self, count: int, prefix: str = "ACC", **fields: Any) -> list[str]:
        """Register accounts that are clean at the paper broker, and in the local book."""
        ids = [f"{prefix}-{number:04}" for number in range(count)]
        self.add_named(ids, **fields)
        return ids

    def add_named(self, account_ids: Sequence[str], **fields: Any) -> None:
        """Register these accounts, and put them into the local book."""
        rows = [{"account_id": name, "cash": 100_000, "equity": 100_000} for name in account_ids]
        with write_transaction(self.parts.stores.engine) as db:
            db.execute(insert(Account), rows)
        self.parts.stores.registry.add(RegisteredAccount(account_id=name, **fields) for name in account_ids)

    def runs(self) -> list[Any]:
        with read_transaction(self.parts.stores.engine) as db:
            query = select(RunRow.account_id, RunRow.run_id, RunRow.outcome, RunRow.context, RunRow.timestamp)
            return list(db.execute(query.order_by(RunRow.timestamp)))

    def runs_by_account(self) -> Counter[str]:
        return Counter(run.account_id for run in self.runs())

    def longest_standstill_seconds(self) -> float:
        """Return the longest time between two runs that followed each other, of whatever accounts."""
        gaps = (later.timestamp - earlier.timestamp for earlier, later in pairwise(self.runs()))
        return max(gap.total_seconds() for gap in gaps)

    def wait_for_run_after(self, moment: datetime, account_id: str) -> float:
        """Wait for a run of the account that began after `moment`; return how many seconds after."""

        def found() -> datetime | None:
            times = (run.timestamp for run in self.runs() if run.account_id == account_id)
            return next((at for at in times if at > moment), None)

        began: datetime = wait_for(found, 60, f"{account_id} is run")  # type: ignore[assignment]  # never None
        return (began - moment).total_seconds()

    def slots(self) -> dict[str, list[float]]:
        """Return the slots that were run, in seconds, by account; a slot that was run twice stands there twice."""
        slots: dict[str, list[float]] = defaultdict(list)
        for run in self.runs():
            if "slot" in run.context:
                slots[run.account_id].append(datetime.fromisoformat(run.context["slot"]).timestamp())
        return {account_id: sorted(found) for account_id, found in slots.items()}


def missed(slots: Iterable[float], interval_seconds: float) -> int:
    """Return how many slots of the grid are missing between the first and the last."""
    ordered = sorted(slots)
    return round((ordered[-1] - ordered[0]) / interval_seconds) + 1 - len(ordered)
