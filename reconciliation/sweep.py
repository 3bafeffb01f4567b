"""The use case of the workers: reconcile any number of accounts together.

Gather both sides of all accounts at once, decide each by itself, record all in one transaction, then publish.
One account's failure never touches another's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciliation.broker.query import BrokerSnapshot
from reconciliation.errors import ReadError
from reconciliation.gather import of_account, surely
from reconciliation.local.provider import LocalBook, LocalSnapshot
from reconciliation.models import ReconciliationConfig, ReconciliationResult, RunRequest
from reconciliation.run import RunStart, conclude, incomplete


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """How one account is to be reconciled: its configuration, and where the broker knows it."""

    config: ReconciliationConfig
    connection: str
    broker_account_id: str


class AccountDirectory(Protocol):
    """Where plans come from. Blocking: the use case calls it in a thread, as it does the other two blocking ports."""

    def get_plans(self, account_ids: Sequence[str]) -> Mapping[str, AccountPlan | ReadError]:
        """Return an entry for each asked account: its plan, or why it has none."""
        ...


class BrokerReader(Protocol):
    """Reads many accounts over their connections, each within its own time limit."""

    async def read(self, plans: Sequence[AccountPlan]) -> Mapping[str, BrokerSnapshot | ReadError]:
        """Return an entry for each plan, by our account id; the snapshot's account carries our account id too."""
        ...


class RunLedger(Protocol):
    """Where runs are recorded; one transaction a call. Blocking."""

    def record(self, results: Sequence[ReconciliationResult]) -> None: ...


class ResultPublisher(Protocol):
    """Tells the world; one pipeline a call. Blocking."""

    def publish(self, results: Sequence[ReconciliationResult]) -> None: ...


class Reconciler:
    """Reconciles accounts together. Safe to call concurrently; holds no state between calls."""

    def __init__(
        self,
        *,
        directory: AccountDirectory,
        local_book: LocalBook,
        broker_reader: BrokerReader,
        ledger: RunLedger,
        publisher: ResultPublisher,
        local_timeout_seconds: float,
    ) -> None:
        self._directory = directory
        self._local_book = local_book
        self._broker_reader = broker_reader
        self._ledger = ledger
        self._publisher = publisher
        self._local_timeout_seconds = local_timeout_seconds

    async def reconcile(self, requests: Sequence[RunRequest]) -> list[ReconciliationResult]:
        """Make every asked run and return the results in the order of the requests.

        Raises:
            StorageError: the results could not be recorded; nothing was published.
            CoordinationError: the results were recorded, but could not be published.
        """
        start = RunStart.now()
        account_ids = list(dict.fromkeys(request.account_id for request in requests))
        plans = await asyncio.to_thread(self._directory.get_plans, account_ids)
        known = {account_id: plan for account_id, plan in plans.items() if isinstance(plan, AccountPlan)}
        local, broker = await asyncio.gather(self._read_local(list(known)), self._broker_reader.read([*known.values()]))
        results = [self._conclude(request, start, plans, local, broker) for request in requests]
        await asyncio.to_thread(self._record_and_publish, results)
        return results

    def _record_and_publish(self, results: Sequence[ReconciliationResult]) -> None:
        self._ledger.record(results)
        self._publisher.publish(results)

    async def _read_local(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        if not account_ids:
            return {}
        read = self._local_book.get_snapshots(account_ids)
        answer = await surely(read, "local book", account_ids[0], self._local_timeout_seconds)
        return dict.fromkeys(account_ids, answer) if isinstance(answer, ReadError) else answer

    def _conclude(
        self,
        request: RunRequest,
        start: RunStart,
        plans: Mapping[str, AccountPlan | ReadError],
        local: Mapping[str, LocalSnapshot | ReadError],
        broker: Mapping[str, BrokerSnapshot | ReadError],
    ) -> ReconciliationResult:
        account_id = request.account_id
        plan = of_account(plans, "registry", account_id)
        if isinstance(plan, ReadError):
            return incomplete(request, start, plan, "registry")
        ours = of_account(local, "local book", account_id)
        return conclude(request, plan.config, start, ours, of_account(broker, "broker", account_id))
