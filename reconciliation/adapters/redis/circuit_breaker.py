"""The circuit breaker of connections, shared by all workers: one that keeps failing is paused, for a bounded time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from reconciliation.adapters.redis.script import packaged
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.errors import RateLimited, ReadError, Unavailable

#: A cause is for people; a server's whole error page is not.
MAX_CAUSE_CHARACTERS = 200


class RedisCircuitBreaker:
    """Which connections are paused, and until when.

    Args:
        failures_before_pause: this many failures without a success between them start a pause.
        pause_ms: the first pause; each further one in a row is twice as long.
        max_pause_ms: the longest.
        probe_ms: when a pause is over, one sweep tries first; the others wait this long for its result.
    """

    def __init__(
        self,
        space: RedisSpace,
        *,
        failures_before_pause: int = 5,
        pause_ms: int = 5_000,
        max_pause_ms: int = 300_000,
        probe_ms: int = 30_000,
    ) -> None:
        self._space = space
        self.failures_before_pause = failures_before_pause
        self._script = space.script(packaged("circuit_breaker"))
        self._pause_ms = pause_ms
        self._max_pause_ms = max_pause_ms
        self._probe_ms = probe_ms

    def check(self, connection: str, *, now_ms: int | None = None) -> ReadError | None:
        """Return why the connection must not be used now, or None.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        left_ms, cause = self._run("check", connection, now_ms, self._probe_ms)
        if not left_ms:
            return None
        return Unavailable(
            f"connection {connection!r} is paused for another {max(1, round(int(left_ms) / 1000))} s, "
            f"because it failed again and again: {cause}"
        )

    def pauses(self, connections: Iterable[str]) -> Mapping[str, str]:
        """Return the cause for each of these connections that has been paused and has not succeeded since.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        names = list(connections)
        with self._space.explained():
            pipeline = self._space.client.pipeline(transaction=False)
            for name in names:
                pipeline.hmget(f"{self._space.prefix}pause:{name}", "pauses", "cause")
            found = pipeline.execute()
        return {name: cause or "" for name, (pauses, cause) in zip(names, found, strict=True) if pauses}

    def report(
        self, connection: str, failures: Sequence[ReadError], *, succeeded: bool, now_ms: int | None = None
    ) -> None:
        """Tell how a sweep's requests ended: the failures since its last success, and whether it had one.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        cause = str(failures[-1])[:MAX_CAUSE_CHARACTERS] if failures else ""
        asked_to_wait = [each.retry_after_seconds or 0 for each in failures if isinstance(each, RateLimited)]
        self._run(
            "report",
            connection,
            now_ms,
            uuid4().hex,
            len(failures),
            int(succeeded),
            cause,
            self.failures_before_pause,
            self._pause_ms,
            self._max_pause_ms,
            round(max(asked_to_wait, default=0) * 1000),
        )

    def _run(self, operation: str, connection: str, now_ms: int | None, *arguments: str | float) -> Any:
        now = "" if now_ms is None else now_ms
        return self._script.call(operation, now, connection, *arguments)
