"""Batches items as they come: a batch closes when its first item has waited long enough."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")


async def grouped(source: AsyncIterator[Item], seconds: float) -> AsyncGenerator[list[Item], None]:
    """Yield the items of `source` in lists, in order; a list closes when its first item has waited `seconds`.

    The source goes on while a list is being worked on. It is closed when the caller stops early.
    """
    waiting: asyncio.Queue[Item | None] = asyncio.Queue()
    pump = asyncio.create_task(_pour(source, waiting))
    try:
        ended = False
        while not ended and (first := await waiting.get()) is not None:
            group = [first]
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while (item := await waiting.get()) is not None:
                        group.append(item)
                    ended = True
            yield group
        await pump
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump


async def _pour(source: AsyncIterator[Item], waiting: "asyncio.Queue[Item | None]") -> None:
    try:
        async for item in source:
            waiting.put_nowait(item)
    finally:
        waiting.put_nowait(None)
