"""The use case of the workers: reconcile any number of accounts together.

Gather both sides of all accounts at once, decide each by itself, record all in one transaction, then publish.
One account's failure never touches another's.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from reconciliation.broker.query import BrokerSnapshot
from reconciliation.errors import CoordinationError, ReadError, StorageError, Unavailable
from reconciliation.gather import of_account, surely
from reconciliation.hints import HintFacts, facts_of
from reconciliation.ledger import FillCounters, FollowUp, RecordedRun, RunLedger
from reconciliation.local.provider import LocalBook, LocalSnapshot
from reconciliation.models import ReconciliationConfig, ReconciliationResult, RunRequest
from reconciliation.run import Naming, RunStart, conclude, incomplete
from reconciliation.symbols import SymbolResolver


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """How one account is to be reconciled: its configuration, and where the broker knows it."""

    config: ReconciliationConfig
    connection: str
    broker_account_id: str
    #: The kind of broker behind the connection, for symbol mappings that speak of it.
    broker: str = ""


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


class SymbolSource(Protocol):
    """Where the knowledge of symbols comes from. Blocking."""

    def get_resolver(self) -> SymbolResolver:
        """Return the resolver of this moment."""
        ...


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
        follow_up: FollowUp | None = None,
        fill_counters: FillCounters | None = None,
        symbols: SymbolSource | None = None,
    ) -> None:
        self._directory = directory
        self._local_book = local_book
        self._broker_reader = broker_reader
        self._ledger = ledger
        self._publisher = publisher
        self._local_timeout_seconds = local_timeout_seconds
        self._follow_up = follow_up
        self._fill_counters = fill_counters
        self._symbols = symbols

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
        fills_before = await asyncio.to_thread(self._count_fills, account_ids)
        local, broker = await asyncio.gather(self._read_local(list(known)), self._broker_reader.read([*known.values()]))
        resolver = await asyncio.to_thread(self._symbols.get_resolver) if self._symbols else None
        runs = [self._conclude(request, start, plans, local, broker, resolver=resolver) for request in requests]
        fills_after = await asyncio.to_thread(self._count_fills, account_ids)
        runs = [
            replace(
                run,
                fills_before=fills_before.get(run.result.account_id),
                fills_after=fills_after.get(run.result.account_id),
            )
            for run in runs
        ]
        await asyncio.to_thread(self._record_and_publish, runs)
        return [run.result for run in runs]

    async def give_up(self, requests: Sequence[RunRequest], reason: str) -> list[ReconciliationResult]:
        """Conclude runs that could not be made as `incomplete` and tell so: never silence, even without a database.

        Raises:
            CoordinationError: the results could not be published either.
        """
        start = RunStart.now()
        results = [incomplete(request, start, Unavailable(reason), "worker") for request in requests]
        runs = [RecordedRun(result=result, fence=made.fence) for result, made in zip(results, requests, strict=True)]
        with contextlib.suppress(StorageError):  # most likely the reason itself
            await asyncio.to_thread(self._ledger.record, runs)
        await asyncio.to_thread(self._publisher.publish, results)
        return results

    def _record_and_publish(self, runs: Sequence[RecordedRun]) -> None:
        recording = self._ledger.record(runs)
        if self._follow_up is not None:
            self._follow_up.follow_up(recording)
        self._publisher.publish([run.result for run in runs])

    def _count_fills(self, account_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the fill counters; none are known where Redis does not answer, and the run goes on."""
        if self._fill_counters is None:
            return {}
        try:
            return self._fill_counters.received(account_ids)
        except CoordinationError:
            return {}

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
        *,
        resolver: SymbolResolver | None,
    ) -> RecordedRun:
        account_id = request.account_id
        plan = of_account(plans, "registry", account_id)
        if isinstance(plan, ReadError):
            return RecordedRun(result=incomplete(request, start, plan, "registry"), fence=request.fence)
        ours = of_account(local, "local book", account_id)
        theirs = of_account(broker, "broker", account_id)
        naming = None if resolver is None else Naming(resolver=resolver, brokers=(plan.connection, plan.broker))
        result = conclude(request, plan.config, start, ours, theirs, naming=naming)
        facts = HintFacts() if isinstance(ours, ReadError) or isinstance(theirs, ReadError) else facts_of(ours, theirs)
        return RecordedRun(result=result, config=plan.config, fence=request.fence, hints=facts)
