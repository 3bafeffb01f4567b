"""Processes that start together on one SQLite file that does not exist yet, as a worker, a beat and a command do."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.migrate import pending, upgrade
from reconciliation.errors import StorageError

FORKS = multiprocessing.get_context("forkserver")
PROCESSES = 4
PATIENCE_SECONDS = 120


def open_each(directory: str, files: int, together: Barrier, failures: "multiprocessing.Queue[str]") -> None:
    for number in range(files):
        engine = build_engine(f"sqlite:///{directory}/{number}.db")
        together.wait(PATIENCE_SECONDS)
        try:
            with write_transaction(engine, may_create=True):
                pass
        except Exception as error:  # noqa: BLE001 - each is a failure of the test
            failures.put(f"{number}: {error}")


def migrate_each(directory: str, files: int, together: Barrier, failures: "multiprocessing.Queue[str]") -> None:
    for number in range(files):
        engine = build_engine(f"sqlite:///{directory}/{number}.db")
        together.wait(PATIENCE_SECONDS)
        try:
            upgrade(engine)
            assert not pending(engine)
        except Exception as error:  # noqa: BLE001 - the same
            failures.put(f"{number}: {error}")


def run_together(work: object, directory: Path, files: int) -> list[str]:
    together, failures = FORKS.Barrier(PROCESSES), FORKS.Queue()
    started = [FORKS.Process(target=work, args=(str(directory), files, together, failures)) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * PROCESSES
    return [failures.get() for _ in range(failures.qsize())]


def test_processes_that_open_one_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    assert run_together(open_each, tmp_path, 250) == []


def test_processes_that_migrate_one_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    assert run_together(migrate_each, tmp_path, 10) == []


@pytest.mark.slow
def test_four_processes_migrate_four_hundred_new_files_without_a_failure(tmp_path: Path) -> None:
    assert run_together(migrate_each, tmp_path, 400) == []


def test_a_wrong_directory_is_named_and_gets_no_empty_database(tmp_path: Path) -> None:
    """An empty one would say "no breaks", and an operator would believe it."""
    engine = build_engine(f"sqlite:///{tmp_path / 'none.db'}")
    for transaction in (read_transaction, write_transaction):
        with (
            pytest.raises(StorageError, match=r"there is no database .*none\.db.*working directory"),
            transaction(engine),
        ):
            pass
    assert not (tmp_path / "none.db").exists()
    assert upgrade(engine) == pending(build_engine(f"sqlite:///{tmp_path / 'other.db'}"))
    assert not (tmp_path / "other.db").exists()
    assert pending(engine) == []
