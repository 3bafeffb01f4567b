"""Flex statements as text, for tests that need one row to be odd."""

from reconciliation.adapters.brokers.statements.flex.adapter import read_flex
from reconciliation.adapters.brokers.statements.source import StatementSource
from reconciliation.adapters.brokers.statements.statement import Statement

POSITION = (
    '<OpenPosition accountId="U1" currency="USD" assetCategory="STK" symbol="AAPL" conid="265598" multiplier="1" '
    'reportDate="20250115" position="100" positionValue="15500" costBasisPrice="150.25" side="Long" '
    'levelOfDetail="SUMMARY" />'
)
EQUITY = '<EquitySummaryByReportDateInBase accountId="U1" currency="USD" reportDate="20250115" total="1000" />'


def cash(currency: str, amount: str, extra: str = "") -> str:
    return f'<CashReportCurrency accountId="U1" currency="{currency}" endingCash="{amount}" {extra}/>'


def position(**changes: str) -> str:
    text = POSITION
    for name, value in changes.items():
        old = text[text.index(f' {name}="') :].split('"')[1]
        text = text.replace(f' {name}="{old}"', f' {name}="{value}"')
    return text


def statement(*, positions: str | None = "", cash_rows: str = "", equity: str = "", **attributes: str) -> str:
    given = {"accountId": "U1", "toDate": "20250115", "whenGenerated": "20250116;093000", **attributes}
    written = " ".join(f'{name}="{value}"' for name, value in given.items())
    held = "" if positions is None else f"<OpenPositions>\n{positions}\n</OpenPositions>\n"
    return (
        f"<FlexStatement {written}>\n{held}"
        f"<CashReport>{cash_rows}</CashReport>\n<EquitySummaryInBase>{equity}</EquitySummaryInBase>\n</FlexStatement>\n"
    )


def flex(*statements: str, announced: int | None = None) -> str:
    count = len(statements) if announced is None else announced
    body = "".join(statements)
    return (
        f'<FlexQueryResponse queryName="q" type="AF">\n<FlexStatements count="{count}">\n'
        f"{body}</FlexStatements>\n</FlexQueryResponse>\n"
    )


def read(source: StatementSource, text: str | bytes) -> list[Statement]:
    source.path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_flex(source)
