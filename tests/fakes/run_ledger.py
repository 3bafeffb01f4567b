"""A run ledger in memory: decided by the same function as the real one, and held to the same contract suite."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from reconciliation.domain.breaks.account_health import AccountHealth, Condition
from reconciliation.domain.breaks.apply_runs import AppliedRun, Event, apply_runs
from reconciliation.domain.breaks.break_ import Break, BreakChange, BreakKey
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.model.models import Outcome
from reconciliation.errors import StorageError
from reconciliation.ports.run_ledger import Recording


class MemoryRunLedger:
    """Implements `RunLedger`; `is_away` as a database may be."""

    def __init__(self, policy: BreakPolicy | None = None) -> None:
        self.policy = policy or BreakPolicy()
        self.is_away = False
        self.runs: dict[UUID, AppliedRun] = {}
        self.breaks: dict[BreakKey, Break] = {}
        self.history: dict[BreakKey, list[BreakChange]] = {}
        self.health: dict[str, AccountHealth] = {}
        self.events: list[Event] = []

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        if self.is_away:
            raise StorageError("the database is away")
        names = {run.result.account_id for run in runs}
        changes = apply_runs(
            {name: self.health.get(name) or AccountHealth(account_id=name) for name in names},
            [case for case in self.breaks.values() if case.key.account_id in names],
            runs,
            self.policy,
            recorded=self._recorded(runs),
            lists_nothing=Counter(
                health.connection
                for health in self.health.values()
                if health.connection is not None and health.has(Condition.LISTS_NOTHING)
            ),
        )
        self.health |= changes.accounts
        self.runs |= {applied.run.result.run_id: applied for applied in changes.runs}
        self.breaks |= {case.key: case for case in changes.breaks}
        for key, change in changes.history:
            self.history.setdefault(key, []).append(change)
        self.events += changes.events
        return Recording.of(changes)

    def states(self) -> dict[str, str]:
        """The state of every break, by its symbol."""
        return {case.key.symbol or "": case.state.value for case in self.breaks.values()}

    def _recorded(self, runs: Sequence[RecordedRun]) -> dict[UUID, Outcome]:
        ids = {run.result.run_id for run in runs} & self.runs.keys()
        return {run_id: self.runs[run_id].run.result.outcome for run_id in ids}
