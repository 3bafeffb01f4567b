import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, func, insert, select

from reconciliation.adapters.books.csv import read_book
from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.local_book import SqlBook
from reconciliation.adapters.database.registry import Registry
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.cli import cli
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import InvalidInputError
from reconciliation.operations import import_book as csv_import
from reconciliation.operations.import_book import import_book
from reconciliation.ports.accounts import AccountFilter

HEADER = "account_id,symbol,asset_type,quantity,avg_cost\n"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def write(path: Path, header: str, *lines: str) -> Path:
    path.write_text(header + "".join(f"{line}\n" for line in lines))
    return path


def book(engine: Engine, *account_ids: str) -> dict[str, tuple[object, ...]]:
    """What the tables hold, by account: cash, equity and (symbol, quantity) of each row."""
    answers = SqlBook(engine).read(account_ids)
    return {
        account_id: (answer.cash, answer.equity, *sorted((row.symbol, str(row.quantity)) for row in answer.positions))
        for account_id, answer in answers.items()
        if isinstance(answer, LocalSnapshot)
    }


def reconcile(database_url: str, *arguments: str | Path) -> Result:
    environment = {"RECONCILIATION_DATABASE_URL": database_url, "RECONCILIATION_BROKER": "paper"}
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environment)


def test_named_accounts_are_replaced_and_others_stay(engine: Engine, tmp_path: Path) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(Account), [{"account_id": name, "cash": Decimal(7)} for name in "ABCD"])
        rows = [{"account_id": name, "symbol": "OLD", "asset_type": "stock", "quantity": Decimal(1)} for name in "ABCD"]
        connection.execute(insert(Position), rows)
    positions = write(tmp_path / "p.csv", HEADER, "A,NEW,stock,2,", "A,NEW,stock,3,", "E,NEW,stock,4,1.5")
    balances = write(tmp_path / "b.csv", "account_id,cash,equity\n", "B,10,20", "E,,30")
    imported = import_book(engine, positions, balances)

    assert (imported.account_ids, imported.positions) == (("A", "B", "E"), 3)
    assert book(engine, *"ABCDE") == {
        "A": (Decimal(7), None, ("NEW", "2"), ("NEW", "3")),
        "B": (Decimal(10), Decimal(20)),
        "C": (Decimal(7), None, ("OLD", "1")),
        "D": (Decimal(7), None, ("OLD", "1")),
        "E": (None, Decimal(30), ("NEW", "4")),
    }


def test_what_the_tables_give_is_what_the_files_gave(engine: Engine, tmp_path: Path) -> None:
    header = HEADER.strip() + ",currency,multiplier,isin,conid\n"
    lines = ["A,AAPL,stock,-1.50,2.25,USD,,US0378331005,265598", "A,X,option,1,,,100,,"]
    positions = write(tmp_path / "p.csv", header, *lines)
    balances = write(tmp_path / "b.csv", "account_id,currency,cash,equity\n", "A,USD,1.10,9", "A,EUR,2,")
    import_book(engine, positions, balances)
    stored, given = SqlBook(engine).read(["A"])["A"], read_book(positions, balances)["A"]

    assert isinstance(stored, LocalSnapshot)
    fields = ("symbol", "quantity", "avg_cost", "asset_type", "currency", "multiplier", "identifiers")
    for local, broker in zip(sorted(stored.positions), given.positions, strict=True):
        assert [getattr(local, name) for name in fields] == [getattr(broker, name) for name in fields]
    assert (stored.cash_by_currency, stored.equity, stored.currency) == (
        given.cash_by_currency,
        given.equity,
        given.currency,
    )


def test_a_fault_in_the_last_line_leaves_everything_as_it_was(engine: Engine, tmp_path: Path) -> None:
    positions = write(tmp_path / "p.csv", HEADER, *(f"A,S{number},stock,1,1" for number in range(50)))
    import_book(engine, positions)
    write(positions, HEADER, *(f"A,T{number},stock,1,1" for number in range(50)), "A,T,stock,NaN,1")

    with pytest.raises(InvalidInputError, match="line 52, column 'quantity'"):
        import_book(engine, positions)
    assert len(book(engine, "A")["A"]) == 52
    assert ("S0", "1") in book(engine, "A")["A"]


