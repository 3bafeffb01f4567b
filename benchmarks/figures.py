"""What a section measured, and the page it goes to."""

import os
import platform
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


@dataclass(frozen=True, kw_only=True)
class Section:
    """One table of figures, and what is concluded from them."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    #: Wanted against seen, a sentence each.
    conclusions: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        lines = [
            f"## {self.title}",
            "",
            *_table(self.columns, self.rows),
            "",
            *(f"- {line}" for line in self.conclusions),
        ]
        return "\n".join([*lines, "", f"`python -m benchmarks {self.name}`, {_where()}.", ""])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def _where() -> str:
    day = datetime.now(UTC).date().isoformat()
    return (
        f"{day}, {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )


def time_side_by_side(
    candidates: dict[str, Callable[[], object]], *, rounds: int, calls: int = 1
) -> dict[str, list[float]]:
    """Return the seconds of each call.

    The candidates take turns, in an order left to chance, so that a busy moment of the machine meets all alike.

    Args:
        calls: of one turn. With many, each finds its own code in the caches, as in a service that does it all day.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    order, chance = list(candidates.items()), random.Random(1)  # noqa: S311 - repeatable, no secret
    for _ in range(rounds):
        chance.shuffle(order)
        for name, call in order:
            for _ in range(calls):
                began = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - began)
    return times


def middle(seconds: Sequence[float]) -> float:
    return median(seconds)


def p99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100)[98]


def write(section: Section) -> None:
    """Put the section into the page, in place of its earlier figures."""
    page = (
        PAGE.read_text(encoding="utf-8")
        if PAGE.exists()
        else "# Performance\n\nMeasured, by the command under each table.\n"
    )
    begin, end = f"<!-- {section.name} -->\n", f"<!-- end of {section.name} -->\n"
    block = begin + section.markdown() + end
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    page = pattern.sub(lambda _: block, page) if pattern.search(page) else f"{page.rstrip()}\n\n{block}"
    PAGE.write_text(page, encoding="utf-8")
