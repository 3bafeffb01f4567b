import click
import pytest
from click.testing import CliRunner, Result

from reconciliation.cli import LazyGroup, cli
from reconciliation.cli.boundary import exit_status_of
from reconciliation.errors import (
    BadData,
    ConfigurationError,
    CoordinationError,
    InvalidInputError,
    ReconciliationError,
    StorageError,
)


def run(error: BaseException) -> Result:
    group = LazyGroup("test", sections={})

    @group.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(group, ["fail"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInputError("x"), 2),
        (ConfigurationError("x"), 2),
        (BadData("x"), 3),
        (CoordinationError("x"), 4),
        (StorageError("x"), 4),
    ],
)
def test_each_kind_of_error_has_its_exit_status(error: ReconciliationError, status: int) -> None:
    assert exit_status_of(error) == status
    assert run(error).exit_code == status


def test_our_own_error_is_one_sentence_on_stderr() -> None:
    result = run(ConfigurationError("setting x cannot work: set it to y"))

    assert result.stderr == "Error: setting x cannot work: set it to y\n"
    assert result.stdout == ""


def test_a_bug_does_not_exit_with_the_status_of_a_finding() -> None:
    result = run(KeyError("oops"))

    assert result.exit_code == 70
    assert "KeyError" in result.stderr


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_has_its_own_status(error: BaseException) -> None:
    assert run(error).exit_code == 130


def test_wrong_usage_exits_with_2_and_help_with_0() -> None:
    assert CliRunner().invoke(cli, ["no-such-command"]).exit_code == 2
    help_page = CliRunner().invoke(cli, ["--help"])
    assert help_page.exit_code == 0
    assert "Exit status" in help_page.output


def test_the_help_lists_every_command_with_a_whole_sentence() -> None:
    page = CliRunner().invoke(cli, ["--help"]).output.replace("[ARGS]...", "")

    with click.Context(cli) as context:
        names = cli.list_commands(context)
    assert "..." not in page
    assert all(f"\n  {name} " in page for name in names)


def test_every_command_can_be_loaded_and_says_what_it_does() -> None:
    with click.Context(cli) as context:
        for name in cli.list_commands(context):
            command = cli.get_command(context, name)
            assert command is not None
            assert command.get_short_help_str(), name
