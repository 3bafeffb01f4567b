"""The words of the house: names that were replaced stay away from code, pages and settings."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import ROOT

FOLDERS = ("reconciliation", "tasks", "docs", "examples")
FILES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "celeryconfig.py",
    "docker-compose.yml",
    ".env.example",
    "pyproject.toml",
)

#: A name of the past (a regular expression, matched as a whole word) and the word that is used instead.
FORMER_NAMES = {
    "Sweeper": "SweepRunner",
    "fill_sweep_limit": "fill_reclaim_limit",
    "ConnectionPauses|Pauses|trial_ms": "CircuitBreaker, probe_ms",
    "Gate|LocalGate|_speak|wish|wishes": "RateLimiter, LocalLimiter, _exchange_loop, request",
    "TimeLimit|standing_still|limits_around": "PausableTimeout, paused, active_timeouts",
    "Question|Asker": "SdkCall, BrokerReads",
    "Patience": "TimeBudget",
    "unforeseen|of_account": "unexpected_error, entry_of",
    "NamedAlike|named_alike|Naming|Aligned": "AlignedSides, align_symbols, SymbolContext",
    "_twins|_lonely|_apart|_against": "probable_matches, one_sided, split_by_multiplier, currency_conflict",
    "Standing|StandingRow": "AccountHealth",
    "to_tell|tell_change|tell_now|untold|UNTOLD": "to_publish, queue_event, publish_now, INTERNAL_EVENTS",
    "A_FILL|NOT_SEEN|HintFacts|_Scene|LASTING": "FillEvidence.POSSIBLE, NO_EVIDENCE, CauseInputs, STICKY_CAUSES",
    "Countdown|StartedRun|FillIntake|GONE": "DelayedWakeUp, RunClaim, FillRecorder, NO_WINDOW",
    "Caps|caps": "in_flight_limits",
    "pick|give_back|audit|refill": "claim_by_id, release, requeue_lost, rebuild",
    "AskedRuns|asked_runs": "RunQueue: a run is requested",
    "UnusableFigureError|OwnRow|OwnTables|OwnDatabase": "UnusableValueError, UserRow, UserTables, UserDatabase",
    "account_figures|FigureRow": "balances, BalanceRow",
    "hide_from_now_on": "register_secret",
    "spoken_errors|own_parts": "error_boundary, open_parts",
    "flood_over|runs_again|on_schedule_again": "flood_ended, runs_recovered, schedule_recovered",
    "could_not_run_after": "failed_runs_before_alert",
    "sweeps_waiting_max|run_crashes_max": "max_queued_sweeps, max_run_crashes",
}


def texts() -> Iterator[tuple[Path, str]]:
    """Yield each file of the product that people read, with what stands in it."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".lua", ".md", ".toml"}:
                yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for name in FILES:
        yield Path(name), (ROOT / name).read_text(encoding="utf-8")


def lines_with(pattern: str) -> list[str]:
    """Return `file:line: text` for each line of the product that the pattern is in."""
    wanted = re.compile(pattern)
    return [
        f"{path}:{number}: {line.strip()}"
        for path, text in texts()
        if wanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


@pytest.mark.parametrize(("former", "better"), FORMER_NAMES.items(), ids=FORMER_NAMES)
def test_no_former_name_is_left(former: str, better: str) -> None:
    assert lines_with(rf"(?<!\w)(?:{former})(?!\w)") == [], f"the word is now {better}"


def test_the_contributing_page_names_every_layer_in_its_order() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page.partition("## Tests")[0], re.MULTILINE)
    (public,) = re.findall(r"^The modules (.*?) re-export", page, re.MULTILINE)
    rows[0] = rows[0].replace("`tasks/`", public)
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == [
        set(re.findall(r"\w+", layer)) for layer in contract["layers"]
    ]


#: Words that make a reader stop, and what stands instead.
TURNS = {
    "anew": "again",
    "whoever|whomever": "a caller, a consumer, the operator: say who",
    "nobody|somebody": "no one in particular does not act: say who, or use the passive",
    "so many|so long(?! as)": "say the number or the limit",
    "surely|oftener|goodbye|vouch(?:es|ed)?|mend(?:s|ed)?": "certain or reliable; more often; close; confirm; fix",
    "untold|told to": "internal; published",
    "giv(?:es?|en|ing)? back": "return, release",
    "passed over|blotted out": "ignored, redacted",
}
#: What is held to it. The changelog and the tests are not.
PLAIN_ENGLISH = ("README.md", "CONTRIBUTING.md", "docs/", "examples/", "tasks/", "celeryconfig.py", "reconciliation/")


@pytest.mark.parametrize(("turn", "better"), TURNS.items(), ids=TURNS)
def test_no_turn_makes_a_reader_stop(turn: str, better: str) -> None:
    lines = lines_with(rf"(?i)(?<!\w)(?:{turn})(?!\w)")
    assert [line for line in lines if line.startswith(PLAIN_ENGLISH)] == [], better


@pytest.mark.parametrize("tier", ["unit", "integration"])
def test_the_folders_of_a_tier_mirror_the_product(tier: str) -> None:
    folders = {path.parent.relative_to(ROOT / "tests" / tier) for path in (ROOT / "tests" / tier).rglob("test_*.py")}
    strangers = [
        folder
        for folder in sorted(folders)
        if not (ROOT / "reconciliation" / folder).is_dir() and not (ROOT / folder).is_dir()
    ]
    assert strangers == [], "a test stands where its module stands"
