"""Whether the Redis servers of the settings are safe to work on. Light: beat imports it, too."""

from collections.abc import Mapping

from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.server_facts import ServerFacts, probe_write, require_safe_server
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.errors import ConfigurationError
from reconciliation.settings import Settings


def redis_servers(settings: Settings) -> Mapping[str, str]:
    """Return the address of each server by its URL, which may hold a password: our own, and Celery's if it differs."""
    servers = {settings.redis_url.get_secret_value(): settings.redis_address}
    if settings.celery_broker_url is not None:
        servers[settings.celery_broker_url.get_secret_value()] = settings.celery_address
    return servers


def probe_redis(settings: Settings, url: str, address: str) -> ServerFacts:
    """Return what one of them says of itself, after it has taken a write.

    Raises:
        ConfigurationError: as `require_safe_redis`, or it is a Redis Cluster or a replica.
        CoordinationError: it cannot be reached, or refuses to write.
    """
    facts = require_safe_redis(settings, url, address)
    if facts.is_cluster:
        raise ConfigurationError(f"Redis at {address} is a Redis Cluster: use a single server, or one with Sentinel")
    if facts.role != "master":
        raise ConfigurationError(f"Redis at {address} is a replica, which takes no writes: name the primary")
    with connect(url, settings.redis_timeout_seconds) as client:
        probe_write(RedisSpace(client, address=address, prefix=settings.key_prefix))
    return facts


def require_safe_redis(settings: Settings, url: str, address: str) -> ServerFacts:
    """Return what one of them says of itself.

    Raises:
        ConfigurationError: it may forget messages, or is too old.
        CoordinationError: it cannot be reached.
    """
    return require_safe_server(url, address, settings.redis_timeout_seconds)
