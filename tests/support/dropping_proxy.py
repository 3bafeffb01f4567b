"""A TCP proxy that executes a command and loses its reply: the fault that makes clients say everything twice."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class DroppingProxy:
    """Stands before a Redis. `drop_replies(n)` cuts the connection instead of giving the next `n` replies."""

    def __init__(self, redis_url: str) -> None:
        server = urlsplit(redis_url)
        self._server = (server.hostname or "127.0.0.1", server.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._to_drop = 0
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.dropped = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def drop_replies(self, count: int) -> None:
        with self._lock:
            self._to_drop = count

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            self._cut(connection)
        for thread in self._threads:
            thread.join(5)

    def _run(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                self._run(self._forward, client, server, False)
                self._run(self._forward, server, client, True)

    def _forward(self, source: socket.socket, target: socket.socket, is_reply: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if is_reply and self._must_drop():
                    break
                target.sendall(data)
        self._cut(source)
        self._cut(target)

    def _must_drop(self) -> bool:
        with self._lock:
            if not self._to_drop:
                return False
            self._to_drop -= 1
            self.dropped += 1
            return True

    def _cut(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
