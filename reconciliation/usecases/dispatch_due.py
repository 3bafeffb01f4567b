"""One tick of the schedule: bring the mirror up to date, claim what is due, send it to the workers as sweeps.

Any number of ticks may run at once: an entry is claimed by one of them.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from reconciliation.errors import CoordinationError, StorageError
from reconciliation.ports.accounts import ConnectionDefinitions, Mirror
from reconciliation.ports.run_queue import Claim, RunQueue
from reconciliation.ports.task_queue import SweepOrder, TaskQueue

logger = logging.getLogger(__name__)

#: Entries in one claim: some ten milliseconds in which Redis serves no other client.
CLAIM_LIMIT = 1000
#: Accounts that one tick checks for being in the queue.
CHECKED_ACCOUNTS = 200


class Dispatcher:
    """Sends what is due.

    Args:
        sweep_size: accounts in one sweep, at most.
        max_queued_sweeps: with this many sweeps waiting for workers, no more is claimed; what is due stays due.
        lease_ms: if no worker starts a sweep in this time, its accounts are due again and its message is stale.
    """

    def __init__(
        self,
        *,
        queue: RunQueue,
        mirror: Mirror,
        connections: ConnectionDefinitions,
        tasks: TaskQueue,
        sweep_size: int,
        max_queued_sweeps: int,
        lease_ms: int,
    ) -> None:
        self._queue = queue
        self._mirror = mirror
        self._connections = connections
        self._tasks = tasks
        self._sweep_size = sweep_size
        self._max_queued_sweeps = max_queued_sweeps
        self._lease_ms = lease_ms

    def tick(self) -> int:
        """Dispatch what is due now; return how many entries that were.

        Raises:
            CoordinationError: Redis failed; what was claimed and not sent comes again.
        """
        in_flight_limits: Mapping[str, int] = {}
        try:
            self._mirror.refresh()
            in_flight_limits = self._connections.in_flight_limits()
        except StorageError as error:
            # An older registry is better than no schedule.
            logger.warning("the schedule goes on with the registry as Redis has it: %s", error)
        self._queue.requeue_lost(accounts=CHECKED_ACCOUNTS)
        room = self._max_queued_sweeps - self._tasks.count_sweeps()
        dispatched = 0
        while room > 0:
            claims = self._queue.claim(
                limit=min(CLAIM_LIMIT, room * self._sweep_size),
                share=CLAIM_LIMIT,
                lease_ms=self._lease_ms,
                in_flight_limits=in_flight_limits,
            )
            if not claims:
                break
            orders = list(self._orders(claims))
            self._send(orders)
            room -= len(orders)
            dispatched += len(claims)
        return dispatched

    def _orders(self, claims: Sequence[Claim]) -> Iterator[SweepOrder]:
        together: dict[str, list[Claim]] = defaultdict(list)
        for claim in claims:
            if claim.crashes:
                # A run in which a worker died is alone the next time, so that no other run dies with it.
                yield SweepOrder(connection=claim.connection, claims=[(claim.entry, claim.fence)])
            else:
                together[claim.connection].append(claim)
        for connection, group in together.items():
            for first in range(0, len(group), self._sweep_size):
                part = group[first : first + self._sweep_size]
                yield SweepOrder(connection=connection, claims=[(claim.entry, claim.fence) for claim in part])

    def _send(self, orders: Sequence[SweepOrder]) -> None:
        try:
            self._tasks.send_sweeps(orders)
        except CoordinationError:
            # Those that were sent all the same find their claims outdated.
            self._queue.release(claim for order in orders for claim in order.claims)
            raise
