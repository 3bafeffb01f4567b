"""A statement file as a broker: every account of the file is answered for, from one read."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.limits import DEFAULT_MAX_FILE_MEGABYTES
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerSnapshot
from reconciliation.errors import BadData, ReadError, Unavailable
from reconciliation.ports.broker import BrokerLimits, LimitedBroker, SnapshotBroker

#: How many accounts an error names before it says "and more".
_MAX_NAMED_ACCOUNTS = 10

ReadStatements = Callable[[StatementSource], Sequence[Statement]]


class StatementBroker(SnapshotBroker, LimitedBroker):
    """Answers from a statement file, which is read again whenever it was replaced or written.

    Args:
        source: the file.
        read: reads the newest statement of each account from it.
    """

    def __init__(self, source: StatementSource, read: ReadStatements) -> None:
        self._source = source
        self._read_file = read
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._statements: dict[str, Statement] = {}

    @property
    def limits(self) -> BrokerLimits:
        return BrokerLimits(requests_per_second=None, concurrency=4, requests_per_account=1)

    async def get_account(self, account_id: str) -> BrokerAccount:
        # A file without positions may still state balances.
        return self._find(await self._current(), account_id).account

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        statements = await self._current()
        answers: dict[str, BrokerSnapshot | ReadError] = {}
        for account_id in account_ids:
            try:
                answers[account_id] = self._find(statements, account_id).snapshot(self._source)
            except ReadError as error:
                answers[account_id] = error
        return answers

    async def _current(self) -> Mapping[str, Statement]:
        return await asyncio.to_thread(self._load)

    def _load(self) -> Mapping[str, Statement]:
        with self._lock:
            try:
                status = self._source.path.stat()
            except OSError as error:
                raise Unavailable(f"{self._source.path}: cannot be read: {error.strerror or error}") from error
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._statements = {found.account_id: found for found in self._read_file(self._source)}
                self._stamp = stamp
            return self._statements

    def _find(self, statements: Mapping[str, Statement], account_id: str) -> Statement:
        if account_id in statements:
            return statements[account_id]
        raise BadData(
            f"{self._source.path}: holds no statement of account {account_id!r}; it holds: {name_accounts(statements)}",
            account_id=account_id,
        )


def name_accounts(account_ids: Mapping[str, Statement] | Sequence[str]) -> str:
    """Return the first few accounts as words."""
    named = sorted(account_ids)[:_MAX_NAMED_ACCOUNTS]
    more = len(account_ids) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def source_of(options: BrokerOptions) -> StatementSource:
    """Return the file that the options `path` and `max_file_megabytes` name."""
    megabytes = int(options.number("max_file_megabytes", DEFAULT_MAX_FILE_MEGABYTES))
    return StatementSource(path=options.path("path"), max_file_megabytes=megabytes)
