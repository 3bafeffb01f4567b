"""A broker over HTTP that measures how it is used, and a plug-in that asks it."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import urlopen

from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition


class MeasuringBroker:
    """Answers after `latency_seconds`, never for accounts in `hanging`, and knows how many asked, when, at once."""

    def __init__(self, latency_seconds: float, hanging: Sequence[str] = ()) -> None:
        self.latency_seconds = latency_seconds
        self.hanging = hanging
        self.arrivals: list[float] = []
        self.most_at_once = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self.released = threading.Event()

    def serve(self, account_id: str) -> None:
        with self._lock:
            self.arrivals.append(time.monotonic())
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        if account_id in self.hanging:
            self.released.wait(60)
        time.sleep(self.latency_seconds)
        with self._lock:
            self._under_way -= 1

    @property
    def most_in_a_second(self) -> int:
        times = sorted(self.arrivals)
        most = first = 0
        for last, arrived in enumerate(times):
            while times[first] <= arrived - 1:
                first += 1
            most = max(most, last - first + 1)
        return most

    @property
    def rate(self) -> float:
        """Requests a second, without the first and the last second: no burst to begin with, no rest in the end."""
        times = sorted(self.arrivals)
        inside = [moment for moment in times if times[0] + 1 < moment <= times[-1] - 1]
        return (len(inside) - 1) / (inside[-1] - inside[0])


class ManyAtOnce(ThreadingHTTPServer):
    """The standard server drops the sixth connection that waits, and its client sends again a second later."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def measuring_broker(latency_seconds: float, hanging: Sequence[str] = ()) -> Iterator[tuple[MeasuringBroker, str]]:
    """Run the broker; give it and its URL."""
    broker = MeasuringBroker(latency_seconds, hanging)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            broker.serve(self.path.rpartition("/")[2])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ManyAtOnce(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield broker, f"http://127.0.0.1:{server.server_port}"
        finally:
            broker.released.set()
            server.shutdown()
            thread.join()


class HttpBroker:
    """Asks a `MeasuringBroker`; every account is clean."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def get_positions(self, account_id: str) -> Sequence[BrokerPosition]:
        await asyncio.to_thread(self._ask, "positions", account_id)
        return []

    async def get_account(self, account_id: str) -> BrokerAccount:
        await asyncio.to_thread(self._ask, "account", account_id)
        return BrokerAccount(account_id, 100_000, None, 100_000, None)

    def _ask(self, what: str, account_id: str) -> None:
        with urlopen(f"{self._url}/{what}/{account_id}", timeout=70) as answer:  # noqa: S310 - our own server
            answer.read()


def open_http_broker(options: Mapping[str, Any], secrets: Mapping[str, str]) -> HttpBroker:
    return HttpBroker(options["url"])
