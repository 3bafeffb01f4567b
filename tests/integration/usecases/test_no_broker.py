"""An account that is not registered, or has no broker, never reaches one; and every command says what to do."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from sqlalchemy import insert

from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.tables.local_book import Account
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.cli import cli
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.domain.model.runs import RunRequest
from reconciliation.settings import Settings
from tests.builders.accounts import ANY_ACCOUNT


@pytest.fixture
def urls(redis_url: str, database_url: str) -> dict[str, str]:
    return {"redis_url": redis_url, "database_url": database_url}


@pytest.fixture
def parts(urls: dict[str, str]) -> Iterator[Bootstrap]:
    with open_parts(Settings(_env_file=None, **urls)) as parts:  # type: ignore[call-arg,arg-type]
        yield parts


def run(parts: Bootstrap, account_id: str) -> ReconciliationResult:
    with write_transaction(parts.stores.engine) as db:
        db.execute(insert(Account), [{"account_id": account_id, "cash": 1, "equity": 1}])
    [result] = parts.run(parts.reconciler.reconcile([RunRequest(account_id=account_id, context={})]))
    return result


@pytest.mark.parametrize("was_registered", [True, False])
def test_a_removed_or_mistyped_account_never_reaches_a_broker(urls: dict[str, str], was_registered: bool) -> None:
    with open_parts(Settings(_env_file=None, **urls, **ANY_ACCOUNT)) as parts:  # type: ignore[call-arg,arg-type]
        if was_registered:
            parts.stores.registry.add([RegisteredAccount(account_id="A-1")])
            parts.stores.registry.remove(["A-1"])
        result = run(parts, "A-1")
    assert result.error is not None
    assert (result.error.side, result.error.retryable) == ("registry", False)
    assert "is not registered: check its name, or register it" in result.error.message


def test_an_account_without_a_broker_is_incomplete_and_says_what_to_do(parts: Bootstrap) -> None:
    parts.stores.registry.add([RegisteredAccount(account_id="A-1")])
    result = run(parts, "A-1")
    assert result.error is not None
    assert result.error.side == "registry"
    assert "has no broker: add a login with `reconcile connections add" in result.error.message


def test_it_is_scheduled_once_it_has_a_broker_and_not_before(parts: Bootstrap) -> None:
    parts.stores.registry.add([RegisteredAccount(account_id="A-1")])
    parts.account_mirror.refresh()
    assert parts.coordination.due_queue.claim(limit=9, share=9, lease_ms=1000) == []

    parts.stores.connection_store.add(Connection(name="default", broker="paper", options={"any_account": True}))
    parts.account_mirror.refresh()
    [claim] = parts.coordination.due_queue.claim(limit=9, share=9, lease_ms=1000)
    assert claim.entry == "a:A-1"


def test_a_broker_in_the_settings_schedules_it_too(parts: Bootstrap, urls: dict[str, str]) -> None:
    parts.stores.registry.add([RegisteredAccount(account_id="A-1")])
    parts.account_mirror.refresh()
    parts.coordination.space.client.delete("reconciliation:due:checked:defaults")
    with open_parts(Settings(_env_file=None, **urls, **ANY_ACCOUNT)) as chosen:  # type: ignore[call-arg,arg-type]
        chosen.account_mirror.refresh()
        assert [claim.entry for claim in chosen.coordination.due_queue.claim(limit=9, share=9, lease_ms=1000)]


@pytest.mark.parametrize("words", [("accounts", "add", "B-1"), ("accounts", "list")])
def test_commands_say_that_accounts_have_no_broker(
    urls: dict[str, str], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, parts: Bootstrap
) -> None:
    for name, value in urls.items():
        monkeypatch.setenv(f"RECONCILIATION_{name.upper()}", value)
    parts.stores.registry.add([RegisteredAccount(account_id="A-1")])
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "no broker and will not be reconciled: add a login with `reconcile connections add" in done.stderr
    monkeypatch.setenv("RECONCILIATION_BROKER", "paper")
    assert CliRunner().invoke(cli, ["accounts", "list"]).stderr == ""
