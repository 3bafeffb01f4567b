"""`reconcile connections`: broker logins, whose limits their accounts share."""

import json
from dataclasses import replace
from typing import Any

import click

from reconciliation.adapters.brokers.host.registry import broker_names
from reconciliation.cli.accounts import opened
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.accounts import Connection
from reconciliation.errors import InvalidInputError


@click.group()
def connections() -> None:
    """Register broker logins: which broker, its options, where its secrets are, how hard it may be used."""


def _options(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="VALUE as JSON, or text."),
            click.option(
                "--secret", "secrets", multiple=True, metavar="NAME=env:VARIABLE|file:/PATH", help="Where a secret is."
            ),
            click.option("--requests-per-second", type=float, help="All workers together."),
            click.option("--concurrency", type=int, help="Requests at once, all workers together."),
        )
    ):
        command = option(command)
    return command


@connections.command()
@click.argument("name")
@click.option("--broker", required=True, help="A broker's name; see the error for a wrong one.")
@_options
def add(name: str, broker: str, **options: Any) -> None:
    """Register connection NAME."""
    _require_broker(broker)
    made = _changed(Connection(name=name, broker=broker), options)
    with opened() as parts:
        parts.stores.connection_store.add(made)
    print_line(f"connection {name} registered.")


@connections.command("set")
@click.argument("name")
@click.option("--broker", help="Another broker.")
@_options
def set_fields(name: str, broker: str | None, **options: Any) -> None:
    """Change connection NAME; options and secrets that are named are added or replaced. Effective within seconds."""
    if broker is not None:
        _require_broker(broker)
    with opened() as parts:
        before = parts.stores.connection_store.get(name)
        if before is None:
            raise InvalidInputError(f"there is no connection {name!r}: see `reconcile connections list`")
        parts.stores.connection_store.replace(_changed(replace(before, broker=broker or before.broker), options))
    print_line(f"connection {name} changed.")


@connections.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_connections(as_json: bool) -> None:
    """List connections with their limits and how many accounts use them."""
    with opened() as parts:
        found, counts = parts.stores.connection_store.find(), parts.stores.registry.count_by_connection()
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
    """Remove connection NAME, which no account uses."""
    with opened() as parts:
        parts.stores.connection_store.remove(name)
    print_line(f"connection {name} removed.")


def _require_broker(broker: str) -> None:
    if broker not in broker_names() and ":" not in broker:
        raise InvalidInputError(f"there is no broker {broker!r}; installed are: {', '.join(broker_names())}")


def _changed(before: Connection, options: dict[str, Any]) -> Connection:
    changes: dict[str, Any] = {
        "options": dict(before.options) | dict(_pair(text, as_json=True) for text in options["options"]),
        "secrets": dict(before.secrets) | dict(_pair(text, as_json=False) for text in options["secrets"]),
    }
    for name in ("requests_per_second", "concurrency"):
        if options[name] is not None:
            changes[name] = options[name]
    return replace(before, **changes)


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
