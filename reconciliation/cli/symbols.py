"""`reconcile symbols`: which symbol of a broker is which symbol of the local book."""

from datetime import UTC, date, datetime
from pathlib import Path

import click

from reconciliation.bootstrap.desk import open_desk
from reconciliation.cli.options import Day, json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.domain.comparison.symbol_matching import ANY_BROKER, SymbolMapping, SymbolResolver
from reconciliation.domain.model.instruments import common_form
from reconciliation.domain.model.models import AssetType

_KINDS = click.Choice([kind.value for kind in AssetType])


@click.group()
def symbols() -> None:
    """Map the symbols of brokers to the symbols of the local book."""


@symbols.command()
@click.argument("broker")
@click.argument("broker_symbol")
@click.argument("local_symbol")
@click.option("--asset-type", type=_KINDS, help="The mapping is only for positions of this asset type. Default: all.")
@click.option(
    "--from", "valid_from", type=Day(), help="The first day of the mapping, such as 2026-01-31. Default: no start date."
)
@click.option(
    "--to", "valid_to", type=Day(), help="The last day of the mapping, such as 2026-01-31. Default: no end date."
)
def add(
    broker: str,
    broker_symbol: str,
    local_symbol: str,
    *,
    asset_type: str | None,
    valid_from: date | None,
    valid_to: date | None,
) -> None:
    """Map BROKER_SYMBOL of BROKER to LOCAL_SYMBOL of the local book.

    BROKER is the name of a connection, or a kind of broker such as alpaca. '*' means any broker.
    """
    mapping = SymbolMapping(
        broker=broker,
        broker_symbol=broker_symbol,
        local_symbol=local_symbol,
        asset_type=AssetType(asset_type) if asset_type else None,
        valid_from=valid_from,
        valid_to=valid_to,
    )
    with open_desk() as desk:
        added = desk.symbols.add([mapping])
    print_line(f"{broker_symbol} of {broker} is {local_symbol}" + ("" if added else ": this was known already"))


@symbols.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_(file: Path) -> None:
    """Add the mappings in FILE.

    FILE is CSV: broker,broker_symbol,local_symbol, and if needed asset_type,valid_from,valid_to.
    """
    with open_desk() as desk:
        mappings = desk.read_symbol_file(file)
        added = desk.symbols.add(mappings)
    print_line(f"added {added} of {len(mappings)} mappings; the others are there already")


@symbols.command("list")
@json_option("a list of mappings")
def list_(as_json: bool) -> None:
    """List every mapping with its number."""
    with open_desk() as desk:
        found = desk.symbols.all()
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
    """Remove a mapping. `reconcile symbols list` prints its NUMBER."""
    with open_desk() as desk:
        desk.symbols.remove(number)
    print_line(f"removed {number}")


@symbols.command()
@click.argument("symbol")
@click.option(
    "--broker", "brokers", multiple=True, help="A connection, or a kind of broker. You may repeat the option."
)
@click.option(
    "--asset-type",
    type=_KINDS,
    default=AssetType.STOCK.value,
    show_default=True,
    help="The asset type of the position.",
)
@click.option(
    "--on", "day", type=Day(), help="The day for which mappings are looked up, such as 2026-01-31. Default: today."
)
def resolve(symbol: str, brokers: tuple[str, ...], asset_type: str, day: date | None) -> None:
    """Show which symbol of the local book a broker's SYMBOL is: by a mapping, or by its spelling."""
    kind = AssetType(asset_type)
    with open_desk() as desk:
        resolver = SymbolResolver(mapping for _, mapping in desk.symbols.all())
    mapped = resolver.mapped(symbol, kind, brokers or (ANY_BROKER,), day or datetime.now(UTC).date())
    if mapped is not None:
        print_line(f"{symbol} is {mapped}, by the mapping table")
    else:
        print_line(f"{symbol} has no mapping; it matches local symbols of the form {common_form(symbol, kind)}")
