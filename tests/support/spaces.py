"""A test's part of a Redis server."""

import redis
import redis.asyncio

from reconciliation.adapters.redis.space import AsyncRedisSpace, RedisSpace


def space_of(client: redis.Redis, prefix: str = "t:") -> RedisSpace:
    return RedisSpace(client, address="test", prefix=prefix)


def async_space_of(client: redis.asyncio.Redis, prefix: str = "t:") -> AsyncRedisSpace:
    return AsyncRedisSpace(client, address="test", prefix=prefix)
