"""Reads every event once, also after a restart: a starting point for a pager, a ticket system or a dashboard.

    python examples/consume_events.py redis://127.0.0.1:6379/0 position.json

The relay delivers at least once. A consumer that stores its position and the ids of the last events together with its
own work handles each event exactly once, and in order for each account.
"""

import json
import os
import sys
from collections import deque
from pathlib import Path

import redis

STREAM = "reconciliation:events"
#: A repeat follows its original closely; this many ids are far more than one batch of the relay.
REMEMBERED_IDS = 10_000


def main(url: str, position_file: Path, count: int | None = None) -> None:
    """Print events from the stored position; end after `count` of them, or never."""
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=None)
    kept = json.loads(position_file.read_text()) if position_file.exists() else {"position": "0", "ids": []}
    position, known = kept["position"], deque(kept["ids"], REMEMBERED_IDS)
    while count is None or count > 0:
        for _, entries in client.xread({STREAM: position}, count=100, block=0):
            for position, event in entries:
                if event["event_id"] in known:
                    continue
                act_on(json.loads(event["payload"]))
                known.append(event["event_id"])
                keep(position_file, position, known)
                if count is not None:
                    count -= 1
                    if count == 0:
                        return


def act_on(event: dict) -> None:
    """Page a person or open a ticket. Here: print one line."""
    what = event.get("break", event.get("details"))
    print(event["kind"], event["account_id"], event["sequence"], json.dumps(what), flush=True)


def keep(position_file: Path, position: str, known: deque[str]) -> None:
    """Replace the file as a whole: a crash leaves the old position or the new one, never half of one."""
    draft = position_file.with_suffix(".new")
    draft.write_text(json.dumps({"position": position, "ids": list(known)}))
    os.replace(draft, position_file)  # noqa: PTH105 - atomic


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)  # noqa: PLR2004
