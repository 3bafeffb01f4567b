"""How a part of the system fared in a check."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from reconciliation.errors import ReconciliationError


class Verdict(str, Enum):
    """How one part fared."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part's verdict. `remedy` is None where there is nothing to do."""

    part: str
    verdict: Verdict
    found: str
    remedy: str | None = None


Answer = tuple[Verdict, str, str | None]


def ask(part: str, question: Callable[[], Answer]) -> Finding:
    """Return the finding of one part; an error of ours is a failure of that part, in its own words."""
    try:
        verdict, found, remedy = question()
    except ReconciliationError as error:
        sentence, _, remedy_said = str(error).partition(": ")
        return Finding(part=part, verdict=Verdict.FAILED, found=sentence, remedy=remedy_said or None)
    return Finding(part=part, verdict=verdict, found=found, remedy=remedy)
