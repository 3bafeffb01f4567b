"""Whether the system does its work at this moment: beats, ticks, queues, events and readers, accounts, connections.

Clocks are compared, too, and all times are measured by Redis' clock.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import time

from reconciliation.adapters.database.outbox import backlog
from reconciliation.bootstrap import Bootstrap
from reconciliation.domain.model.accounts import DEFAULT_CONNECTION
from reconciliation.messages.break_events import EVENT_STREAM
from reconciliation.messages.tasks import QUEUES
from reconciliation.operations.heartbeats import BEAT, TICK
from reconciliation.operations.verdicts import Answer, Finding, Verdict, ask
from reconciliation.support.wording import counted

PING_SECONDS = 2.0
#: Beat ticks once a second; a worker that is busy or restarted may take some.
MAX_TICK_AGE_SECONDS = 30.0
#: The relay publishes once a second.
MAX_EVENT_AGE_SECONDS = 60.0
MAX_SKEW_SECONDS = 2.0
#: Old runs are deleted once an hour; a day behind, it does not keep up.
MAX_RETENTION_DELAY_DAYS = 1.0
#: An account is late when two of its slots have passed without a complete run, and the time of one sweep.
LATE_INTERVALS = 2
LATE_SECONDS = 60.0
_NAMES_SHOWN = 3


def check_work(parts: Bootstrap, fail_if_older: timedelta | None = None) -> Iterator[Finding]:
    """Check each part of the work. With `fail_if_older`, this is the greatest age of an account's last complete run."""
    yield ask("beat", lambda: _beat(parts))
    yield ask("schedule", lambda: _schedule(parts))
    yield ask("queues", lambda: _queues(parts))
    yield ask("events", lambda: _events(parts))
    yield ask("readers", lambda: _readers(parts))
    yield ask("accounts", lambda: _accounts(parts, fail_if_older))
    yield ask("connections", lambda: _connections(parts))
    yield ask("retention", lambda: _retention(parts))
    yield ask("clocks", lambda: _clocks(parts))


def _beat(parts: Bootstrap) -> Answer:
    alive, last = _signs(parts, BEAT)
    if not alive:
        return Verdict.FAILED, f"no beat ticks{last}", "start one: `reconcile beat`, or `reconcile up`"
    return Verdict.OK, f"{counted(alive, 'beat')} ticked in the last {MAX_TICK_AGE_SECONDS:g} s", None


def _schedule(parts: Bootstrap) -> Answer:
    alive, last = _signs(parts, TICK)
    if not alive:
        remedy = "see whether a worker serves the queue reconciliation.control, and its log"
        return Verdict.FAILED, f"no worker has completed a tick of the schedule{last}", remedy
    return Verdict.OK, f"the last tick was completed {last.removeprefix('; the last one ')}", None


def _signs(parts: Bootstrap, kind: str) -> tuple[int, str]:
    """Return how many processes gave a recent sign of this kind, and words on the last one."""
    found = [each for each in parts.coordination.heartbeats.read() if each.kind == kind]
    last = f"; the last one {_ago(found[0].age_seconds)}" if found else ""
    return sum(each.age_seconds <= MAX_TICK_AGE_SECONDS for each in found), last


def _queues(parts: Bootstrap) -> Answer:
    served = parts.messaging.task_sender.served_queues(PING_SECONDS)
    if not served:
        return Verdict.FAILED, "no worker answers", "start one: `reconcile worker`, or `reconcile up`"
    missing = [queue for queue in QUEUES if not any(queue in queues for queues in served.values())]
    if missing:
        remedy = "start a worker without `--queues`, or one that names it"
        return Verdict.FAILED, f"no worker serves {', '.join(missing)}", remedy
    return Verdict.OK, f"{counted(len(served), 'worker')} serve{'s' if len(served) == 1 else ''} every queue", None


def _events(parts: Bootstrap) -> Answer:
    waiting = backlog(parts.stores.engine)
    if waiting.oldest_at is None:
        return Verdict.OK, "every event is published", None
    age_seconds = (_now(parts) - waiting.oldest_at).total_seconds()
    found = f"{counted(waiting.events, 'event')} wait to be published, the oldest since {_span(age_seconds)}"
    if age_seconds > MAX_EVENT_AGE_SECONDS:
        return Verdict.FAILED, found, "see the workers' log for why Redis does not take them"
    return Verdict.OK, found, None


