from pathlib import Path

import pytest

from reconciliation.bootstrap.csv_book import open_csv_book
from reconciliation.domain.model.snapshots import LocalSnapshot
from reconciliation.errors import ConfigurationError

KITE = 'Instrument,Qty.,Avg. cost,LTP,Cur. val\nABC-EQ,"1,05,000",2.5,1,5\n'


@pytest.mark.parametrize("mapping", ["zerodha", {"extends": "zerodha", "constants": {"account": "A-1"}}])
async def test_the_local_book_is_read_by_the_mappings_of_statements(tmp_path: Path, mapping: object) -> None:
    (tmp_path / "kite.csv").write_text(KITE)
    options = {"positions": str(tmp_path / "kite.csv"), "mapping": mapping, "default_account": "A-1"}

    snapshot = (await open_csv_book(options).get_snapshots(["A-1"]))["A-1"]

    assert isinstance(snapshot, LocalSnapshot)
    assert [(row.symbol, row.quantity) for row in snapshot.positions] == [("ABC", 105000)]


async def test_the_balances_file_goes_before_what_the_mapping_finds(tmp_path: Path) -> None:
    (tmp_path / "kite.csv").write_text(KITE)
    (tmp_path / "balances.csv").write_text("account_id,cash,equity\nA-1,5,9\n")
    options = {
        "positions": str(tmp_path / "kite.csv"),
        "balances": str(tmp_path / "balances.csv"),
        "mapping": "zerodha",
        "default_account": "A-1",
    }

    snapshot = (await open_csv_book(options).get_snapshots(["A-1"]))["A-1"]

    assert isinstance(snapshot, LocalSnapshot)
    assert (snapshot.cash, snapshot.equity, len(snapshot.positions)) == (5, 9, 1)


def test_a_local_mapping_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="neither a file nor a mapping that ships"):
        open_csv_book({"positions": "p.csv", "mapping": "nobody"})
