import json

from click.testing import CliRunner, Result

from reconciliation.cli import cli
from tests.integration.adapters.books.user_tables.conftest import TheirDatabase

OPTIONS = {
    "positions": {
        "table": "holdings",
        "columns": {"account_id": "acct", "symbol": "ticker", "quantity": "qty_e3", "side": "side"},
        "constants": {"asset_type": "stock"},
        "scale": {"quantity": "0.001"},
    }
}


def check_book(broker: TheirDatabase, *arguments: str, options: object = OPTIONS) -> Result:
    environment = {
        "RECONCILIATION_LOCAL": "table",
        "RECONCILIATION_LOCAL_URL": broker.url,
        "RECONCILIATION_LOCAL_OPTIONS": json.dumps(options),
    }
    return CliRunner().invoke(cli, ["check-book", *arguments], env=environment)


def test_it_shows_the_first_rows_and_what_they_became(broker: TheirDatabase) -> None:
    broker.run(
        "CREATE TABLE holdings (acct VARCHAR(9), ticker VARCHAR(9), qty_e3 INTEGER, side VARCHAR(4))",
        "INSERT INTO holdings VALUES ('A', 'AAPL', 1500, 'sell')",
    )
    shown = check_book(broker, "A")
    assert shown.exit_code == 0
    assert "positions: asset_type='stock', acct='A', ticker='AAPL', qty_e3=1500, side='sell'" in shown.stdout
    assert "became: symbol='AAPL', quantity='-1.500', asset_type='stock'" in shown.stdout
    assert "cash not kept, equity not kept" in shown.stdout

    printed = json.loads(check_book(broker, "A", "--json").stdout)
    assert printed["snapshot"]["positions"][0]["quantity"] == "-1.500"
    assert printed["rows"][0]["read"]["qty_e3"] == 1500


def test_a_row_that_cannot_be_read_is_shown_with_its_fault(broker: TheirDatabase) -> None:
    broker.run(
        "CREATE TABLE holdings (acct VARCHAR(9), ticker VARCHAR(9), qty_e3 INTEGER, side VARCHAR(4))",
        "INSERT INTO holdings VALUES ('A', 'AAPL', NULL, 'sell')",
    )
    shown = check_book(broker, "A")
    assert shown.exit_code == 3
    assert "fault: column 'qty_e3' (quantity): is NULL" in shown.stdout
    assert "local book, positions of account 'A'" in shown.stderr


def test_a_map_that_does_not_fit_is_a_sentence(broker: TheirDatabase) -> None:
    broker.run("CREATE TABLE holdings (acct VARCHAR(9), ticker VARCHAR(9), qty INTEGER, side VARCHAR(4))")
    shown = check_book(broker, "A")
    assert shown.exit_code == 3
    assert "the table 'holdings' has no column 'qty_e3'; did you mean 'qty'?" in shown.stderr
    wrong = check_book(broker, "A", options={})
    assert wrong.exit_code == 2
    assert "local_options: positions: Field required" in wrong.stderr


def test_the_check_of_everything_shows_the_first_rows_too(broker: TheirDatabase) -> None:
    broker.run(
        "CREATE TABLE holdings (acct VARCHAR(9), ticker VARCHAR(9), qty_e3 INTEGER, side VARCHAR(4))",
        "INSERT INTO holdings VALUES ('A', 'AAPL', 1500, 'sell')",
    )
    environment = {
        "RECONCILIATION_LOCAL": "table",
        "RECONCILIATION_LOCAL_URL": broker.url,
        "RECONCILIATION_LOCAL_OPTIONS": json.dumps(OPTIONS),
        "RECONCILIATION_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    checked = CliRunner().invoke(cli, ["check", "--account", "A", "--no-worker", "--json"], env=environment)
    [book] = [part for part in json.loads(checked.stdout) if part["part"] == "local book"]
    assert book["verdict"] == "ok"
    assert book["found"].startswith("1 position of A; positions: asset_type='stock', acct='A', ticker='AAPL'")
    assert "became: symbol='AAPL', quantity='-1.500'" in book["found"]
    assert "check-book A" in book["remedy"]
