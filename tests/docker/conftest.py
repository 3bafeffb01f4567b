"""Tests in containers: skipped with the reason where no Docker engine answers; REQUIRE_DOCKER=1 makes that fail."""

import os
import subprocess

import pytest

ENGINE_TIMEOUT_SECONDS = 10


def engine_problem() -> str | None:
    """Return why no container can be started, or None."""
    try:
        asked = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=ENGINE_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return "the docker command is not installed"
    except subprocess.TimeoutExpired:
        return f"no Docker engine answers within {ENGINE_TIMEOUT_SECONDS} s"
    return None if asked.returncode == 0 else f"no Docker engine answers: {asked.stderr.strip().splitlines()[-1]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask the engine once, and only if a test needs it."""
    needing = [item for item in items if item.get_closest_marker("docker")]
    if not needing or os.environ.get("REQUIRE_DOCKER") == "1":
        return
    if problem := engine_problem():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason=problem))


@pytest.fixture(scope="session")
def docker_engine() -> None:
    if problem := engine_problem():
        pytest.fail(f"REQUIRE_DOCKER=1, but {problem}")
