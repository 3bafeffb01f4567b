"""The use case of the workers: reconcile any number of accounts together.

The broker is read for all accounts at once. Its answers are concluded in groups as they come: each group has one
read of the local book, one transaction and one pipeline of publishing. A slow account does not hold up the others, and
no local snapshot is much older than the broker's that it is compared with.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from reconciliation.domain.breaks.break_ import Amounts, BreakKey
from reconciliation.domain.breaks.fill_evidence import NO_EVIDENCE, FillActivity
from reconciliation.domain.breaks.likely_causes import cause_inputs_of
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.comparison.agreed_values import balance_values, position_values
from reconciliation.domain.comparison.conclude import SymbolContext, align_symbols, conclude_aligned, incomplete
from reconciliation.domain.comparison.symbol_matching import SymbolResolver
from reconciliation.domain.model.models import DISCREPANCY_TRAITS, ReconciliationResult, RunError
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import CoordinationError, ReadError, StorageError, Unavailable
from reconciliation.ports.accounts import AccountDirectory, AccountPlan, SymbolSource
from reconciliation.ports.broker_reads import BrokerAnswer, BrokerReader, TimeBudget
from reconciliation.ports.clock import Clock
from reconciliation.ports.fill_windows import FillWindows
from reconciliation.ports.local_book import LocalBook
from reconciliation.ports.publishing import ResultPublisher
from reconciliation.ports.run_ledger import RunLedger
from reconciliation.usecases.batching import grouped
from reconciliation.usecases.follow_up import RunFollowUp
from reconciliation.usecases.read_sides import entry_of, read_or_error, unexpected_error

logger = logging.getLogger(__name__)

#: How long an answer waits for others of its group. A broker's snapshot may be older than the local one by about this.
GROUP_SECONDS = 0.5

#: An account's fills before the reads began and after they ended.
_FillLooks = tuple[FillActivity | None, FillActivity | None]


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
        follow_up: RunFollowUp | None = None,
        fill_watch: FillWindows | None = None,
        symbols: SymbolSource | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._directory = directory
        self._local_book = local_book
        self._broker_reader = broker_reader
        self._ledger = ledger
        self._publisher = publisher
        self._local_timeout_seconds = local_timeout_seconds
        self._follow_up = follow_up
        self._fill_watch = fill_watch
        self._symbols = symbols
        self._clock = clock

    async def reconcile(self, requests: Sequence[RunRequest]) -> list[ReconciliationResult]:
        """Make every requested run and return the results in the order of the requests.

        Raises:
            StorageError: results could not be recorded; these were not published.
            CoordinationError: results were recorded but could not be published.
        """
        results: dict[UUID, ReconciliationResult] = {}
        async for made in self.reconcile_in_groups(requests, TimeBudget()):
            results.update((result.run_id, result) for result in made)
        return [results[request.run_id] for request in requests]

    async def reconcile_in_groups(
        self, requests: Sequence[RunRequest], budget: TimeBudget
    ) -> AsyncIterator[list[ReconciliationResult]]:
        """Yield the results of each group once it is recorded and published, without accounts that were not started.

        Raises:
            StorageError, CoordinationError: as for `reconcile`.
        """
        by_account: dict[str, list[RunRequest]] = defaultdict(list)
        for request in requests:
            by_account[request.account_id].append(request)
        if self._clock is not None:  # runs are ordered by it, so that a host whose clock is wrong changes nothing
            await asyncio.to_thread(self._clock.refresh)
        plans = await asyncio.to_thread(self._directory.get_plans, list(by_account))
        fills = await asyncio.to_thread(self._look_at_fills, list(by_account))
        unplanned = {
            account_id: plan
            for account_id in by_account
            if isinstance(plan := entry_of(plans, "registry", account_id), ReadError)
        }
        if unplanned:
            start = self._start()
            runs = [
                RecordedRun(result=incomplete(request, start, error, "registry"), fence=request.fence)
                for account_id, error in unplanned.items()
                for request in by_account[account_id]
            ]
            yield await self._record_and_publish(runs)
        known = [plan for plan in plans.values() if isinstance(plan, AccountPlan)]
        async with contextlib.aclosing(grouped(self._broker_reader.read(known, budget), GROUP_SECONDS)) as groups:
            async for group in groups:
                yield await self._conclude_group(group, by_account, fills)

    async def give_up(self, requests: Sequence[RunRequest], reason: str) -> list[ReconciliationResult]:
        """Record and publish runs that could not be made as `incomplete`: never silence, even without a database.

        Raises:
            CoordinationError: the results could not be published either.
        """
        start = self._start()
        results = [incomplete(request, start, Unavailable(reason), "worker") for request in requests]
        runs = [RecordedRun(result=result, fence=made.fence) for result, made in zip(results, requests, strict=True)]
        with contextlib.suppress(StorageError):  # most likely the reason itself
            await asyncio.to_thread(self._ledger.record, runs)
        await asyncio.to_thread(self._publisher.publish, results)
        return results

    def _start(self) -> RunStart:
        return RunStart.now() if self._clock is None else RunStart.now(self._clock.now)

    async def _conclude_group(
        self,
        group: Sequence[BrokerAnswer],
        by_account: Mapping[str, Sequence[RunRequest]],
        fills_before: Mapping[str, FillActivity],
    ) -> list[ReconciliationResult]:
        account_ids = [answer.plan.config.account_id for answer in group]
        local = await self._read_local(account_ids)
        resolver = await asyncio.to_thread(self._symbols.get_resolver) if self._symbols else None
        fills_after = await asyncio.to_thread(self._look_at_fills, account_ids)
        runs = [
            _conclude_apart(
                request,
                answer,
                entry_of(local, "local book", request.account_id),
                resolver,
                (fills_before.get(request.account_id), fills_after.get(request.account_id)),
            )
            for answer in group
            for request in by_account[answer.plan.config.account_id]
        ]
        return await self._record_and_publish(runs)

    async def _record_and_publish(self, runs: Sequence[RecordedRun]) -> list[ReconciliationResult]:
        recorded = await asyncio.to_thread(self._record_apart, runs)
        return [run.result for run in recorded]

    def _record_apart(self, runs: Sequence[RecordedRun]) -> Sequence[RecordedRun]:
        """Record and publish all runs together. If the data of one run make that fail, record each by itself."""
        try:
            self._record(runs)
        except (StorageError, CoordinationError):
            raise
        except Exception as error:
            if len(runs) > 1:
                return [recorded for run in runs for recorded in self._record_apart([run])]
            logger.exception("the run of %r cannot be recorded", runs[0].result.account_id)
            failed = [_without_data(runs[0], error)]
            self._record(failed)
            return failed
        return runs

    def _record(self, runs: Sequence[RecordedRun]) -> None:
        recording = self._ledger.record(runs)
        if self._follow_up is not None:
            self._follow_up.follow_up(recording)
        self._publisher.publish([run.result for run in runs])

    def _look_at_fills(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        """Look at the fills. Without an answer of Redis the run goes on, but confirms no break."""
        if self._fill_watch is None:
            return {}
        try:
            return self._fill_watch.activity(account_ids)
        except CoordinationError:
            return dict.fromkeys(account_ids, NO_EVIDENCE)

    async def _read_local(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        read = self._local_book.get_snapshots(account_ids)
        answer = await read_or_error(read, "local book", account_ids[0], self._local_timeout_seconds)
        return dict.fromkeys(account_ids, answer) if isinstance(answer, ReadError) else answer


def _conclude_apart(
    request: RunRequest,
    answer: BrokerAnswer,
    local: LocalSnapshot | ReadError,
    resolver: SymbolResolver | None,
    fills: _FillLooks,
) -> RecordedRun:
    """Conclude one run. If its data make our code raise, this run ends incomplete and no other does."""
    try:
        return _conclude(request, answer, local, resolver, fills)
    except Exception as error:
        logger.exception("account %r cannot be compared", request.account_id)
        why = unexpected_error("the account cannot be compared", error, request.account_id)
        result = incomplete(request, answer.start, why, "worker")
        return RecordedRun(result=result, connection=answer.plan.connection, fence=request.fence)


def _without_data(run: RecordedRun, error: Exception) -> RecordedRun:
    result = run.result
    why = RunError.of(unexpected_error("the run cannot be recorded", error, result.account_id), "worker")
    bare = replace(result, is_clean=False, discrepancies=[], positions_checked=0, not_compared=(), error=why)
    return RecordedRun(result=bare, connection=run.connection, fence=run.fence)


def _conclude(
    request: RunRequest,
    answer: BrokerAnswer,
    local: LocalSnapshot | ReadError,
    resolver: SymbolResolver | None,
    fills: _FillLooks,
) -> RecordedRun:
    broker, plan = answer.snapshot, answer.plan
    symbol_context = (
        None
        if resolver is None
        else SymbolContext(resolver=resolver, brokers=(plan.connection, plan.broker), calendar=plan.config.calendar)
    )
    sides = align_symbols(answer.start, local, broker, symbol_context)
    result = conclude_aligned(request, plan.config, answer.start, sides)
    run = RecordedRun(
        result=result,
        config=plan.config,
        connection=plan.connection,
        fence=request.fence,
        fills_before=fills[0],
        fills_after=fills[1],
    )
    if isinstance(sides.local, ReadError) or isinstance(sides.broker, ReadError):
        return run
    run = replace(run, values_of=partial(_values_of, sides.local, sides.broker))
    if not result.discrepancies:
        return run
    return replace(
        run,
        # Facts are keyed by symbol, so they need the symbols that the findings have.
        hints=cause_inputs_of(sides.local, sides.broker, request.context),
        holdings=frozenset(row.symbol for row in (*sides.local.positions, *sides.broker.positions)),
        lists_nothing=not any(row.quantity for row in sides.broker.positions)
        and any(row.quantity for row in sides.local.positions),
    )


def _values_of(local: LocalSnapshot, broker: BrokerSnapshot, key: BreakKey) -> Amounts:
    measure = DISCREPANCY_TRAITS[key.type].measure
    values = (
        balance_values(local, broker, measure, key.currency)
        if key.symbol is None
        else position_values(local, broker, measure, key.symbol, key.asset_type)
    )
    return Amounts(local_value=values[0], broker_value=values[1])
