"""Reconciliation of one account inside any asyncio program: no Celery, no database, no other machine."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from reconciliation.domain.comparison.conclude import SymbolContext, conclude
from reconciliation.domain.comparison.symbol_matching import ANY_BROKER, SymbolMapping, SymbolResolver
from reconciliation.domain.model.models import OrderFill, ReconciliationConfig, ReconciliationResult, Trigger
from reconciliation.domain.model.runs import RunRequest, RunStart
from reconciliation.messages.runs import messages
from reconciliation.ports.broker import BrokerQuery
from reconciliation.ports.local_book import PositionProvider
from reconciliation.usecases.debounce import FillDebounce
from reconciliation.usecases.read_sides import read_broker, read_local

log = logging.getLogger(__name__)


class Publisher(Protocol):
    """What the service needs of Redis; `redis.asyncio.Redis` has it."""

    async def publish(self, channel: str, payload: str, /) -> Any: ...


class ReconciliationService:
    """Reconciles one account: on demand, at start and every interval, and after fills.

    Runs of the account never overlap. A change of `config` is followed at once; with `enabled=False` every automatic
    trigger stops, and `reconcile` still works.
    """

    def __init__(
        self,
        *,
        position_provider: PositionProvider,
        broker_query: BrokerQuery,
        redis: Publisher,
        config: ReconciliationConfig,
        symbols: Mapping[str, str] | Iterable[SymbolMapping] = (),
    ) -> None:
        """Build the service of one account.

        Args:
            position_provider: the local book; its three methods may be async or plain.
            broker_query: the broker.
            redis: publishes the results.
            config: account, intervals and tolerances; a change is followed at once.
            symbols: the broker's symbols and the local ones that they stand for, or mappings with days and asset types.
        """
        self._symbols = _symbol_context(symbols)
        self._provider = position_provider
        self._broker = broker_query
        self._redis = redis
        self._config = config
        self._one_at_a_time = asyncio.Lock()
        self._fills = FillDebounce(config, self.reconcile)
        self._periodic: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._unwatch: Callable[[], None] | None = None
        self._stopped = False

    async def reconcile(self, context: dict[str, Any] | None = None) -> ReconciliationResult:
        """Make one run now, publish it, and return it.

        A side that cannot be read gives an `incomplete` result, not an exception. If Redis cannot be reached, the
        result is still returned and the failure is logged.
        """
        request = RunRequest(
            account_id=self._config.account_id,
            context={"trigger": Trigger.ON_DEMAND.value} if context is None else context,
        )
        async with self._one_at_a_time:
            start = RunStart.now()
            timeout_seconds = self._config.read_timeout_seconds
            local, broker = await asyncio.gather(
                read_local(self._provider, request.account_id, timeout_seconds),
                read_broker(self._broker, request.account_id, timeout_seconds),
            )
            result = conclude(request, self._config, start, local, broker, symbol_context=self._symbols)
            await self._publish(result)
        return result

    async def start(self) -> None:
        """Make the startup run at once, then one every interval until `stop`. Does nothing when already started.

        Survives any failure of a run, the startup run included.
        """
        if self._periodic is not None:
            return
        self._stopped = False
        loop = asyncio.get_running_loop()
        self._unwatch = self._config.watch(lambda: loop.call_soon_threadsafe(self._changed.set))
        self._periodic = asyncio.create_task(self._run_periodically(), name=f"periodic {self._config.account_id}")
        if self._config.enabled:
            await self._run(Trigger.STARTUP)

    async def stop(self) -> None:
        """End the automatic runs. A run in progress ends first; fills whose run has not begun are dropped."""
        self._stopped = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        periodic, self._periodic = self._periodic, None
        async with self._one_at_a_time:  # so that no run is cut
            if periodic is not None:
                periodic.cancel()
        if periodic is not None:
            await asyncio.gather(periodic, return_exceptions=True)
        await self._fills.stop()

    async def on_fill(self, fill: OrderFill) -> None:
        """Record a fill; its run follows `post_fill_delay_seconds` after the last of the burst. Returns at once."""
        if self._config.enabled and not self._stopped:
            self._fills.record(fill)

    async def _run_periodically(self) -> None:
        """Run at start plus whole intervals; slots that were missed become one run."""
        loop = asyncio.get_running_loop()
        slot_at = loop.time()
        while True:
            interval_seconds = self._config.interval_seconds
            missed = max(0, int((loop.time() - slot_at) // interval_seconds))
            due_at = slot_at + (missed + 1) * interval_seconds
            if await self._changed_before(due_at):
                continue
            slot_at = due_at
            if self._config.enabled:
                await self._run(Trigger.PERIODIC)

    async def _changed_before(self, due_at: float) -> bool:
        self._changed.clear()
        try:
            async with asyncio.timeout_at(due_at):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self, trigger: Trigger) -> None:
        try:
            await self.reconcile({"trigger": trigger.value})
        except Exception:
            log.exception("%s run of account %s failed; the next slot tries again", trigger, self._config.account_id)

    async def _publish(self, result: ReconciliationResult) -> None:
        try:
            for channel, payload in messages(result):
                await self._redis.publish(channel, payload)
        except Exception:
            log.exception("run %s of account %s could not be published", result.run_id, result.account_id)


def _symbol_context(symbols: Mapping[str, str] | Iterable[SymbolMapping]) -> SymbolContext:
    """Return the mappings of the one broker that a service has; under which name they speak of it does not matter."""
    if isinstance(symbols, Mapping):
        mappings = [
            SymbolMapping(broker=ANY_BROKER, broker_symbol=symbol, local_symbol=local)
            for symbol, local in symbols.items()
        ]
    else:
        mappings = list(symbols)
    return SymbolContext(resolver=SymbolResolver(mappings), brokers=tuple({each.broker for each in mappings}))
