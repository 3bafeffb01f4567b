"""The warning that accounts have no broker, for every command that an operator may look at for why nothing happens."""

import sys

from reconciliation.bootstrap.desk import Desk
from reconciliation.cli.output import print_line
from reconciliation.domain.model.accounts import CHOOSE_A_BROKER
from reconciliation.support.wording import counted


def warn_without_broker(desk: Desk) -> None:
    """Print to stderr how many enabled accounts have no broker, and what to do; nothing if all have one."""
    waiting = desk.accounts.count_without_broker()
    if waiting:
        have = "has" if waiting == 1 else "have"
        line = f"{counted(waiting, 'enabled account')} {have} no broker and will not be reconciled: {CHOOSE_A_BROKER}."
        print_line(line, stream=sys.stderr, style="yellow")
