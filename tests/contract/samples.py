"""Recorded answers of real brokers, kept outside of this repository; tests of them are skipped where they are not."""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT

SAMPLES = Path(os.environ.get("BROKER_SAMPLES") or ROOT.parent / "shared" / "samples")


def load_sample(name: str) -> Any:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip(f"no sample {name}: set BROKER_SAMPLES to the folder of recorded answers")
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
