"""What `reconcile check` looks at, part by part. Every question has a time limit."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.migrate import pending
from reconciliation.adapters.database.write_probe import probe_write
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import CHOOSE_A_BROKER, DEFAULT_CONNECTION
from reconciliation.errors import ReconciliationError
from reconciliation.operations.liveness import check_work
from reconciliation.operations.redis_check import probe_redis, redis_servers
from reconciliation.operations.verdicts import Answer, Finding, Verdict, ask
from reconciliation.settings import Settings
from reconciliation.support.wording import counted
from reconciliation.usecases.read_sides import read_broker

#: Rows of your own tables that stand beside the verdict.
_ROWS_SHOWN = 2


def check_everything(
    settings: Settings, *, account_id: str | None, ask_worker: bool, fail_if_older: timedelta | None = None
) -> list[Finding]:
    """Check every part, the later ones also after a failure of an earlier one.

    Args:
        settings: of the system.
        account_id: an account whose two sides are read, over its own connection.
        ask_worker: whether beat and workers are to be running.
        fail_if_older: the greatest age of an account's last complete run; None: by the account's interval.
    """
    with open_parts(settings) as parts:
        return list(_findings(parts, account_id, ask_worker, fail_if_older))


def _findings(
    parts: Bootstrap, account_id: str | None, ask_worker: bool, fail_if_older: timedelta | None
) -> Iterator[Finding]:
    settings = parts.settings
    yield Finding(part="settings", verdict=Verdict.OK, found="they can work together")
    servers = [ask("database", lambda: _database(parts)), ask("migrations", lambda: _migrations(parts))]
    for part, (url, address) in zip(("redis", "celery redis"), redis_servers(settings).items(), strict=False):
        servers.append(ask(part, partial(_redis, settings, url, address)))
    yield from servers
    yield ask("local book", lambda: _local_book(parts, account_id))
    yield ask("broker", lambda: _broker(parts, account_id))
    if not ask_worker:
        yield Finding(part="work", verdict=Verdict.SKIPPED, found="workers and beat are not checked")
    elif any(server.verdict is Verdict.FAILED for server in servers):
        yield Finding(part="work", verdict=Verdict.SKIPPED, found="it needs the database and Redis")
    else:
        yield from check_work(parts, fail_if_older)


def _database(parts: Bootstrap) -> Answer:
    with read_transaction(parts.stores.engine):
        address = parts.settings.database_address
    if pending(parts.stores.engine):
        return Verdict.OK, f"{address} answers", None
    probe_write(parts.stores.engine)
    return Verdict.OK, f"{address} answers, and can be written", None


def _migrations(parts: Bootstrap) -> Answer:
    missing = pending(parts.stores.engine)
    if missing:
        return Verdict.FAILED, f"lacks {', '.join(missing)}", "run `reconcile migrate`"
    return Verdict.OK, "every migration is applied", None


def _redis(settings: Settings, url: str, address: str) -> Answer:
    facts = probe_redis(settings, url, address)
    found = f"{address} is version {facts.version_text} with {facts.eviction_policy}"
    if not facts.is_append_only:
        return Verdict.WARNING, f"{found}, but without an append-only file", "set `appendonly yes`"
    return Verdict.OK, f"{found} and an append-only file", None


def _local_book(parts: Bootstrap, account_id: str | None) -> Answer:
    book = parts.stores.local_book
    if account_id is None:
        return Verdict.OK, f"{parts.settings.local}; name an --account to read it", None
    answer = asyncio.run(book.get_snapshots([account_id]))[account_id]
    if isinstance(answer, ReconciliationError):
        raise answer
    found = f"{counted(len(answer.positions), 'position')} of {account_id}"
    if parts.settings.local in ("table", "query"):
        first = [str(row) for row in parts.stores.user_tables.preview(account_id)[:_ROWS_SHOWN]]
        return Verdict.OK, "; ".join([found, *first]), f"`reconcile check-book {account_id}` shows more"
    return Verdict.OK, found, None


def _broker(parts: Bootstrap, account_id: str | None) -> Answer:
    return parts.run(_open_and_read(parts, account_id))


async def _open_and_read(parts: Bootstrap, account_id: str | None) -> Answer:
    if account_id is None:
        return await _open_default(parts)
    plan = parts.stores.account_directory.get_plans([account_id])[account_id]
    if isinstance(plan, ReconciliationError):
        raise plan
    async with parts.connections.use(plan.connection) as opened:
        answer = await read_broker(opened.broker, plan.broker_account_id, plan.config.read_timeout_seconds)
    if isinstance(answer, ReconciliationError):
        raise answer
    positions = counted(len(answer.positions), "position")
    return Verdict.OK, f"connection {plan.connection!r} ({plan.broker}): {positions} of {account_id}", None


async def _open_default(parts: Bootstrap) -> Answer:
    if parts.stores.connection_definitions.get(DEFAULT_CONNECTION) is None:
        waiting = parts.stores.registry.count_by_connection().get(DEFAULT_CONNECTION, (0, 0))[1]
        verdict = Verdict.WARNING if waiting else Verdict.OK
        return verdict, f"{counted(waiting, 'enabled account')} without a broker", CHOOSE_A_BROKER
    async with parts.connections.use(DEFAULT_CONNECTION):
        return Verdict.OK, f"{parts.settings.broker} can be opened; name an --account to read it", None
