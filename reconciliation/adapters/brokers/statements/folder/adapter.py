"""A folder that statement files arrive in, as a broker: the newest complete statement of each account answers."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from reconciliation.adapters.brokers.sdk.options import BrokerOptions
from reconciliation.adapters.brokers.statements.broker import ReadStatements
from reconciliation.adapters.brokers.statements.folder.files import FolderWatch
from reconciliation.adapters.brokers.statements.folder.index import Candidate, FolderIndex, Overview
from reconciliation.adapters.brokers.statements.formats import FORMATS, sniff_format
from reconciliation.adapters.brokers.statements.limits import DEFAULT_MAX_FILE_MEGABYTES
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.domain.model.snapshots import BrokerSnapshot
from reconciliation.errors import BadData, Incomplete, ReadError, Unavailable
from reconciliation.ports.broker import BrokerLimits, BrokerQuery, LimitedBroker, SnapshotBroker

_BROKER = "folder"
DEFAULT_MAX_FILES = 200
DEFAULT_SETTLE_SECONDS = 5.0
_MAX_NAMED = 3


class FolderBroker(SnapshotBroker, LimitedBroker):
    """Answers from the newest complete statement of each account in a folder.

    Args:
        index: the folder's files.
        max_age_hours: a statement with older data is stale; None: of any age.
        now: seconds of the calendar.
    """

    def __init__(
        self, index: FolderIndex, *, max_age_hours: float | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._index = index
        self._max_age_hours = max_age_hours
        self._now = now
        self._lock = Lock()

    @property
    def limits(self) -> BrokerLimits:
        return BrokerLimits(requests_per_second=None, concurrency=4, requests_per_account=1)

    async def get_snapshots(self, account_ids: Sequence[str]) -> Mapping[str, BrokerSnapshot | ReadError]:
        overview = await asyncio.to_thread(self._refresh)
        return {account_id: self._answer(overview, account_id) for account_id in account_ids}

    def _refresh(self) -> Overview:
        with self._lock:
            return self._index.refresh()

    def _answer(self, overview: Overview, account_id: str) -> BrokerSnapshot | ReadError:
        found = overview.newest.get(account_id)
        doubt = _doubt(overview, found, account_id)
        if doubt is not None:
            return doubt
        if found is None:
            return self._nothing(overview, account_id)
        try:
            snapshot = found.statement.snapshot(self._index.source(found.file.path))
        except (ReadError, OSError) as error:
            return error if isinstance(error, ReadError) else self._nothing(overview, account_id)
        return self._stale(found, snapshot, account_id) or snapshot

    def _stale(self, found: Candidate, snapshot: BrokerSnapshot, account_id: str) -> Incomplete | None:
        if self._max_age_hours is None or snapshot.as_of is None:
            return None
        age = datetime.fromtimestamp(self._now(), tz=UTC) - snapshot.as_of
        if age <= timedelta(hours=self._max_age_hours):
            return None
        return Incomplete(
            f"{found.file.path}: the newest statement of account {account_id!r} is of {snapshot.as_of:%Y-%m-%d %H:%M} "
            f"UTC, more than {self._max_age_hours:g} hours ago: look where the next one stays",
            account_id=account_id,
        )

    def _nothing(self, overview: Overview, account_id: str) -> Incomplete:
        waiting = [f"{path.name} (being written)" for path in overview.unsettled]
        waiting += [f"{path.name} ({reason})" for path, reason in overview.incomplete.items()]
        left = f"; left alone: {', '.join(waiting[:_MAX_NAMED])}" if waiting else ""
        return Incomplete(
            f"folder {self._index.watch.path}: no file holds a complete statement of account {account_id!r}{left}",
            account_id=account_id,
        )


def _doubt(overview: Overview, found: Candidate | None, account_id: str) -> ReadError | None:
    """Return the error for an account if a file that is newer than its statement can't be opened or understood."""
    for file, error in overview.unreadable:
        if found is None or file.stamp > found.file.stamp:
            kind = Unavailable if isinstance(error, Unavailable) else BadData
            return kind(
                f"{error}. It may hold a newer statement of account {account_id!r}: have it sent again, move it away, "
                "or narrow the option 'pattern'",
                account_id=account_id,
            )
    return None


def open_folder(raw_options: Mapping[str, Any], secrets: Mapping[str, str]) -> BrokerQuery:
    """Return the broker of a folder; its options are described in docs/brokers/folder.md."""
    del secrets
    options = BrokerOptions(_BROKER, raw_options)
    max_age_hours = float(options.number("max_age_hours")) if options.has("max_age_hours") else None
    watch = FolderWatch(
        options.path("path"),
        pattern=options.text("pattern", "*"),
        settle_seconds=float(options.number("settle_seconds", DEFAULT_SETTLE_SECONDS)),
        max_files=_whole(options, "max_files", DEFAULT_MAX_FILES),
        now=time.time,
        clock=time.monotonic,
    )
    index = FolderIndex(watch, _reader(options), _whole(options, "max_file_megabytes", DEFAULT_MAX_FILE_MEGABYTES))
    options.check_all_read()
    return FolderBroker(index, max_age_hours=max_age_hours)


def _whole(options: BrokerOptions, name: str, default: int) -> int:
    number = options.number(name, default)
    if number < 1 or number % 1:
        raise options.wrong(name, "a whole number above 0")
    return int(number)


def _reader(options: BrokerOptions) -> ReadStatements:
    name = options.optional_text("format")
    if name is not None and name not in FORMATS:
        raise options.wrong("format", f"one of: {', '.join(FORMATS)}")
    # The options of all formats: which one a file is of shows when it comes.
    readers = {row.name: row.reader(options) for row in FORMATS.values()}

    def read(source: StatementSource) -> Sequence[Statement]:
        return readers[name or sniff_format(source).name](source)

    return read
