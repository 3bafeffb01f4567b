"""What a break is: its key, its state, and how one change of it is applied. Pure.

`apply` is the only way in which a break's life changes, so that its history, folded again, gives the same break.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from reconciliation.domain.breaks.states import BREAK_EVENTS, BreakEventKind, BreakState, Effect, next_state
from reconciliation.domain.model.models import (
    AssetType,
    Discrepancy,
    DiscrepancySeverity,
    DiscrepancyType,
    ValueAtStake,
)
from reconciliation.domain.model.values import EXACT

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:reconciliation-workers:break")
_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class BreakKey:
    """What makes two findings the same break. Amounts are not part of it.

    `currency` counts at account level only: cash in USD and cash in EUR are two cases.
    """

    account_id: str
    type: DiscrepancyType
    symbol: str | None = None
    asset_type: AssetType | None = None
    currency: str | None = None

    @classmethod
    def of(cls, found: Discrepancy) -> "BreakKey":
        return cls(
            account_id=found.account_id,
            type=found.type,
            symbol=found.symbol,
            asset_type=found.asset_type,
            currency=found.currency if found.symbol is None else None,
        )

    @cached_property
    def break_id(self) -> UUID:
        """A pure function of the key: every sighting of the break gives the same name."""
        asset_type = None if self.asset_type is None else self.asset_type.value
        parts = [self.account_id, self.symbol, asset_type, self.type.value, self.currency]
        return uuid5(_NAMESPACE, json.dumps(parts))

    @cached_property
    def order(self) -> tuple[str, str, str, str, str]:
        asset_type = "" if self.asset_type is None else self.asset_type.value
        return (self.account_id, self.symbol or "", asset_type, self.type.value, self.currency or "")

    def __str__(self) -> str:
        where = self.symbol or self.currency or "account"
        return f"{self.account_id} {where} {self.type.value}"


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """Both values of a break. None: that side has nothing."""

    local_value: Decimal | None = None
    broker_value: Decimal | None = None

    @property
    def difference(self) -> Decimal:
        """Broker minus local; a missing side counts as zero."""
        return EXACT.subtract(self.broker_value or _ZERO, self.local_value or _ZERO)


@dataclass(frozen=True, kw_only=True)
class Sightings:
    """What the runs saw last. Not part of the break's life: a repeat of an unchanged break moves only this."""

    amounts: Amounts = Amounts()
    last_seen_at: datetime | None = None
    last_run_id: UUID | None = None
    #: Reads that showed it, since its present episode began. Two runs on one read count once.
    count: int = 0
    #: When the last read began that counted, whether it showed the break or no longer did.
    last_look_at: datetime | None = None
    #: When an open break was first found gone, and how many reads found it gone since; None and 0: it was seen.
    gone_at: datetime | None = None
    gone_count: int = 0
    #: When the run began from which the opening, or the resolution, is counted: the first, or the first after a fill.
    counted_from: datetime | None = None
    #: When the account's fills were looked at before that run read, in ms by the clock of that memory; None: no
    #: such memory is kept.
    fills_before: int | None = None
    #: Confirmation runs requested since then.
    confirmations_asked: int = 0
    #: Likely causes, as (kind, sentence).
    hints: tuple[tuple[str, str], ...] = ()
    #: None: not known, which is not zero.
    value: ValueAtStake | None = None
    #: How many times the local quantity the broker's is, such as `10:1`; None: neither simple nor known.
    ratio: str | None = None

    @property
    def cause(self) -> str | None:
        """The likeliest cause."""
        return self.hints[0][0] if self.hints else None


