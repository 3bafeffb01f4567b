"""The script of docs/service.md is run as it stands, and prints what the page shows."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.places import ROOT


def test_the_script_prints_what_the_page_shows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    script, shown = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("python", "text"))
    assert script
    assert shown
    (tmp_path / "script.py").write_text(script[1], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert done.stdout == shown[1]
