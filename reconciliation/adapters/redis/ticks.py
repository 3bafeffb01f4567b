"""Ticks of beat: those that arrive at one moment, by Redis' clock, are one. No other clock is looked at."""

from reconciliation.adapters.redis.space import RedisSpace


class Ticks:
    """Any number of beats may send ticks, and any number may have waited for a worker."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    def begin(self, kind: str, collapse_ms: int) -> bool:
        """Return True for the first tick of this kind in `collapse_ms`; the others have nothing to do.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        with self._space.explained():
            return bool(self._space.client.set(f"{self._space.prefix}tick:{kind}", 1, nx=True, px=collapse_ms))
