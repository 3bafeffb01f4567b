"""Statements, local books and symbol mappings in files, for commands that need no server."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciliation.adapters.books.csv import CsvBook
from reconciliation.adapters.books.symbol_file import read_symbol_mappings
from reconciliation.adapters.brokers.statements.broker import name_accounts
from reconciliation.adapters.brokers.statements.format import FormatOption
from reconciliation.adapters.brokers.statements.formats import (
    FORMAT_OPTIONS,
    FORMATS,
    read_statements,
    sniff_format,
    titles,
)
from reconciliation.adapters.brokers.statements.limits import DEFAULT_MAX_FILE_MEGABYTES, MAX_POSITIONS
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.bootstrap.csv_book import mapped_accounts
from reconciliation.domain.model.snapshots import BrokerSnapshot, LocalSnapshot
from reconciliation.errors import InvalidInputError, ReadError

__all__ = [
    "DEFAULT_MAX_FILE_MEGABYTES",
    "FORMATS",
    "FORMAT_OPTIONS",
    "FormatOption",
    "Statement",
    "StatementFile",
    "named",
    "read_local_csv",
    "read_symbol_mappings",
    "titles",
]


@dataclass(frozen=True, kw_only=True)
class StatementFile:
    """A statement file that a person named. A fault in it is bad input, unless a later attempt may succeed."""

    path: Path
    #: None: what the file looks like.
    format_name: str | None
    #: Read only these accounts; empty: all.
    account_ids: Sequence[str]
    max_file_megabytes: int
    #: Options of its format, by name.
    options: Mapping[str, Any]
    max_rows: int = MAX_POSITIONS

    @property
    def source(self) -> StatementSource:
        return StatementSource(path=self.path, max_file_megabytes=self.max_file_megabytes, max_rows=self.max_rows)

    def detect_format(self) -> str:
        """Return the format that was named, or else what the file looks like."""
        try:
            return self.format_name or sniff_format(self.source).name
        except ReadError as error:
            raise _as_input(error) from error

    def read(self) -> Sequence[Statement]:
        """Return the newest statement of each account, in the order of `account_ids` where there are any.

        Raises:
            InvalidInputError: the file is not what it should be; another attempt cannot help.
            Incomplete, Unavailable: another attempt may help.
        """
        try:
            statements = read_statements(self.source, format_name=self.detect_format(), options=self.options)
        except ReadError as error:
            raise _as_input(error) from error
        if not self.account_ids:
            return statements
        found = {statement.account_id: statement for statement in statements}
        for account_id in self.account_ids:
            if account_id not in found:
                raise InvalidInputError(f"{self.path} holds no account {account_id!r}; it holds: {named(statements)}")
        return [found[account_id] for account_id in dict.fromkeys(self.account_ids)]

    def snapshot(self, statement: Statement) -> BrokerSnapshot | ReadError:
        """Return a statement of this file as a broker's answer, or why it cannot be one."""
        try:
            return statement.snapshot(self.source)
        except ReadError as error:
            return error


def named(statements: Sequence[Statement]) -> str:
    """Return the first accounts of a file as words."""
    return name_accounts([statement.account_id for statement in statements])


def read_local_csv(
    positions: Path,
    balances: Path | None,
    account_ids: Sequence[str],
    *,
    mapping: str | None = None,
    default_account: str | None = None,
) -> dict[str, LocalSnapshot]:
    """Return the local book of each account.

    Raises:
        InvalidInputError: a file is not as it should be, or does not name an account.
        ConfigurationError: the mapping cannot work.
    """
    read_accounts = None if mapping is None else mapped_accounts(mapping, default_account)
    try:
        answers = asyncio.run(CsvBook(positions, balances, read_accounts=read_accounts).get_snapshots(account_ids))
    except ReadError as error:
        raise InvalidInputError(str(error)) from error
    book: dict[str, LocalSnapshot] = {}
    for account_id, answer in answers.items():
        if isinstance(answer, ReadError):
            raise InvalidInputError(str(answer)) from answer
        book[account_id] = answer
    return book


def _as_input(error: ReadError) -> Exception:
    """Return a fault that no later attempt can repair as bad input of the person who named the file."""
    return error if error.retryable else InvalidInputError(str(error))
