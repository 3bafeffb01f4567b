"""The registry of accounts in the database: written by an operator, read by the schedule and by every run.

Each change gets the next revision of the registry, so that a mirror can ask for "everything since". A writer locks the
one row that holds the revision before it reads, until it commits: a reader of revision 7 has seen all of 6.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as DbConnection
from sqlalchemy import Engine, delete, func, select, update

from reconciliation.adapters.database.bulk_rows import insert_rows, is_among, update_rows
from reconciliation.adapters.database.engine import read_transaction, write_transaction
from reconciliation.adapters.database.tables.registry import (
    AccountLabelRow,
    AccountRow,
    ConnectionRow,
    RegistryStateRow,
    RemovedAccountRow,
)
from reconciliation.domain.model.accounts import (
    ACCOUNT_SETTINGS,
    DEFAULT_CONNECTION,
    RegisteredAccount,
    RegistryChanges,
    ScheduledAccount,
    rules_as_json,
    rules_from_json,
)
from reconciliation.errors import InvalidInputError
from reconciliation.ports.accounts import AccountFilter

#: Rows or parameters in one statement; SQLite allows 32,766 parameters.
CHUNK_ROWS = 500

_PLAIN_COLUMNS = ("account_id", "enabled", *(setting.name for setting in ACCOUNT_SETTINGS))


class Registry:
    """The registered accounts. Blocking; safe to share between threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, accounts: Iterable[RegisteredAccount]) -> None:
        """Register new accounts, all or none.

        Raises:
            InvalidInputError: one is registered already, or named twice.
        """
        added = list(accounts)
        ids = [account.account_id for account in added]
        with registry_transaction(self._engine) as db:
            known = sorted(_existing(db, ids)) or sorted(name for name, times in Counter(ids).items() if times > 1)
            if known:
                raise InvalidInputError(
                    f"account {known[0]!r} is registered already: change it with `reconcile accounts set {known[0]}`"
                )
            _insert(db, added, next_revision(db))

    def register(self, account_ids: Iterable[str]) -> list[str]:
        """Register those that are not yet, with nothing of their own; return them."""
        wanted = list(dict.fromkeys(account_ids))
        with registry_transaction(self._engine) as db:
            known = _existing(db, wanted)
            missing = [account_id for account_id in wanted if account_id not in known]
            if missing:
                _insert(db, [RegisteredAccount(account_id=name) for name in missing], next_revision(db))
        return missing

    def put(self, accounts: Iterable[RegisteredAccount]) -> tuple[int, int]:
        """Register accounts or replace them whole; return how many were added and how many changed."""
        given = {account.account_id: account for account in accounts}
        with registry_transaction(self._engine) as db:
            before = {each.account_id: each for each in _load(db, AccountFilter(account_ids=given.keys()))}
            added = [account for name, account in given.items() if name not in before]
            changed = [account for name, account in given.items() if name in before and before[name] != account]
            if added or changed:
                revision = next_revision(db)
                _insert(db, added, revision)
                _rewrite(db, before, changed, revision)
        return len(added), len(changed)

    def change(self, which: AccountFilter, **changes: Any) -> int:
        """Give every meant account these values; return how many are different now.

        Raises:
            InvalidInputError: a value cannot be accepted, or a named account is not registered.
        """
        with registry_transaction(self._engine) as db:
            before = {each.account_id: each for each in _load(db, which)}
            _require(which, before.keys())
            after = [replace(account, **changes) for account in before.values()]
            changed = [account for account in after if account != before[account.account_id]]
            if changed:
                _rewrite(db, before, changed, next_revision(db))
        return len(changed)

    def remove(self, account_ids: Collection[str]) -> None:
        """Take accounts out of the registry; their runs and breaks stay on record.

        Raises:
            InvalidInputError: one is not registered.
        """
        with registry_transaction(self._engine) as db:
            _require(AccountFilter(account_ids=account_ids), _existing(db, account_ids))
            revision = next_revision(db)
            for chunk in chunks(account_ids):
                db.execute(delete(AccountLabelRow).where(AccountLabelRow.account_id.in_(chunk)))
                db.execute(delete(AccountRow).where(AccountRow.account_id.in_(chunk)))
                insert_rows(db, RemovedAccountRow, [{"account_id": name, "revision": revision} for name in chunk])

    def find(self, which: AccountFilter, *, with_labels: bool = True) -> list[RegisteredAccount]:
        """Return the meant accounts, by account id; a run has no use for their labels."""
        with read_transaction(self._engine) as db:
            return _load(db, which, with_labels=with_labels)

    def find_ids(self, which: AccountFilter) -> list[str]:
        with read_transaction(self._engine) as db:
            return list(db.scalars(select(AccountRow.account_id).where(*_where(which)).order_by(AccountRow.account_id)))

    def count_by_connection(self) -> dict[str, tuple[int, int]]:
        """Return for each connection its accounts: how many, and how many of them are enabled."""
        enabled = func.count().filter(AccountRow.enabled)
        with read_transaction(self._engine) as db:
            rows = db.execute(select(AccountRow.connection, func.count(), enabled).group_by(AccountRow.connection))
            return {connection: (total, active) for connection, total, active in rows}

    def revision(self) -> int:
        with read_transaction(self._engine) as db:
            return _revision(db)

    def count(self) -> int:
        """Return how many accounts are registered, enabled or not."""
        with read_transaction(self._engine) as db:
            return int(db.execute(select(func.count()).select_from(AccountRow)).scalar_one())

    def changes_since(self, revision: int | None) -> RegistryChanges:
        """Return everything that changed after `revision`; all there is for None."""
        with read_transaction(self._engine) as db:
            until = _revision(db)
            changed = () if revision is None else (AccountRow.revision > revision,)
            rows = db.execute(select(*_COLUMNS, AccountRow.scheduled_at).where(*changed)).all()
            default = select(ConnectionRow.name).where(ConnectionRow.name == DEFAULT_CONNECTION)
            default_is_registered = db.execute(default).first() is not None
            removed: Sequence[str] = ()
            if revision is not None:
                gone = RemovedAccountRow.revision > revision
                removed = list(db.scalars(select(RemovedAccountRow.account_id).where(gone)))
        accounts = [
            ScheduledAccount(
                account=_account(row, ()),
                is_new=row.scheduled_at is None,
                default_is_registered=default_is_registered,
            )
            for row in rows
        ]
        return RegistryChanges(revision=until, accounts=accounts, removed=removed)

    def note_scheduled(self, account_ids: Collection[str], at: datetime) -> None:
        """Remember that these stand in the schedule, so that data lost by Redis makes no second start-up run."""
        with write_transaction(self._engine) as db:
            for chunk in chunks(account_ids):
                db.execute(update(AccountRow).where(AccountRow.account_id.in_(chunk)).values(scheduled_at=at))


