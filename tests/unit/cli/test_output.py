import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.cli.output import print_json, print_line, print_table


def test_a_table_in_a_pipe_is_aligned_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["symbol", "quantity"], [["AAPL", Decimal("1E+2")], ["A" * 150, None]], title="Positions")

    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "Positions"
    assert lines[1].split() == ["symbol", "quantity"]
    assert lines[2].split() == ["AAPL", "100"]
    assert lines[2].endswith("     100")
    assert lines[3].split() == ["A" * 150, "-"]


def test_control_characters_of_a_file_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["symbol"], [["\x1b[2Jevil\n"]])
    print_line("\x1b[31mred")

    assert capsys.readouterr().out == "symbol\n\\x1b[2Jevil\\n\n\\x1b[31mred\n"


def test_json_is_one_document_on_one_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": datetime(2026, 1, 2, tzinfo=UTC), "n": [1]})

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"at": "2026-01-02 00:00:00+00:00", "n": [1]}
