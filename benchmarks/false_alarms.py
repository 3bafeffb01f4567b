"""How many false alarms do fills in flight raise, and how soon is a real break told? In virtual time, on a real ledger.

Each fill is reported at one moment; the broker shows it before or after, and so does the local book. Now and then the
login flaps: it cannot be read, or it lists nothing for some seconds. Runs are made as the workers make them: periodic,
after each burst of fills, and to confirm what a run saw. The real breaks: some fills are never booked; most are of a
symbol that is not traded further, some of one that is. To resolve a real break is as false as to open another.

    python -m benchmarks.false_alarms [FILLS] [SEED]
"""

import asyncio
import heapq
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, groupby
from pathlib import Path
from typing import Any

from sqlalchemy import text

from reconciliation.adapters.brokers.paper.paper import PaperBroker
from reconciliation.adapters.database.engine import build_engine, read_transaction
from reconciliation.adapters.database.ledger import SqlLedger
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.domain.breaks.apply_runs import Confirmation
from reconciliation.domain.breaks.fill_evidence import FillActivity
from reconciliation.domain.breaks.policy import BreakPolicy
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.comparison.conclude import conclude
from reconciliation.domain.model.models import AssetType, OrderFill, ReconciliationConfig
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalPosition, LocalSnapshot
from reconciliation.errors import ReadError, Unavailable

EPOCH = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
ACCOUNTS = 20
#: Accounts whose only fill is one that is never booked.
QUIET_ACCOUNTS = 20
SYMBOLS = ("AAPL", "IBM", "MSFT", "NVDA", "SPY")
#: When the broker and the local book have a fill, in seconds after it is reported.
DELAYS = ((0.0, 3.0), (0.0, 3.0), (-2.0, 1.0), (3.0, 0.0), (4.0, -1.0), (0.0, 0.0))
#: Between two flaps of the login.
FLAP_SECONDS = 200.0
#: How long a flap lasts: the login cannot be read; it answers, and lists nothing.
DOWN_SECONDS = 30.0
FLAT_SECONDS = 4.0
INTERVAL_SECONDS = 60.0
POST_FILL_DELAY_SECONDS = 5.0
POST_FILL_MAX_WAIT_SECONDS = 60.0
RUN_SECONDS = 0.3  # between the reads and the commit
DISPATCH_SECONDS = 1.0  # a due run begins within one tick
NEVER_BOOKED_EVERY = 50
#: Accounts with fills of one symbol alone, the second of which is never booked.
SINGLE_ACCOUNTS = 10
#: So far back fills are remembered.
MEMORY_MS = 900_000
MEAN_GAP_SECONDS = 12.0  # between two fills of one account


@dataclass
class Outcome:
    """What the simulation counted."""

    fills: int = 0
    real_breaks: int = 0
    runs: int = 0
    #: Of these, to confirm.
    confirmations: int = 0
    suspicions: int = 0
    false_alarms: int = 0
    #: Real breaks that were resolved.
    false_resolutions: int = 0
    #: Seconds from the first sighting to `opened`, one for each real break that was told, by the kind of account: Q is
    #: quiet, A trades other symbols on, S the very symbol, each fill of which starts the confirmation anew.
    seconds: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in "QAS"})


