"""Statement files in a folder: each situation is the newest file of an account, among what else lies there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.ports.broker import BrokerQuery
from tests.brokers.cases import OTHER_ACCOUNT, Book, Situation
from tests.brokers.statement_cases import FileCase

_A_DAY_EARLIER = {"20250115": "20250114", "2025-01-15": "2025-01-14"}


class FolderCase(FileCase):
    """Mixed into the case of a format: the file lies in a folder that is the broker."""

    @contextmanager
    def serve(self, book: Book) -> Iterator[BrokerQuery]:
        with self._file(self.served_text(book).encode()) as path:
            older = self.text(Situation.SHORT.value)
            for today, yesterday in _A_DAY_EARLIER.items():
                older = older.replace(today, yesterday)
            _write_long_ago(path.with_stem("older"), older)
            _write_long_ago(path.with_stem("other"), self.text(Situation.SHORT.value, OTHER_ACCOUNT))
            yield self.open(path)

    def open(self, path: Path) -> BrokerQuery:
        return open_broker("folder", {"path": str(path.parent), "settle_seconds": 0})

    def remove(self, path: Path) -> None:
        rmtree(path.parent)

    @contextmanager
    def _file(self, content: bytes) -> Iterator[Path]:
        """Put a file that is being written beside it."""
        with super()._file(content) as path:
            path.with_name(f"{path.name}.part").write_bytes(content[: len(content) // 2])
            yield path


def _write_long_ago(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (0, 0))


def in_folder(case: FileCase) -> FileCase:
    """Return the same file as one of a folder."""
    kind = type(case)
    return type(f"{kind.__name__}InFolder", (FolderCase, kind), {})()
