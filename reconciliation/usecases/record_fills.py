"""Record reported fills; one message for each window that they open."""

from collections.abc import Sequence
from secrets import token_hex

from reconciliation.messages.fills import FillMessage
from reconciliation.ports.fill_windows import FillNotice, FillOutcome, FillWindows
from reconciliation.ports.task_queue import CountdownSender
from reconciliation.usecases.send_countdowns import send_or_leave_to_sweep


class FillIntake:
    """Takes reports of fills: one round trip to Redis however many they are, one message per window they open."""

    def __init__(self, windows: FillWindows, sender: CountdownSender) -> None:
        self._windows = windows
        self._sender = sender

    def take(self, messages: Sequence[FillMessage], call_id: str | None = None) -> list[FillOutcome]:
        """Note the fills and return what became of each, in order. What returns `noted` survives any later crash.

        Args:
            messages: In the order in which they happened.
            call_id: The same for every repetition of this report; by default the report is a new one.

        Raises:
            CoordinationError: Redis did not answer. Report the fills again: a fill noted twice costs nothing.
        """
        call_id = call_id or token_hex(8)
        if len(messages) == 1:  # by far the most frequent, and somebody waits for it
            return self.take_each([(messages[0], call_id)])
        counts: dict[str, int] = {}
        last: dict[str, FillMessage] = {}
        symbols: dict[str, dict[str | None, None]] = {}
        for message in messages:
            account_id = message.account_id
            counts[account_id] = counts.get(account_id, 0) + 1
            last[account_id] = message
            symbols.setdefault(account_id, {})[message.symbol] = None
        notices = [
            FillNotice(account_id, counts[account_id], message.summary(), call_id, symbols[account_id])
            for account_id, message in last.items()
        ]
        outcomes = dict(zip(last, self._note(notices), strict=True))
        return [outcomes[message.account_id] for message in messages]

    def take_each(self, reports: Sequence[tuple[FillMessage, str]]) -> list[FillOutcome]:
        """As `take`, for reports that have each their own `call_id`."""
        return self._note(
            [
                FillNotice(message.account_id, 1, message.summary(), call_id, (message.symbol,))
                for message, call_id in reports
            ]
        )

    def _note(self, notices: Sequence[FillNotice]) -> list[FillOutcome]:
        noted = self._windows.note(notices) if notices else []
        send_or_leave_to_sweep(self._sender, [answer.countdown for answer in noted if answer.countdown])
        return [answer.outcome for answer in noted]
