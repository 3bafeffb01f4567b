"""Whole books: 100,000 accounts, 2 x 2,000,000 rows, as whole processes, beside bare Polars on the same files."""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Section, middle

ACCOUNTS, POSITIONS = 100_000, 20
SYMBOLS = 3_000
#: Of a million rows: quantities that differ, and rows that the broker lacks.
DIFFER, LACK = 500, 200
ROUNDS = 3

#: The peer: scan, exact decimals by instrument, full join, what differs.
PEER = """
import sys, polars as pl
KEY, D = ["account_id", "symbol", "asset_type"], pl.Decimal(38, 10)
def side(path):
    rows = pl.scan_csv(path, infer_schema=False).select(*KEY, pl.col("quantity", "avg_cost").cast(D))
    return rows.group_by(KEY).agg(pl.col("quantity").sum(), pl.col("avg_cost").first())
both = side(sys.argv[1]).join(side(sys.argv[2]), on=KEY, how="full", coalesce=True)
differs = [pl.col(name).ne_missing(pl.col(f"{name}_right")) for name in ("quantity", "avg_cost")]
print(both.filter(pl.any_horizontal(differs)).collect().height)
"""
#: Runs a command, passes its output on, and writes the peak of its memory to stderr.
PROBE = (
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=False); "
    "sys.stdout.buffer.write(done.stdout); "
    "sys.stderr.write('\\n' + str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"
)


def measure() -> Section:
    commands = {
        "peer": [sys.executable, "-c", PEER, "local.csv", "broker.csv"],
        "ours": [
            *(sys.executable, "-m", "reconciliation.cli", "compare", "--all-accounts", "--json"),
            *("--local", "local.csv", "--balances", "balances.csv", "--broker", "broker.csv"),
        ],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, float] = dict.fromkeys(commands, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        planted = write_books(Path(folder))
        for _ in range(ROUNDS):
            for name, command in commands.items():
                seconds, megabytes, output = run(command, Path(folder))
                times[name].append(seconds)
                peaks[name] = max(peaks[name], megabytes)
                found = int(output) if name == "peer" else json.loads(output)["summary"]["discrepancy_count"]
                assert found == planted, (name, found, planted)
    ours, peer = middle(times["ours"]), middle(times["peer"])
    return Section(
        name="whole-books",
        title="Whole books: every account of a firm at once",
        columns=["what", "seconds", "peak memory"],
        rows=[
            ["`reconcile compare --all-accounts --json`", f"{ours:.1f}", f"{peaks['ours']:.0f} MB"],
            ["bare Polars: scan, exact group-by, full join", f"{peer:.1f}", f"{peaks['peer']:.0f} MB"],
        ],
        conclusions=[
            f"{ACCOUNTS:,} accounts, 2 x {ACCOUNTS * POSITIONS:,} rows; {planted:,} planted differences, all found",
            (
                f"wanted: at most 2 x the time and 1.5 x the memory; seen: {ours / peer:.1f} x and "
                f"{peaks['ours'] / peaks['peer']:.1f} x (whole processes, middle of {ROUNDS} in turn)"
            ),
        ],
    )


def write_books(directory: Path) -> int:
    """Write both sides, and return how many differences they have."""
    chance, planted = random.Random(1), 0  # noqa: S311 - repeatable, no secret
    symbols = [f"SYM{number:04d}" for number in range(SYMBOLS)]
    with (
        (directory / "local.csv").open("w") as local,
        (directory / "balances.csv").open("w") as balances,
        (directory / "broker.csv").open("w") as broker,
    ):
        local.write("account_id,symbol,asset_type,quantity,avg_cost\n")
        balances.write("account_id,cash,equity\n")
        broker.write("account_id,symbol,asset_type,quantity,avg_cost,cash,equity\n")
        for number in range(ACCOUNTS):
            account = f"ACC-{number:06d}"
            money = f"{chance.randint(0, 10**7) / 100:.2f},{chance.randint(10**7, 10**8) / 100:.2f}"
            balances.write(f"{account},{money}\n")
            for symbol in chance.sample(symbols, POSITIONS):
                quantity, cost = chance.randint(1, 10_000), f"{chance.randint(100, 50_000) / 100:.4f}"
                local.write(f"{account},{symbol},stock,{quantity},{cost}\n")
                fate = chance.random() * 1_000_000
                planted += fate < DIFFER + LACK
                if fate < DIFFER or fate >= DIFFER + LACK:
                    broker.write(f"{account},{symbol},stock,{quantity + (fate < DIFFER)},{cost},{money}\n")
    return planted


def run(command: list[str], directory: Path) -> tuple[float, float, str]:
    """Return seconds, the peak of memory in megabytes, and the output of a process."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROBE, *command], cwd=directory, capture_output=True, check=True)
    return time.perf_counter() - began, int(done.stderr.split()[-1]) / 1024, done.stdout.decode()
