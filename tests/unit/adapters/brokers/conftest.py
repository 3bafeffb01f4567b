from pathlib import Path

import pytest

from reconciliation.adapters.brokers.statements.source import StatementSource


@pytest.fixture
def source(tmp_path: Path) -> StatementSource:
    return StatementSource(path=tmp_path / "statement.txt")
