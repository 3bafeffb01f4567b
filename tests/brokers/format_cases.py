"""Every statement format, as the file that its broker would send. A format joins by one line."""

from collections.abc import Mapping

from tests.brokers.custody_cases import Mt535Case, Semt002Case
from tests.brokers.statement_cases import CsvCase, FileCase, FlexCase, OfxSgmlCase, OfxXmlCase

FORMAT_CASES: Mapping[str, FileCase] = {
    "flex": FlexCase(),
    "ofx 1 (SGML)": OfxSgmlCase(),
    "ofx 2 (XML)": OfxXmlCase(),
    "csv": CsvCase(),
    "mt535": Mt535Case(),
    "semt.002": Semt002Case(),
}
