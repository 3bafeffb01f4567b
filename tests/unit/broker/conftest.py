from pathlib import Path

import pytest

from reconciliation.broker.statements.statement_source import StatementSource


@pytest.fixture
def source(tmp_path: Path) -> StatementSource:
    return StatementSource(path=tmp_path / "statement.txt")
