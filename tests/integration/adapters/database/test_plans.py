"""The questions that an operator asks are answered by indexes; `benchmarks/ledger_size.py` asks them at full size."""

from benchmarks.ledger_size import fill, questions, scans
from reconciliation.adapters.database.engine import build_engine


def test_list_show_and_ageing_read_by_index_on_postgresql(postgres_url: str) -> None:
    engine = build_engine(postgres_url)
    fill(engine, 100_000)
    plans = {name: " | ".join(scans(engine, ask)) for name, ask in questions(engine).items()}
    engine.dispose()

    assert "ix_breaks_state_first_seen_at" in plans["breaks list"]
    assert "ix_breaks_state_first_seen_at" in plans["breaks list --state resolved"]
    assert "ix_discrepancies_break_id_id" in plans["breaks show"]
    assert "ix_runs_timestamp" in plans["runs list"]
    assert "ix_runs_account_id_timestamp" in plans["runs list --account"]
    assert "ix_discrepancies_run_id" in plans["runs show"]
    for name in ("breaks list --account", "breaks show", "runs list", "runs list --account", "runs show"):
        assert "Seq Scan" not in plans[name]
