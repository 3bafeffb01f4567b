"""Two operators change the registry at the same moment: no change is lost, and each gets an answer in words."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from sqlalchemy import Engine

from reconciliation.adapters.database.connections import ConnectionStore
from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.registry import Registry
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter

ROUNDS = 20
ALL = AccountFilter()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


def at_once(*changes: Callable[[], object]) -> list[Exception]:
    """Make the changes in threads that begin together; return the errors."""
    together = Barrier(len(changes))

    def make(change: Callable[[], object]) -> Exception | None:
        together.wait(30)
        try:
            change()
        except Exception as error:  # noqa: BLE001 - the test looks at each
            return error
        return None

    with ThreadPoolExecutor(len(changes)) as threads:
        return [error for error in threads.map(make, changes) if error is not None]


def test_no_change_of_an_account_is_lost_beside_another(engine: Engine) -> None:
    registry = Registry(engine)
    registry.add(RegisteredAccount(account_id=f"A-{number}", enabled=False) for number in range(50))
    for seconds in range(1, ROUNDS):
        registry.change(ALL, enabled=False)
        errors = at_once(
            lambda: registry.change(ALL, enabled=True),
            lambda seconds=seconds: registry.change(ALL, interval_seconds=seconds),
            lambda seconds=seconds: registry.change(ALL, labels=frozenset({f"l-{seconds}"})),
        )
        assert errors == []
        found = {(each.enabled, each.interval_seconds, each.labels) for each in registry.find(ALL)}
        assert found == {(True, seconds, frozenset({f"l-{seconds}"}))}


def test_no_import_undoes_a_change_made_beside_it(engine: Engine) -> None:
    registry = Registry(engine)
    account = RegisteredAccount(account_id="A", currency="EUR")
    registry.add([account])
    for number in range(ROUNDS):
        new = [RegisteredAccount(account_id=f"B-{number}")]
        errors = at_once(lambda new=new: registry.put(new), lambda new=new: registry.put(new))
        assert errors == []
    assert len(registry.find(ALL)) == ROUNDS + 1


def test_of_those_who_register_one_account_at_once_all_but_one_are_told_that_it_is_registered(engine: Engine) -> None:
    registry = Registry(engine)
    for number in range(ROUNDS):
        account = RegisteredAccount(account_id=f"A-{number}")
        errors = at_once(*[lambda account=account: registry.add([account])] * 3)
        assert [type(error) for error in errors] == [InvalidInputError] * 2
        assert "is registered already" in str(errors[0])


def test_an_account_that_is_added_and_removed_at_once_is_there_or_gone_and_no_constraint_breaks(engine: Engine) -> None:
    registry = Registry(engine)
    account = RegisteredAccount(account_id="A", labels=frozenset({"eu"}))
    registry.add([account])
    for _ in range(ROUNDS):
        errors = at_once(
            lambda: registry.remove(["A"]),
            lambda: registry.remove(["A"]),
            lambda: registry.add([account]),
            lambda: registry.put([account]),
        )
        assert {type(error) for error in errors} <= {InvalidInputError}
        registry.put([account])


def test_no_change_of_a_connection_is_lost_beside_another(engine: Engine) -> None:
    store = ConnectionStore(engine)
    store.add(Connection(name="c", broker="paper"))

    def set_option(name: str) -> None:
        store.change("c", lambda before: replace(before, options={**before.options, name: 1}))

    names = [f"o-{number}" for number in range(ROUNDS)]
    for first, second in zip(names[::2], names[1::2], strict=True):
        assert at_once(lambda first=first: set_option(first), lambda second=second: set_option(second)) == []
    found = store.get("c")
    assert found is not None
    assert sorted(found.options) == sorted(names)


def test_of_those_who_register_one_connection_at_once_all_but_one_are_told_that_it_exists(engine: Engine) -> None:
    store = ConnectionStore(engine)
    for number in range(ROUNDS):
        connection = Connection(name=f"c-{number}", broker="paper")
        errors = at_once(*[lambda connection=connection: store.add(connection)] * 3)
        assert [type(error) for error in errors] == [InvalidInputError] * 2