_COLUMNS = (*(getattr(AccountRow, name) for name in _PLAIN_COLUMNS), AccountRow.tolerances)


@contextmanager
def registry_transaction(engine: Engine) -> Iterator[DbConnection]:
    """Give a transaction that changes the registry. It has the lock before it reads, so that no change is lost."""
    with write_transaction(engine) as db:
        db.execute(select(RegistryStateRow.revision).with_for_update())
        yield db


def next_revision(db: DbConnection) -> int:
    """Take the next revision."""
    grown = update(RegistryStateRow).values(revision=RegistryStateRow.revision + 1)
    return int(db.execute(grown.returning(RegistryStateRow.revision)).scalar_one())


def chunks(values: Iterable[str]) -> Iterator[list[str]]:
    ordered = list(values)
    for start in range(0, len(ordered), CHUNK_ROWS):
        yield ordered[start : start + CHUNK_ROWS]


def _revision(db: DbConnection) -> int:
    return int(db.execute(select(RegistryStateRow.revision)).scalar_one())


def _existing(db: DbConnection, account_ids: Iterable[str]) -> set[str]:
    known: set[str] = set()
    for chunk in chunks(account_ids):
        known.update(db.scalars(select(AccountRow.account_id).where(AccountRow.account_id.in_(chunk))))
    return known