class Simulation:
    """A heap of what is to happen, by its time in seconds."""

    def __init__(self, engine: Any, fills: int, seed: int, policy: BreakPolicy) -> None:
        self.now = 0.0
        self.outcome = Outcome(fills=fills)
        self._engine = engine
        self._ledger = SqlLedger(engine, policy=policy)
        self._random = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self._broker = PaperBroker(clock=lambda: self.now)
        self._book: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self._last_ms: dict[str, dict[str | None, int]] = defaultdict(dict)  # account -> symbol -> its last fill
        self._flap_until = {"down": -1.0, "flat": -1.0}
        self._window: dict[str, tuple[float, float]] = {}  # account -> first fill, due
        self._real: dict[tuple[str, str], float] = {}  # key -> since when
        self._order = count()
        self._heap: list[tuple[float, int, str, Any]] = []

    def plan(self, at: float, what: str, details: Any) -> None:
        heapq.heappush(self._heap, (at, next(self._order), what, details))

    async def run(self) -> Outcome:
        """Let all fills happen, and whatever follows from them."""
        last = self._plan_fills()
        counts = {"A": ACCOUNTS, "Q": QUIET_ACCOUNTS, "S": SINGLE_ACCOUNTS}
        for account_id in [f"{kind}{number}" for kind, many in counts.items() for number in range(many)]:
            phase = self._random.uniform(0, INTERVAL_SECONDS)
            for slot in range(int((last + 180) / INTERVAL_SECONDS)):
                self.plan(phase + slot * INTERVAL_SECONDS, "look", (account_id, "periodic"))
        for number in range(int(last / FLAP_SECONDS)):
            self.plan((number + 1) * FLAP_SECONDS, "flap", ("down" if number % 2 else "flat",))
        while self._heap:
            self.now, _, what, details = heapq.heappop(self._heap)
            await getattr(self, f"_{what}")(*details)
        self._judge()
        return self.outcome

    def _plan_fills(self) -> float:
        moments = dict.fromkeys((f"A{number}" for number in range(ACCOUNTS)), 0.0)
        for number in range(self.outcome.fills):
            account_id = self._random.choice(list(moments))
            moments[account_id] += self._random.expovariate(1 / MEAN_GAP_SECONDS)
            is_booked = number % NEVER_BOOKED_EVERY != NEVER_BOOKED_EVERY - 1
            symbol = self._random.choice(SYMBOLS)
            # What is never booked has a key of its own, to tell real from false.
            fill = self._any_fill(symbol if is_booked else f"{symbol}.LOST")
            self.plan(moments[account_id], "fill", (account_id, fill, is_booked))
        last = max(moments.values())
        for number in range(QUIET_ACCOUNTS):
            fill = self._any_fill(self._random.choice(SYMBOLS))
            self.plan(self._random.uniform(0, last), "fill", (f"Q{number}", fill, False))
        for number in range(SINGLE_ACCOUNTS):
            moment = 0.0
            for place in range(self.outcome.fills // ACCOUNTS):
                moment += self._random.expovariate(1 / MEAN_GAP_SECONDS)
                self.plan(moment, "fill", (f"S{number}", self._any_fill("AAPL"), place != 1))
        return last

    def _any_fill(self, symbol: str) -> OrderFill:
        number, side = next(self._order), self._random.choice(("buy", "sell"))
        quantity = Decimal(self._random.choice((10, 25, 100)))
        return OrderFill(f"F{number}", f"O{number}", symbol, side, quantity, Decimal(100), EPOCH)

    async def _flap(self, kind: str) -> None:
        self._flap_until[kind] = self.now + (DOWN_SECONDS if kind == "down" else FLAT_SECONDS)

    async def _fill(self, account_id: str, fill: OrderFill, is_booked: bool) -> None:
        """Take a fill; who is early has it now, and its report comes later."""
        broker, local = self._random.choice(DELAYS)
        early = -min(broker, local, 0.0)
        self.plan(self.now + early + broker, "show", (account_id, fill))
        if is_booked:
            signed = fill.quantity if fill.side == "buy" else -fill.quantity
            self.plan(self.now + early + local, "settle", (account_id, fill.symbol, signed))
        self.plan(self.now + early, "report", (account_id, fill, is_booked))

    async def _show(self, account_id: str, fill: OrderFill) -> None:
        self._broker.apply_fill(account_id, fill)

    async def _report(self, account_id: str, fill: OrderFill, is_booked: bool) -> None:
        self._last_ms[account_id][fill.symbol] = self._now_ms
        if not is_booked:
            self._real.setdefault((account_id, fill.symbol), self.now)
        first, _ = self._window.get(account_id, (self.now, 0.0))
        due = min(self.now + POST_FILL_DELAY_SECONDS, first + POST_FILL_MAX_WAIT_SECONDS)
        self._window[account_id] = (first, due)
        self.plan(due, "wake", (account_id, due))

    async def _settle(self, account_id: str, symbol: str, signed: Decimal) -> None:
        self._book[account_id][symbol] += signed

    async def _wake(self, account_id: str, due: float) -> None:
        if self._window.get(account_id, (0.0, 0.0))[1] == due:
            del self._window[account_id]
            await self._look(account_id, "post_fill")

    @property
    def _now_ms(self) -> int:
        return round(self.now * 1000)

    def _activity(self, account_id: str) -> FillActivity:
        last_ms = dict(self._last_ms[account_id])
        return FillActivity(at_ms=self._now_ms, since_ms=max(0, self._now_ms - MEMORY_MS), last_ms=last_ms)

    async def _look(self, account_id: str, trigger: str, in_a_row: int = 0) -> None:
        start = RunStart(timestamp=EPOCH + timedelta(seconds=self.now), started=0.0, clock=lambda: RUN_SECONDS)
        fills_before = self._activity(account_id)
        rows = [
            LocalPosition(symbol, quantity, None, AssetType.STOCK)
            for symbol, quantity in self._book[account_id].items()
        ]
        local = LocalSnapshot(account_id=account_id, positions=rows)
        broker = await self._read(account_id)
        request = RunRequest(account_id=account_id, context={"trigger": trigger, "in_a_row": in_a_row})
        result = conclude(request, ReconciliationConfig(account_id), start, local, broker)
        held = () if isinstance(broker, ReadError) else broker.positions
        holdings = frozenset(row.symbol for row in (*rows, *held))
        run = RecordedRun(
            result=result,
            connection="login",
            fills_before=fills_before,
            holdings=holdings,
            lists_nothing=bool(rows) and not held and not isinstance(broker, ReadError),
        )
        self.plan(self.now + RUN_SECONDS, "record", (run,))

    async def _read(self, account_id: str) -> BrokerSnapshot | ReadError:
        if self.now < self._flap_until["down"]:
            return Unavailable("the login is down")
        snapshot = (await self._broker.get_snapshots([account_id]))[account_id]
        if isinstance(snapshot, ReadError) or self.now >= self._flap_until["flat"]:
            return snapshot
        return replace(snapshot, positions=[])

    async def _record(self, run: RecordedRun) -> None:
        self.outcome.runs += 1
        run = replace(run, fills_after=self._activity(run.result.account_id))
        for wanted in self._ledger.record([run]).to_confirm:
            self._confirm(wanted)

    def _confirm(self, wanted: Confirmation) -> None:
        self.outcome.confirmations += 1
        due = (wanted.due_at - EPOCH).total_seconds() + self._random.uniform(0, DISPATCH_SECONDS)
        self.plan(due, "look", (wanted.account_id, "confirmation", wanted.in_a_row))

    def _judge(self) -> None:
        query = "SELECT account_id, symbol, type, kind, at FROM break_events e JOIN breaks b ON b.break_id = e.break_id"
        with read_transaction(self._engine) as connection:
            rows = connection.execute(text(f"{query} ORDER BY e.id")).all()
        # SQLite keeps a time as text.
        history = [(row[:2], *row[2:4], datetime.fromisoformat(row[4]).replace(tzinfo=UTC)) for row in rows]
        suspected: dict[tuple[str, str], datetime] = {}
        published: set[tuple[str, str]] = set()
        for key, _, kind, moment in history:
            if kind == "suspected":
                self.outcome.suspicions += 1
                suspected[key] = moment
            elif kind in ("opened", "reopened"):
                if key not in self._real or moment < EPOCH + timedelta(seconds=self._real[key]):
                    self.outcome.false_alarms += 1
                elif key not in published:
                    published.add(key)
                    times = self.outcome.seconds[key[0][0]]
                    times.append((moment - suspected.get(key, moment)).total_seconds())
        self.outcome.false_resolutions = self._false_resolutions(history)
        self.outcome.real_breaks = len(self._real)

    def _false_resolutions(self, history: list[tuple[tuple[str, str], str, str, datetime]]) -> int:
        """Count real breaks that were resolved; not those whose difference goes on as another type."""
        live: dict[tuple[str, str], set[str]] = defaultdict(set)
        false = 0
        for _, group in groupby(history, key=lambda entry: entry[3]):
            ended = set()
            for key, kind_of_break, kind, _ in group:
                if kind in ("resolved", "cleared"):
                    live[key].discard(kind_of_break)
                else:
                    live[key].add(kind_of_break)
                ended |= {key} if kind == "resolved" and key in self._real else set()
            false += sum(not live[key] for key in ended)
        return false


def simulate(directory: Path, fills: int = 1000, seed: int = 7, policy: BreakPolicy | None = None) -> Outcome:
    """Run the simulation on an SQLite database of its own."""
    engine = build_engine(f"sqlite:///{directory / 'simulation.db'}")
    upgrade(engine)
    try:
        return asyncio.run(Simulation(engine, fills, seed, policy or BreakPolicy()).run())
    finally:
        engine.dispose()


def figures(outcome: Outcome) -> Iterator[str]:
    """Return the lines of the report."""
    runs = f"{outcome.runs} runs ({outcome.confirmations} to confirm)"
    yield f"{outcome.fills} fills, {runs}, {outcome.suspicions} suspicions"
    yield f"false alarms: {outcome.false_alarms * 1000 / outcome.fills:g} per 1,000 fills"
    yield f"real breaks resolved: {outcome.false_resolutions * 1000 / outcome.fills:g} per 1,000 fills"
    told = sum(map(len, outcome.seconds.values()))
    yield f"real breaks told: {told} of {outcome.real_breaks}"
    names = {"Q": "quiet account", "A": "account that trades other symbols on", "S": "symbol that is traded on"}
    for kind, name in names.items():
        times = sorted(outcome.seconds[kind])
        middle = times[len(times) // 2]
        yield f"{name}, first sighting to opened: median {middle:.1f} s, longest {times[-1]:.1f} s"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        given = [int(word) for word in sys.argv[1:]]
        for line in figures(simulate(Path(folder), *given)):
            print(line)
