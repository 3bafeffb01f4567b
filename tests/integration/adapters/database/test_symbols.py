import json
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, insert

from reconciliation import ReconciliationConfig, ReconciliationResult
from reconciliation.adapters.database.engine import build_engine, write_transaction
from reconciliation.adapters.database.local_book import SqlBook
from reconciliation.adapters.database.symbols import MAX_AGE_SECONDS, StoredSymbols, SymbolStore
from reconciliation.adapters.database.tables.local_book import Account, Position
from reconciliation.cli import cli
from reconciliation.domain.breaks.recorded_run import RecordedRun
from reconciliation.domain.comparison.symbol_matching import SymbolMapping
from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition, BrokerSnapshot
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountPlan
from reconciliation.ports.broker_reads import BrokerAnswer
from reconciliation.ports.run_ledger import Recording
from reconciliation.usecases.reconcile import Reconciler

META = SymbolMapping(broker="alpaca", broker_symbol="FB", local_symbol="META", valid_to=date(2022, 6, 8))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def test_mappings_come_back_as_they_were_added(engine: Engine) -> None:
    store = SymbolStore(engine)
    option = SymbolMapping(
        broker="*", broker_symbol="X1", local_symbol="X", asset_type=AssetType.OPTION, valid_from=date(2026, 1, 1)
    )
    assert store.add([META, option]) == 2
    assert store.add([META]) == 0
    assert [mapping for _, mapping in store.all()] == [META, option]
    store.remove(store.all()[0][0])
    assert [mapping for _, mapping in store.all()] == [option]
    with pytest.raises(InvalidInputError, match="there is no symbol mapping 99"):
        store.remove(99)


def test_two_meanings_of_one_day_are_refused_and_nothing_is_added(engine: Engine) -> None:
    store = SymbolStore(engine)
    store.add([META])
    later = SymbolMapping(
        broker="alpaca", broker_symbol="FB", local_symbol="FIREBALL", valid_from=date(2022, 6, 9), valid_to=None
    )
    earlier = SymbolMapping(broker="alpaca", broker_symbol="FB", local_symbol="OTHER", valid_to=date(2020, 1, 1))
    with pytest.raises(InvalidInputError, match="but already 'FB' of 'alpaca' is 'META' from ever to 2022-06-08"):
        store.add([later, earlier])
    assert [mapping for _, mapping in store.all()] == [META]
    assert store.add([later]) == 1


def test_two_that_add_at_once_cannot_both_be_right(database_url: str) -> None:
    def add(number: int) -> int:
        engine = build_engine(database_url)
        try:
            return SymbolStore(engine).add([SymbolMapping(broker="*", broker_symbol="X", local_symbol=f"X{number}")])
        except InvalidInputError:
            return 0
        finally:
            engine.dispose()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(add, range(24))) == 1


def test_a_worker_follows_a_change_within_seconds(engine: Engine) -> None:
    now = [0.0]
    store = SymbolStore(engine)
    stored = StoredSymbols(store, clock=lambda: now[0])
    day = date(2022, 1, 1)

    assert stored.get_resolver().mapped("FB", AssetType.STOCK, ["alpaca"], day) is None
    store.add([META])
    assert stored.get_resolver().mapped("FB", AssetType.STOCK, ["alpaca"], day) is None
    now[0] += MAX_AGE_SECONDS
    assert stored.get_resolver().mapped("FB", AssetType.STOCK, ["alpaca"], day) == "META"


def symbols(database_url: str, *arguments: str | Path) -> Result:
    environment = {"RECONCILIATION_DATABASE_URL": database_url}
    return CliRunner().invoke(cli, ["symbols", *map(str, arguments)], env=environment)


