"""Planted credentials: whatever happens, and however much is logged, they are nowhere to be read."""

import logging
import traceback
from base64 import b64encode

import pytest

from reconciliation.errors import ReadError
from tests.brokers.http_server import Fault, Reply
from tests.brokers.wire_case import holding


def every_text_of(error):
    """Return all that a log, an error tracker or a person might print of an error, chained ones and frames included."""
    # Without this test's own frame, whose locals hold the planted secrets.
    frames = error.__traceback__.tb_next
    report = traceback.TracebackException(type(error), error, frames, capture_locals=True)
    chained = [error.__cause__, error.__context__]
    return "\n".join([repr(error), str(vars(error)), *report.format(), *map(repr, chained)])


@pytest.fixture
def echo(own_wire):
    """A server that quotes the credentials back in all that it says."""
    quoted = " ".join(own_wire.secrets.values())
    return {
        "401": Fault(reply=Reply({"code": 40110000, "msg": quoted, "message": quoted}, 401)),
        "400": Fault(reply=Reply({"code": -2014, "msg": quoted, "message": quoted}, 400)),
        "403": Fault(reply=Reply(f"<html>{quoted}</html>", 403)),
        "429": Fault(reply=Reply({"message": quoted}, 429)),
        "500": Fault(reply=Reply(f"<html>{quoted}</html>", 500)),
        "redirect": Fault(reply=Reply(quoted, 302, {"Location": f"http://127.0.0.1:9/?key={quoted.split()[0]}"})),
        "200": Fault(reply=Reply(f"<html>{quoted}</html>")),
        "wrong shape": Fault(
            reply=Reply([{"symbol": quoted, "qty": quoted, "side": quoted, "account_number": quoted}])
        ),
        "text": Fault(reply=Reply(f'["{quoted}"]')),
        "dropped": Fault(drops=True),
        "truncated": Fault(truncates=True),
    }


async def test_no_secret_is_in_any_message_log_or_repr(own_wire, echo, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    told = []
    own_wire.hold(holding(own_wire.symbol, "7"))
    broker = own_wire.open()
    told += [repr(broker), str(broker), repr(await broker.get_positions(own_wire.account_id))]
    told.append(repr(await broker.get_account(own_wire.account_id)))
    for fault in echo.values():
        own_wire.server.faults = {own_wire.positions_marker: fault, own_wire.account_marker: fault}
        for read in (broker.get_positions, broker.get_account):
            with pytest.raises(ReadError) as caught:
                await read(own_wire.account_id)
            told.append(every_text_of(caught.value))
    await broker.close()
    told += [f"{record.getMessage()} {record.args} {vars(record)}" for record in caplog.records]
    told += capfd.readouterr()
    everything = "\n".join(told)
    # Basic authentication sends them in this form.
    planted = [*own_wire.secrets.values(), b64encode(":".join(own_wire.secrets.values()).encode()).decode()]
    assert not [value for value in planted if value in everything]
