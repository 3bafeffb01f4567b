"""The registry of accounts as Redis knows it: kept up with the database, and filled again when Redis lost its data.

Hash `accounts`: account id to its record as JSON; the field "" says that the mirror is complete, and at which revision
of the registry. The due-queue's script writes it, together with the queue, so that the two never disagree.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any
from uuid import uuid4

from reconciliation.adapters.redis.due_queue import Change, DueQueue
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.model.accounts import (
    ACCOUNT_SETTINGS,
    DEFAULT_CONNECTION,
    RegisteredAccount,
    RegistryChanges,
    ScheduledAccount,
)
from reconciliation.domain.model.models import ReconciliationConfig
from reconciliation.domain.model.runs import utc_now
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountRegistry

#: Accounts in one call of the script: some ten milliseconds in which Redis serves no other client.
CHUNK_ACCOUNTS = 500
#: A process that fills the mirror and stops for this time loses the right to.
REFILL_LEASE_MS = 15_000
#: How often the mirror's size is checked against the database's.
CHECK_INTERVAL_MS = 30_000


class AccountMirror:
    """Brings Redis up to the database's registry.

    Args:
        defaults: the settings of accounts without their own.
        startup_runs_per_second: how many accounts that are new to the schedule become due in one second.
        recover_ms: after a loss of data an account whose present slot may be lost is looked at so much later: longer
            than any run that was under way then.
        has_default_connection: whether the settings define the connection `default`.
    """

    def __init__(
        self,
        space: RedisSpace,
        queue: DueQueue,
        registry: AccountRegistry,
        *,
        defaults: ReconciliationConfig,
        startup_runs_per_second: int,
        recover_ms: int,
        has_default_connection: bool = True,
    ) -> None:
        self._space = space
        self._client = space.client
        self._prefix = space.prefix
        self._queue = queue
        self._registry = registry
        self._defaults = defaults
        self._startup_runs_per_second = startup_runs_per_second
        self._recover_ms = recover_ms
        self._has_default_connection = has_default_connection

    def refresh(self, *, now_ms: int | None = None) -> bool:
        """Bring the mirror up to date; cheap when nothing changed. False: another process does it.

        Raises:
            CoordinationError, StorageError: Redis or the database cannot be reached; the mirror stays as it is.
        """
        with self._space.explained():
            return self._refresh(now_ms)

    def is_complete(self) -> bool:
        """Say whether Redis knows every account: nothing is missing since data was lost."""
        with self._space.explained():
            return bool(self._client.hexists(self._prefix + "accounts", ""))

    def _refresh(self, now_ms: int | None) -> bool:
        mirrored = self._mirrored_revision()
        revision = self._registry.revision()
        if mirrored is None or mirrored > revision or self._defaults_changed():
            return self._fill(self._registry.changes_since(None), now_ms, whole=True)
        if mirrored == revision:
            return self._is_whole() or self._fill(self._registry.changes_since(None), now_ms, whole=True)
        changes = self._registry.changes_since(mirrored)
        if len(changes.accounts) + len(changes.removed) > CHUNK_ACCOUNTS:
            return self._fill(changes, now_ms, whole=False)
        parts = [*self._puts(changes.accounts, recover_ms=None), *_removals(changes.removed)]
        followed = self._queue.apply_changes(parts, since=mirrored, until=changes.revision, now_ms=now_ms)
        if followed:
            self._note_scheduled(changes)
        return followed

    def _fill(self, changes: RegistryChanges, now_ms: int | None, *, whole: bool) -> bool:
        """Apply many changes in parts, alone: the token shows the script that no other process took over meanwhile."""
        token = uuid4().hex
        if not self._client.set(self._prefix + "due:rebuild", token, nx=True, px=REFILL_LEASE_MS):
            return False
        removed = list(changes.removed)
        if whole:
            wanted = {each.account.account_id for each in changes.accounts}
            mirrored: Any = self._client.hkeys(self._prefix + "accounts")
            removed = [account_id for account_id in mirrored if account_id and account_id not in wanted]
        # Made part by part: each call of the script renews the lock, however many accounts there are.
        parts = chain(self._puts(changes.accounts, self._recover_ms if whole else None), _removals(removed))
        for chunk in _chunks(parts):
            if not self._queue.rebuild(chunk, token=token, lease_ms=REFILL_LEASE_MS, now_ms=now_ms):
                return False
        if whole:
            self._client.set(self._prefix + "due:defaults", self._fingerprint())
        filled = self._queue.rebuild(
            [], token=token, lease_ms=REFILL_LEASE_MS, complete_at=changes.revision, now_ms=now_ms
        )
        if filled:
            self._note_scheduled(changes)
        return filled

    def _puts(self, accounts: Sequence[ScheduledAccount], recover_ms: int | None) -> Iterator[Change]:
        new = 0
        for scheduled in accounts:
            startup_ms = None
            connected = self._is_connected(scheduled)
            if scheduled.is_new and connected:
                startup_ms = new * 1000 // self._startup_runs_per_second
                new += 1
            record = {**mirror_record(scheduled.account, self._defaults), **({} if connected else {"enabled": False})}
            yield Change(
                account_id=scheduled.account.account_id, record=record, startup_ms=startup_ms, recover_ms=recover_ms
            )

    def _note_scheduled(self, changes: RegistryChanges) -> None:
        new = [
            each.account.account_id
            for each in changes.accounts
            if each.is_new and each.account.enabled and self._is_connected(each)
        ]
        if new:
            self._registry.note_scheduled(new, utc_now())

    def _is_connected(self, scheduled: ScheduledAccount) -> bool:
        """Say whether a broker can be asked for the account; without one it is not scheduled."""
        if scheduled.account.connection != DEFAULT_CONNECTION:
            return True
        return self._has_default_connection or scheduled.default_is_registered

    def _mirrored_revision(self) -> int | None:
        cursor: Any = self._client.hget(self._prefix + "accounts", "")
        return None if cursor is None else int(json.loads(cursor)["revision"])

    def _defaults_changed(self) -> bool:
        """Say whether the settings were others when the mirror was filled; asked once per check interval."""
        if not self._client.set(self._prefix + "due:checked:defaults", 1, nx=True, px=CHECK_INTERVAL_MS):
            return False
        return bool(self._client.get(self._prefix + "due:defaults") != self._fingerprint())

    def _is_whole(self) -> bool:
        """Say whether no record is missing; counted once per check interval."""
        if not self._client.set(self._prefix + "due:checked:size", 1, nx=True, px=CHECK_INTERVAL_MS):
            return True
        mirrored: Any = self._client.hlen(self._prefix + "accounts")
        return bool(mirrored - 1 == self._registry.count())

    def _fingerprint(self) -> str:
        return hashlib.sha256(repr((self._defaults, self._has_default_connection)).encode()).hexdigest()


def mirror_record(account: RegisteredAccount, defaults: ReconciliationConfig) -> Mapping[str, Any]:
    """Return what Redis knows of an account: enough to keep its slots and its fill windows."""
    try:
        config = account.config(defaults)
    except InvalidInputError:
        # Settings changed under it and contradict its own values: keep it checked, as by default.
        config = defaults
    times = {
        setting.redis_key: getattr(config if setting.follows_settings else account, setting.name)
        for setting in ACCOUNT_SETTINGS
        if setting.redis_key is not None
    }
    return {
        "enabled": account.enabled,
        "connection": account.connection,
        "phase_ms": phase_ms(account.account_id, round(config.interval_seconds * 1000)),
        # What is not here follows the settings of the process that reads it.
        **{key: round(seconds * 1000) for key, seconds in times.items() if seconds is not None},
    }


def phase_ms(account_id: str, interval_ms: int) -> int:
    """Return where on its grid an account stands: spread evenly over the interval, always the same."""
    digest = hashlib.blake2b(account_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest) * interval_ms >> 64


def _removals(account_ids: Sequence[str]) -> Iterator[Change]:
    return (Change(account_id=account_id, record=None) for account_id in account_ids)


def _chunks(changes: Iterator[Change]) -> Iterator[Sequence[Change]]:
    while chunk := list(islice(changes, CHUNK_ACCOUNTS)):
        yield chunk
