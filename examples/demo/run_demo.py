"""`make demo`: the main job, end to end, on embedded parts; exits 0 only if it showed what it should show.

It uses the product like a user: the command line in separate processes, and `report_fills` like an order service. All
files are in a temporary directory, which is deleted at the end.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from reconciliation.enqueue import FillReporter
from reconciliation.models import DiscrepancyType, OrderFill
from reconciliation.settings import load_settings

HERE = Path(__file__).parent
RECONCILE = (sys.executable, "-m", "reconciliation.cli")
ACCOUNT = "DEMO-1"
BURST = 1_000
START_TIMEOUT_SECONDS = 100.0
ANSWER_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 40.0
POST_FILL_DELAY_SECONDS = 1.0

console = Console(width=100, highlight=False)


class DemoFailedError(Exception):
    """Raised when the demo did not show what it should show."""


class Lines:
    """The lines that a child prints, as they come."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next_json(self, timeout_seconds: float, waiting_for: str) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.next(timeout_seconds, waiting_for))
        return parsed

    def next(self, timeout_seconds: float, waiting_for: str) -> str:
        try:
            line = self._lines.get(timeout=timeout_seconds)
        except queue.Empty:
            raise DemoFailedError(f"no {waiting_for} within {timeout_seconds:g} seconds") from None
        if not line:
            raise DemoFailedError(f"the process that should have sent {waiting_for} has ended")
        return line

    def _read(self) -> None:
        for line in self._stream or ():
            self._lines.put(line)
        self._lines.put("")


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a `reconcile` command in the background; interrupt it at the end, as Ctrl-C would."""
    process = subprocess.Popen(
        [*RECONCILE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise DemoFailedError(f"`reconcile {arguments[0]}` did not stop") from None


@contextmanager
def listening() -> Iterator[Lines]:
    """Listen to Redis through `reconcile watch`; yield what it hears, as soon as it listens."""
    with child("watch", "--json") as process:
        Lines(process.stderr).next(ANSWER_TIMEOUT_SECONDS, "message that it listens")
        yield Lines(process.stdout)


def reconcile(*arguments: str, expected_status: int = 0, shows: bool = True) -> None:
    """Run a `reconcile` command in the foreground; show it, and what it prints if `shows` is true."""
    console.print(f"\n[bold]$ reconcile {' '.join(arguments)}[/bold]")
    shown = [str(HERE / word) if (HERE / word).is_file() else word for word in arguments]
    done = subprocess.run(
        [*RECONCILE, *shown],
        check=False,
        timeout=ANSWER_TIMEOUT_SECONDS * 2,
        stdout=None if shows else subprocess.DEVNULL,
    )
    status = done.returncode
    if status != expected_status:
        raise DemoFailedError(f"`reconcile {arguments[0]}` ended with status {status}, not {expected_status}")


Run = tuple[dict[str, Any], list[dict[str, Any]]]


def hear_run(heard: Lines) -> Run:
    """Return the next run that arrives through Redis: its result, and its findings, which come first."""
    findings = []
    while True:
        message = heard.next_json(ANSWER_TIMEOUT_SECONDS, "message from Redis")
        if message["channel"] == "reconciliation:result":
            return message["payload"], findings
        findings.append(message["payload"])


def hear_until(heard: Lines, trigger: str) -> list[Run]:
    """Return all runs up to the next one with that trigger; others (confirmations, say) may come before it."""
    runs = [hear_run(heard)]
    while runs[-1][0]["context"]["trigger"] != trigger:
        runs.append(hear_run(heard))
    return runs


def show_findings(findings: list[dict[str, Any]]) -> None:
    table = Table(title="Findings, as they arrived through Redis", title_justify="left")
    for column in ("finding", "severity", "symbol", "local", "broker"):
        table.add_column(column, justify="right" if column in ("local", "broker") else "left")
    for found in findings:
        table.add_row(
            found["type"],
            found["severity"],
            found["symbol"] or "",
            found["local_value"] or "",
            found["broker_value"] or "",
        )
    console.print(table)


def check_six_ways(heard: Lines) -> None:
    """Let a worker reconcile the account, and check that all six kinds of discrepancy arrive through Redis."""
    console.rule("A worker compares the local book with the broker's statement", align="left")
    reconcile("run", ACCOUNT, "--enqueue", expected_status=1, shows=False)
    result, findings = hear_until(heard, "on_demand")[-1]
    show_findings(findings)
    kinds = {found["type"] for found in findings}
    if kinds != {kind.value for kind in DiscrepancyType}:
        raise DemoFailedError(f"expected all six kinds of discrepancy, heard {sorted(kinds)}")
    if result["discrepancy_count"] != len(findings):
        raise DemoFailedError(f"the run counts {result['discrepancy_count']} findings, heard {len(findings)}")


def check_burst(heard: Lines) -> None:
    """Report a burst of fills as an order service does, and check that it costs one run."""
    console.rule(f"A burst of {BURST:,} fills", align="left")
    now = datetime.now(UTC)
    fills = [
        (ACCOUNT, OrderFill(f"F{number}", f"O{number}", "AAPL", "buy", Decimal(1), Decimal("211.30"), now))
        for number in range(1, BURST + 1)
    ]
    with FillReporter(load_settings()) as reporter:
        for start in range(0, BURST, 100):
            reporter.report_fills(fills[start : start + 100])
    result, _ = hear_until(heard, "post_fill")[-1]
    context = result["context"]
    if (context["fill_count"], context["fill_id"]) != (BURST, f"F{BURST}"):
        raise DemoFailedError(f"expected one run after {BURST} fills, heard one with the context {context}")
    console.print(
        f"{context['fill_count']:,} fills, the last one {context['fill_id']}: "
        f"[bold]one[/bold] run, {POST_FILL_DELAY_SECONDS:g} s after the last"
    )
    console.rule("A run on demand, to see that no other run came in between", align="left")
    reconcile("run", ACCOUNT, "--enqueue", expected_status=1, shows=False)
    triggers = [run["context"]["trigger"] for run, _ in hear_until(heard, "on_demand")]
    if "post_fill" in triggers:
        raise DemoFailedError("expected no other run after the burst, heard one")
    console.print("None did.")


def show(directory: Path) -> None:
    os.environ.update(
        RECONCILIATION_BROKER="flex",
        RECONCILIATION_BROKER_OPTIONS=json.dumps({"path": str(HERE / "statement.xml")}),
        # The statement of the demo never gets a successor.
        RECONCILIATION_MAX_STATEMENT_AGE_BUSINESS_DAYS="0",
        RECONCILIATION_POST_FILL_DELAY_SECONDS=str(POST_FILL_DELAY_SECONDS),
    )
    console.rule("Redis, database, worker and beat start on embedded parts", align="left")
    with child("up", "--state-dir", str(directory), "--port", "0", "--json") as stack:
        ready = Lines(stack.stdout).next_json(START_TIMEOUT_SECONDS, "message that everything is up")
        os.environ.update(ready["environment"])
        console.print("They answer.")
        reconcile("import", "positions.csv", "--balances", "balances.csv")
        with listening() as heard:
            check_six_ways(heard)
            check_burst(heard)
        console.rule("Everything stops", align="left")
    if stack.returncode != 0:
        raise DemoFailedError(f"`reconcile up` ended with status {stack.returncode}: {stack.communicate()[1]}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="reconcile-demo-") as directory:
        try:
            show(Path(directory))
        except DemoFailedError as error:
            console.print(f"\n[bold red]The demo failed:[/bold red] {error}")
            return 1
    console.print("\n[bold green]The demo succeeded:[/bold green] six kinds of discrepancy, one run for the burst.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
