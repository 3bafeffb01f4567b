"""What `reconcile check` asks, part by part. Every question has a time limit; none changes anything."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial

from reconciliation.adapters.database.engine import read_transaction
from reconciliation.adapters.database.migrate import pending
from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.domain.model.accounts import CHOOSE_A_BROKER, DEFAULT_CONNECTION
from reconciliation.errors import ReconciliationError
from reconciliation.operations.redis_check import redis_servers, require_safe_redis
from reconciliation.settings import Settings
from reconciliation.support.wording import counted
from reconciliation.usecases.read_sides import read_broker

PING_SECONDS = 2.0
#: Rows of your own tables that stand beside the verdict.
_ROWS_SHOWN = 2


class Verdict(str, Enum):
    """How one part fared."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part's verdict. `remedy` is None where there is nothing to do."""

    part: str
    verdict: Verdict
    found: str
    remedy: str | None = None


def check_everything(settings: Settings, *, account_id: str | None, ask_worker: bool) -> list[Finding]:
    """Ask every part, the later ones also after a failure of an earlier one."""
    with open_parts(settings) as parts:
        return list(_findings(parts, account_id, ask_worker))


def _findings(parts: Bootstrap, account_id: str | None, ask_worker: bool) -> Iterator[Finding]:
    settings = parts.settings
    yield Finding(part="settings", verdict=Verdict.OK, found="they can work together")
    yield _ask("database", lambda: _database(parts))
    yield _ask("migrations", lambda: _migrations(parts))
    for part, (url, address) in zip(("redis", "celery redis"), redis_servers(settings).items(), strict=False):
        yield _ask(part, partial(_redis, settings, url, address))
    yield _ask("local book", lambda: _local_book(parts, account_id))
    yield _ask("broker", lambda: _broker(parts, account_id))
    if ask_worker:
        yield _ask("worker", lambda: _worker(parts))
    else:
        yield Finding(part="worker", verdict=Verdict.SKIPPED, found="not asked for")


Answer = tuple[Verdict, str, str | None]


def _ask(part: str, question: Callable[[], Answer]) -> Finding:
    try:
        verdict, found, remedy = question()
    except ReconciliationError as error:
        sentence, _, remedy_said = str(error).partition(": ")
        return Finding(part=part, verdict=Verdict.FAILED, found=sentence, remedy=remedy_said or None)
    return Finding(part=part, verdict=verdict, found=found, remedy=remedy)


def _database(parts: Bootstrap) -> Answer:
    with read_transaction(parts.stores.engine):
        return Verdict.OK, f"{parts.settings.database_address} answers", None


def _migrations(parts: Bootstrap) -> Answer:
    missing = pending(parts.stores.engine)
    if missing:
        return Verdict.FAILED, f"lacks {', '.join(missing)}", "run `reconcile migrate`"
    return Verdict.OK, "every migration is applied", None


def _redis(settings: Settings, url: str, address: str) -> Answer:
    facts = require_safe_redis(settings, url, address)
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
    name = parts.settings.broker
    if parts.stores.connection_definitions.get(DEFAULT_CONNECTION) is None:
        waiting = parts.stores.registry.count_by_connection().get(DEFAULT_CONNECTION, (0, 0))[1]
        verdict = Verdict.WARNING if waiting else Verdict.OK
        return verdict, f"{counted(waiting, 'enabled account')} without a broker", CHOOSE_A_BROKER
    async with parts.connections.use(DEFAULT_CONNECTION) as opened:
        if account_id is None:
            return Verdict.OK, f"{name} can be opened; name an --account to read it", None
        answer = await read_broker(opened.broker, account_id, parts.settings.read_timeout_seconds)
    if isinstance(answer, ReconciliationError):
        raise answer
    return Verdict.OK, f"{name}: {counted(len(answer.positions), 'position')} of {account_id}", None


def _worker(parts: Bootstrap) -> Answer:
    workers = parts.messaging.task_sender.count_workers(PING_SECONDS)
    if not workers:
        return Verdict.FAILED, "no worker answers", "start one: `celery -A tasks worker`, or `reconcile up`"
    return Verdict.OK, f"{workers} answer{'s' if workers == 1 else ''}", None
