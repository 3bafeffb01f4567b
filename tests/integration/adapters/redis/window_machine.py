"""A random walk over everything that can happen to fill windows: real server, real script, the clock in our hands."""

import json
from contextlib import suppress
from typing import Any

import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reconciliation.adapters.redis.fill_window import OVERDUE_MS, FillWindows
from reconciliation.ports.fill_windows import DelayedWakeUp, FillOutcome, FillReport, FinishOutcome, RunClaim
from tests.integration.adapters.redis.window_model import TIMES, Account, Message, Run
from tests.support.spaces import space_of

ACCOUNTS = ("A", "B")
AN_ACCOUNT = st.sampled_from("AAAB")  # a long story of one, with another beside it
SELDOM = st.sampled_from([False] * 9 + [True])
PREFIX = "machine:"
SWEEP_EVERY_MS = 1_000


class RepeatingConnection(redis.Connection):
    """One whose every call may be executed twice, as after a lost reply; only the second reply is seen.

    It sits on the wire, whichever way the product takes to it; `executed_twice` shows that it was passed.
    """

    repeats = False
    executed_twice = 0

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        super().send_command(*args, **kwargs)
        if type(self).repeats and args[0] == "EVALSHA":
            with suppress(redis.ResponseError):  # the second execution meets it too
                self.read_response()
            type(self).executed_twice += 1
            super().send_command(*args, **kwargs)


