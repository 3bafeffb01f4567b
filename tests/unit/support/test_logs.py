"""Logging: one format, context that follows the work, and no secret in any line."""

import io
import logging
import re
from base64 import b64encode

import pytest

from reconciliation.support import redaction as masking
from reconciliation.support.logs import configure_logging, log_context
from reconciliation.support.redaction import redact_secrets

PLANTED = "pl4nted"


@pytest.fixture
def logged():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(
    "text",
    [
        f"redis://me:{PLANTED}@cache:6379/0",
        f"redis://:{PLANTED}@cache:6379/0",
        f"postgresql+psycopg://me:{PLANTED}/with/slashes@db/books",
        f"dsn is user=me password={PLANTED} host=db",
        f"{{'api_key': '{PLANTED}', 'a': 1}}",
        f"https://hooks/x?token={PLANTED}&a=1",
    ],
)
def test_a_secret_is_masked_wherever_it_stands(text: str):
    redacted = redact_secrets(text)
    assert PLANTED not in redacted
    assert "***" in redacted


def test_what_is_no_secret_stays():
    text = "account A-1 at redis://cache:6379/0: 3 discrepancies, mail ops@example.com"
    assert redact_secrets(text) == text


def test_a_secret_in_an_argument_or_a_traceback_is_masked(logged: io.StringIO):
    logger = logging.getLogger("test")
    error = RuntimeError(f"cannot connect to redis://:{PLANTED}@cache")
    logger.error("failed: %s", f"amqp://me:{PLANTED}@host", exc_info=error)
    assert PLANTED not in logged.getvalue()
    assert "RuntimeError: cannot connect to redis://***@cache" in logged.getvalue()


def test_context_is_added_inside_its_block_only(logged: io.StringIO):
    logger = logging.getLogger("test")
    with log_context(task="t"), log_context(run_id="r-1"):
        logger.info("inside")
    logger.info("outside")
    inside, outside = logged.getvalue().splitlines()
    assert inside.endswith("test: inside task=t run_id=r-1")
    assert outside.endswith("test: outside")


def test_each_line_has_a_utc_time_a_level_and_a_process(logged: io.StringIO):
    logging.getLogger("test").info("x")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO \d+ test: x$", logged.getvalue())


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch):
    """Two secrets that a connection has looked up; forgotten at the end."""
    monkeypatch.setattr(masking, "_known", ())
    masking.register_secret(["Kq8/+w07919Xq=Zp", "Kq8/+w07919Xq=and-more-of-it", "12345"])


@pytest.mark.usefixtures("looked_up")
@pytest.mark.parametrize(
    "written",
    [
        "Kq8/+w07919Xq=Zp",
        "Kq8/+w07919Xq=and-more-of-it",
        "Kq8%2F%2Bw07919Xq%3DZp",
        "Kq8/%2Bw07919Xq%3DZp",
        *(b64encode(f"{user}:Kq8/+w07919Xq=Zp".encode()).decode() for user in ("a", "ab", "abc")),
        "Kq8/+w07919Xq=an",
    ],
)
def test_a_secret_that_was_looked_up_is_masked_in_every_form_and_cut_off(written: str):
    redacted = redact_secrets(f"GET /v1/{written} failed")
    assert "***" in redacted
    assert not [part for part in ("Kq8", "07919", written[8:20]) if part in redacted]


@pytest.mark.usefixtures("looked_up")
def test_what_is_too_short_for_a_secret_stays():
    assert redact_secrets("account 12345 at Kq8/+w") == "account 12345 at Kq8/+w"
