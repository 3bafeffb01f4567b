"""Ten logins with planted secrets, brokers that quote them back, everything logged: they are nowhere to be read."""

import socket
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
import redis
from sqlalchemy import insert

from reconciliation.adapters.brokers.host.registry import open_broker
from reconciliation.adapters.brokers.host.secrets import resolve_secrets
from reconciliation.adapters.database.engine import write_transaction
from reconciliation.adapters.database.tables.local_book import Account
from reconciliation.domain.model.accounts import Connection, RegisteredAccount
from reconciliation.domain.model.runs import RunRequest
from reconciliation.settings import Settings
from tests.acceptance.schedule.site import Site
from tests.acceptance.telltale_broker import telltale_server
from tests.brokers.alpaca_server import account_answer
from tests.brokers.http_server import Asked, BrokerServer, Reply
from tests.brokers.kraken_server import KrakenMarginWire
from tests.support.places import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_for

TELLTALE = "tests.acceptance.telltale_broker:open_telltale"
PASSWORD = "pw-9Qm4Zt7LxVc2"
#: Quoted pages are cut; so much of a secret must not be seen either.
HEAD = 14


@dataclass
class Login:
    """One connection and the secrets planted in it."""

    name: str
    broker: str
    secrets: dict[str, str]
    options: dict[str, Any] = field(default_factory=dict)

    def broker_account_id(self, number: int) -> str:
        if self.broker == "alpaca":
            return f"00000000-0000-4000-8000-{int(self.name[-1]):04}{number:08}"
        return f"{self.name}-{number:04}"


def planted(index: int) -> tuple[str, str]:
    """Two distinct secrets; the second is base64 as Kraken wants it, with characters that URLs write otherwise."""
    return f"K{index}/+w{index * 7919:05}Xq/Zp+{index}tRw=", b64encode(bytes([251, 255, index, 62] * 9)).decode()


def refusing(answer: Reply, number: int, said: str) -> Reply:
    """Quote credentials back, in a way that the account's last digit chooses; the others get their answer."""
    return {
        1: Reply({"message": said, "error": [f"EAPI:Invalid key {said}"]}, 401),
        2: Reply(f"<html>{said}</html>", 500),
        3: Reply(f"<html>{said}</html>"),
        4: Reply([{"symbol": said, "qty": said, "side": said, "account_number": said}]),
        5: Reply({"error": [f"EGeneral:{said}"], "message": said}, 400),
    }.get(number % 10, answer)


def alpaca(asked: Asked) -> Reply:
    """Answer as the Broker API does, for any account."""
    account_id = asked.path.split("/")[4]
    said = asked.headers["Authorization"] + " " + basic(asked).replace(":", " ")
    account = account_answer() | {"id": account_id, "account_number": f"N{account_id[-8:]}"}
    answer = Reply([] if asked.path.endswith("/positions") else account)
    return refusing(answer, int(account_id[-1]), said)


def basic(asked: Asked) -> str:
    return b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()


@contextmanager
def broker_servers() -> Iterator[tuple[BrokerServer, KrakenMarginWire, BrokerServer]]:
    with ExitStack() as stack:
        brokers = BrokerServer(alpaca)
        kraken = KrakenMarginWire()
        told = telltale_server()
        for server in (brokers, kraken.server, told):
            stack.callback(server.close)
        answer = kraken.server.route

        def route(asked: Asked) -> Reply:
            number = asked.form().get("ref") if asked.body else None
            key = asked.headers.get("API-Key", "")
            return answer(asked) if number is None else refusing(answer(asked), int(number), f"{key} {SECRET_OF[key]}")

        kraken.server.route = route
        yield brokers, kraken, told


LOGINS = [
    Login(
        name=f"{broker.partition(':')[0].rpartition('.')[2]}{index}",
        broker=broker,
        secrets=dict(zip(names, planted(index), strict=True)),
    )
    for index, (broker, names) in enumerate(
        [("alpaca", ("api_key", "secret_key"))] * 3
        + [("ccxt", ("apiKey", "secret"))] * 3
        + [(TELLTALE, ("key", "secret"))] * 4
    )
]
SECRET_OF = dict(tuple(login.secrets.values()) for login in LOGINS)


def forms() -> list[str]:
    """Return the planted secrets in all the forms that they travel in, and the beginnings of the plain ones."""
    found = [PASSWORD]
    for login in LOGINS:
        key, secret = login.secrets.values()
        found.append(b64encode(f"{key}:{secret}".encode()).decode())
        for value in (key, secret):
            found += [value, value[:HEAD], quote(value, safe=""), quote(value), quote_plus(value)]
            found += [b64encode(value.encode()).decode(), value.replace("/", "\\/")]
    return found


def leaks(text: str) -> list[str]:
    """Return each planted form that the text has, with what stands around it."""
    return [text[max(0, text.find(form) - 120) :][:300] for form in forms() if form in text]


