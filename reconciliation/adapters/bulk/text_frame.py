"""A CSV file as columns of text, if every reader of it would see the same cells."""

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

#: Bytes that are looked at in one go.
_STEP = 1 << 24


class NotPlainError(Exception):
    """The file is written in a way that only the reader of rows understands, or can complain about."""


def read_text_frame(
    path: Path, columns: Mapping[str, str], *, required: Sequence[str], delimiter: str = ","
) -> pl.DataFrame:
    """Return the columns that are there, under our names, as text; an empty cell is null.

    Args:
        path: the file.
        columns: our name to the file's header.
        required: our names of columns that must be there.
        delimiter: between cells.

    Raises:
        NotPlainError: quotes, lines of different width, not UTF-8, or a column that is missing or there twice.
    """
    header, signs, header_is_all, may_need_strip = _shape(path, delimiter)
    if len(set(header)) < len(header):
        raise NotPlainError("a column is there twice")
    found = {name: header.index(text) for name, text in columns.items() if text in header}
    if not set(required) <= set(found):
        raise NotPlainError("a column is missing")
    if header_is_all:
        return pl.DataFrame(schema=dict.fromkeys(found, pl.String))
    try:
        frame = pl.read_csv(
            path,
            has_header=False,
            skip_rows=1,
            new_columns=[f"#{place}" for place in range(len(header))],
            columns=sorted(found.values()),
            separator=delimiter,
            quote_char=None,
            infer_schema=False,
            truncate_ragged_lines=False,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise NotPlainError(str(error)) from error
    # No line is longer than the header, or Polars had refused it; so none is shorter if the sum is right.
    if signs != (len(header) - 1) * (frame.height + 1):
        raise NotPlainError("lines of different width")
    names = {f"#{place}": name for name, place in found.items()}
    if may_need_strip:
        frame = frame.with_columns(pl.all().str.strip_chars()).with_columns(
            pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in frame.columns
        )
    return frame.rename({name: names[name] for name in frame.columns})


def write_text_frame(
    frame: pl.DataFrame, accounts: Sequence[str], left_out: pl.Series | None, columns: Mapping[str, str], path: Path
) -> None:
    """Write the rows of some accounts, but for those at some places, under the headers that they had."""
    wanted = pl.Series(accounts, dtype=pl.String)
    if left_out is not None:
        frame = frame.with_row_index("place").filter(~pl.col("place").is_in(left_out.implode())).drop("place")
    rows = frame.filter(pl.col("account").str.strip_chars().is_in(wanted.implode()))
    rows.rename({name: columns[name] for name in rows.columns}).write_csv(path)


def _shape(path: Path, delimiter: str) -> tuple[list[str], int, bool, bool]:
    """Return the header, how many delimiters there are, whether it is all, and whether there are spaces."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(b'"') >= 0 or content.find(b"\0") >= 0:
                raise NotPlainError("quotes, or no text")
            end = content.find(b"\n")
            header = content[: end if end >= 0 else len(content)].decode("utf-8-sig")
            if _count(content, b"\r") != _count(content, b"\r\n"):
                raise NotPlainError("line ends of several kinds")
            names = [name.strip() for name in header.split(delimiter)]
            has_spaces = content.find(b" ") >= 0 or content.find(b"\t") >= 0 or not _is_ascii(content)
            return names, _count(content, delimiter.encode()), end < 0 or end + 1 == len(content), has_spaces
    except (OSError, ValueError) as error:  # ValueError: an empty file, or not UTF-8
        raise NotPlainError(str(error)) from error


def _is_ascii(content: mmap.mmap) -> bool:
    return all(content[place : place + _STEP].isascii() for place in range(0, len(content), _STEP))


def _count(content: mmap.mmap, sign: bytes) -> int:
    """Count without a copy of the whole file."""
    if content.find(sign) < 0:
        return 0
    overlap = len(sign) - 1
    return sum(content[place : place + _STEP + overlap].count(sign) for place in range(0, len(content), _STEP))
