"""`reconcile symbols ...`: the mapping of brokers' symbols to local ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import click

from reconciliation.adapters.books.symbol_file import read_symbol_mappings
from reconciliation.adapters.database.symbols import SymbolStore
from reconciliation.cli.open_parts import open_parts
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.comparison.symbol_matching import ANY_BROKER, SymbolMapping, SymbolResolver
from reconciliation.domain.model.instruments import common_form
from reconciliation.domain.model.models import AssetType

_KINDS = click.Choice([kind.value for kind in AssetType])


class Day(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A day as 2026-01-31."""

    name = "day"

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a day: write it as 2026-01-31", param, ctx)


@click.group()
def symbols() -> None:
    """Manage the mapping of brokers' symbols to local ones."""


@symbols.command()
@click.argument("broker")
@click.argument("broker_symbol")
@click.argument("local_symbol")
@click.option("--asset-type", type=_KINDS, help="Map only positions of this asset type.")
@click.option("--from", "valid_from", type=Day(), help="First day, as 2026-01-31; default: no first day.")
@click.option("--to", "valid_to", type=Day(), help="Last day, included; default: no last day.")
def add(
    broker: str,
    broker_symbol: str,
    local_symbol: str,
    *,
    asset_type: str | None,
    valid_from: date | None,
    valid_to: date | None,
) -> None:
    """Map BROKER_SYMBOL of BROKER to LOCAL_SYMBOL.

    BROKER is the name of a connection, or of a kind of broker such as alpaca; '*' means any.
    """
    mapping = SymbolMapping(
        broker=broker,
        broker_symbol=broker_symbol,
        local_symbol=local_symbol,
        asset_type=AssetType(asset_type) if asset_type else None,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    with _store() as store:
        added = store.add([mapping])
    print_line(f"{broker_symbol} of {broker} is {local_symbol}" + ("" if added else ": this was known already"))


@symbols.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Add the mappings of FILE, a CSV: broker,broker_symbol,local_symbol[,asset_type,valid_from,valid_to]."""
    mappings = read_symbol_mappings(file)
    with _store() as store:
        added = store.add(mappings)
    print_line(f"added {added} of {len(mappings)} mappings; the others were known")


@symbols.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the mappings as JSON.")
def list_(as_json: bool) -> None:
    """List every mapping with its number."""
    with _store() as store:
        found = store.all()
    columns = ("number", "broker", "broker_symbol", "local_symbol", "asset_type", "valid_from", "valid_to")
    rows = [
        (
            number,
            one.broker,
            one.broker_symbol,
            one.local_symbol,
            one.asset_type.value if one.asset_type else None,
            one.valid_from.isoformat() if one.valid_from else None,
            one.valid_to.isoformat() if one.valid_to else None,
        )
        for number, one in found
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)


@symbols.command()
@click.argument("number", type=int)
def remove(number: int) -> None:
    """Remove the mapping with this NUMBER."""
    with _store() as store:
        store.remove(number)
    print_line(f"removed {number}")


@symbols.command()
@click.argument("symbol")
@click.option("--broker", "brokers", multiple=True, help="Connection or kind of broker; may be given more than once.")
@click.option("--asset-type", type=_KINDS, default=AssetType.STOCK.value, show_default=True)
@click.option("--on", "day", type=Day(), help="Day of the mapping, as 2026-01-31; default: today.")
def resolve(symbol: str, brokers: tuple[str, ...], asset_type: str, day: date | None) -> None:
    """Show which local symbol SYMBOL of a broker stands for: by a mapping, or by the way it is written."""
    kind = AssetType(asset_type)
    with _store() as store:
        resolver = SymbolResolver(mapping for _, mapping in store.all())
    told = resolver.mapped(symbol, kind, brokers or (ANY_BROKER,), day or datetime.now(UTC).date())
    if told is not None:
        print_line(f"{symbol} is {told}, by the mapping table")
    else:
        print_line(f"{symbol} has no mapping; it matches local symbols of the form {common_form(symbol, kind)}")


@contextmanager
def _store() -> Iterator[SymbolStore]:
    with open_parts() as parts:
        yield SymbolStore(parts.stores.engine)
