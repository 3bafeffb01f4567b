from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, insert, make_url, select, text, update

from reconciliation.adapters.database.engine import build_engine, read_transaction, write_transaction
from reconciliation.adapters.database.tables.local_book import Account
from reconciliation.errors import StorageError


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Engine]:
    engine = build_engine(postgres_url)
    yield engine
    engine.dispose()


def test_writers_at_once_wait_for_each_other_and_lose_nothing(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(insert(Account).values(account_id="A", cash=0))

    def add_one(_: int) -> None:
        with write_transaction(engine) as connection:
            row = select(Account.cash).where(Account.account_id == "A").with_for_update()
            cash = connection.execute(row).scalar_one()
            connection.execute(update(Account).values(cash=cash + 1))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_one, range(40)))
    with read_transaction(engine) as connection:
        assert connection.execute(select(Account.cash)).scalar_one() == 40


def test_an_error_rolls_everything_back(engine: Engine) -> None:
    def fail() -> None:
        with write_transaction(engine) as connection:
            connection.execute(insert(Account).values(account_id="A"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with read_transaction(engine) as connection:
        assert connection.execute(select(func.count()).select_from(Account)).scalar_one() == 0


def test_a_connection_that_the_server_dropped_is_replaced(postgres: Engine, postgres_url: str) -> None:
    with read_transaction(postgres) as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    other = build_engine(postgres_url)
    with write_transaction(other) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    other.dispose()
    with read_transaction(postgres) as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != pid


def test_a_connection_that_breaks_within_a_transaction_is_a_sentence(postgres: Engine) -> None:
    with pytest.raises(StorageError, match="cannot be used"), write_transaction(postgres) as connection:
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with read_transaction(postgres) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_every_session_has_its_limits(postgres: Engine) -> None:
    assert session_of(postgres) == ["30s", "10s", "1min", "force_custom_plan"]


@pytest.mark.parametrize(
    ("options", "lock_timeout"),
    [
        ("-c lock_timeout=7s -c work_mem=8MB", "7s"),
        ("-clock_timeout=7s", "7s"),
        ("--lock-timeout=7s", "7s"),
        ("-c deadlock_timeout=2s", "10s"),
    ],
)
def test_what_the_url_says_of_a_session_wins(postgres_url: str, options: str, lock_timeout: str) -> None:
    url = make_url(postgres_url).update_query_dict({"options": options})
    engine = build_engine(url.render_as_string(hide_password=False))
    assert session_of(engine) == ["30s", lock_timeout, "1min", "force_custom_plan"]
    engine.dispose()


def session_of(engine: Engine) -> list[str]:
    """Return what a session is told; asked after a rollback, which would undo what a transaction had set."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "plan_cache_mode")
    with engine.connect() as connection:
        connection.rollback()
        return [connection.execute(text(f"SHOW {name}")).scalar_one() for name in names]


def test_a_statement_that_takes_too_long_is_a_sentence(postgres: Engine) -> None:
    with write_transaction(postgres) as connection:
        connection.execute(text("SET statement_timeout = '50ms'"))
    with pytest.raises(StorageError, match="statement timeout"), write_transaction(postgres) as connection:
        connection.execute(text("SELECT pg_sleep(30)"))


def test_a_bug_is_not_reported_as_a_storage_error(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)unique|duplicate") as caught, write_transaction(engine) as connection:
        connection.execute(insert(Account), [{"account_id": "A"}, {"account_id": "A"}])
    assert not isinstance(caught.value, StorageError)


def test_behind_a_pooler_of_transactions_each_transaction_has_its_limits_and_leaves_nothing_behind(
    postgres_url: str,
) -> None:
    engine = build_engine(postgres_url, transaction_pooling=True)
    for transaction in (read_transaction, write_transaction):
        for _ in range(10):
            with transaction(engine) as connection:
                assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "10s"
                assert connection.execute(text("SHOW statement_timeout")).scalar_one() == "30s"
    server = engine.raw_connection()
    server.driver_connection.autocommit = True
    assert server.driver_connection.execute("SHOW lock_timeout").fetchone() == ("0",)
    assert server.driver_connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    server.close()
    engine.dispose()
