"""Whether the Redis servers of the settings are safe to work on. Light: beat imports it, too."""

from collections.abc import Mapping

from reconciliation.adapters.redis.server_facts import ServerFacts, require_safe_server
from reconciliation.settings import Settings


def redis_servers(settings: Settings) -> Mapping[str, str]:
    """Return the address of each server by its URL, which may hold a password: our own, and Celery's if it differs."""
    servers = {settings.redis_url.get_secret_value(): settings.redis_address}
    if settings.celery_broker_url is not None:
        servers[settings.celery_broker_url.get_secret_value()] = settings.celery_address
    return servers


def require_safe_redis(settings: Settings, url: str, address: str) -> ServerFacts:
    """Return what one of them says of itself.

    Raises:
        ConfigurationError: it may forget messages, or is too old.
        CoordinationError: it cannot be reached.
    """
    return require_safe_server(url, address, settings.redis_timeout_seconds)
