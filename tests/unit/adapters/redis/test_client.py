"""What our Redis clients say about a server, without one."""

import pytest
import redis

from reconciliation.adapters.redis.client import connect, explain
from reconciliation.errors import ConfigurationError

ADDRESS = "redis://cache:6379/0"


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (redis.AuthenticationError("invalid username-password pair"), "check user and password"),
        (redis.BusyLoadingError("LOADING"), "wait, then try again"),
        (redis.TimeoutError("Timeout reading"), "check the server's load"),
        (redis.ConnectionError("refused"), "check that it runs"),
        (redis.exceptions.OutOfMemoryError("OOM"), "maxmemory"),
        (redis.exceptions.ReadOnlyError("READONLY"), "name the primary"),
        (redis.ResponseError("WRONGTYPE {braces}"), "WRONGTYPE {braces}"),
    ],
)
def test_each_error_names_the_server_and_a_remedy(error, remedy):
    sentence = str(explain(error, ADDRESS))
    assert sentence.startswith(f"Redis at {ADDRESS} ")
    assert remedy in sentence


@pytest.mark.parametrize("url", ["http://me:planted@h/0", "redis://me:plan/ted@h/0", "redis://:planted@h:port/0"])
def test_a_url_that_is_not_understood_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError, match="not understood") as caught:
        connect(url, 1)
    assert "plan" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_every_client_has_time_outs_a_bounded_retry_and_one_protocol():
    options = connect("redis://127.0.0.1:1/0", 2.5).connection_pool.connection_kwargs
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 2.5
    assert options["retry"].get_retries() == 2
    assert options["protocol"] == 2
