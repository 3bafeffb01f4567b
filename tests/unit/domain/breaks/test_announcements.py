"""One event for one cause, however many accounts share it."""

from typing import Any

from reconciliation.domain.breaks.account_health import Condition
from reconciliation.domain.breaks.announcements import (
    HOLD_SECONDS,
    MAX_CONNECTIONS,
    Announcement,
    SharedCondition,
    Tally,
    announce,
)
from tests.builders.ledger import after

RUN, SLOT, LISTS = Condition.COULD_NOT_RUN, Condition.MISSED_SLOT, Condition.LISTS_NOTHING


class Desk:
    """What readers get, look by look."""

    def __init__(self) -> None:
        self.shared: tuple[SharedCondition, ...] = ()
        self.now = 0.0

    def look(self, *tallies: Tally, seconds: float = 5) -> Announcement:
        self.now += seconds
        done = announce(tallies, self.shared, after(self.now), flood_cap=50)
        self.shared = done.shared
        return done


def tally(connection: str, pending: int, live: int | None = None, kind: Condition = RUN, **values: Any) -> Tally:
    return Tally(
        condition=kind,
        connection=connection,
        pending=pending,
        live=pending if live is None else live,
        since=after(0),
        **values,
    )


def said(done: Announcement) -> list[tuple[str, str | None, int]]:
    return [(event.kind, event.details.get("connection"), event.details["accounts"]) for event in done.events]


def test_few_accounts_are_an_event_each() -> None:
    done = Desk().look(tally("ibkr", 50))
    assert (done.events, done.alone, done.absorbed) == ((), ((RUN, "ibkr"),), ())


def test_a_login_that_is_down_is_one_event_from_its_first_account_on() -> None:
    desk = Desk()
    assert said(desk.look(tally("ibkr", 7, failing=100_000))) == [("could_not_run", "ibkr", 100_000)]
    for _ in range(60):
        done = desk.look(tally("ibkr", 1600, 1600, failing=100_000))
        assert (done.events, done.alone, done.absorbed) == ((), (), ((RUN, "ibkr"),))


def test_a_shared_condition_that_doubles_is_published_again() -> None:
    desk = Desk()
    desk.look(tally("ibkr", 60))
    assert desk.look(tally("ibkr", 59, 119)).events == ()
    assert said(desk.look(tally("ibkr", 10, 129))) == [("could_not_run", "ibkr", 129)]
    assert desk.look(tally("ibkr", 10, 139)).events == ()


def test_a_shared_condition_ends_once_few_are_left_and_nobody_joined_for_a_while() -> None:
    desk = Desk()
    desk.look(tally("ibkr", 60))
    assert desk.look(tally("ibkr", 0, 3)).events == ()
    done = desk.look(tally("ibkr", 0, 3), seconds=HOLD_SECONDS)
    assert [(event.kind, event.details["left"]) for event in done.events] == [("runs_recovered", 3)]
    assert (done.ended, desk.shared) == (((RUN, "ibkr"),), ())


def test_a_login_that_flaps_does_not_end_and_begin_with_every_wave() -> None:
    desk = Desk()
    desk.look(tally("ibkr", 60))
    for _ in range(20):
        assert desk.look(seconds=HOLD_SECONDS / 2).events == ()
        assert len(desk.look(tally("ibkr", 20), seconds=HOLD_SECONDS / 3).events) <= 1


def test_many_connections_at_once_are_one_event_of_the_whole_system() -> None:
    desk = Desk()
    tallies = [tally(f"login-{number}", 60, kind=SLOT) for number in range(MAX_CONNECTIONS + 1)]
    done = desk.look(*tallies)
    assert said(done) == [("missed_slot", None, 60 * len(tallies))]
    assert done.events[0].details["connections"] == len(tallies)
    assert len(done.absorbed) == len(tallies)
    assert said(desk.look(seconds=HOLD_SECONDS)) == [("schedule_recovered", None, 60 * len(tallies))]


def test_a_connection_for_each_account_is_one_event_too() -> None:
    done = Desk().look(*(tally(f"login-{number}", 1) for number in range(51)))
    assert said(done) == [("could_not_run", None, 51)]
    assert done.alone == ()


def test_a_second_outage_beside_an_old_one_is_told() -> None:
    desk = Desk()
    desk.look(tally("old", 60, kind=SLOT))
    done = desk.look(tally("old", 0, 60, kind=SLOT), tally("new", 50_000, kind=SLOT))
    assert said(done) == [("missed_slot", "new", 50_000)]


def test_an_account_that_lists_nothing_is_an_event_only_with_many_others() -> None:
    desk = Desk()
    done = desk.look(tally("ibkr", 50, kind=LISTS))
    assert (done.events, done.alone, done.absorbed) == ((), (), ())
    done = desk.look(tally("ibkr", 835, kind=LISTS))
    assert said(done) == [("lists_nothing", "ibkr", 835)]
    assert "no position at all" in done.events[0].details["hint"]


def test_what_was_over_before_it_could_be_told_is_told_and_ends_by_itself() -> None:
    desk = Desk()
    assert said(desk.look(tally("ibkr", 60, 0, kind=SLOT))) == [("missed_slot", "ibkr", 60)]
    assert said(desk.look(seconds=HOLD_SECONDS)) == [("schedule_recovered", "ibkr", 60)]
