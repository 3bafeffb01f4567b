from datetime import UTC, datetime

import pytest

from reconciliation.adapters.brokers.sdk.http_status import MAX_RETRY_AFTER_SECONDS, refusal, retry_after_seconds
from reconciliation.errors import AuthError, BadData, RateLimited, Unavailable

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_no_refusal(status):
    assert refusal(status, {}, "X") is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadData),
        (400, BadData),
        (401, AuthError),
        (403, AuthError),
        (404, BadData),
        (408, Unavailable),
        (418, RateLimited),
        (425, Unavailable),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
        (599, Unavailable),
    ],
)
def test_each_status_has_its_error(status, kind):
    assert type(refusal(status, {}, "X")) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"RETRY-AFTER": " 0.5 "}, 0.5),
        ({"Retry-After": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90),
        ({"Retry-After": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 12)}, 12),
        ({"Retry-After": "5", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 12)}, 5),
        ({"Retry-After": "999999999"}, MAX_RETRY_AFTER_SECONDS),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_seconds_a_date_or_the_reset_time(headers, seconds):
    assert retry_after_seconds(headers, NOW) == seconds
