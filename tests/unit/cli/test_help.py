"""Every help text can be understood alone, in short sentences."""

import re
from collections.abc import Iterator

import click
import pytest

from reconciliation.cli import cli

#: Turns of phrase that a reader who is not a native speaker has to read twice.
HARD_WORDS = ("at most so", "so many", "anew", "whoever", "somebody", "surely", "since ever", "such as it", "has it")
MAX_SENTENCE_WORDS = 30


def commands(command: click.Command = cli, path: str = "reconcile") -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}")


def texts() -> Iterator[tuple[str, str]]:
    for path, command in commands():
        yield path, command.help or ""
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in {"help", "version"}:
                yield f"{path} {option.opts[0]}", option.help or ""


ALL = dict(texts())


@pytest.mark.parametrize("place", ALL)
def test_a_help_text_is_whole_short_sentences(place: str) -> None:
    text = " ".join(ALL[place].split())
    assert re.match(r"[A-Z`]|semt", text), f"{place} has no help, or one without a beginning: {text!r}"
    assert text.endswith("."), text
    assert not [word for word in HARD_WORDS if re.search(rf"\b{word}\b", text.lower())]
    for sentence in re.split(r"[.;:] ", re.sub(r"\([^)]*\)|'[^']*'|[\w-]+(,[\w-]+)+", "x", text)):
        assert len(sentence.split()) <= MAX_SENTENCE_WORDS, sentence


@pytest.mark.parametrize("place", [place for place in ALL if place.endswith(" --json")])
def test_the_help_of_json_says_what_is_printed(place: str) -> None:
    assert re.fullmatch(r"Print (a|one|the) .{5,} as JSON\.", ALL[place]), ALL[place]
