"""Reads every event once, also after a restart: a starting point for a pager, a ticket system or a dashboard.

    python examples/consume_events.py redis://127.0.0.1:6379/0 position.json

The relay delivers at least once. A consumer that stores its position and the ids of the last events together with its
own work handles each event exactly once, and in order for each account.

The stream keeps a limited number of events. A consumer that was away for too long has missed some: this one says so on
stderr. The breaks themselves are never lost: read them from the database, as `reconcile breaks list` does.
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
#: Accounts whose last `sequence` is remembered, the latest ones.
REMEMBERED_ACCOUNTS = 10_000


def main(url: str, position_file: Path, count: int | None = None) -> None:
    """Print events from the stored position; end after `count` of them, or never."""
    client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=None)
    kept = json.loads(position_file.read_text()) if position_file.exists() else {"position": "0"}
    position, known = kept["position"], deque(kept.get("ids", ()), REMEMBERED_IDS)
    sequences = kept.get("sequences", {})
    report_late_start(client, position)
    while count is None or count > 0:
        for _, entries in client.xread({STREAM: position}, count=100, block=0):
            for position, event in entries:
                if event["event_id"] in known:
                    continue
                message = json.loads(event["payload"])
                report_gap(sequences, message["account_id"], message["sequence"])
                act_on(message)
                known.append(event["event_id"])
                keep(position_file, {"position": position, "ids": list(known), "sequences": sequences})
                if count is not None:
                    count -= 1
                    if count == 0:
                        return


def act_on(event: dict) -> None:
    """Page a person or open a ticket. Here: print one line."""
    what = event.get("break", event.get("details"))
    print(event["kind"], event["account_id"], event["sequence"], json.dumps(what), flush=True)


def report_late_start(client: redis.Redis, position: str) -> None:
    """Say if the stream has dropped events behind the position: it is older than the first event that is left."""
    first = client.xrange(STREAM, count=1)
    if not first or number_of(position) >= number_of(first[0][0]):
        return
    facts = client.xinfo_stream(STREAM)
    if position == "0" and facts.get("entries-added", 0) <= facts["length"]:
        return  # from the beginning, and nothing was ever dropped
    report(
        f"position {position} is older than the first event of the stream, {first[0][0]}: events may be missing. "
        "See `reconcile breaks list`"
    )


def number_of(entry_id: str) -> tuple[int, int]:
    """Return the two numbers of an id: its time and its place within that millisecond."""
    milliseconds, _, place = entry_id.partition("-")
    return int(milliseconds), int(place or 0)


def report_gap(sequences: dict[str, int], account: str, sequence: int) -> None:
    """Say if events of an account are missing: `sequence` grows by one with each."""
    last = sequences.pop(account, None)
    if last is not None and sequence > last + 1:
        command = f"breaks list --account {account}" if account else "check"
        report(f"account {account!r}: event {sequence} follows event {last}, with a gap. See `reconcile {command}`")
    sequences[account] = sequence
    if len(sequences) > REMEMBERED_ACCOUNTS:
        del sequences[next(iter(sequences))]


def report(sentence: str) -> None:
    """Tell the operator. Here: print one line."""
    print(sentence, file=sys.stderr, flush=True)


def keep(position_file: Path, state: dict) -> None:
    """Replace the file as a whole: a crash leaves the old position or the new one, never half of one."""
    draft = position_file.with_suffix(".new")
    draft.write_text(json.dumps(state))
    os.replace(draft, position_file)  # noqa: PTH105 - atomic


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else None)  # noqa: PLR2004