def _where(which: AccountFilter) -> list[Any]:
    conditions: list[Any] = []
    if which.connection is not None:
        conditions.append(AccountRow.connection == which.connection)
    if which.enabled is not None:
        conditions.append(AccountRow.enabled == which.enabled)
    for label in which.labels:
        labelled = select(AccountLabelRow.account_id).where(AccountLabelRow.label == label)
        conditions.append(AccountRow.account_id.in_(labelled))
    return conditions


def _load(db: DbConnection, which: AccountFilter, *, with_labels: bool = True) -> list[RegisteredAccount]:
    query = select(*_COLUMNS).where(*_where(which)).order_by(AccountRow.account_id)
    if which.account_ids is None:
        rows: list[Any] = list(db.execute(query))
        labels = db.execute(select(AccountLabelRow.account_id, AccountLabelRow.label)).all()
    else:
        rows, labels = [], []
        for chunk in chunks(sorted(set(which.account_ids))):
            rows.extend(db.execute(query.where(is_among(AccountRow.account_id, chunk, db))))
            if with_labels:
                of_chunk = is_among(AccountLabelRow.account_id, chunk, db)
                labels.extend(db.execute(select(AccountLabelRow.account_id, AccountLabelRow.label).where(of_chunk)))
    by_account: dict[str, list[str]] = {}
    for account_id, label in labels:
        by_account.setdefault(account_id, []).append(label)
    return [_account(row, by_account.get(row.account_id, ())) for row in rows]


def _account(row: Any, labels: Iterable[str]) -> RegisteredAccount:
    tolerances = rules_from_json(row.account_id, row.tolerances) if row.tolerances else ()
    plain = dict(zip(_PLAIN_COLUMNS, row, strict=False))  # they are the first of every query's columns
    return RegisteredAccount(**plain, tolerances=tolerances, labels=frozenset(labels))


def _values(account: RegisteredAccount, revision: int) -> dict[str, Any]:
    values = {name: getattr(account, name) for name in _PLAIN_COLUMNS}
    return values | {"tolerances": rules_as_json(account.tolerances) or None, "revision": revision}


def _insert(db: DbConnection, accounts: Sequence[RegisteredAccount], revision: int) -> None:
    for chunk in chunks(account.account_id for account in accounts):
        db.execute(delete(RemovedAccountRow).where(RemovedAccountRow.account_id.in_(chunk)))
    insert_rows(db, AccountRow, [_values(account, revision) for account in accounts])
    _insert_labels(db, accounts)


def _insert_labels(db: DbConnection, accounts: Iterable[RegisteredAccount]) -> None:
    rows = [{"account_id": each.account_id, "label": label} for each in accounts for label in sorted(each.labels)]
    insert_rows(db, AccountLabelRow, rows)


def _rewrite(
    db: DbConnection, before: Mapping[str, RegisteredAccount], accounts: Sequence[RegisteredAccount], revision: int
) -> None:
    update_rows(db, AccountRow, [_values(account, revision) for account in accounts])
    # New to the schedule again: it starts with a start-up run.
    again = [account.account_id for account in accounts if account.enabled and not before[account.account_id].enabled]
    for chunk in chunks(again):
        db.execute(update(AccountRow).where(AccountRow.account_id.in_(chunk)).values(scheduled_at=None))
    for chunk in chunks(account.account_id for account in accounts):
        db.execute(delete(AccountLabelRow).where(AccountLabelRow.account_id.in_(chunk)))
    _insert_labels(db, accounts)


def _require(which: AccountFilter, found: Collection[str]) -> None:
    for account_id in which.account_ids or ():
        if account_id not in found:
            raise InvalidInputError(
                f"account {account_id!r} is not registered: see `reconcile accounts list`, "
                f"or register it with `reconcile accounts add {account_id}`"
            )
