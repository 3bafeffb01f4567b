"""`reconcile accounts`: which accounts are reconciled, how often, over which connection."""

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.no_broker import warn_without_broker
from reconciliation.cli.options import filter_options, filter_words, json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.model.accounts import (
    ACCOUNT_FIELDS,
    ACCOUNT_SETTINGS,
    AccountSetting,
    RegisteredAccount,
    rules_as_json,
)
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter
from reconciliation.support.wording import counted
from reconciliation.usecases import filters
from reconciliation.usecases.manage_accounts import own_values

MAX_IMPORT_ROWS = 1_000_000


def _type(setting: AccountSetting) -> type[str | float]:
    return float if setting.kind is float else str


def account_options(command: Any) -> Any:
    """Add the options that say how an account is reconciled."""
    options = [
        *(
            click.option(setting.option, type=_type(setting), metavar=setting.unit.upper(), help=f"{setting.help}.")
            for setting in ACCOUNT_SETTINGS
        ),
        click.option(
            "--label",
            "labels",
            metavar="NAME",
            multiple=True,
            help="A label of the account. You may repeat the option. The labels replace all present labels.",
        ),
        click.option(
            "--tolerances",
            metavar="JSON",
            help="Tolerances for positions: a JSON list, such as "
            """'[{"measure": "cost", "relative": "0.001", "symbol": "AAPL"}]'.""",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def accounts() -> None:
    """Register accounts, and set how each account is reconciled."""


@accounts.command()
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT...")
@account_options
def add(account_ids: tuple[str, ...], **options: Any) -> None:
    """Register accounts. If they have a broker, their first run starts within seconds."""
    with open_desk() as desk:
        desk.accounts.add(account_ids, _values(options))
        warn_without_broker(desk)
    print_line(f"{counted(len(account_ids), 'account')} registered.")


@accounts.command("import")
@click.argument("file", type=click.File(encoding="utf-8-sig"))
def import_file(file: TextIO) -> None:
    """Register or replace accounts from a CSV FILE.

    Its header must name `account_id`. It may name any other field that `reconcile accounts show` prints.
    """
    made = list(_rows(file))
    with open_desk() as desk:
        added, changed = desk.accounts.put(made)
        warn_without_broker(desk)
    print_line(f"{counted(added, 'account')} added, {changed} changed, {len(made) - added - changed} unchanged.")


@accounts.command("list")
@filter_options(filters.ACCOUNT_FIELDS)
@json_option("a list of accounts with all their fields")
def list_accounts(as_json: bool, **options: Any) -> None:
    """List the registered accounts."""
    wanted = filters.account_filter(filter_words(filters.ACCOUNT_FIELDS, options), datetime.now(UTC))
    with open_desk() as desk:
        found = desk.parts.stores.registry.find(wanted)
        warn_without_broker(desk)
    if as_json:
        print_json([as_words(account) for account in found])
        return
    columns = ("account_id", "connection", "enabled", "interval_seconds", "labels")
    print_table(columns, ([_cell(as_words(account)[name]) for name in columns] for account in found))


@accounts.command()
@click.argument("account_id", metavar="ACCOUNT")
@json_option("the account with its own values")
def show(account_id: str, as_json: bool) -> None:
    """Show one account: its own values, and the values in effect.

    Where an account has no value of its own, the settings' value is in effect.
    """
    with open_desk() as desk:
        account = desk.accounts.get(account_id)
        config = account.config(desk.parts.default_config)
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
    """Change accounts. The change takes effect within seconds."""
    values = _values(options)
    if not values:
        raise click.UsageError("nothing to change: give at least one option")
    with open_desk() as desk:
        changed = desk.accounts.change(account_ids, values)
    print_line(f"{counted(changed, 'account')} changed.")


def _switch(name: str, enabled: bool, sentence: str) -> None:
    @accounts.command(name, help=sentence)
    @click.argument("account_ids", nargs=-1, metavar="[ACCOUNT...]")
    @click.option(
        "--label",
        "labels",
        metavar="NAME",
        multiple=True,
        help=f"{name.capitalize()} all accounts that have this label. You may repeat the option.",
    )
    def switch(account_ids: tuple[str, ...], labels: tuple[str, ...]) -> None:
        if bool(account_ids) == bool(labels):
            raise click.UsageError("name accounts, or give --label")
        which = AccountFilter(account_ids=account_ids or None, labels=labels)
        with open_desk() as desk:
            changed = desk.accounts.switch(which, enabled=enabled)
        print_line(f"{counted(changed, 'account')} {name}d.")


_switch("enable", True, "Reconcile accounts again. Each account starts with a start-up run.")
_switch("disable", False, "Stop reconciling accounts, and ignore their fills.")


@accounts.command()
@click.argument("account_ids", nargs=-1, required=True, metavar="ACCOUNT...")
def remove(account_ids: tuple[str, ...]) -> None:
    """Remove accounts from the registry. Their runs and breaks are kept."""
    with open_desk() as desk:
        desk.parts.stores.registry.remove(account_ids)
    print_line(f"{counted(len(account_ids), 'account')} removed.")


def as_words(account: RegisteredAccount) -> dict[str, Any]:
    """Return an account as JSON."""
    words = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
    return words | {"labels": sorted(account.labels), "tolerances": rules_as_json(account.tolerances)}


def _values(options: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: value for name, value in options.items() if value not in (None, ())}
    if "tolerances" in values:
        values["tolerances"] = _json(values["tolerances"])
    return values


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
    if "labels" in own:
        own["labels"] = own["labels"].split()
    if "enabled" in own:
        own["enabled"] = _truth(own["enabled"])
    if "tolerances" in own:
        own["tolerances"] = _json(own["tolerances"])
    account_id = own.pop("account_id", "")
    return RegisteredAccount(account_id=account_id, **own_values(account_id, own))


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
        raise InvalidInputError(f"enabled is {text!r}: write true or false")
    return text.lower() in ("true", "yes", "1")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"tolerances is not JSON: {error}") from error


def _cell(value: Any) -> str | None:
    if isinstance(value, (list, tuple, frozenset)):
        return " ".join(map(str, value)) or None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return None if value is None else str(value)
