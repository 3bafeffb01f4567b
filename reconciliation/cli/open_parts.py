"""The parts that commands on our own database share."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from reconciliation.bootstrap import Bootstrap, open_parts
from reconciliation.errors import CoordinationError

__all__ = ["Moment", "Span", "open_parts", "publish_now"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def publish_now(parts: Bootstrap, account_id: str) -> None:
    """Publish what a command committed; where Redis is away, a worker's relay does it later."""
    with suppress(CoordinationError):
        parts.event_relay.publish_waiting([account_id])


class Span(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A length of time such as 90d, 8h or 30m, as a timedelta."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if unit not in _UNITS or not number.isdigit() or int(number) == 0:
            self.fail(f"{value!r} is not a length of time: write a number and s, m, h, d or w, such as 90d", param, ctx)
        return timedelta(seconds=int(number) * _UNITS[unit])


class Moment(click.ParamType):  # type: ignore[type-arg]  # the same
    """A point in time: ISO 8601 (UTC where no offset is given), or a span from now such as 8h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            return datetime.now(UTC) + Span().convert(value, param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
