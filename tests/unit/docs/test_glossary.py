"""docs/glossary.md holds the words that the names of classes are made of, each once."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| (?!word|---)", line)]

#: Longer words stand for all that begin with them: `record` for recorder, recorded, recording.
SHORT = 2

#: Plain English, and names of products, formats and libraries: words that mean here what they mean everywhere.
PLAIN = """
equal factor finding part plain sheet split whole
action activity address advance ageing aligned alpaca amount answer asset auth bad balance base build call candidate
cash catalog cause celery ccxt change child client closable collector compar condition config consumed consumer
column coordination count credentials csv cursor custody data date day decimal decoder definitions demand directory
dispatcher element entry equity error exact exchange exit facts field file filter fin flag flex flight folder follow
formatter gateway group guard handler held ibkr id imported in incomplete index input invalid kind label layout lazy
level like limit line list locked lua mapping market matcher measure message missed moment name not number ofx on
open option order overview page paper parts pausable pipe plan policy post preview process provider pruned query
read reconcil record redis refused registered removed report resolver response result route row rule schedule script
sdk securities security sender server service session settings side source space span spec sql stack stamp start
state status step storage store strict style summary table task thread trading traits type unavailable unknown
async untimed unusable utc value verdict view waiting wanted watch window
messaging setting age beat finding heartbeat
announcement applied before clock effect look verification factor shared sheet tally history management work
dimension item sort total
"""


def terms() -> Iterator[str]:
    """Yield each word of the first column, and each that a meaning introduces in italics."""
    for row in ROWS:
        for term in (row[0], *re.findall(r"\*([\w -]+)\*", row[1])):
            yield from re.split(r"[ -]", term.lower())


def public_classes() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "reconciliation").rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield path.relative_to(ROOT), node.name


def words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", name)]


def test_every_word_of_a_public_class_is_in_the_glossary_or_plain_english() -> None:
    known = frozenset([*terms(), *PLAIN.split()])
    unknown = {
        f"{word} ({name} in {path})"
        for path, name in public_classes()
        for word in words(name)
        if word not in known and not any(word.startswith(stem) for stem in known if len(stem) > SHORT)
    }
    assert sorted(unknown) == [], "use a word of docs/glossary.md, or add yours there or to PLAIN in this test"


def test_no_word_has_two_entries() -> None:
    entries = [row[0] for row in ROWS]
    assert sorted(set(entries)) == sorted(entries)
    assert len(entries) >= 40


def test_every_entry_has_a_meaning() -> None:
    assert [row for row in ROWS if len(row) < 2 or not row[1].strip()] == []