@pytest.mark.parametrize("change", ["a row more", "a row less", "another account"])
def test_a_file_that_changes_under_the_import_leaves_everything_as_it_was(
    engine: Engine, tmp_path: Path, change: str
) -> None:
    positions = write(tmp_path / "p.csv", HEADER, "A,OLD,stock,1,1", "A,OLD,stock,1,1")
    import_book(engine, positions)
    lines = {
        "a row more": ["A,NEW,stock,1,1"] * 3,
        "a row less": ["A,NEW,stock,1,1"],
        "another account": ["A,NEW,stock,1,1", "B,NEW,stock,1,1"],
    }[change]

    with pytest.raises(InvalidInputError, match="changed while it was imported"):
        import_book(engine, positions, on_checked=lambda _: write(positions, HEADER, *lines))
    assert book(engine, "A", "B") == {"A": (None, None, ("OLD", "1"), ("OLD", "1"))}


def test_a_large_file_is_imported_in_batches_and_reports_its_progress(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_import, "ROWS_PER_BATCH", 100)
    positions = write(tmp_path / "p.csv", HEADER, *(f"A{number % 30},S,stock,1,1" for number in range(250)))
    told: list[int] = []
    import_book(engine, positions, on_checked=told.append, on_written=told.append)

    assert told == [250, 100, 100, 50]
    with read_transaction(engine) as connection:
        assert connection.execute(select(func.count()).select_from(Position)).scalar_one() == 250


def test_two_imports_at_once_leave_one_book(database_url: str, tmp_path: Path) -> None:
    positions = write(tmp_path / "p.csv", HEADER, *(f"A{number % 20},S,stock,1,1" for number in range(200)))

    def load(_: int) -> None:
        own = build_engine(database_url)
        try:
            import_book(own, positions)
        finally:
            own.dispose()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(load, range(4)))
    engine = build_engine(database_url)
    with read_transaction(engine) as connection:
        assert connection.execute(select(func.count()).select_from(Position)).scalar_one() == 200
    engine.dispose()


def test_the_command_imports_and_says_what_it_wrote(database_url: str, tmp_path: Path) -> None:
    positions = write(tmp_path / "p.csv", HEADER, "A,AAPL,stock,1,1")
    balances = write(tmp_path / "b.csv", "account_id,cash,equity\n", "A,1,1", "B,1,1")
    done = reconcile(database_url, "import", positions, "--balances", balances)

    assert done.exit_code == 0
    assert "wrote 2 accounts with 1 position\nregistered on connection 'default': A, B\n" in done.stdout
    again = json.loads(reconcile(database_url, "import", positions, "--json").stdout)
    assert again == {"accounts": 1, "positions": 1, "registered": []}


def test_the_command_registers_new_accounts_unless_an_option_forbids_it(database_url: str, tmp_path: Path) -> None:
    positions = write(tmp_path / "p.csv", HEADER, *(f"A{number},AAPL,stock,1,1" for number in range(7)))
    assert "registered" not in reconcile(database_url, "import", positions, "--no-register").stdout
    engine = build_engine(database_url)
    assert Registry(engine).find_ids(AccountFilter()) == []
    assert "A0, A1, A2, A3, A4 and 2 more\n" in reconcile(database_url, "import", positions).stdout
    assert len(Registry(engine).find_ids(AccountFilter())) == 7
    engine.dispose()


def test_the_command_names_bad_input_and_a_missing_table_by_status(empty_database_url: str, tmp_path: Path) -> None:
    faulty = reconcile(empty_database_url, "import", write(tmp_path / "p.csv", HEADER, "A,AAPL,stock,x,1"))
    assert faulty.exit_code == 2
    assert "line 2, column 'quantity': 'x' is not a number" in faulty.stderr
    nobody = reconcile(empty_database_url, "import", write(tmp_path / "p.csv", HEADER))
    assert nobody.exit_code == 2
    assert "names no account" in nobody.stderr
    early = reconcile(empty_database_url, "import", write(tmp_path / "p.csv", HEADER, "A,AAPL,stock,1,1"))
    assert early.exit_code == 4
    assert "run `reconcile migrate`" in early.stderr


def test_the_migrate_command_checks_and_applies(empty_database_url: str) -> None:
    check = reconcile(empty_database_url, "migrate", "--check")
    assert check.exit_code == 1
    assert "lacks: 0001_local_book" in check.stdout
    assert "applied 0001_local_book" in reconcile(empty_database_url, "migrate").stdout
    assert reconcile(empty_database_url, "migrate").stdout.endswith("is up to date\n")
    assert reconcile(empty_database_url, "migrate", "--check").exit_code == 0
