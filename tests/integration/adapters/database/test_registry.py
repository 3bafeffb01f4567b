"""The registry of accounts and connections, on both databases."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from reconciliation.adapters.database.connections import ConnectionStore
from reconciliation.adapters.database.engine import build_engine, write_transaction
from reconciliation.adapters.database.registry import Registry, next_revision
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.runs import utc_now
from reconciliation.domain.model.tolerance import Tolerance, ToleranceRule
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter

ALL = AccountFilter()


@pytest.fixture
def engine(database_url: str) -> Iterator[object]:
    engine = build_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def registry(engine) -> Registry:
    return Registry(engine)


@pytest.fixture
def connections(engine) -> ConnectionStore:
    return ConnectionStore(engine)


FULL = RegisteredAccount(
    account_id="A",
    connection="alpaca-1",
    broker_account_id="PA123",
    interval_seconds=12.5,
    cash_tolerance=Decimal("0.10"),
    equity_tolerance_pct=Decimal("0.05"),
    tolerances=(
        ToleranceRule(measure="cost", tolerance=Tolerance(relative=Decimal("0.01")), account_id="A", symbol="BRK.B"),
    ),
    post_fill_delay_seconds=2.0,
    post_fill_max_wait_seconds=20.0,
    post_fill_backoff_seconds=3.0,
    post_fill_max_backoff_seconds=30.0,
    run_lease_seconds=150.0,
    read_timeout_seconds=7.0,
    currency="EUR",
    labels=frozenset({"desk-1", "eu"}),
)


def test_an_account_comes_back_as_it_was_registered(registry: Registry) -> None:
    registry.add([FULL, RegisteredAccount(account_id="B")])
    assert registry.find(ALL) == [FULL, RegisteredAccount(account_id="B")]


def test_accounts_are_found_by_label_connection_and_state(registry: Registry) -> None:
    registry.add([FULL, RegisteredAccount(account_id="B", labels=frozenset({"eu"}), enabled=False)])

    assert registry.find_ids(AccountFilter(labels=["eu"])) == ["A", "B"]
    assert registry.find_ids(AccountFilter(labels=["eu", "desk-1"])) == ["A"]
    assert registry.find_ids(AccountFilter(connection="default")) == ["B"]
    assert registry.find_ids(AccountFilter(enabled=True)) == ["A"]
    assert registry.count_by_connection() == {"alpaca-1": (1, 1), "default": (1, 0)}


def test_registering_twice_is_refused_and_changes_nothing(registry: Registry) -> None:
    registry.add([FULL])
    with pytest.raises(InvalidInputError, match="'A' is registered already"):
        registry.add([RegisteredAccount(account_id="B"), RegisteredAccount(account_id="A")])
    assert registry.find_ids(ALL) == ["A"]


def test_every_change_has_its_revision_and_a_mirror_can_follow(registry: Registry) -> None:
    registry.add([RegisteredAccount(account_id=name) for name in "ABC"])
    start = registry.revision()
    registry.change(AccountFilter(account_ids=["A"]), interval_seconds=5.0)
    registry.remove(["B"])

    changes = registry.changes_since(start)

    assert changes.revision == start + 2
    assert [(each.account.account_id, each.account.interval_seconds) for each in changes.accounts] == [("A", 5.0)]
    assert list(changes.removed) == ["B"]


def test_a_change_that_changes_nothing_is_no_revision(registry: Registry) -> None:
    registry.add([FULL])
    before = registry.revision()
    assert registry.change(AccountFilter(account_ids=["A"]), interval_seconds=12.5) == 0
    assert registry.put([FULL]) == (0, 0)
    assert registry.revision() == before


def test_a_removed_account_that_is_registered_again_is_no_longer_removed(registry: Registry) -> None:
    registry.add([FULL])
    registry.remove(["A"])
    registry.add([RegisteredAccount(account_id="A")])

    changes = registry.changes_since(0)
    assert list(changes.removed) == []
    assert registry.find(ALL) == [RegisteredAccount(account_id="A")]


def test_an_account_is_new_to_the_schedule_until_it_was_scheduled_and_again_after_it_was_disabled(
    registry: Registry,
) -> None:
    def is_new() -> list[bool]:
        return [each.is_new for each in registry.changes_since(None).accounts]

    registry.add([FULL])
    seen = [is_new()]
    registry.note_scheduled(["A"], utc_now())
    seen.append(is_new())
    registry.change(AccountFilter(account_ids=["A"]), enabled=False)
    seen.append(is_new())
    registry.change(AccountFilter(account_ids=["A"]), enabled=True)
    seen.append(is_new())

    assert seen == [[True], [False], [False], [True]]


def test_putting_adds_what_is_missing_and_replaces_the_rest(registry: Registry) -> None:
    registry.add([RegisteredAccount(account_id="A", labels=frozenset({"old"}))])
    assert registry.put([FULL, RegisteredAccount(account_id="B")]) == (1, 1)
    assert registry.find(ALL) == [FULL, RegisteredAccount(account_id="B")]


def test_registering_what_is_unknown_leaves_the_known_as_it_is(registry: Registry) -> None:
    registry.add([FULL])
    assert registry.register(["A", "B", "B"]) == ["B"]
    assert registry.find(ALL) == [FULL, RegisteredAccount(account_id="B")]


def test_an_account_that_is_not_registered_is_named(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="'X' is not registered"):
        registry.change(AccountFilter(account_ids=["X"]), enabled=False)
    with pytest.raises(InvalidInputError, match="'X' is not registered"):
        registry.remove(["X"])


def test_revisions_are_given_in_the_order_of_their_commits(engine, registry: Registry) -> None:
    with write_transaction(engine) as first:
        revision = next_revision(first)
        assert registry.revision() == revision - 1
    assert registry.revision() == revision


def test_two_thousand_accounts_are_registered_and_removed_at_once(registry: Registry) -> None:
    accounts = [RegisteredAccount(account_id=f"ACC-{n:04}", labels=frozenset({"bulk"})) for n in range(2_000)]
    registry.add(accounts)
    assert len(registry.find_ids(AccountFilter(labels=["bulk"]))) == 2_000
    assert registry.change(AccountFilter(labels=["bulk"]), enabled=False) == 2_000
    registry.remove([account.account_id for account in accounts])
    assert registry.count() == 0


def test_a_connection_comes_back_with_its_references_and_a_growing_revision(connections: ConnectionStore) -> None:
    connection = Connection(
        name="alpaca-1",
        broker="alpaca",
        options={"paper": True},
        secrets={"api_key": "env:ALPACA_KEY"},
        requests_per_second=3.0,
        concurrency=4,
    )
    connections.add(connection)
    first = connections.get("alpaca-1")
    connections.change("alpaca-1", lambda _: Connection(name="alpaca-1", broker="paper"))

    assert first == connection
    assert connections.get("alpaca-1").revision > first.revision
    assert connections.get("nobody") is None


def test_a_connection_in_use_cannot_be_removed(connections: ConnectionStore, registry: Registry) -> None:
    connections.add(Connection(name="c", broker="paper"))
    registry.add([RegisteredAccount(account_id="A", connection="c")])
    with pytest.raises(InvalidInputError, match="used by 1 account:"):
        connections.remove("c")
    registry.remove(["A"])
    connections.remove("c")
    assert connections.find() == []


def test_a_secret_given_instead_of_a_reference_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInputError, match="must be a reference") as caught:
        Connection(name="c", broker="alpaca", secrets={"api_key": "PK-VERY-SECRET"})
    assert "PK-VERY-SECRET" not in str(caught.value)
