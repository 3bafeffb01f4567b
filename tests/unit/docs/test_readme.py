"""The README's first screen is what a stranger believes: its command is run, its links and targets are there."""

import re

import pytest
from click.testing import CliRunner

from reconciliation.cli import SECTIONS, cli
from tasks.celery import app
from tests.support.places import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_command_prints_what_the_readme_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    block = re.search(r"^    \$ reconcile (.+)\n((?:    .*\n|\n)+)", README, re.MULTILINE)
    assert block
    result = CliRunner().invoke(cli, block[1].split())
    shown = [line.removeprefix("    ").rstrip() for line in block[2].strip("\n").splitlines()]
    assert [line.rstrip() for line in result.output.strip("\n").splitlines()] == shown
    assert result.exit_code == 1


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_make_target_and_command_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)) <= targets
    commands = {name for names in SECTIONS.values() for name in names}
    assert set(re.findall(r"^    reconcile ([a-z-]+)", README, re.MULTILINE)) <= commands


def test_every_task_that_it_names_is_registered() -> None:
    app.loader.import_default_modules()
    assert set(re.findall(r'send_task\("([\w.]+)"', README)) <= set(app.tasks)


def test_every_command_is_documented() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    for names in SECTIONS.values():
        for name in names:
            assert f"reconcile {name}" in pages, f"`reconcile {name}` is on no page"
