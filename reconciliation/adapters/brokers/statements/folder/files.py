"""The files of a folder that may be read now: named like statements, and no longer being written."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from reconciliation.errors import Unavailable

#: How programs that copy, fetch or edit name a file until it is whole.
_TEMPORARY_PREFIXES = (".", "~")
_TEMPORARY_SUFFIXES = (
    "~",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".swp",
    ".lock",
    ".writing",
)


@dataclass(frozen=True, order=True)
class FileStamp:
    """What changes when a file is written or replaced; the newest sorts last."""

    modified_ns: int
    size_bytes: int
    inode: int


@dataclass(frozen=True, kw_only=True)
class FolderFile:
    """One file at one moment."""

    path: Path
    stamp: FileStamp

    @property
    def modified_seconds(self) -> float:
        return self.stamp.modified_ns / 1e9


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A look into the folder: newest first."""

    settled: tuple[FolderFile, ...]
    #: Files that are being written, or may be.
    unsettled: tuple[Path, ...]


class FolderWatch:
    """Looks into a folder, and remembers since when each young file has stood still.

    Args:
        path: the folder; its subfolders are ignored.
        pattern: which names are statements, such as `*.xml`.
        settle_seconds: how long a file must have stood still before it is read.
        max_files: how many files, the newest, are read.
        now: seconds of the calendar, to be compared with times of files.
        clock: seconds that only grow, for files whose time is in the future (another host's clock).
    """

    def __init__(
        self,
        path: Path,
        *,
        pattern: str,
        settle_seconds: float,
        max_files: int,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self.path = path
        self._pattern = pattern
        self._settle_seconds = settle_seconds
        self._max_files = max_files
        self._now = now
        self._clock = clock
        self._still_since: dict[Path, tuple[FileStamp, float]] = {}

    def look(self) -> Listing:
        """Return what is there now.

        Raises:
            Unavailable: the folder cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                found = [file for entry in entries if (file := self._file(entry)) is not None]
        except OSError as error:
            raise Unavailable(f"folder {self.path}: cannot be read: {error.strerror or error}") from error
        newest = sorted(found, key=lambda file: (file.stamp, file.path), reverse=True)[: self._max_files]
        seen, clock = self._still_since, self._clock()
        self._still_since = {
            file.path: seen[file.path] if seen.get(file.path, (None, 0))[0] == file.stamp else (file.stamp, clock)
            for file in newest
        }
        settled = tuple(file for file in newest if self._has_settled(file, clock))
        return Listing(settled=settled, unsettled=tuple(file.path for file in newest if file not in settled))

    def is_unchanged(self, file: FolderFile) -> bool:
        """Say whether the file is still as it was when it was listed: it was not written while it was being read."""
        try:
            return _stamp(file.path.stat()) == file.stamp
        except OSError:
            return False

    def _file(self, entry: os.DirEntry[str]) -> FolderFile | None:
        if not fnmatchcase(entry.name, self._pattern) or _is_temporary(entry.name):
            return None
        try:
            if not entry.is_file():
                return None
            return FolderFile(path=Path(entry.path), stamp=_stamp(entry.stat()))
        except FileNotFoundError:
            return None

    def _has_settled(self, file: FolderFile, clock: float) -> bool:
        _, since = self._still_since[file.path]
        age_seconds = self._now() - file.modified_seconds
        return age_seconds >= self._settle_seconds or clock - since >= self._settle_seconds


def _stamp(status: os.stat_result) -> FileStamp:
    return FileStamp(modified_ns=status.st_mtime_ns, size_bytes=status.st_size, inode=status.st_ino)


def _is_temporary(name: str) -> bool:
    return name.startswith(_TEMPORARY_PREFIXES) or name.lower().endswith(_TEMPORARY_SUFFIXES)
