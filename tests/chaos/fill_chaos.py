"""`make chaos`: fills at random over many accounts while everything around them is broken at random.

    python -m tests.chaos.fill_chaos --seconds 120 [--seed 7] [--without-reclaim]

Exits with 0 if every fill was followed by a completed run that began after it, and no account was run twice at once.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.migrate import upgrade
from reconciliation.adapters.database.tables.ledger import RunRow
from reconciliation.adapters.embedded.redis_server import RedisServer
from reconciliation.errors import CoordinationError
from tests.chaos.faults import Faults
from tests.support.fill_lab import SHORT_LIMITS, FillLab
from tests.support.processes import Processes, WorkerProcess
from tests.support.waiting import wait_for

ACCOUNTS = [f"ACC-{number:02}" for number in range(50)]
DELAY_SECONDS, CEILING_SECONDS, LEASE_SECONDS = 1.0, 3.0, SHORT_LIMITS["run_lease_seconds"]
MEAN_PAUSE_SECONDS = 0.03
#: Processes start again after the last fault, and two faults in a row cost two leases: a bound, not a promise.
SETTLE_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run as the ledger has it; times are seconds."""

    account_id: str
    began_at: float
    ended_at: float
    is_complete: bool


@dataclass(kw_only=True)
class Report:
    """What the chaos found."""

    seed: int
    fills: int = 0
    unconfirmed: int = 0
    runs: int = 0
    incomplete: int = 0
    messages: int = 0
    settled: int = 0
    lost: int = 0
    doubled: int = 0
    longest_wait_seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.lost and not self.doubled and self.fills > 0

    def lines(self) -> list[str]:
        told = [f"{count} x {what}" for what, count in sorted(self.faults.items())]
        return [
            f"seed {self.seed}; faults: {', '.join(told) or 'none'}",
            f"fills {self.fills} (reported again after an error: {self.unconfirmed}), settled {self.settled}",
            f"runs {self.runs} completed, {self.incomplete} incomplete; messages {self.messages}",
            f"longest wait from a fill to the end of its run: {self.longest_wait_seconds:.1f} s",
            f"lost {self.lost}, doubled {self.doubled}",
        ]


def run_chaos(seconds: float, directory: Path, *, seed: int, reclaims: bool = True) -> Report:
    """Break things for so many seconds, then let them settle, and count."""
    chance = random.Random(seed)  # noqa: S311 - the same faults for the same seed
    database_url = f"sqlite:///{directory / 'book.db'}"
    engine = build_engine(database_url)
    upgrade(engine)
    report = Report(seed=seed)
    with (
        RedisServer(data_dir=directory / "redis") as server,
        FillLab(
            server.url,
            database_url,
            directory,
            ACCOUNTS,
            answer_delay_seconds=0.3,
            post_fill_delay_seconds=DELAY_SECONDS,
            post_fill_max_wait_seconds=CEILING_SECONDS,
            post_fill_backoff_seconds=0.5,
            post_fill_max_backoff_seconds=2,
        ) as lab,
        Processes(directory) as processes,
    ):
        workers = [processes.worker(lab.settings, name=f"worker-{n}", concurrency=2, wait=False) for n in range(2)]
        for worker in workers:
            worker.wait_ready()
        beat = processes.beat(lab.settings, wait=reclaims)
        if not reclaims:
            beat.kill()
        faults = Faults(list(workers), beat, server, chance)
        faults.start()
        fills = _report_fills(lab, chance, seconds, report)
        faults.stop()
        report.faults = faults.done
        if not reclaims and beat.is_running():
            beat.kill()
        fills += _last_blow(lab, workers)
        report.fills = len(fills)
        _settle(lab)
        counters = lab.counters()
    report.settled, report.messages = counters.get("settled", 0), counters.get("messages", 0)
    with engine.connect() as connection:
        rows = connection.execute(select(RunRow).where(RunRow.trigger == "post_fill")).all()
    engine.dispose()
    _judge(report, fills, [_run(row) for row in rows])
    return report


def _report_fills(lab: FillLab, chance: random.Random, seconds: float, report: Report) -> list[tuple[str, float]]:
    """Report fills as an order service does that tries again after an error; return account and time of each."""
    fills = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        account_id, call_id, at = chance.choice(ACCOUNTS), uuid4().hex, time.time()
        while True:
            try:
                lab.reporter.report_fill(account_id, {"fill_id": call_id, "symbol": "AAPL"}, call_id=call_id)
                break
            except CoordinationError:
                report.unconfirmed += 1
        fills.append((account_id, at))
        time.sleep(chance.expovariate(1 / MEAN_PAUSE_SECONDS))
    return fills


def _last_blow(lab: FillLab, workers: Sequence[WorkerProcess]) -> list[tuple[str, float]]:
    """Kill every worker in mid-run, after the last fills: no later fill wakes these windows, only a reclaim can."""
    fills = [(account_id, lab.fill(account_id)) for account_id in ACCOUNTS]
    wait_for(lambda: lab.status().running, SETTLE_SECONDS)
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.start()
    return fills


def _settle(lab: FillLab) -> None:
    until = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < until:
        try:
            if not lab.status().windows_open:
                return
        except CoordinationError:
            pass
        time.sleep(0.2)


def _run(row: RunRow) -> Run:
    began_at = row.timestamp.timestamp()
    return Run(
        account_id=row.account_id,
        began_at=began_at,
        ended_at=began_at + row.duration_ms / 1000,
        is_complete=row.outcome != "incomplete",
    )


def _judge(report: Report, fills: Sequence[tuple[str, float]], runs: Sequence[Run]) -> None:
    completed: dict[str, list[Run]] = {account_id: [] for account_id in ACCOUNTS}
    for run in sorted((run for run in runs if run.is_complete), key=lambda run: run.began_at):
        completed[run.account_id].append(run)
    report.runs = sum(map(len, completed.values()))
    report.incomplete = len(runs) - report.runs
    for account_id, at in fills:
        covering = next((run for run in completed[account_id] if run.began_at >= at), None)
        if covering is None:
            report.lost += 1
        else:
            report.longest_wait_seconds = max(report.longest_wait_seconds, covering.ended_at - at)
    # A fill that was settled twice, or never, shows here even if another run happened to cover it.
    report.lost += max(0, report.fills - report.settled - report.lost)
    report.doubled = max(0, report.settled - report.fills)
    for account_runs in completed.values():
        for earlier, later in pairwise(account_runs):
            # Past its lease a stopped worker's run is over, whatever that worker still believes.
            report.doubled += later.began_at < min(earlier.ended_at, earlier.began_at + LEASE_SECONDS)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=120)
    arguments.add_argument("--seed", type=int, default=None)
    arguments.add_argument("--without-reclaim", action="store_true", help="The control: this must lose fills.")
    given = arguments.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed  # noqa: S311 - said, so that it can be repeated
    # The processes' logs are for pytest; here the answer is a few lines.
    with tempfile.TemporaryDirectory(prefix="fill-chaos-") as directory, contextlib.redirect_stdout(io.StringIO()):
        report = run_chaos(given.seconds, Path(directory), seed=seed, reclaims=not given.without_reclaim)
    print("\n".join(report.lines()))  # noqa: T201 - its answer
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
