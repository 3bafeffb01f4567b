"""`reconcile settings`: every setting, from the one object that reads them."""

import click
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_table
from reconciliation.settings import Settings

COLUMNS = ("variable", "default", "meaning")


@click.command()
@json_option("a list of settings")
def settings(as_json: bool) -> None:
    """List every setting with its default and its meaning.

    The values in effect are not shown, because some are secret.
    """
    rows = [(f"RECONCILIATION_{name.upper()}", *described(name)) for name in Settings.model_fields]
    if as_json:
        print_json([dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:
        print_table(COLUMNS, rows)


def described(name: str) -> tuple[str | None, str]:
    """Return the default, as one writes it, and the meaning of a setting."""
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()  # what stands in the source is no secret
    shown = None if default is None or default is PydanticUndefined else str(default)
    return shown, field.description or ""
