"""A site with a schedule: database, Redis, registry; each test starts its own beats and workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.schedule.site import Site


@pytest.fixture
def site(redis_url: str, sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    """A site on SQLite with the paper broker; its accounts are clean unless a test says otherwise."""
    with Site({"redis_url": redis_url, "database_url": sqlite_url}) as site:
        yield site
