"""Puts the worker's files inside the package: a top-level `celeryconfig` would take over every Celery application."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WorkerFiles(BuildHookInterface[Any]):
    """Leaves an editable install as it is: there the files of the repository are used."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            names = ("tasks", "celeryconfig.py")
            build_data["force_include"].update({name: f"reconciliation/_worker/{name}" for name in names})
