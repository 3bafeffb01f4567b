"""`reconcile connections`: broker logins, whose limits their accounts share."""

import json
from typing import Any

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.accounts import Connection
from reconciliation.errors import InvalidInputError


@click.group()
def connections() -> None:
    """Register connections. A connection is one broker login, and its accounts share the login's limits."""


def _options(command: Any) -> Any:
    for option in reversed(
        (
            click.option(
                "--option",
                "options",
                multiple=True,
                metavar="NAME=VALUE",
                help="An option of the broker. VALUE is JSON, or else text. You may repeat the option.",
            ),
            click.option(
                "--secret",
                "secrets",
                multiple=True,
                metavar="NAME=env:VARIABLE|file:/PATH",
                help="Where workers find a secret: in a variable or in a file. You may repeat the option.",
            ),
            click.option(
                "--requests-per-second", type=float, help="The largest number of requests a second of all workers."
            ),
            click.option("--concurrency", type=int, help="The largest number of requests at once of all workers."),
        )
    ):
        command = option(command)
    return command


@connections.command()
@click.argument("name")
@click.option(
    "--broker", required=True, metavar="NAME", help="The broker's name. An unknown name prints the installed brokers."
)
@_options
def add(name: str, broker: str, **options: Any) -> None:
    """Register the connection NAME."""
    with open_desk() as desk:
        desk.connections.add(name, broker, _values(options))
    print_line(f"connection {name} registered.")


@connections.command("set")
@click.argument("name")
@click.option("--broker", metavar="NAME", help="The name of the broker that replaces the present one.")
@_options
def set_fields(name: str, broker: str | None, **options: Any) -> None:
    """Change the connection NAME. The change takes effect within seconds.

    Options and secrets that you name are added or replaced. All others stay.
    """
    with open_desk() as desk:
        desk.connections.change(name, broker, _values(options))
    print_line(f"connection {name} changed.")


@connections.command("list")
@json_option("a list of connections with their numbers of accounts")
def list_connections(as_json: bool) -> None:
    """List the connections with their limits and their number of accounts."""
    with open_desk() as desk:
        found, counts = desk.parts.stores.connection_store.find(), desk.parts.stores.registry.count_by_connection()
    if as_json:
        print_json([_as_words(each) | {"accounts": counts.get(each.name, (0, 0))[0]} for each in found])
        return
    print_table(
        ("name", "broker", "requests/s", "concurrency", "accounts"),
        (
            (each.name, each.broker, each.requests_per_second, each.concurrency, counts.get(each.name, (0, 0))[0])
            for each in found
        ),
    )


@connections.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the connection NAME. No account may use it."""
    with open_desk() as desk:
        desk.parts.stores.connection_store.remove(name)
    print_line(f"connection {name} removed.")


def _values(options: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "options": dict(_pair(text, as_json=True) for text in options["options"]),
        "secrets": dict(_pair(text, as_json=False) for text in options["secrets"]),
    }
    return values | {
        name: options[name] for name in ("requests_per_second", "concurrency") if options[name] is not None
    }


def _pair(text: str, *, as_json: bool) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        # The value is not repeated: it may be a secret, given in the wrong place.
        raise InvalidInputError(f"{name!r} is not NAME=VALUE")
    if not as_json:
        return name, value
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _as_words(connection: Connection) -> dict[str, Any]:
    return {
        "name": connection.name,
        "broker": connection.broker,
        "options": dict(connection.options),
        "secrets": dict(connection.secrets),
        "requests_per_second": connection.requests_per_second,
        "concurrency": connection.concurrency,
    }