@dataclass(frozen=True, kw_only=True)
class BreakChange:
    """One entry of a break's history: who, what, when, and all that is needed to apply it again."""

    kind: BreakEventKind
    at: datetime
    #: 1 for the first entry of a break's history, then without gaps.
    number: int
    #: A person's name; None for a run.
    actor: str | None = None
    note: str | None = None
    run_id: UUID | None = None
    severity: DiscrepancySeverity | None = None
    amounts: Amounts = Amounts()
    #: The end of a snooze or of an acceptance.
    until: datetime | None = None
    #: An acceptance holds while the difference moves by no more than this; None: the policy's rule.
    change_limit: Decimal | None = None
    assignee: str | None = None
    #: Who had it before.
    previous_assignee: str | None = None
    #: Of a new episode that goes on with the one before: when that began.
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Break:
    """The long-lived case of one key: each key has one, permanently, which is re-opened."""

    key: BreakKey
    state: BreakState = BreakState.RESOLVED
    severity: DiscrepancySeverity = DiscrepancySeverity.INFO
    #: The amounts that were last published or judged by a person: "changed" is measured from them.
    published: Amounts = Amounts()
    #: First sighting of the present episode: age counts from here.
    first_seen_at: datetime | None = None
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    #: The person who resolved it by hand; None: a run did, or it is live.
    resolved_by: str | None = None
    #: The present episode was published. A case that only the event of a flood covers was not.
    is_announced: bool = False
    #: How often it was opened: 1 for `opened`, more after `reopened`.
    open_count: int = 0
    assignee: str | None = None
    note: str | None = None
    until: datetime | None = None
    change_limit: Decimal | None = None
    #: Length of its history.
    changes: int = 0
    seen: Sightings = Sightings()

    @property
    def break_id(self) -> UUID:
        return self.key.break_id

    @property
    def is_live(self) -> bool:
        """Whether it is anything but resolved."""
        return self.state is not BreakState.RESOLVED

    @property
    def opening(self) -> BreakEventKind:
        """The word for opening it now; a filed case has been counted already."""
        before = self.open_count - (self.state is BreakState.OPEN)
        return BreakEventKind.REOPENED if before else BreakEventKind.OPENED


@dataclass(frozen=True, kw_only=True)
class BreakEvent:
    """A change of a break that is published, with the break after it."""

    case: Break
    change: BreakChange

    @property
    def account_id(self) -> str:
        return self.case.key.account_id

    @property
    def at(self) -> datetime:
        return self.change.at


def apply(case: Break, change: BreakChange) -> Break:
    """Return the break after one entry of its history.

    Raises:
        BreakRefusedError: the break's state does not allow it.
    """
    rule = BREAK_EVENTS[change.kind]
    values: dict[str, Any] = {"state": next_state(case.state, change.kind, f"break {case.key}")}
    for effect in rule.effects:
        values |= _APPLY[effect](case, change)
    if change.note is not None:
        values["note"] = change.note
    if change.actor is not None and rule.is_published:
        values["is_announced"] = True
    return replace(case, changes=change.number, **values)


def is_published(after: Break, change: BreakChange) -> bool:
    """Return whether a change is published; `after` is the break with it."""
    return BREAK_EVENTS[change.kind].is_published and after.is_announced


def replay(key: BreakKey, history: Iterable[BreakChange]) -> Break:
    """Return the break that a history leads to; what runs saw last (`seen`) is not part of it.

    Raises:
        BreakRefusedError: the history holds a step that the table does not allow.
    """
    case = Break(key=key)
    for change in history:
        case = apply(case, change)
    return case


def _begin(_case: Break, change: BreakChange) -> dict[str, Any]:
    first = change.since or change.at
    return {"first_seen_at": first, "opened_at": None, "resolved_at": None, "resolved_by": None, "is_announced": False}


def _open(case: Break, change: BreakChange) -> dict[str, Any]:
    if case.state is BreakState.OPEN:
        return {}
    first_seen_at = case.first_seen_at if case.is_live else change.since or change.at
    ended = {"resolved_at": None, "resolved_by": None}
    return {**ended, "first_seen_at": first_seen_at, "opened_at": change.at, "open_count": case.open_count + 1}


_APPLY: Mapping[Effect, Callable[[Break, BreakChange], dict[str, Any]]] = {
    Effect.MEASURE: lambda _case, change: {"published": change.amounts},
    Effect.RATE: lambda case, change: {"severity": change.severity or case.severity},
    Effect.BEGIN: _begin,
    Effect.OPEN: _open,
    Effect.ANNOUNCE: lambda _case, _change: {"is_announced": True},
    Effect.END: lambda _case, change: {"resolved_at": change.at, "resolved_by": change.actor},
    Effect.ASSIGN: lambda _case, change: {"assignee": change.assignee},
    Effect.SET_TERM: lambda _case, change: {"until": change.until, "change_limit": change.change_limit},
    Effect.CLEAR_TERM: lambda _case, _change: {"until": None, "change_limit": None},
}
