"""Custody statements: each situation is written as the message that a custodian would send."""

from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

from reconciliation.domain.model.models import AssetType
from reconciliation.domain.model.snapshots import BrokerPosition
from tests.brokers.cases import ACCOUNT, Book, Unsaid
from tests.brokers.statement_cases import FileCase

_CFI = {AssetType.STOCK: "ESVUFR", AssetType.OPTION: "OCASPS", AssetType.FUTURE: "FFSCSX"}


class Mt535Case(FileCase):
    name = "mt535"
    suffix = ".fin"
    cut_before = "15500,00"
    unknown_field: ClassVar[Mapping[str, str]] = {":93B::AGGR": ":70E::TMRW//OF TOMORROW\n:93B::AGGR"}
    unknown_word: ClassVar[Mapping[str, str]] = {"AGGR//UNIT": "AGGR//TMRW"}
    wrong_shape = "{1:F01CUSTGB2LAXXX0001000001}{2:O5360700261120CUSTGB2LAXXX00010000012611200700N}{4:\n-}\n"
    unsaid = Unsaid(avg_cost=True, cash=True, equity=True, multiplier=True)

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        rows = "".join(self._row(row) for row in book.rows)
        part = f":16R:SUBSAFE\n{rows}:16S:SUBSAFE\n" if rows else ""
        return (
            "{1:F01CUSTGB2LAXXX0001000001}{2:O5350700261120CUSTGB2LAXXX00010000012611200700N}{4:\n"
            ":16R:GENL\n:28E:1/ONLY\n:20C::SEME//S1\n:23G:NEWM\n:98A::STAT//20250115\n:22F::CODE//COMP\n"
            f":22F::STBA//TRAD\n:97A::SAFE//{account_id}\n:17B::ACTI//{'Y' if rows else 'N'}\n:16S:GENL\n{part}-}}\n"
        )

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace("UNIT/100,", f"UNIT/{instead}")

    def _row(self, row: BrokerPosition) -> str:
        value = "" if row.market_value is None else f":19A::HOLD//{_swift(row.market_value, 'USD')}\n"
        return (
            f":16R:FIN\n:35B:{row.symbol}\n:16R:FIA\n:12C::CLAS//{_CFI[row.asset_type]}\n:16S:FIA\n"
            f":93B::AGGR//UNIT/{_swift(row.quantity)}\n{value}:16S:FIN\n"
        )


class Semt002Case(FileCase):
    name = "semt002"
    suffix = ".xml"
    unknown_field: ClassVar[Mapping[str, str]] = {"<AggtBal>": "<OfTmrrw>1</OfTmrrw><AggtBal>"}
    unknown_word: ClassVar[Mapping[str, str]] = {"<ShrtLngInd>LONG": "<ShrtLngInd>TMRW"}
    wrong_shape = '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:semt.017.001.12"><SctiesTxPstngRpt/></Document>'
    unsaid = Unsaid(avg_cost=True, cash=True, equity=True, multiplier=True)

    def text(self, book: Book, account_id: str = ACCOUNT) -> str:
        rows = "".join(self._row(row) for row in book.rows)
        return (
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:semt.002.001.11"><SctiesBalCtdyRpt>\n'
            "<Pgntn><PgNb>1</PgNb><LastPgInd>true</LastPgInd></Pgntn>\n<StmtGnlDtls>"
            "<StmtDtTm><Dt>2025-01-15</Dt></StmtDtTm><UpdTp><Cd>COMP</Cd></UpdTp><StmtBsis><Cd>TRAD</Cd></StmtBsis>"
            f"<ActvtyInd>{'true' if rows else 'false'}</ActvtyInd></StmtGnlDtls>\n"
            f"<SfkpgAcct><Id>{account_id}</Id></SfkpgAcct>\n{rows}</SctiesBalCtdyRpt></Document>\n"
        )

    def without_quantity(self, text: str, instead: str) -> str:
        return text.replace("<Unit>100</Unit>", f"<Unit>{instead}</Unit>")

    def _row(self, row: BrokerPosition) -> str:
        side = "SHOR" if row.quantity < 0 else "LONG"
        sign = "true" if (row.market_value or 0) >= 0 else "false"
        value = abs(row.market_value or Decimal(0))
        return (
            f"<BalForAcct><FinInstrmId><Desc>{row.symbol}</Desc></FinInstrmId>"
            f"<FinInstrmAttrbts><ClssfctnTp><ClssfctnFinInstrm>{_CFI[row.asset_type]}</ClssfctnFinInstrm>"
            f"</ClssfctnTp></FinInstrmAttrbts><AggtBal><ShrtLngInd>{side}</ShrtLngInd>"
            f"<Qty><Qty><Qty><Unit>{abs(row.quantity):f}</Unit></Qty></Qty></Qty></AggtBal>"
            f'<InstrmCcyAmts><HldgVal><Amt Ccy="USD">{value}</Amt><Sgn>{sign}</Sgn></HldgVal></InstrmCcyAmts>'
            "</BalForAcct>\n"
        )


def _swift(number: Decimal, currency: str = "") -> str:
    """Write a number as SWIFT does: N before what is negative, and a comma always."""
    digits = f"{abs(number):f}"
    comma = digits.replace(".", ",") if "." in digits else f"{digits},"
    return f"{'N' if number < 0 else ''}{currency}{comma}"
