"""A broker of somebody else that tells its secrets to whoever listens: in its log, its errors, its server's answers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote
from urllib.request import urlopen

from reconciliation.domain.model.snapshots import BrokerAccount, BrokerPosition
from reconciliation.errors import AuthError, InvalidInputError
from tests.brokers.http_server import Asked, BrokerServer, Reply

logger = logging.getLogger("telltale")


def telltale_server() -> BrokerServer:
    """Return a server that has the key in its URLs, and quotes it back."""

    def route(asked: Asked) -> Reply:
        key, account_id = asked.path.split("/")[1:]
        status = 401 if account_id.endswith("3") else 200
        return Reply(f"{unquote(key)} or {key} may not see {account_id}", status)

    return BrokerServer(route)


class TelltaleBroker:
    """What goes wrong is chosen by the account's last digit."""

    def __init__(self, url: str, secrets: Mapping[str, str]) -> None:
        self._url = url
        self._secrets = secrets

    async def get_positions(self, account_id: str) -> Sequence[BrokerPosition]:
        await asyncio.to_thread(self._ask, account_id)
        return []

    async def get_account(self, account_id: str) -> BrokerAccount:
        return BrokerAccount(account_id, 90_000, None, 90_000, None)

    def _ask(self, account_id: str) -> None:
        key, secret = self._secrets["key"], self._secrets["secret"]
        url = f"{self._url}/{quote(key, safe='')}/{account_id}"
        logger.debug("asking %s with %s", url, self._secrets)
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
                answer.read()
        except HTTPError as error:
            with error:
                said = error.read().decode()
            logger.exception("refused: %s", said)
            raise OSError(f"{url} said {said!r}") from error
        match account_id[-1]:
            case "1":
                raise RuntimeError(f"no session with {key} and {secret} at {url}")
            case "2":
                raise AuthError(f"{url} refused {secret}")
            case "4":
                raise InvalidInputError(f"cannot read what {key}:{secret[:20]}... gave")
            case "5":
                raise KeyError(secret)


def open_telltale(options: Mapping[str, Any], secrets: Mapping[str, str]) -> TelltaleBroker:
    if options.get("fails_to_open"):
        logger.error("cannot open with %r", secrets)
        raise InvalidInputError(f"cannot open with {secrets['key']} and {secrets['secret']}")
    return TelltaleBroker(options["url"], secrets)
