"""Where our Celery application is, and its settings: found by their place, never by their common names.

In the repository `tasks/` and `celeryconfig.py` stand beside this package. In an installed package they are inside it:
other projects have modules of these names, too, and Celery takes any `celeryconfig` that it finds for its own.
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from reconciliation.errors import ConfigurationError

#: For Celery: the settings, loaded when they are first needed.
CONFIG_SOURCE = f"{__name__}:celeryconfig"


def worker_directory() -> Path:
    """Return the directory that holds `tasks/` and `celeryconfig.py`.

    Raises:
        ConfigurationError: neither place has them.
    """
    package = Path(__file__).parents[1]
    for directory in (package / "_worker", package.parent):
        if (directory / "celeryconfig.py").is_file() and (directory / "tasks" / "__main__.py").is_file():
            return directory
    raise ConfigurationError("the files of the worker are missing: install reconciliation-workers again")


def celery_command(arguments: Sequence[str]) -> list[str]:
    """Return the program that runs our Celery application, and no other one of the working directory."""
    # -P: the working directory is not searched for modules.
    return [sys.executable, "-P", str(worker_directory() / "tasks" / "__main__.py"), *arguments]


def __getattr__(name: str) -> ModuleType:
    if name != "celeryconfig":
        raise AttributeError(name)
    return _celeryconfig()


@cache
def _celeryconfig() -> ModuleType:
    spec = spec_from_file_location("reconciliation_celeryconfig", worker_directory() / "celeryconfig.py")
    if spec is None or spec.loader is None:
        raise ConfigurationError("celeryconfig.py cannot be loaded")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