def _readers(parts: Bootstrap) -> Answer:
    lag = parts.coordination.event_stream.lag()
    if not lag.unread:
        return Verdict.OK, "no consumer group reads the event stream", None
    name, unread = max(lag.unread.items(), key=lambda item: item[1])
    found = f"consumer group {name!r} has not read {counted(unread, 'event')}; the stream keeps about {lag.max_events}"
    if unread > lag.length:
        found += f", and {counted(unread - lag.length, 'event')} of them are gone"
    if lag.behind():
        stream = parts.coordination.space.own_name(EVENT_STREAM)
        remedy = (
            f"see why its reader is slow; if the group is no longer needed: `redis-cli XGROUP DESTROY {stream} {name}`"
        )
        return Verdict.FAILED, found, remedy
    return Verdict.OK, found, None


def _accounts(parts: Bootstrap, fail_if_older: timedelta | None) -> Answer:
    now = _now(parts)
    age = fail_if_older or timedelta(seconds=LATE_SECONDS)
    found = parts.stores.run_ages.older_than(now, age)
    late = []
    for account in found:
        limit = age if fail_if_older else age + timedelta(seconds=LATE_INTERVALS * account.interval_seconds)
        if account.completed_at is not None and account.completed_at < now - limit:
            late.append(account)
    if late:
        names = ", ".join(account.account_id for account in late[:_NAMES_SHOWN])
        oldest = max((now - each.completed_at).total_seconds() for each in late if each.completed_at)
        more = f" and {len(late) - _NAMES_SHOWN} more" if len(late) > _NAMES_SHOWN else ""
        remedy = f"see `reconcile runs list --account {late[0].account_id}`"
        return Verdict.FAILED, f"no complete run of {names}{more}; the oldest is {_ago(oldest)}", remedy
    new = sum(account.completed_at is None for account in found)
    if new:
        return Verdict.WARNING, f"{counted(new, 'account')} wait to be put into the schedule", None
    return Verdict.OK, "each enabled account has a complete run that is recent enough", None


def _connections(parts: Bootstrap) -> Answer:
    names = {DEFAULT_CONNECTION, *(each.name for each in parts.stores.connection_store.find())}
    paused = parts.coordination.circuit_breaker.pauses(sorted(names))
    if not paused:
        return Verdict.OK, "no connection is paused", None
    name, cause = next(iter(paused.items()))
    more = f", and {len(paused) - 1} more" if len(paused) > 1 else ""
    return Verdict.FAILED, f"connection {name!r} keeps failing and is paused{more}: {cause}", "see the broker's status"


def _retention(parts: Bootstrap) -> Answer:
    days = parts.settings.prune_after_days
    if not days:
        return Verdict.OK, "runs are kept for ever, as the settings say", None
    oldest = parts.stores.oldest_run_at()
    kept_days = 0.0 if oldest is None else (_now(parts) - oldest) / timedelta(days=1)
    if kept_days > days + MAX_RETENTION_DELAY_DAYS:
        found = f"the oldest run is {kept_days:.0f} days old, though runs are to be kept for {days:g}"
        return Verdict.WARNING, found, "run `reconcile prune`, which has no time limit"
    return Verdict.OK, f"no run is older than {days:g} days", None


def _clocks(parts: Bootstrap) -> Answer:
    heartbeats = parts.coordination.heartbeats
    skews = {each.name: each.skew_seconds for each in heartbeats.read() if each.age_seconds <= MAX_TICK_AGE_SECONDS}
    skews["this host"] = time() - heartbeats.now_ms() / 1000
    name, skew = max(skews.items(), key=lambda item: abs(item[1]))
    if abs(skew) > MAX_SKEW_SECONDS:
        direction = "ahead of" if skew > 0 else "behind"
        return (
            Verdict.FAILED,
            f"the clock of {name} is {_span(abs(skew))} {direction} Redis'",
            "set the hosts' clocks by NTP",
        )
    return Verdict.OK, f"all clocks are within {MAX_SKEW_SECONDS:g} s of Redis'", None


def _now(parts: Bootstrap) -> datetime:
    return datetime.fromtimestamp(parts.coordination.heartbeats.now_ms() / 1000, UTC)


def _ago(seconds: float) -> str:
    return f"{_span(seconds)} ago"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004 - of a line for people
