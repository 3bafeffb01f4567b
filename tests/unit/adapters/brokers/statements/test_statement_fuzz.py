"""Damaged files: no traceback, and no value that differs from the undamaged file without an error.

Only the markup is damaged, because no reader can know that a digit is not the one that was written. Each file ends in
an error, or every value that is read of it is that of the undamaged file; a value may only become unknown.
"""

import random
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.statements.formats import read_statements
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.snapshots import BrokerPosition
from reconciliation.errors import ReadError
from tests.brokers.cases import Situation
from tests.brokers.format_cases import FORMAT_CASES
from tests.brokers.statement_cases import FileCase

ROUNDS = 250
LONG_ROUNDS = 20_000
SITUATIONS = [Situation.ONE_POSITION, Situation.SHORT, Situation.TWO_LOTS, Situation.OPTION]

#: What is markup, and not a value: tags without what stands in quotes, field names, delimiters.
MARKUP = {
    "flex": re.compile(r"<[^>\"]*|\"[^\"<>=]*=\"|\" />|>"),
    "ofx": re.compile(r"<[^>]*>"),
    "semt002": re.compile(r"<[^>]*>"),
    "mt535": re.compile(r"^:\d\d[A-Z]?::?(?:[A-Z]{4}//(?:[A-Z]{4}/)?)?|^:16[RS]:\w+|^-\}", re.MULTILINE),
    # The end of the last row is no markup: rows may end with the file.
    "csv": re.compile(r",|\n(?!\Z)"),
}
JUNK = ["", "x", "<", ">", "/", '"', "=", ":", "\n", ",", "-", "\0", "é", "&", "]]>", "<!--", "{4:", ":16R:FIN\n", " "]

Value = Decimal | str | None
each_format = pytest.mark.parametrize("case", FORMAT_CASES.values(), ids=FORMAT_CASES)


def damaged(text: str, markup: re.Pattern[str], rng: random.Random) -> str:
    """Return the text with one or two places of its markup damaged."""
    # Where a value ends at the next piece of markup, two values are one without it, and nothing shows it.
    may_go = markup is not MARKUP["flex"] and not text.startswith("OFXHEADER")
    # Of CSV one place only: a delimiter too many and one too few is another table, and nothing shows it.
    for _ in range(1 if markup is MARKUP["csv"] else rng.choice([1, 1, 2])):
        spans = [found.span() for found in markup.finditer(text)]
        if not spans:
            break
        start, end = rng.choice(spans)
        kind = rng.randrange(6)
        if kind == 0:  # a character becomes another
            at = rng.randrange(start, end)
            text = text[:at] + rng.choice('aZ5<>/:"=, ') + text[at + 1 :]
        elif kind == 1:  # a character goes
            at = rng.randrange(start, end)
            text = text[:at] + text[at + 1 :]
        elif kind == 2 and end - start > 1:  # something comes between
            at = rng.randrange(start + 1, end)
            text = text[:at] + rng.choice(JUNK) + text[at:]
        elif kind == 3 and may_go:  # the whole piece goes
            text = text[:start] + text[end:]
        elif kind == 4:  # the piece comes twice
            text = text[:end] + text[start:end] + text[end:]
        else:  # another piece of markup stands in its place
            other_start, other_end = rng.choice(spans)
            text = text[:start] + text[other_start:other_end] + text[end:]
    return text


def read(path: Path, case: FileCase, text: str) -> list[Statement]:
    path.write_bytes(text.encode())
    return list(read_statements(StatementSource(path=path), format_name=case.name))


def values(statements: list[Statement]) -> dict[tuple[str, ...], Value]:
    """Return everything that is compared, by where it belongs."""
    found: dict[tuple[str, ...], Value] = {}
    for one in statements:
        rows: dict[tuple[str, str], list[BrokerPosition]] = defaultdict(list)
        for row in one.positions or ():
            rows[row.symbol, row.asset_type].append(row)
        found |= {
            (one.account_id, "cash"): one.account.cash,
            (one.account_id, "equity"): one.account.total_equity,
            # Of all names together: a name that was damaged is another name, but no position may be lost or doubled.
            (one.account_id, "quantities"): one.positions and sum(row.quantity for row in one.positions),
        }
        for key, lots in rows.items():
            found[one.account_id, *key, "quantity"] = sum(lot.quantity for lot in lots)
            # Lots of which one has lost its multiplier or currency stay apart here; the comparator adds them up.
            found[one.account_id, *key, "cost"] = lots[0].avg_cost if len(lots) == 1 else None
    return found


def differing(found: dict[tuple[str, ...], Value], whole: dict[tuple[str, ...], Value]) -> list[object]:
    """Return what both say, and say differently."""
    same_names = found.keys() == whole.keys()
    return [
        (key, found[key], value)
        for key, value in whole.items()
        if key in found and found[key] not in {None, value} and (same_names or len(key) == 2)
    ]


def check(case: FileCase, path: Path, rounds: int) -> None:
    rng = random.Random(case.name)  # noqa: S311  the same damage in every run
    whole = {situation: case.text(situation.value) for situation in SITUATIONS}
    undamaged = {situation: values(read(path, case, text)) for situation, text in whole.items()}
    for _ in range(rounds):
        situation = rng.choice(SITUATIONS)
        text = damaged(whole[situation], MARKUP[case.name], rng)
        try:
            found = values(read(path, case, text))
        except ReadError:
            continue
        assert not differing(found, undamaged[situation]), text


@each_format
def test_damaged_markup_never_changes_a_value(tmp_path: Path, case: FileCase) -> None:
    check(case, tmp_path / "statement", ROUNDS)


@pytest.mark.slow
@each_format
def test_damaged_markup_never_changes_a_value_at_length(tmp_path: Path, case: FileCase) -> None:
    check(case, tmp_path / "statement", LONG_ROUNDS)
