"""The local book in CSV files, also of a shape that only a mapping of statements reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciliation.adapters.books.csv import CsvBook, ReadAccounts
from reconciliation.adapters.brokers.statements.csv.adapter import read_csv
from reconciliation.adapters.brokers.statements.csv.mapping_file import load_mapping, mapping_from_table
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.snapshots import LocalPosition, LocalSnapshot
from reconciliation.errors import ConfigurationError

#: As large as our own files of positions may be.
_MAX_FILE_MEGABYTES = 256


def open_csv_book(options: Mapping[str, Any]) -> CsvBook:
    """Return the book that `RECONCILIATION_LOCAL_OPTIONS` names.

    Raises:
        ConfigurationError: it names no file of positions, or a mapping that cannot work.
    """
    if "positions" not in options:
        raise ConfigurationError(
            'RECONCILIATION_LOCAL is "csv", but RECONCILIATION_LOCAL_OPTIONS names no "positions" file'
        )
    balances, mapping = options.get("balances"), options.get("mapping")
    return CsvBook(
        Path(options["positions"]),
        Path(balances) if balances else None,
        cash_split_is_whole=options.get("cash_split_is_whole") is True,
        read_accounts=None if mapping is None else mapped_accounts(mapping, options.get("default_account")),
    )


def mapped_accounts(mapping: str | Mapping[str, Any], default_account: str | None = None) -> ReadAccounts:
    """Return what reads a file of positions by a mapping: the name of one that ships, a TOML file, or an object.

    Raises:
        ConfigurationError: the mapping cannot work.
    """
    columns = mapping_from_table(mapping) if isinstance(mapping, Mapping) else load_mapping(mapping)

    def read(path: Path) -> dict[str, LocalSnapshot]:
        source = StatementSource(path=path, max_file_megabytes=_MAX_FILE_MEGABYTES)
        statements = read_csv(source, columns, default_account=default_account)
        return {statement.account_id: _local(statement) for statement in statements}

    return read


def _local(statement: Statement) -> LocalSnapshot:
    account = statement.account
    return LocalSnapshot(
        account_id=account.account_id,
        positions=[
            LocalPosition(
                symbol=row.symbol,
                quantity=row.quantity,
                avg_cost=row.avg_cost,
                asset_type=row.asset_type,
                currency=row.currency,
                multiplier=row.multiplier,
                identifiers=row.identifiers,
            )
            for row in statement.positions or ()
        ],
        cash=account.cash,
        equity=account.total_equity,
        currency=account.currency,
        cash_by_currency=account.cash_by_currency,
        as_of=statement.as_of,
    )
