"""Results on the two Redis channels: a listener sees every run."""

from collections.abc import Sequence

from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.domain.model.models import ReconciliationResult
from reconciliation.messages.runs import messages


class ChannelPublisher:
    """Publishes runs on `reconciliation:result` and their findings on `reconciliation:discrepancy`."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space

    def publish(self, results: Sequence[ReconciliationResult]) -> None:
        """Publish all runs in one round trip.

        Raises:
            CoordinationError: Redis could not be reached; some of the messages may have gone out.
        """
        pipeline = self._space.client.pipeline(transaction=False)
        for result in results:
            for channel, payload in messages(result):
                pipeline.publish(self._space.own_name(channel), payload)
        with self._space.explained():
            pipeline.execute()
