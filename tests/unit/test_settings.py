"""Settings: limits that fit together, errors without values, addresses without secrets."""

import pytest
from pydantic import SecretStr

from reconciliation.errors import ConfigurationError
from reconciliation.settings import Settings, load_settings

PLANTED = "pl4nted"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # no .env


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"task_time_limit_seconds": 120}, r"task_time_limit_seconds \(120\) must be below run_lease_seconds \(120\)"),
        ({"run_lease_seconds": 180}, r"run_lease_seconds \(180\) must be below visibility_timeout_seconds \(180\)"),
        ({"post_fill_delay_seconds": 200, "post_fill_max_wait_seconds": 300}, "delivered again before it is due"),
    ],
)
def test_time_limit_lease_and_visibility_time_out_must_grow_in_this_order(limits, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        load_settings(**limits)


def test_a_setting_that_cannot_work_is_named_by_its_variable_and_its_value_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("RECONCILIATION_INTERVAL_SECONDS", PLANTED)
    with pytest.raises(ConfigurationError, match="RECONCILIATION_INTERVAL_SECONDS: ") as caught:
        load_settings()
    assert PLANTED not in str(caught.value)
    assert caught.value.__suppress_context__


def test_options_that_are_no_json_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILIATION_BROKER_OPTIONS", f"{{{PLANTED}")
    with pytest.raises(ConfigurationError, match="broker_options") as caught:
        load_settings()
    assert PLANTED not in str(caught.value)


def test_addresses_hold_no_secret():
    settings = Settings(
        redis_url=SecretStr(f"rediss://me:{PLANTED}@cache:6380/2?password={PLANTED}"),
        database_url=SecretStr(f"postgresql+psycopg://me:{PLANTED}@db/books"),
    )
    assert settings.redis_address == "rediss://cache:6380/2"
    assert settings.celery_address == "rediss://cache:6380/2"
    assert settings.database_address == "postgresql+psycopg://db/books"
    assert PLANTED not in repr(settings)


@pytest.mark.parametrize(
    ("url", "celery_url"),
    [
        ("redis://cache:6379/3", "redis://cache:6379/3"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix://:pw@/run/redis.sock?db=4", "redis+socket://:pw@/run/redis.sock?virtual_host=4"),
    ],
)
def test_celery_gets_the_same_redis_in_its_own_spelling(url, celery_url):
    assert Settings(redis_url=SecretStr(url)).celery_url.get_secret_value() == celery_url


def test_a_misspelt_variable_is_an_error_that_names_it_and_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILIATION_INTERVAL_SECOND", PLANTED)
    sentence = r"RECONCILIATION_INTERVAL_SECOND is no setting.*did you mean RECONCILIATION_INTERVAL_SECONDS"
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        load_settings()
    assert PLANTED not in str(caught.value)


def test_a_misspelt_line_of_the_env_file_is_an_error_too(tmp_path):
    (tmp_path / ".env").write_text(f"RECONCILIATION_REDIS_ULR={PLANTED}\nOTHER_PROGRAM=1\n")
    with pytest.raises(ConfigurationError, match=r"RECONCILIATION_REDIS_ULR is no setting.*RECONCILIATION_REDIS_URL"):
        load_settings()


def test_a_variable_for_a_secret_is_not_taken_for_a_setting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RECONCILIATION_SECRET_ALPACA", PLANTED)
    assert load_settings().interval_seconds == 300
