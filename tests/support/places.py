"""Where the checkout is, for tests that read its files."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
