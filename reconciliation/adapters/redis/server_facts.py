"""What a Redis server is, and whether it keeps what it stores."""

from dataclasses import dataclass

from reconciliation.adapters.redis.client import connect
from reconciliation.adapters.redis.space import RedisSpace
from reconciliation.errors import ConfigurationError

MINIMUM_VERSION = (6, 2)
PROBE_SECONDS = 10
SAFE_POLICY = "noeviction"


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What `INFO` says; unlike `CONFIG GET`, managed servers allow it."""

    version: tuple[int, ...]
    eviction_policy: str
    is_append_only: bool
    #: `master`, or `slave` for a replica, which takes no writes.
    role: str
    is_cluster: bool

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))


def read_facts(space: RedisSpace) -> ServerFacts:
    """Ask a server about itself.

    Raises:
        CoordinationError: it cannot be reached or refuses.
    """
    with space.explained():
        info = space.client.info("everything")
    return ServerFacts(
        version=tuple(int(part) for part in str(info["redis_version"]).split(".")[:3]),
        eviction_policy=str(info.get("maxmemory_policy", "unknown")),
        is_append_only=bool(info.get("aof_enabled")),
        role=str(info.get("role", "unknown")),
        is_cluster=bool(info.get("cluster_enabled")),
    )


def probe_write(space: RedisSpace) -> None:
    """Write a key that is gone after seconds: a full, read-only or restricted server is found by this only.

    Raises:
        CoordinationError: the server refuses, with its reason.
    """
    with space.explained():
        space.client.set(f"{space.prefix}probe", 1, ex=PROBE_SECONDS)


def require_safe_server(url: str, address: str, timeout_seconds: float) -> ServerFacts:
    """Return the facts of a server on which nothing is lost on purpose.

    Raises:
        ConfigurationError: it is too old, or evicts keys when memory is short: messages and fills are keys.
        CoordinationError: it cannot be reached.
    """
    with connect(url, timeout_seconds) as client:
        facts = read_facts(RedisSpace(client, address=address, prefix=""))
    if facts.version < MINIMUM_VERSION:
        raise ConfigurationError(
            f"Redis at {address} is version {facts.version_text}: 6.2 or newer is needed, or Valkey"
        )
    if facts.eviction_policy != SAFE_POLICY:
        raise ConfigurationError(
            f"Redis at {address} has the eviction policy {facts.eviction_policy!r} and would throw away messages and "
            f"fills when memory is short: set `maxmemory-policy {SAFE_POLICY}`"
        )
    return facts
