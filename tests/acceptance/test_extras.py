"""Extras are independent: none, each and all install, agree with each other, and import no more than they must."""

import json
import shutil
import subprocess

import pytest

from tests.support.places import ROOT

SDKS = {"alpaca": "alpaca", "ccxt": "ccxt", "ibkr": "ib_async"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("uv") is None, reason="makes environments with uv, which is not installed"),
]

LOOK = """
import json, resource, sys, time
began = time.perf_counter()
import reconciliation, reconciliation.bootstrap, tasks.celery
took = time.perf_counter() - began
from importlib.util import find_spec
from reconciliation.adapters.brokers.host.registry import broker_names
print(json.dumps({
    "seconds": took,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "installed": [name for name in ("alpaca", "ccxt", "ib_async") if find_spec(name)],
    "loaded": [name for name in ("alpaca", "ccxt", "ib_async", "pandas", "requests") if name in sys.modules],
    "brokers": broker_names(),
}))
"""


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=True, **options).stdout


@pytest.mark.parametrize(
    ("extra", "sdks"),
    [("", []), *((name, [sdk]) for name, sdk in SDKS.items()), ("all", list(SDKS.values()))],
    ids=["none", *SDKS, "all"],
)
def test_an_environment_with_these_extras_is_sound(tmp_path, extra, sdks):
    python = str(tmp_path / "env" / "bin" / "python")
    run("uv", "venv", "-q", str(tmp_path / "env"))
    run("uv", "pip", "install", "-q", "--python", python, f"{ROOT}[{extra}]" if extra else str(ROOT))
    run("uv", "pip", "check", "--python", python)
    found = json.loads(run(python, "-c", LOOK, cwd=tmp_path))
    print(f"{extra or 'none'}: {found['seconds']:.2f} s, {found['megabytes']:.0f} MB")  # noqa: T201  for the docs
    assert found["installed"] == sdks
    assert found["loaded"] == []
    assert {"alpaca", "ccxt", "ibkr", "paper"} <= set(found["brokers"])
