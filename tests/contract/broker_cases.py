"""Every broker that sits the entrance exam. A new one joins by one line here."""

from collections.abc import Mapping

from tests.brokers.cases import BrokerCase
from tests.brokers.custody_cases import Mt535Case, Semt002Case
from tests.brokers.ibkr_case import IbkrCase
from tests.brokers.live_cases import AlpacaCase
from tests.brokers.statement_cases import CsvCase, FlexCase, OfxSgmlCase, OfxXmlCase, PaperFileCase

BROKER_CASES: Mapping[str, type[BrokerCase]] = {
    "alpaca": AlpacaCase,
    "flex": FlexCase,
    "ofx 1 (SGML)": OfxSgmlCase,
    "ofx 2 (XML)": OfxXmlCase,
    "csv": CsvCase,
    "paper file": PaperFileCase,
    "mt535": Mt535Case,
    "semt.002": Semt002Case,
    "ibkr": IbkrCase,
}
