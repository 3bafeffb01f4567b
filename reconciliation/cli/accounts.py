"""`reconcile accounts`: which accounts are reconciled, how often, over which connection."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import click

from reconciliation.adapters.database.registry import AccountFilter, Registry
from reconciliation.bootstrap import Bootstrap
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.accounts import (
    ACCOUNT_FIELDS,
    FILL_TIMES,
    RegisteredAccount,
    rules_as_json,
    rules_from_json,
)
from reconciliation.domain.model.values import exact_decimal
from reconciliation.errors import InvalidInputError
from reconciliation.settings import load_settings
from reconciliation.support.wording import counted

MAX_IMPORT_ROWS = 1_000_000
_NUMBERS = (
    "interval_seconds",
    "post_fill_delay_seconds",
    "post_fill_max_wait_seconds",
    *FILL_TIMES,
    "read_timeout_seconds",
)


@contextmanager
def opened() -> Iterator[Bootstrap]:
    """Give the parts of this process, closed at the end."""
    parts = Bootstrap(load_settings())
    try:
        yield parts
    finally:
        parts.close()


def account_options(command: Any) -> Any:
    """Add the options that say how an account is reconciled."""
    for option in reversed(
        (
            click.option("--connection", help="The broker login that knows the account."),
            click.option("--broker-account-id", help="The account's name at the broker, where it is another."),
            click.option("--interval-seconds", type=float, help="Between two periodic runs."),
            click.option("--cash-tolerance", help="Absolute, inclusive."),
            click.option("--equity-tolerance-pct", help="Percent of the local equity, inclusive."),
            click.option("--post-fill-delay-seconds", type=float, help="Quiet time after a burst of fills."),
            click.option("--post-fill-max-wait-seconds", type=float, help="Longest wait after a burst's first fill."),
            click.option("--post-fill-backoff-seconds", type=float, help="Wait after an incomplete post-fill run."),
            click.option("--post-fill-max-backoff-seconds", type=float, help="The wait doubles up to this."),
            click.option("--run-lease-seconds", type=float, help="Longest post-fill run; not below the settings'."),
            click.option("--read-timeout-seconds", type=float, help="For one request; then `incomplete`."),
            click.option("--currency", help="Of the account's figures."),
            click.option("--label", "labels", multiple=True, help="May be given several times; replaces all labels."),
            click.option("--tolerances", help="Exceptions for positions, as a JSON list."),
        )
    ):
        command = option(command)
    return command


@click.group()
def accounts() -> None:
    """Register accounts, and say how each is reconciled."""


@accounts.command()
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT...")
@account_options
def add(account_ids: tuple[str, ...], **options: Any) -> None:
    """Register accounts; their first run follows within seconds."""
    with opened() as parts:
        changes = _changes(options)
        made = [replace(RegisteredAccount(account_id=name), **_own(name, changes)) for name in account_ids]
        _require_connections(parts, made)
        for account in made:
            account.config(parts.default_config)
        parts.stores.registry.add(made)
    print_line(f"{counted(len(made), 'account')} registered.")


@accounts.command("import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
def import_file(file: TextIO) -> None:
    """Register or replace accounts from a CSV FILE with a header: account_id and any of the columns of `list`."""
    made = list(_rows(file))
    with opened() as parts:
        _require_connections(parts, made)
        added, changed = parts.stores.registry.put(made)
    print_line(f"{counted(added, 'account')} added, {changed} changed, {len(made) - added - changed} as they were.")


@accounts.command("list")
@click.option("--label", "labels", multiple=True, help="Only accounts with all these labels.")
@click.option("--connection", help="Only accounts of this connection.")
@click.option("--enabled/--disabled", default=None, help="Only accounts in this state.")
@click.option("--json", "as_json", is_flag=True)
def list_accounts(labels: tuple[str, ...], connection: str | None, enabled: bool | None, as_json: bool) -> None:
    """List registered accounts."""
    with opened() as parts:
        found = parts.stores.registry.find(AccountFilter(labels=labels, connection=connection, enabled=enabled))
    if as_json:
        print_json([as_words(account) for account in found])
        return
    columns = ("account_id", "connection", "enabled", "interval_seconds", "labels")
    print_table(columns, ([_cell(as_words(account)[name]) for name in columns] for account in found))


@accounts.command()
@click.argument("account_id", metavar="ACCOUNT")
@click.option("--json", "as_json", is_flag=True)
def show(account_id: str, as_json: bool) -> None:
    """Show one account: what is its own, and what it follows."""
    with opened() as parts:
        account = _the_one(parts.stores.registry, account_id)
        config = account.config(parts.default_config)
    words = as_words(account)
    if as_json:
        print_json(words)
        return
    rows = [(name, _cell(value), _cell(getattr(config, name, value))) for name, value in words.items()]
    print_table(("field", "own", "in effect"), rows)


@accounts.command("set")
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT...")
@account_options
def set_fields(account_ids: tuple[str, ...], **options: Any) -> None:
    """Change accounts; effective within seconds."""
    changes = _changes(options)
    if not changes:
        raise click.UsageError("nothing to change: give at least one option")
    with opened() as parts:
        if "connection" in changes:
            _require_connections(parts, [RegisteredAccount(account_id="x", connection=changes["connection"])])
        changed = 0
        if "tolerances" in changes:
            for account_id in account_ids:
                own = _own(account_id, changes)
                changed += parts.stores.registry.change(AccountFilter(account_ids=[account_id]), **own)
        else:
            changed = parts.stores.registry.change(AccountFilter(account_ids=account_ids), **changes)
    print_line(f"{counted(changed, 'account')} changed.")


def _switch(name: str, enabled: bool, sentence: str) -> None:
    @accounts.command(name, help=sentence)
    @click.argument("account_ids", nargs=-1, metavar="[ACCOUNT...]")
    @click.option("--label", "labels", multiple=True, help="All accounts with these labels.")
    def switch(account_ids: tuple[str, ...], labels: tuple[str, ...]) -> None:
        if bool(account_ids) == bool(labels):
            raise click.UsageError("name accounts, or give --label")
        which = AccountFilter(account_ids=account_ids or None, labels=labels)
        with opened() as parts:
            changed = parts.stores.registry.change(which, enabled=enabled)
        print_line(f"{counted(changed, 'account')} {name}d.")


_switch("enable", True, "Reconcile accounts again; each starts with a start-up run.")
_switch("disable", False, "Stop reconciling accounts, and ignore their fills.")


@accounts.command()
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT...")
def remove(account_ids: tuple[str, ...]) -> None:
    """Take accounts out of the registry; their runs and breaks stay on record."""
    with opened() as parts:
        parts.stores.registry.remove(account_ids)
    print_line(f"{counted(len(account_ids), 'account')} removed.")


def as_words(account: RegisteredAccount) -> dict[str, Any]:
    """Return an account as JSON."""
    words = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
    return words | {"labels": sorted(account.labels), "tolerances": rules_as_json(account.tolerances)}


def _changes(options: Mapping[str, Any]) -> dict[str, Any]:
    changes = {name: value for name, value in options.items() if value not in (None, ())}
    if "labels" in changes:
        changes["labels"] = frozenset(changes["labels"])
    for name in ("cash_tolerance", "equity_tolerance_pct"):
        if name in changes:
            changes[name] = exact_decimal(changes[name], name)
    return changes


def _own(account_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    own = dict(changes)
    if "tolerances" in own:
        own["tolerances"] = rules_from_json(account_id, _json(own["tolerances"]))
    return own


def _rows(file: TextIO) -> Iterator[RegisteredAccount]:
    reader = csv.DictReader(file, strict=True)
    unknown = sorted(set(reader.fieldnames or ()) - set(ACCOUNT_FIELDS))
    if "account_id" not in (reader.fieldnames or ()) or unknown:
        raise InvalidInputError(
            f"{Path(file.name).name}: the header must name account_id and only fields of an account"
            + (f", not {unknown[0]!r}" if unknown else "")
        )
    for number, row in enumerate(reader, start=2):
        if number > MAX_IMPORT_ROWS:
            raise InvalidInputError(f"{Path(file.name).name}: more than {MAX_IMPORT_ROWS} rows")
        try:
            yield _account(row)
        except InvalidInputError as error:
            raise InvalidInputError(f"{Path(file.name).name}, line {number}: {error}") from error


def _account(row: Mapping[str | None, Any]) -> RegisteredAccount:
    if None in row:
        raise InvalidInputError("more cells than the header has")
    own: dict[str, Any] = {str(name): value.strip() for name, value in row.items() if value and value.strip()}
    for name in _NUMBERS:
        if name in own:
            own[name] = float(exact_decimal(own[name], name))
    if "labels" in own:
        own["labels"] = frozenset(own["labels"].split())
    if "enabled" in own:
        own["enabled"] = _truth(own["enabled"])
    own = _own(own.get("account_id", ""), own)
    return RegisteredAccount(**{"account_id": "", **own})


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
        raise InvalidInputError(f"enabled is {text!r}: write true or false")
    return text.lower() in ("true", "yes", "1")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"tolerances is not JSON: {error}") from error


def _the_one(registry: Registry, account_id: str) -> RegisteredAccount:
    found = registry.find(AccountFilter(account_ids=[account_id]))
    if not found:
        raise InvalidInputError(f"account {account_id!r} is not registered: see `reconcile accounts list`")
    return found[0]


def _require_connections(parts: Bootstrap, made: Sequence[RegisteredAccount]) -> None:
    for name in sorted({account.connection for account in made}):
        if parts.stores.connection_definitions.get(name) is None:
            raise InvalidInputError(
                f"there is no connection {name!r}: add it first with `reconcile connections add {name} --broker …`"
            )


def _cell(value: Any) -> str | None:
    if isinstance(value, (list, tuple, frozenset)):
        return " ".join(map(str, value)) or None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
