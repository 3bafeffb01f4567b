"""A small firm for tests of fills: accounts, an order service, and an ear on the results of real workers."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from reconciliation.adapters.database.engine import build_engine
from reconciliation.adapters.database.registry import Registry
from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.fill_status import FillStatus, read_fill_status
from reconciliation.adapters.redis.fill_window import FillWindows
from reconciliation.client.report_fills import FillReporter
from reconciliation.domain.model.accounts import RegisteredAccount
from reconciliation.domain.model.fill_times import FillTimes
from reconciliation.settings import Settings
from tests.support.spaces import space_of
from tests.support.waiting import wait_for

PREFIX = "reconciliation:"
WAKE_UPS_QUEUE = f"{PREFIX}celery:reconciliation.wake_ups"
#: Limits as short as settings allow, so that a lease ends while a test waits for it.
SHORT_LIMITS = {"task_time_limit_seconds": 5, "run_lease_seconds": 6, "visibility_timeout_seconds": 12}


def fills_counted(client: redis.Redis, account_id: str, prefix: str = PREFIX) -> int:
    """Return how many fills the account's open window has counted; 0 without one."""
    packed = client.hget(f"{prefix}fills:window:{account_id}", "fills")
    return int(str(packed).split()[0]) if packed else 0


class FillLab:
    """Accounts whose two books agree, at a broker that takes its time; and all that was told about them."""

    def __init__(
        self,
        redis_url: str,
        database_url: str,
        directory: Path,
        accounts: Sequence[str],
        *,
        answer_delay_seconds: float = 0.0,
        own: Mapping[str, Mapping[str, Any]] = {},
        **settings: object,
    ) -> None:
        positions, balances = directory / "positions.csv", directory / "balances.csv"
        positions.write_text("account_id,symbol,asset_type,quantity,avg_cost\n")
        rows = [f"{account_id},100000,100000\n" for account_id in accounts]
        balances.write_text("account_id,cash,equity\n" + "".join(rows))
        self.settings: dict[str, object] = {
            "redis_url": redis_url,
            "database_url": database_url,
            "local": "csv",
            "local_options": json.dumps({"positions": str(positions), "balances": str(balances)}),
            "broker": "paper",
            "broker_options": json.dumps({"answer_delay_seconds": answer_delay_seconds, "any_account": True}),
            "redis_timeout_seconds": 2,
            "interval_seconds": 3_600,
            **SHORT_LIMITS,
            **settings,
        }
        engine = build_engine(database_url)
        Registry(engine).add([RegisteredAccount(account_id=name, **own.get(name, {})) for name in accounts])
        engine.dispose()
        self._closing = ExitStack()
        typed = {name: json.loads(str(value)) if "options" in name else value for name, value in self.settings.items()}
        self.reporter = self._closing.enter_context(FillReporter(Settings(**typed)))
        self.redis: redis.Redis = self._closing.enter_context(connect(redis_url, 2))
        self.windows = FillWindows(space_of(self.redis, PREFIX), times=FillTimes())
        self.results = self._closing.enter_context(ResultListener(redis_url))

    def status(self) -> FillStatus:
        return read_fill_status(space_of(self.redis, PREFIX), self.windows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.close()

    def fill(self, account_id: str, fill_id: str = "F", **fields: object) -> float:
        """Report a fill and return when."""
        at = time.time()
        self.reporter.report_fill(account_id, {"fill_id": fill_id, "order_id": "O", "symbol": "AAPL", **fields})
        return at

    def counters(self) -> Mapping[str, int]:
        found: Mapping[str, str] = self.redis.hgetall(f"{PREFIX}fills:counters")
        return {name: int(value) for name, value in found.items()}

    def wait_for_counter(self, name: str, value: int = 1, timeout_seconds: float = 30) -> None:
        wait_for(lambda: self.counters().get(name, 0) >= value, timeout_seconds, f"{name} reaches {value}")

    def wait_settled(self, timeout_seconds: float = 60) -> None:
        """Wait until no window is open and every settled run was heard of."""

        def settled() -> bool:
            with suppress(redis.RedisError):
                return not self.redis.zcard(f"{PREFIX}fills:index")
            return False

        wait_for(settled, timeout_seconds, "every window is settled")

    def wait_covered(self, account_id: str, reported_at: float, timeout_seconds: float = 60) -> dict[str, Any]:
        """Wait for a completed run that began after the fill, and return what was told of it."""

        def covering() -> dict[str, Any] | None:
            runs = self.results.completed(account_id)
            return next((run for run in runs if began_at(run) >= reported_at), None)

        found = wait_for(covering, timeout_seconds, f"a run covers {account_id}")
        assert found is not None
        return found


class QueueCounter:
    """Counts the messages that anybody puts on the queue of fills, as the server sees them."""

    def __init__(self, redis_url: str) -> None:
        self.messages = 0
        self._client = connect(redis_url, 1)
        self._stopping = threading.Event()
        self._watching = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="queue counter", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._watching.wait(10), "nobody counts the messages"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.publish("the end", "of counting")
        self._thread.join(30)
        self._client.close()

    def _watch(self) -> None:
        with self._client.monitor() as commands:
            self._watching.set()
            for command in commands.listen():
                words = command["command"].split(" ")
                self.messages += words[0].upper() == "LPUSH" and words[1] == WAKE_UPS_QUEUE
                if command["command"] == "PUBLISH the end of counting":
                    return


class ResultListener:
    """Hears the results of post-fill runs in a thread; when Redis goes away it comes back as soon as Redis does."""

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._heard: list[dict[str, Any]] = []
        self._listening = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="results", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10), "nobody listens to the results"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(10)

    def all(self) -> list[dict[str, Any]]:
        return list(self._heard)

    def completed(self, account_id: str) -> list[dict[str, Any]]:
        return [run for run in self.all() if run["account_id"] == account_id and run["outcome"] != "incomplete"]

    def _listen(self) -> None:
        while not self._stopping.is_set():
            with (
                suppress(redis.RedisError),
                connect(self._redis_url, 1) as client,
                client.pubsub(ignore_subscribe_messages=True) as channel,
            ):
                channel.subscribe(f"{PREFIX}result")
                channel.get_message(timeout=1)
                self._listening.set()
                while not self._stopping.is_set():
                    message = channel.get_message(timeout=0.05)
                    if message is not None:
                        self._note(json.loads(message["data"]))
            self._stopping.wait(0.01)

    def _note(self, payload: dict[str, Any]) -> None:
        if payload["context"].get("trigger") == "post_fill":
            self._heard.append(payload)


def began_at(run: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(run["timestamp"]).timestamp()


def ended_at(run: Mapping[str, Any]) -> float:
    return began_at(run) + float(run["duration_ms"]) / 1000
