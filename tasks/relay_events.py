"""`reconciliation.relay_events`: repairs what a crash left between a commit and its publishing."""

from reconciliation.messages.tasks import RELAY_EVENTS
from tasks.base import task
from tasks.runtime import runtime


@task(RELAY_EVENTS)
def relay_events() -> dict[str, int]:
    return {"published": runtime().parts.run_follow_up.repair()}
