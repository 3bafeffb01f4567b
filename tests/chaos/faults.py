"""What goes wrong, at random: workers killed, stopped and restarted, beat killed, Redis restarted."""

import random
import threading
from collections.abc import Callable, Mapping

from reconciliation.adapters.embedded.redis_server import RedisServer
from tests.support.processes import ManagedProcess

#: Longer than a run's lease, now and then.
STOPS_SECONDS = (0.5, 1.5, 7.5)
PAUSE_SECONDS = (0.5, 2.5)
AWAY_SECONDS = (0.0, 1.5)


class Faults:
    """Breaks one thing after another in a thread; whatever it broke works again when it ends."""

    def __init__(
        self, workers: list[ManagedProcess], beat: ManagedProcess, redis_server: RedisServer, chance: random.Random
    ) -> None:
        self._workers = workers
        self._beat = beat
        self._redis_server = redis_server
        self._chance = chance
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self.done: dict[str, int] = {}
        self.error: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the faults; raises what went wrong with making them."""
        self._stopping.set()
        self._thread.join(60)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        kinds: Mapping[str, Callable[[], None]] = {
            "worker killed": self._kill_worker,
            "worker stopped for a while": self._stop_worker,
            "worker told to end": self._end_worker,
            "beat killed": self._kill_beat,
            "Redis killed": self._kill_redis,
        }
        weights = (4, 3, 2, 1, 1)
        try:
            while not self._wait(PAUSE_SECONDS):
                [kind] = self._chance.choices(list(kinds), weights)
                kinds[kind]()
                self.done[kind] = self.done.get(kind, 0) + 1
        except BaseException as error:  # noqa: BLE001 - shown by stop()
            self.error = error

    def _wait(self, between: tuple[float, float]) -> bool:
        return self._stopping.wait(self._chance.uniform(*between))

    def _kill_worker(self) -> None:
        worker = self._chance.choice(self._workers)
        worker.kill()
        self._wait(AWAY_SECONDS)
        worker.start()

    def _stop_worker(self) -> None:
        worker = self._chance.choice(self._workers)
        try:
            worker.pause()
            self._stopping.wait(self._chance.choice(STOPS_SECONDS))
            worker.resume()
        except ProcessLookupError:
            # kombu's Redis transport can end a worker whose connection is lost while it acknowledges; as a
            # supervisor does in production, start it again.
            worker.kill()
            worker.start()

    def _end_worker(self) -> None:
        worker = self._chance.choice(self._workers)
        worker.child.terminate()
        self._wait(AWAY_SECONDS)
        worker.kill()
        worker.start()

    def _kill_beat(self) -> None:
        self._beat.kill()
        self._wait(AWAY_SECONDS)
        self._beat.start()

    def _kill_redis(self) -> None:
        self._redis_server.kill()
        self._wait(AWAY_SECONDS)
        self._redis_server.start()
