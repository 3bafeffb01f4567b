"""Which file of a folder holds the newest complete statement of each account; a file is read once a version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciliation.adapters.brokers.statements.broker import ReadStatements
from reconciliation.adapters.brokers.statements.folder.files import FileStamp, FolderFile, FolderWatch
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement
from reconciliation.errors import Incomplete, ReadError, Unavailable

#: Newer sorts last: when the data were true, when they were written down, when the file was written.
Age = tuple[float, float, FileStamp]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """The newest statement of an account so far, and the file that holds it."""

    file: FolderFile
    age: Age
    statement: Statement


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What reading one version of a file gave: whose statements it holds, or an error."""

    file: FolderFile
    accounts: frozenset[str] = frozenset()
    error: ReadError | None = None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The folder as of now."""

    newest: Mapping[str, Candidate]
    #: Files that ended too early, with the reason: not read, because the rest may follow.
    incomplete: Mapping[Path, str]
    #: Files that could not be opened or understood, with the error.
    unreadable: Sequence[tuple[FolderFile, ReadError]]
    unsettled: Sequence[Path]


class FolderIndex:
    """Reads new and changed files, and keeps the newest statement of each account; only these stay in memory."""

    def __init__(self, watch: FolderWatch, read: ReadStatements, max_file_megabytes: int) -> None:
        self.watch = watch
        self._read = read
        self._max_file_megabytes = max_file_megabytes
        self._readings: dict[Path, _Reading] = {}
        self._newest: dict[str, Candidate] = {}

    def source(self, path: Path) -> StatementSource:
        return StatementSource(path=path, max_file_megabytes=self._max_file_megabytes)

    def refresh(self) -> Overview:
        """Read what is new, forget what is gone, and return the state.

        Raises:
            Unavailable: the folder cannot be read.
        """
        listing = self.watch.look()
        self._forget({file.path: file for file in listing.settled}, frozenset(listing.unsettled))
        new = [file for file in listing.settled if file.path not in self._readings]
        changed = [file.path for file in new if not self._take(file)]
        failed = [(reading.file, reading.error) for reading in self._readings.values() if reading.error is not None]
        return Overview(
            newest=dict(self._newest),
            incomplete={file.path: str(error) for file, error in failed if isinstance(error, Incomplete)},
            unreadable=[(file, error) for file, error in failed if not isinstance(error, Incomplete)],
            unsettled=[*listing.unsettled, *changed],
        )

    def _forget(self, settled: Mapping[Path, FolderFile], unsettled: frozenset[Path]) -> None:
        """Drop the readings of files that are gone or changed; their accounts look for their newest again.

        What is being written over stays as it was read last, until it can be read again.
        """
        for path, reading in list(self._readings.items()):
            # A file that could not be opened may be readable now, and its time would not show it.
            closed = isinstance(reading.error, Unavailable)
            if closed or (path not in unsettled and settled.get(path) != reading.file):
                del self._readings[path]
        lost = {account for account, found in self._newest.items() if found.file.path not in self._readings}
        for account in lost:
            del self._newest[account]
        # Statements that were superseded are not kept: the next newest must be read again.
        for path, reading in list(self._readings.items()):
            if lost & reading.accounts:
                del self._readings[path]

    def _take(self, file: FolderFile) -> bool:
        """Read one file; False if it changed meanwhile, and so counts as being written."""
        statements: Sequence[Statement] = ()
        error: ReadError | None = None
        try:
            statements = self._read(self.source(file.path))
        except ReadError as problem:
            error = problem
        if not self.watch.is_unchanged(file):
            return False
        accounts = frozenset(statement.account_id for statement in statements)
        self._readings[file.path] = _Reading(file=file, accounts=accounts, error=error)
        for statement in statements:
            self._offer(statement, file)
        return True

    def _offer(self, statement: Statement, file: FolderFile) -> None:
        """Keep the statement if none newer lists positions; one that lists none is only better than nothing."""
        offered = Candidate(file=file, age=_age(statement, file), statement=statement)
        known = self._newest.get(statement.account_id)
        if known is None or _rank(offered) > _rank(known):
            self._newest[statement.account_id] = offered


def _rank(candidate: Candidate) -> tuple[bool, Age]:
    return (candidate.statement.positions is not None, candidate.age)


def _age(statement: Statement, file: FolderFile) -> Age:
    as_of = statement.as_of.timestamp() if statement.as_of else file.modified_seconds
    generated = statement.generated_at.timestamp() if statement.generated_at else 0.0
    return (as_of, generated, file.stamp)
