"""Every broker that is asked over HTTP. A new one joins the wire suite by one line here."""

from tests.brokers.alpaca_server import AlpacaBrokerApiWire, AlpacaWire

WIRE_CASES = {"alpaca": AlpacaWire, "alpaca broker api": AlpacaBrokerApiWire}
