"""A local HTTP server that speaks a broker's own protocol, and can be told to misbehave on the wire."""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class QuietServer(ThreadingHTTPServer):
    """A client that hangs up in the middle is what the tests are about, and no news."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(*_)


@dataclass(frozen=True)
class Asked:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> dict[str, Any]:
        """Return the body's fields, be it JSON or a form."""
        text = self.body.decode()
        return json.loads(text) if text.startswith("{") else dict(parse_qsl(text))


@dataclass(frozen=True)
class Reply:
    """One answer. `body` is sent as it is if it is text, else as JSON."""

    body: Any = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Fault:
    """How the wire fails instead: exactly one of these."""

    reply: Reply | None = None
    #: The answer never comes.
    hangs: bool = False
    #: The connection is dropped before any answer.
    drops: bool = False
    #: The real answer's headers, and half of its body.
    truncates: bool = False
    #: Headers, then one blank a moment, for ever: each packet is in time, the answer never is.
    drips: bool = False
    #: The real body, changed.
    changes: Callable[[Any], Any] | None = None


class BrokerServer:
    """Answers by `route`; requests whose marker is in `faults` fail as told.

    A marker is a part of "METHOD path?query body", so that one fault can pick one question.
    """

    def __init__(self, route: Callable[[Asked], Reply]) -> None:
        self.route = route
        self.faults: dict[str, Fault] = {}
        self.asked: list[Asked] = []
        #: How many requests a fault has met.
        self.failed = 0
        self.closing = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Keep the test's output to what the product says."""

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        if self.closing.is_set():
            return
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = self._read(handler)
        self.asked.append(asked)
        try:
            self._send(handler, self.route(asked), self._fault_of(asked, handler.path))
        except (ConnectionError, TimeoutError):
            handler.close_connection = True

    def _read(self, handler: BaseHTTPRequestHandler) -> Asked:
        parts = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query))
        return Asked(handler.command, parts.path, query, dict(handler.headers), body)

    def _fault_of(self, asked: Asked, path: str) -> Fault:
        line = f"{asked.method} {path} {asked.body.decode(errors='replace')}"
        met = [fault for marker, fault in self.faults.items() if marker in line]
        self.failed += len(met)
        return met[0] if met else Fault()

    def _send(self, handler: BaseHTTPRequestHandler, reply: Reply, fault: Fault) -> None:
        if fault.hangs:
            self.closing.wait(30)
        if fault.hangs or fault.drops:
            handler.close_connection = True
            return
        if fault.changes is not None:
            reply = Reply(fault.changes(reply.body), reply.status, reply.headers)
        reply = fault.reply or reply
        body = reply.encoded()
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if fault.drips:
            self._drip(handler)
        handler.wfile.write(body[: len(body) // 2] if fault.truncates else body)
        handler.close_connection = fault.truncates or handler.close_connection

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        while not self.closing.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()
