"""What commands print: tables, JSON and sentences; coloured on a terminal, plain in a pipe."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Colours of words that carry a verdict; any other cell stays as it is.
WORD_STYLES: Mapping[str, str] = {
    "critical": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "clean": "green",
    "ok": "green",
    "discrepancies": "bold red",
    "incomplete": "bold yellow",
    "failed": "bold red",
}

#: With these a spreadsheet takes a cell for a formula.
_FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")

Cell = str | int | float | Decimal | datetime | None


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str | None = None) -> None:
    """Print rows under their columns. Numbers stand to the right; None is a dash.

    In a pipe no column is cut or wrapped and no colour is sent, so that grep and awk work.
    """
    rows = list(rows)
    cells = [[_text(cell) for cell in row] for row in rows]
    right = [_is_number_column(row[index] for row in rows) for index in range(len(columns))]
    if sys.stdout.isatty():
        _print_rich(columns, cells, right, title)
        return
    if title:
        print_line(title)
    widths = [max(len(column), *(len(row[i]) for row in cells), 0) for i, column in enumerate(columns)]
    for row in [list(columns), *cells]:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def print_json(value: Any) -> None:
    """Print one JSON document, indented on a terminal and on one line in a pipe."""
    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print rows as CSV. Text that a spreadsheet would run as a formula gets a `'` in front; numbers stay numbers."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    sys.stdout.flush()


def print_line(text: str = "", *, style: str | None = None, stream: TextIO | None = None) -> None:
    """Print one line of text as it is; `style` (rich's words) shows on a terminal only."""
    target = stream or sys.stdout
    if style and target.isatty():
        Console(file=target, highlight=False).print(Text(printable(text), style=style))
    else:
        target.write(printable(text) + "\n")
    target.flush()


def printable(text: str) -> str:
    """Return `text` with control characters written out: what a file holds must not steer a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return printable(str(cell))


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    text = _text(cell)
    return f"'{text}" if isinstance(cell, str) and cell.startswith(_FORMULA_BEGINNINGS) else text


def _is_number_column(cells: Iterable[Cell]) -> bool:
    filled = [cell for cell in cells if cell is not None]
    return bool(filled) and all(isinstance(cell, (int, float, Decimal)) for cell in filled)


def _print_rich(columns: Sequence[str], cells: list[list[str]], right: list[bool], title: str | None) -> None:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column, to_right in zip(columns, right, strict=True):
        table.add_column(column, justify="right" if to_right else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=WORD_STYLES.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)
