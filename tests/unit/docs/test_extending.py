"""The recipes of docs/extending.md work: each is applied to a copy of the code, and its check is run there."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
COPIED = ("reconciliation", "tasks", "celeryconfig.py", "pyproject.toml")
MIGRATIONS = "reconciliation/adapters/database/migrations/versions"
#: The most files of the product that one more of a kind may touch.
MOST_FILES = {
    "A discrepancy type": 3,
    "A trigger": 3,
    "A break event": 2,
    "A statement format": 4,
    "A broker": 0,
    "A setting of each account": 3,  # and the one that uses it
    "A task": 2,
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One section of the page: changes of files, and a program that must run afterwards."""

    changes: list[tuple[str, str]]
    check: str


def recipes() -> dict[str, Recipe]:
    sections = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:]
    return {title: recipe(text) for title, text in zip(sections[::2], sections[1::2], strict=True)}


def recipe(text: str) -> Recipe:
    """Read a section: each diff is of the file that was named last before it."""
    changes, path = [], ""
    for named, diff in re.findall(r"`([\w/.]+\.\w+)`:$|```diff\n(.*?)```", text, re.MULTILINE | re.DOTALL):
        path = named or path
        if diff:
            changes.append((path, diff))
    (check,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return Recipe(changes=changes, check=check)


def apply(root: Path, path: str, diff: str) -> None:
    """Make one change. A diff of added lines alone is a new file; any other must find its lines exactly once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    target = root / path
    if not before:
        assert not target.exists(), f"{path} is there already"
        target.write_text(after.replace("LATEST", newest_migration(root)), encoding="utf-8")
        return
    text = target.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"docs/extending.md changes lines that {path} does not have:\n{before}"
    target.write_text(text.replace(before, after), encoding="utf-8")


def newest_migration(root: Path) -> str:
    return max(path.stem for path in (root / MIGRATIONS).glob("[0-9]*.py"))


@pytest.mark.parametrize("title", MOST_FILES)
def test_a_recipe_works_and_touches_few_files(title: str, tmp_path: Path) -> None:
    made = recipes()[title]
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)

    for path, diff in made.changes:
        apply(tmp_path, path, diff)
    (tmp_path / "check.py").write_text(made.check, encoding="utf-8")

    subprocess.run([sys.executable, "check.py"], cwd=tmp_path, check=True, timeout=60)
    touched = {path for path, _ in made.changes if path.startswith(COPIED)}
    assert len(touched) <= MOST_FILES[title], touched


def test_the_table_counts_what_the_recipes_touch() -> None:
    counted = dict(re.findall(r"^\| \[(.+?)\]\(#[\w-]+\) \| (\d+)", PAGE, re.MULTILINE))
    assert counted == {
        title[0].lower() + title[1:]: str(len({path for path, _ in made.changes if path.startswith(COPIED)}))
        for title, made in recipes().items()
    }
