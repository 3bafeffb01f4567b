"""What a person may do to a break. Pure: the break and the action in, the changed break and its history entry out."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.breaks.break_ import Break, BreakChange, apply
from reconciliation.domain.breaks.states import BREAK_EVENTS, MANUAL, BreakEventKind, Effect
from reconciliation.domain.model.values import MAX_NOTE_CHARACTERS, aware_utc, checked_text, exact_decimal
from reconciliation.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class BreakAction:
    """What one person wants to do to one break."""

    kind: BreakEventKind
    #: The person's name, kept in the history.
    actor: str
    at: datetime
    note: str | None = None
    until: datetime | None = None
    change_limit: Decimal | None = None
    assignee: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", aware_utc(self.at))
        if self.until is not None:
            object.__setattr__(self, "until", aware_utc(self.until))
        if self.change_limit is not None:
            object.__setattr__(self, "change_limit", exact_decimal(self.change_limit, "change limit"))
        self._check()
        for what, name in (("actor", self.actor), ("assignee", self.assignee)):
            if name is not None:
                checked_text(name, what)
        if self.note:
            checked_text(self.note, "note", max_characters=MAX_NOTE_CHARACTERS, lines=True)

    def _check(self) -> None:
        if self.kind not in MANUAL:
            raise InvalidInputError(f"{self.kind.value!r} is not an action of a person but of a run")
        if not self.actor.strip():
            raise InvalidInputError("every change of a break needs a name: give --by, or set RECONCILIATION_ACTOR")
        if self.kind is BreakEventKind.SNOOZED and self.until is None:
            raise InvalidInputError("a snooze needs a time at which it ends")
        if self.until is not None and self.until <= self.at:
            raise InvalidInputError(f"the end {self.until.isoformat()} has passed already: name a later time")
        if self.kind in (BreakEventKind.ACCEPTED, BreakEventKind.NOTED) and not (self.note or "").strip():
            raise InvalidInputError(f"{self.kind.value!r} needs a note that says why")
        if self.kind is BreakEventKind.ASSIGNED and not (self.assignee or "").strip():
            raise InvalidInputError("an assignment needs the name of a person")
        if self.change_limit is not None and self.change_limit < 0:
            raise InvalidInputError(f"the change limit is {self.change_limit}: it must not be negative")


def act(case: Break, action: BreakAction) -> tuple[Break, BreakChange]:
    """Return the break after a person's action, and the entry of its history.

    Raises:
        BreakRefusedError: the break's state does not allow it.
    """
    assignee = action.actor if action.kind is BreakEventKind.ACKNOWLEDGED else action.assignee
    change = BreakChange(
        kind=action.kind,
        at=action.at,
        number=case.changes + 1,
        actor=action.actor,
        note=action.note,
        severity=case.severity,
        # A person judges the break as it is now: "changed" is measured from here.
        amounts=case.seen.amounts,
        until=action.until,
        change_limit=action.change_limit,
        assignee=assignee,
        previous_assignee=case.assignee if Effect.ASSIGN in BREAK_EVENTS[action.kind].effects else None,
    )
    return apply(case, change), change