def test_the_commands_add_list_resolve_and_remove(database_url: str) -> None:
    assert symbols(database_url, "add", "alpaca", "FB", "META", "--to", "2022-06-08").exit_code == 0
    assert "this was known already" in symbols(database_url, "add", "alpaca", "FB", "META", "--to", "2022-06-08").stdout
    [one] = json.loads(symbols(database_url, "list", "--json").stdout)
    assert (one["broker"], one["local_symbol"], one["valid_from"], one["valid_to"]) == (
        "alpaca",
        "META",
        None,
        "2022-06-08",
    )
    assert "FB" in symbols(database_url, "list").stdout
    on = symbols(database_url, "resolve", "FB", "--broker", "alpaca", "--on", "2022-06-08")
    assert on.stdout == "FB is META, by the mapping table\n"
    after = symbols(database_url, "resolve", "BRK B", "--broker", "alpaca")
    assert "has no mapping; it matches local symbols of the form BRK.B" in after.stdout
    assert symbols(database_url, "remove", str(one["number"])).stdout == f"removed {one['number']}\n"
    assert json.loads(symbols(database_url, "list", "--json").stdout) == []


def test_the_import_adds_all_or_nothing_and_names_the_line(database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "symbols.csv"
    header = "broker,broker_symbol,local_symbol,asset_type,valid_from,valid_to\n"
    path.write_text(header + "*,FB,META,stock,,2022-06-08\nibkr,X,Y,,2026-01-01,\n")
    assert symbols(database_url, "import", path).stdout.startswith("added 2 of 2 mappings")
    assert symbols(database_url, "import", path).stdout.startswith("added 0 of 2 mappings")
    for line, complaint in {
        "*,A,B,stonk,,": "line 2, column 'asset_type': 'stonk' is not one of",
        "*,A,B,,08.06.2022,": "line 2, column 'valid_from': '08.06.2022' is not a day",
        "*,A,B,,2026-01-02,2026-01-01": "line 2, column 'valid_to': a symbol mapping ends on 2026-01-01",
        "*,,B,,,": "line 2, column 'broker_symbol': is empty",
    }.items():
        path.write_text(header + line + "\n")
        refused = symbols(database_url, "import", path)
        assert refused.exit_code == 2
        assert complaint in refused.stderr
    assert symbols(database_url, "add", "*", "A", "B", "--from", "soon").exit_code == 2


class OneAccount:
    """Everything around the reconciler but the local book and the symbols; holds what was published."""

    def __init__(self, *positions: BrokerPosition, broker: str) -> None:
        self.snapshot = BrokerSnapshot(account=BrokerAccount("A", None, None, None, None), positions=positions)
        self.broker = broker
        self.published: list[ReconciliationResult] = []

    def get_plans(self, account_ids: Sequence[str]) -> dict[str, AccountPlan]:
        config = ReconciliationConfig("A")
        plan = AccountPlan(config=config, connection="main", broker_account_id="A", broker=self.broker)
        return dict.fromkeys(account_ids, plan)

    async def read(self, plans: Sequence[AccountPlan], budget: object) -> AsyncIterator[BrokerAnswer]:
        for plan in plans:
            yield BrokerAnswer(plan=plan, snapshot=self.snapshot, start=RunStart.now())

    def record(self, runs: Sequence[RecordedRun]) -> Recording:
        return Recording()

    def publish(self, results: Sequence[ReconciliationResult]) -> None:
        self.published += results


@pytest.mark.parametrize(("broker", "symbol"), [("alpaca", "BRK.B"), ("ibkr", "BRK B"), ("other", "0R37")])
async def test_three_brokers_symbols_and_the_local_one_are_one_position(
    engine: Engine, broker: str, symbol: str
) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(Account).values(account_id="A"))
        row = {"account_id": "A", "symbol": "BRK-B", "asset_type": "stock", "quantity": 10}
        connection.execute(insert(Position).values(row))
    store = SymbolStore(engine)
    store.add([SymbolMapping(broker="other", broker_symbol="0R37", local_symbol="BRK.B")])
    world = OneAccount(BrokerPosition(symbol, Decimal(10), None, None, AssetType.STOCK), broker=broker)
    reconciler = Reconciler(
        directory=world,
        local_book=SqlBook(engine),
        broker_reader=world,
        ledger=world,
        publisher=world,
        local_timeout_seconds=30,
        symbols=StoredSymbols(store),
    )
    await reconciler.reconcile([RunRequest(account_id="A", context={})])

    [result] = world.published
    assert result.error is None
    assert (result.is_clean, result.positions_checked) == (True, 1)
