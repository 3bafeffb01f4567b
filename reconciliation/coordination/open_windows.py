"""Which accounts have fills that no run has covered yet: a look at the index that the fill windows keep."""

from collections.abc import Collection, Sequence

import redis

from reconciliation.coordination.connection import explain


class OpenWindows:
    """Reads `fills:index`, the sorted set of accounts with unsettled fills; written by `fill_window.lua` alone."""

    def __init__(self, client: redis.Redis, *, key_prefix: str, address: str) -> None:
        self._client = client
        self._key = f"{key_prefix}fills:index"
        self._address = address

    def open_windows(self, account_ids: Sequence[str]) -> Collection[str]:
        """Return which of these accounts have unsettled fills, in one round trip.

        Raises:
            CoordinationError: Redis cannot be reached.
        """
        if not account_ids:
            return set()
        try:
            scores = self._client.zmscore(self._key, list(account_ids))
        except redis.RedisError as error:
            raise explain(error, self._address) from error
        return {account_id for account_id, score in zip(account_ids, scores, strict=True) if score is not None}
