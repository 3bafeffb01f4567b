import pytest

from reconciliation.adapters.brokers.sdk.credentials import Credentials
from reconciliation.errors import ConfigurationError

SECRETS = {"key": "planted-key", "secret": "planted-key-and-more"}


def test_its_repr_shows_names_alone():
    assert repr(Credentials("x", SECRETS, ("key", "secret"))) == "Credentials(key, secret)"


def test_a_secret_that_begins_like_another_is_hidden_whole():
    credentials = Credentials("x", SECRETS, ("key", "secret"))
    assert credentials.hide("sent planted-key-and-more and planted-key") == "sent [secret] and [secret]"


def test_an_unknown_name_is_refused_without_its_value():
    with pytest.raises(ConfigurationError, match="no secret 'keey'") as caught:
        Credentials("x", {"keey": "planted-key"}, ("key",))
    assert "planted-key" not in str(caught.value)


def test_an_empty_secret_is_a_missing_one():
    with pytest.raises(ConfigurationError, match="needs the secret 'key'"):
        Credentials("x", {"key": ""}, ("key",)).require("key")
