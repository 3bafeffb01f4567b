"""What a sweep tells of a finding is told under the finding's own name, also where the broker has another."""

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal

from reconciliation import ReconciliationConfig, ReconciliationResult
from reconciliation.domain.breaks.fill_evidence import NO_EVIDENCE, FillActivity
from reconciliation.domain.breaks.likely_causes import explain
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.comparison.symbol_matching import SymbolMapping, SymbolResolver
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import (
    BrokerAccount,
    BrokerPosition,
    BrokerSnapshot,
    LocalPosition,
    LocalSnapshot,
)
from reconciliation.errors import CoordinationError, ReadError
from reconciliation.ports.accounts import AccountPlan
from reconciliation.ports.broker_reads import BrokerAnswer, TimeBudget
from reconciliation.ports.local_book import LocalBook
from reconciliation.ports.run_ledger import Recording
from reconciliation.usecases.reconcile import Reconciler

FUTURE = AssetType.FUTURE


class Book(LocalBook):
    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, LocalSnapshot | ReadError]:
        held = LocalPosition("ES", Decimal(1), None, FUTURE)
        return {account_id: LocalSnapshot(account_id=account_id, positions=[held]) for account_id in account_ids}


class World:
    """Everything around the reconciler but the local book; remembers what was recorded."""

    def __init__(self) -> None:
        self.recorded: list[RecordedRun] = []

    def get_plans(self, account_ids: Sequence[str]) -> Mapping[str, AccountPlan]:
        plan = AccountPlan(config=ReconciliationConfig("A"), connection="main", broker_account_id="A")
        return dict.fromkeys(account_ids, plan)

    async def read(self, plans: Sequence[AccountPlan], budget: TimeBudget) -> AsyncIterator[BrokerAnswer]:
        del budget
        held = BrokerPosition("FESZ6", Decimal(50), None, None, FUTURE, multiplier=Decimal(50))
        account = BrokerAccount("A", None, None, None, None)
        for plan in plans:
            snapshot = BrokerSnapshot(account=account, positions=[held])
            yield BrokerAnswer(plan=plan, snapshot=snapshot, start=RunStart.now())

    def get_resolver(self) -> SymbolResolver:
        return SymbolResolver([SymbolMapping(broker="main", broker_symbol="FESZ6", local_symbol="ES")])

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        self.recorded += runs
        return Recording()

    def publish(self, results: Sequence[ReconciliationResult]) -> None:
        """Nobody listens."""


class Fills:
    """A memory of fills that is looked at twice, or that is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.is_away = is_away
        self.looks = 0

    def activity(self, account_ids: Sequence[str]) -> Mapping[str, FillActivity]:
        if self.is_away:
            raise CoordinationError("Redis is away")
        self.looks += 1
        return dict.fromkeys(account_ids, FillActivity(at_ms=self.looks, since_ms=0))


async def recorded(world: World, fills: Fills | None = None) -> RecordedRun:
    reconciler = Reconciler(
        directory=world,
        local_book=Book(),
        broker_reader=world,
        ledger=world,
        publisher=world,
        local_timeout_seconds=30,
        symbols=world,
        fill_watch=fills,
    )
    await reconciler.reconcile([RunRequest(account_id="A", context={})])
    [run] = world.recorded
    return run


async def test_a_run_knows_its_holdings_under_the_names_of_its_findings() -> None:
    assert (await recorded(World())).holdings == {"ES"}


async def test_fills_are_looked_at_before_and_after_the_reads() -> None:
    run = await recorded(World(), Fills())
    assert run.fills_before is not None
    assert run.fills_after is not None
    assert (run.fills_before.at_ms, run.fills_after.at_ms) == (1, 2)


async def test_fills_that_cannot_be_looked_up_do_not_count_as_no_fills() -> None:
    run = await recorded(World(), Fills(is_away=True))
    assert (run.fills_before, run.fills_after) == (NO_EVIDENCE, NO_EVIDENCE)
    unwatched = await recorded(World())
    assert (unwatched.fills_before, unwatched.fills_after) == (None, None)


async def test_the_facts_of_a_mapped_symbol_are_found_for_its_finding() -> None:
    run = await recorded(World())
    [found] = explain(run.result, run.hints).values()
    assert found.key.symbol == "ES"
    assert ("multiplier", "the sides differ by the contract multiplier, 50") in found.hints
