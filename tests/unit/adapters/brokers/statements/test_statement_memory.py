"""A large Flex file costs the memory of its positions, and not of its text: measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from reconciliation.adapters.brokers.statements.limits import MEGABYTE
from tests.support.places import ROOT
from tests.unit.adapters.brokers.statements.flex_text import flex, position, statement

#: A tenth of 500 MB within 300 MB: the process itself has some 25 MB.
FILE_BYTES = 50 * MEGABYTE
PEAK_MEGABYTES = 25 + 30
ACCOUNTS, POSITIONS = 1_200, 20

READ = """
import sys
from pathlib import Path
from reconciliation.adapters.brokers.statements.flex.adapter import read_flex
from reconciliation.adapters.brokers.statements.source import StatementSource

statements = read_flex(StatementSource(path=Path(sys.argv[1])))
print(len(statements), sum(len(one.positions) for one in statements))
# Not ru_maxrss: that begins with the peak of the process that started this one.
[peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_a_flex_file_is_read_in_a_memory_far_below_its_size(tmp_path: Path) -> None:
    padding = " ".join(f'field{number}="value {number}"' for number in range(110))
    rows = "\n".join(
        position(symbol=f"S{row}", conid=f"{row}", position=f"{row}").replace(" />", f" {padding} />")
        for row in range(1, POSITIONS + 1)
    )
    texts = [
        statement(positions=rows.replace("U1", f"A{number}"), accountId=f"A{number}") for number in range(ACCOUNTS)
    ]
    path = tmp_path / "flex.xml"
    path.write_text(flex(*texts))
    assert path.stat().st_size > FILE_BYTES * 0.9

    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=300, check=True
    )

    read, peak = done.stdout.splitlines()
    assert read == f"{ACCOUNTS} {ACCOUNTS * POSITIONS}"
    assert int(peak) <= PEAK_MEGABYTES
