"""`reconcile settings`: every setting, from the one object that reads them."""

import json
from typing import Any

import click
from pydantic import SecretStr

from reconciliation.cli.options import json_option
from reconciliation.cli.output import print_json, print_line, print_table
from reconciliation.settings import SECTIONS, Settings, address_of, load_settings, variable
from reconciliation.support.redaction import redact_secrets


@click.command()
@click.option("--effective", is_flag=True, help="Show the values that are in effect here, without secrets.")
@json_option("a list of settings")
def settings(effective: bool, as_json: bool) -> None:
    """List every setting with its default and meaning."""
    loaded = load_settings() if effective else None
    columns = ("variable", "default", *(["value"] if loaded else []), "meaning")
    sections = {(section.__doc__ or "").rstrip("."): _rows(section.model_fields, loaded) for section in SECTIONS}
    if as_json:
        print_json(
            [
                {"section": title, **dict(zip(columns, row, strict=True))}
                for title, rows in sections.items()
                for row in rows
            ]
        )
        return
    for title, rows in sections.items():
        print_line()
        print_line(title, style="bold")
        print_table(columns, rows)


def described(name: str) -> tuple[str | None, str]:
    """Return the default, as one writes it, and the meaning of a setting."""
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):
        default = default.get_secret_value()  # what stands in the source is no secret
    return None if default is None else str(default), field.description or ""


def _rows(names: Any, loaded: Settings | None) -> list[tuple[str | None, ...]]:
    rows: list[tuple[str | None, ...]] = []
    for name in names:
        default, meaning = described(name)
        value = () if loaded is None else (_shown(getattr(loaded, name)),)
        rows.append((variable(name), default, *value, meaning))
    return rows


def _shown(value: Any) -> str | None:
    """Return a value as a person may see it: a URL by its address, options without what is named like a secret."""
    if value is None:
        return None
    if isinstance(value, SecretStr):
        return address_of(value)
    return redact_secrets(json.dumps(value) if isinstance(value, (dict, list)) else str(value))
