"""Record reported fills; one message for each window that they open."""

from collections.abc import Sequence
from secrets import token_hex

from reconciliation.messages.fills import FillMessage
from reconciliation.ports.fill_windows import FillOutcome, FillReport, FillWindows
from reconciliation.ports.task_queue import TaskQueue
from reconciliation.usecases.send_wake_ups import send_or_leave_to_reclaim


class FillRecorder:
    """Records fills: one round trip to Redis for any number, and one message for each window that they open."""

    def __init__(self, windows: FillWindows, tasks: TaskQueue) -> None:
        self._windows = windows
        self._tasks = tasks

    def record(self, messages: Sequence[FillMessage], call_id: str | None = None) -> list[FillOutcome]:
        """Record the fills; return what became of each, in order. A fill that is `recorded` survives any later crash.

        Args:
            messages: In the order in which they happened.
            call_id: The same for every repetition of this report; by default the report is a new one.

        Raises:
            CoordinationError: Redis did not answer. Report the fills again: a fill recorded twice costs nothing.
        """
        call_id = call_id or token_hex(8)
        if len(messages) == 1:  # by far the most frequent, and a caller waits for it
            return self.record_each([(messages[0], call_id)])
        counts: dict[str, int] = {}
        last: dict[str, FillMessage] = {}
        symbols: dict[str, dict[str | None, None]] = {}
        for message in messages:
            account_id = message.account_id
            counts[account_id] = counts.get(account_id, 0) + 1
            last[account_id] = message
            symbols.setdefault(account_id, {})[message.symbol] = None
        reports = [
            FillReport(account_id, counts[account_id], message.summary(), call_id, symbols[account_id])
            for account_id, message in last.items()
        ]
        outcomes = dict(zip(last, self._record(reports), strict=True))
        return [outcomes[message.account_id] for message in messages]

    def record_each(self, reports: Sequence[tuple[FillMessage, str]]) -> list[FillOutcome]:
        """As `record`, for reports that have each their own `call_id`."""
        return self._record(
            [
                FillReport(message.account_id, 1, message.summary(), call_id, (message.symbol,))
                for message, call_id in reports
            ]
        )

    def _record(self, reports: Sequence[FillReport]) -> list[FillOutcome]:
        recorded = self._windows.record(reports) if reports else []
        send_or_leave_to_reclaim(self._tasks, [answer.wake_up for answer in recorded if answer.wake_up])
        return [answer.outcome for answer in recorded]
