"""Results on the two Redis channels: whoever listens hears every run."""

from collections.abc import Sequence

import redis

from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.errors import CoordinationError
from reconciliation.messages.runs import messages


class ChannelPublisher:
    """Publishes runs on `reconciliation:result` and their findings on `reconciliation:discrepancy`."""

    def __init__(self, client: redis.Redis, address: str) -> None:
        self._client = client
        self._address = address

    def publish(self, results: Sequence[ReconciliationResult]) -> None:
        """Publish all runs in one round trip.

        Raises:
            CoordinationError: Redis could not be reached; some of the messages may have gone out.
        """
        pipeline = self._client.pipeline(transaction=False)
        for result in results:
            for channel, payload in messages(result):
                pipeline.publish(channel, payload)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise CoordinationError(
                f"results could not be published: Redis at {self._address} failed: {error}"
            ) from error