class Overheard:
    """Every command that Redis gets: each message, publication, event and result."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port))
        self._socket.sendall(b"MONITOR\r\n")
        self._heard = bytearray()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while piece := self._socket.recv(1 << 20):
            self._heard += piece

    def stop(self) -> str:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        # Redis writes a quote and a backslash with a backslash before it.
        return self._heard.decode(errors="replace").replace('\\"', '"').replace("\\\\", "\\")


def everything_in(client: redis.Redis) -> str:
    readers: dict[str, Callable[[str], Any]] = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
    }
    return "\n".join(f"{key} {readers[client.type(key)](key)}" for key in client.scan_iter(count=1000))


@pytest.fixture
def site(redis_url: str, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site that logs everything; its workers find the keys in variables and the other secrets in files."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for login in LOGINS:
        key, secret = login.secrets.values()
        monkeypatch.setenv(f"PLANTED_{login.name}", key)
        (tmp_path / login.name).write_text(secret)
    with Site({"redis_url": redis_url, "database_url": sqlite_url, "log_level": "DEBUG"}) as site:
        yield site


def register(site: Site, urls: dict[str, str], count: int, directory: Path) -> list[str]:
    """Register the logins, and `count` accounts of each; return our ids."""
    accounts = []
    for login in LOGINS:
        references = (f"env:PLANTED_{login.name}", f"file:{directory / login.name}")
        site.parts.stores.connection_store.add(
            Connection(
                name=login.name,
                broker=login.broker,
                options=options_of(login, urls, count),
                secrets=dict(zip(login.secrets, references, strict=True)),
                requests_per_second=5000,
            )
        )
        accounts += [
            RegisteredAccount(
                account_id=f"{login.name}-{number:04}",
                connection=login.name,
                broker_account_id=login.broker_account_id(number),
                enabled=False,
            )
            for number in range(count)
        ]
    ids = [account.account_id for account in accounts]
    with write_transaction(site.parts.stores.engine) as db:
        db.execute(insert(Account), [{"account_id": name, "cash": 100_000, "equity": 100_000} for name in ids])
    site.parts.stores.registry.add(accounts)
    return ids


def options_of(login: Login, urls: dict[str, str], count: int) -> dict[str, Any]:
    if login.broker == "alpaca":
        return {"api": "broker", "base_url": urls["alpaca"]}
    if login.broker == "ccxt":
        api = {"public": urls["ccxt"], "private": urls["ccxt"]}
        return {
            "exchange": "kraken",
            "accounts": {login.broker_account_id(number): {"ref": str(number)} for number in range(count)},
            "config": {"enableRateLimit": False, "urls": {"api": api}},
            **KrakenMarginWire.exchange_options,
        }
    return {"url": urls[TELLTALE], "fails_to_open": login is LOGINS[-1]}


@pytest.mark.parametrize("per_login", [6, pytest.param(100, marks=pytest.mark.slow)])
def test_no_planted_secret_is_in_any_log_message_result_row_or_repr(
    site: Site, redis_client: redis.Redis, processes: Processes, tmp_path: Path, per_login: int
) -> None:
    heard = Overheard(site.settings["redis_url"])
    with broker_servers() as (brokers, kraken, told):
        urls = {"alpaca": brokers.url, "ccxt": kraken.server.url, TELLTALE: told.url}
        ids = register(site, urls, per_login, tmp_path)
        worker = processes.worker(site.settings, concurrency=1 if per_login < 10 else 2)  # each child loads two SDKs
        beat = processes.beat(site.settings, wait=False)
        site.parts.coordination.due_queue.enqueue(
            [RunRequest(account_id=name, context={"trigger": "on_demand"}) for name in ids]
        )
        wait_for(lambda: len(site.runs_by_account()) == len(ids), 240, "each account has a run")
        wait_for(lambda: redis_client.xlen("reconciliation:events") > 0, 30, "events are told")
        beat.terminate()
        worker.terminate()
    outcomes = {run.outcome for run in site.runs()}
    connections = [site.parts.stores.connection_store.get(login.name) for login in LOGINS]
    # The last one refuses to be opened.
    opened = [open_broker(each.broker, each.options, resolve_secrets(each.secrets)) for each in connections[:-1]]
    with_password = Settings(redis_url=f"redis://:{PASSWORD}@h/0", database_url=f"postgresql://u:{PASSWORD}@h/b")
    database = Path(site.parts.stores.engine.url.database)
    places = {
        "log of the worker": worker.log(),
        "log of beat": beat.log(),
        "commands to Redis": heard.stop(),
        "values in Redis": everything_in(redis_client),
        "database": "".join(
            file.read_bytes().decode(errors="replace") for file in database.parent.glob(f"{database.name}*")
        ),
        "reprs": "\n".join(map(repr, [with_password, *connections, *opened])),
    }

    assert {place: found for place, text in places.items() if (found := leaks(text))} == {}
    # The secrets were there to be told, and the places to be looked at are those where they would be.
    assert {basic(asked) for asked in brokers.asked} == {":".join(each.secrets.values()) for each in LOGINS[:3]}
    assert {asked.headers.get("API-Key") for asked in kraken.server.asked} >= {
        each.secrets["apiKey"] for each in LOGINS[3:6]
    }
    assert {asked.path.split("/")[1] for asked in told.asked} == {
        quote(each.secrets["key"], safe="") for each in LOGINS[6:9]
    }
    assert outcomes == {"discrepancies", "incomplete"}
    assert "asking http://127.0.0.1" in places["log of the worker"]
    assert "Traceback" in places["log of the worker"]
    for channel in ("reconciliation:result", "reconciliation:discrepancy", "reconciliation:events"):
        assert channel in places["commands to Redis"]
    assert "no session with *** and ***" in places["database"]
    assert "no session with *** and ***" in places["commands to Redis"]