class WindowMachine(RuleBasedStateMachine):
    """Subclassed by each test with a server, a script and whether anybody sweeps."""

    url: str
    source: str | None = None
    sweeps = True

    def __init__(self) -> None:
        super().__init__()
        RepeatingConnection.repeats = False
        pool = redis.ConnectionPool.from_url(
            self.url, connection_class=RepeatingConnection, decode_responses=True, protocol=2
        )
        self.client = redis.Redis.from_pool(pool)
        self.client.flushdb()
        self.windows = FillWindows(
            space_of(self.client, PREFIX),
            times=TIMES,
            sweep_size=1,
            back_off_spread=0,
            now_ms=1_800_000_000_000,
            source=self.source,
        )
        self.accounts = {account_id: Account() for account_id in ACCOUNTS}
        self.messages: list[Message] = []
        self.runs: list[Run] = []
        self.calls = 0

    @property
    def now(self) -> int:
        assert self.windows.now_ms is not None
        return self.windows.now_ms

    def send(self, wake_up: DelayedWakeUp | None, *, fails: bool = False) -> None:
        if wake_up is not None and not fails:
            arrives_at = self.now + wake_up.wait_ms
            self.messages.append(Message(wake_up.account_id, wake_up.token, arrives_at))

    # What happens.

    @initialize(registered=st.booleans())
    def mirror(self, registered):
        if registered:
            self.client.hset(f"{PREFIX}accounts", mapping={"": "1", **dict.fromkeys(ACCOUNTS, '{"enabled": true}')})

    @rule(account_id=AN_ACCOUNT, count=st.integers(1, 3), send_fails=st.booleans(), again=st.booleans())
    def fill(self, account_id, count, send_fails, again):
        account = self.accounts[account_id]
        self.calls += 1
        summary = {"fill_id": str(self.calls)}
        report = FillReport(account_id=account_id, fill_count=count, last_fill=summary, call_id=f"call {self.calls}")
        [recorded] = self.windows.record([report])
        if again:  # the same report by another delivery of its message
            assert self.windows.record([report]) == [recorded]
        if not account.enabled and account.is_free(self.now):
            assert recorded.outcome is FillOutcome.IGNORED
            return
        assert recorded.outcome is FillOutcome.RECORDED
        must_send = account.record(self.now, count)
        assert (recorded.wake_up is not None) == must_send
        if recorded.wake_up is not None:
            assert recorded.wake_up.wait_ms == account.wait(self.now, recorded.wake_up.token)
        self.send(recorded.wake_up, fails=send_fails)

    @rule(milliseconds=st.sampled_from([1, 500, 2_499, 5_000, 12_000, 30_000, 31_000]))
    def time_passes(self, milliseconds):
        self.windows.now_ms = self.now + milliseconds

    @rule(account_id=AN_ACCOUNT, edge=st.sampled_from(["due_at", "lease_until"]), offset=st.integers(-1, 1))
    def an_edge_comes(self, account_id, edge, offset):
        self.windows.now_ms = max(self.now, getattr(self.accounts[account_id], edge) + offset)

    @precondition(lambda self: self.messages)
    @rule(data=st.data(), keeps_copy=st.booleans(), send_fails=st.booleans())
    def message_arrives(self, data, keeps_copy, send_fails):
        place = data.draw(st.integers(0, len(self.messages) - 1), "message")
        message = self.messages[place] if keeps_copy else self.messages.pop(place)
        self.claim(message, send_fails=send_fails)

    def claim(self, message: Message, *, send_fails: bool = False) -> None:
        account = self.accounts[message.account_id]
        decision = self.windows.claim(message.account_id, message.token)
        if message.token != account.token:
            assert decision is None, "a stale message must be dropped"
            return
        if not account.enabled:
            assert decision is None
            account.forget()
            return
        if self.now < account.due_at:
            assert isinstance(decision, DelayedWakeUp), "not due yet"
            assert decision.wait_ms == account.wait(self.now, decision.token)
            self.send(decision, fails=send_fails)
            return
        assert isinstance(decision, RunClaim), "due, and shown by the holder of the lock"
        assert not [run for run in self.runs if run.account_id == message.account_id and run.lease_until > self.now]
        assert decision.fill_count == len(account.fills)
        assert decision.first_fill_at.timestamp() * 1000 == account.fills[0]
        self.runs.append(account.start(self.now, message.account_id, decision.token))

    @rule(account_id=AN_ACCOUNT, fills=st.integers(0, 1))
    def all_goes_well(self, account_id, fills):
        """The next message arrives in time and its run completes, perhaps with a fill meanwhile."""
        account = self.accounts[account_id]
        for message in [found for found in self.messages if found.token == account.token]:
            self.windows.now_ms = max(self.now, message.arrives_at)
            self.messages.remove(message)
            self.claim(message)
        if fills:
            self.fill(account_id, 1, send_fails=False, again=False)
        if account.run in self.runs:
            self.runs.remove(account.run)
            self.end(account.run, completes=True)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def message_is_lost(self, data):
        self.messages.pop(data.draw(st.integers(0, len(self.messages) - 1), "message"))

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), completes=st.booleans(), send_fails=st.booleans())
    def run_ends(self, data, completes, send_fails):
        run = self.runs.pop(data.draw(st.integers(0, len(self.runs) - 1), "run"))
        self.end(run, completes=completes, send_fails=send_fails)

    def end(self, run: Run, *, completes: bool, send_fails: bool = False) -> None:
        account = self.accounts[run.account_id]
        finish = (self.windows.complete if completes else self.windows.incomplete)([run])[0]
        if account.run is not run:
            assert finish.outcome in {FinishOutcome.SUPERSEDED, FinishOutcome.NO_WINDOW}, (
                "a late finish settles nothing"
            )
            return
        if not account.enabled or (completes and not account.settle(run)):
            assert finish.outcome in {FinishOutcome.SETTLED, FinishOutcome.NO_WINDOW}
            account.forget()
            return
        if not completes:
            account.back_off(self.now)
        assert finish.outcome is FinishOutcome.CONTINUED
        assert finish.wake_up is not None
        assert finish.wake_up.wait_ms == account.wait(self.now, finish.wake_up.token)
        self.send(finish.wake_up, fails=send_fails)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def worker_crashes_in_a_run(self, data):
        self.runs.pop(data.draw(st.integers(0, len(self.runs) - 1), "run")).lease_until = 0

    @precondition(lambda self: self.sweeps)
    @rule(send_fails=st.booleans())
    def reclaim(self, send_fails):
        wake_ups = self.windows.reclaim(limit=10)
        overdue = {name for name, account in self.accounts.items() if account.fills and self.is_overdue(account)}
        for name in list(overdue):
            if not self.accounts[name].enabled:
                self.accounts[name].forget()
                overdue.remove(name)
        assert {wake_up.account_id for wake_up in wake_ups} == overdue
        for wake_up in wake_ups:
            account = self.accounts[wake_up.account_id]
            account.take_over()
            assert wake_up.wait_ms == account.wait(self.now, wake_up.token)
            self.send(wake_up, fails=send_fails)

    def is_overdue(self, account: Account) -> bool:
        """Whether a reclaim takes the window; one whose fills came later moves to its place among the due ones."""
        if account.lease_until <= self.now:
            return True
        if account.score is None or account.score > self.now - OVERDUE_MS:
            return False
        if account.enabled and account.due_at > self.now:
            account.score = account.due_at
        return not account.enabled or account.due_at <= self.now - OVERDUE_MS

    @precondition(lambda self: all(account.enabled for account in self.accounts.values()))
    @rule(account_id=AN_ACCOUNT)
    def a_message_takes_others_along(self, account_id):
        claims = self.windows.claim_due(account_id, 10)
        due = set()
        for name, account in self.accounts.items():
            if account.score is not None and account.score <= self.now:
                account.score = max(account.score, account.due_at) if account.due_at > self.now else account.score
                if account.due_at <= self.now and not account.crashes:
                    due.add(name)
        assert {claim.account_id for claim in claims} == due
        for claim in claims:
            account = self.accounts[claim.account_id]
            assert claim.fill_count == len(account.fills)
            self.runs.append(account.start(self.now, claim.account_id, claim.token))

    @rule(repeats=st.booleans())
    def replies_get_lost(self, repeats):
        RepeatingConnection.repeats = repeats

    @rule(happens=SELDOM)
    def redis_loses_its_data(self, happens):
        if not happens:
            return
        self.client.flushdb()
        self.client.script_flush()
        self.runs.clear()  # what they cover now is the next periodic run's business
        for account in self.accounts.values():
            account.forget()
            account.enabled = True

    @rule(account_id=AN_ACCOUNT, disabled=SELDOM)
    def account_changes(self, account_id, disabled):
        self.client.hset(f"{PREFIX}accounts", account_id, json.dumps({"enabled": not disabled}))
        self.accounts[account_id].enabled = not disabled

    @rule(account_id=AN_ACCOUNT, happens=SELDOM)
    def account_is_removed(self, account_id, happens):
        if not happens:
            return
        self.windows.forget(account_id)
        self.accounts[account_id].forget()
        assert not self.client.exists(f"{PREFIX}fills:window:{account_id}")

    # And in the end.

    def teardown(self) -> None:
        """Let the faults stop: every fill must be covered within delay + lease + one sweep, and nothing may be left."""
        try:
            RepeatingConnection.repeats = False
            last_fault_at = self.now
            self.runs.clear()
            longest_ms = max(TIMES.delay_ms, TIMES.max_backoff_ms) + TIMES.lease_ms + SWEEP_EVERY_MS
            while any(account.fills for account in self.accounts.values()):
                if self.sweeps:
                    self.reclaim(send_fails=False)
                for message in [found for found in self.messages if found.arrives_at <= self.now]:
                    self.messages.remove(message)
                    self.claim(message)
                while self.runs:
                    self.end(self.runs.pop(), completes=True)
                assert self.now <= last_fault_at + longest_ms, f"uncovered: {self.accounts}"
                self.time_passes(SWEEP_EVERY_MS)
            left = {str(key) for key in self.client.scan_iter(f"{PREFIX}*") if ":reclaim:" not in str(key)}
            last = {f"{PREFIX}fills:last:{account_id}" for account_id in ACCOUNTS}
            assert left <= {f"{PREFIX}accounts", f"{PREFIX}fills:counters", f"{PREFIX}fills:connections"} | last
            assert all(self.client.pttl(key) > 0 for key in left & last)
        finally:
            self.client.close()
