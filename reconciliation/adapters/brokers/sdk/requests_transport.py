"""The HTTP transport under every SDK that is built on `requests`: time-outs, whole bodies, plain refusals.

By itself, an SDK waits forever, retries 429 in its thread, or takes an HTML page for an empty list.
Mounted on the SDK's session, this adapter ends all of that before the SDK sees the answer.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Any

from requests import PreparedRequest, Response, Session, exceptions
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, IncompleteRead

from reconciliation.adapters.brokers.sdk.http_status import refusal
from reconciliation.adapters.brokers.sdk.json_records import decode_json
from reconciliation.errors import BadData, Incomplete, ReadError, Unavailable

#: What one read may take out of the socket's buffer.
CHUNK_BYTES = 65_536
#: The largest answer that is known is an exchange's list of markets, some 10 MB.
MAX_BODY_BYTES = 64 * 1024 * 1024

Judge = Callable[[int, Mapping[str, str], str], ReadError | None]


class ExactResponse(Response):
    """A response whose JSON keeps every digit, and which refuses to be read as "nothing"."""

    who: str

    def json(self, **_options: Any) -> Any:
        return decode_json(self.content, self.who)


class GuardedAdapter(HTTPAdapter):
    """Sends one request and returns its whole answer, or raises a `ReadError`.

    Args:
        who: the broker, for messages.
        timeout_seconds: for the whole exchange: connecting, waiting, and reading the body to its end.
        judge: says which statuses end here; the SDK sees the others.
        connections: how many may be open at once.
        permit: what each request waits for and is sent within; the wait is not part of the time-out.
    """

    def __init__(
        self,
        *,
        who: str,
        timeout_seconds: float,
        judge: Judge = refusal,
        connections: int = 1,
        permit: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        super().__init__(pool_maxsize=connections, max_retries=0)
        self._who = who
        self._timeout_seconds = timeout_seconds
        self._judge = judge
        self._permit = permit
        #: Status and headers of the last answer, for what an SDK drops on its way.
        self.last_status: int | None = None
        self.last_headers: Mapping[str, str] = {}

    def send(self, request: PreparedRequest, *_: Any, **options: Any) -> Response:
        with self._permit():
            return self._exchange(request, options)

    def _exchange(self, request: PreparedRequest, options: dict[str, Any]) -> Response:
        deadline = monotonic() + self._timeout_seconds
        self.last_status, self.last_headers = None, {}
        options.update(stream=True, timeout=self._timeout_seconds)
        failure: ReadError
        try:
            response = super().send(request, **options)
            with response:
                return self._whole(response, deadline)
        except ReadError as error:
            failure = error
        except (exceptions.RequestException, HTTPError, OSError) as error:
            failure = self._no_answer(error)
        # Raised outside the handler: the foreign error holds the request with its credentials.
        raise failure

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        response = super().build_response(req, resp)
        response.__class__ = ExactResponse
        response.who = self._who  # type: ignore[attr-defined]  # it is one that has it
        return response

    def _whole(self, response: Response, deadline: float) -> Response:
        self.last_status, self.last_headers = response.status_code, dict(response.headers)
        refused = self._judge(response.status_code, response.headers, self._who)
        if refused is not None:
            raise refused
        body = self._read_body(response, deadline)
        if response.ok:
            self._expect_json(body)
        # requests keeps a body that was read once in these two; it offers no other way to hand one over.
        response._content = body  # noqa: SLF001
        response._content_consumed = True  # noqa: SLF001
        return response

    def _read_body(self, response: Response, deadline: float) -> bytes:
        """Read to the end, looking at the clock after each packet: a time-out per packet lets a drip last for ever."""
        body = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise BadData(f"{self._who} answered with more than {MAX_BODY_BYTES} bytes")
            if monotonic() > deadline:
                raise Unavailable(f"{self._who} did not finish its answer within {self._timeout_seconds:g} s")
        return bytes(body)

    def _expect_json(self, body: bytes) -> None:
        """Refuse an empty body and a page: an SDK that cannot parse a success takes it for an empty answer."""
        beginning = body.lstrip()[:1]
        if not beginning:
            raise Incomplete(f"{self._who} answered with an empty body")
        if beginning not in {b"{", b"["}:
            raise BadData(f"{self._who} answered with what is not a JSON object or list")

    def _no_answer(self, error: Exception) -> ReadError:
        if _holds(error, IncompleteRead):
            return Incomplete(f"{self._who} answered with a body that is cut off")
        if isinstance(error, exceptions.Timeout) or _holds(error, TimeoutError):
            return Unavailable(f"{self._who} gave no answer within {self._timeout_seconds:g} s")
        if isinstance(error, exceptions.SSLError):
            return Unavailable(f"{self._who} could not prove who it is: its certificate was refused")
        return Unavailable(f"{self._who} could not be reached, or dropped the connection ({type(error).__name__})")


def guard(session: Session, adapter: GuardedAdapter) -> None:
    """Send everything of the session through the adapter."""
    # Its DEBUG lines hold whole URLs, and some exchanges want key and signature in the URL.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
    session.mount("https://", adapter)
    session.mount("http://", adapter)


def _holds(error: BaseException, kind: type[BaseException]) -> bool:
    """Say whether an error of that kind lies anywhere within: requests and urllib3 wrap each other's."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop()
        if isinstance(item, kind):
            return True
        if isinstance(item, BaseException) and id(item) not in seen:
            seen.add(id(item))
            waiting += [*item.args, item.__cause__, item.__context__]
    return False
