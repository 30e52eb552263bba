"""Entries in Redis, for all processes of a service: ``pip install 'axai-pg[redis]'``."""

from __future__ import annotations

import json
import logging
import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from andamios_orm.exceptions import ConfigurationError, MissingExtra
from axai_pg.data.caching.stores import Entry
from axai_pg.exceptions import CacheUnavailable

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterator

    from axai_pg.data.caching.stores import Selection

__all__ = ["RedisStore"]

logger = logging.getLogger("axai_pg.cache")

_PATIENCE: Final = 1.0
"""Seconds to wait for Redis: what takes longer is no cache."""
_KNOWN: Final = 10_000
_AT_ONCE: Final = 500
_INDEX_KEPT: Final = 25 * 3600
_PREFIX: Final = re.compile(r"[\w-]+", re.ASCII)


class RedisStore:
    """Entries in Redis, as JSON. Each organisation has keys of its own, and a list of them.

    While Redis does not answer, nothing is found and nothing is kept; removing raises.
    Whoever may write to that Redis may forge answers: it needs a password, and TLS.
    """

    def __init__(
        self, client: Any, count: Callable[[str], None], *, prefix: str = "axai", largest: int
    ) -> None:
        """Keep entries of up to ``largest`` bytes through an asynchronous client of redis-py.

        Raises:
            ConfigurationError: the prefix is no word.
        """
        if not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                f"prefix={prefix!r:.40} is no word of letters, digits, _ and -"
            )
        self._client = client
        self._count = count
        self._prefix = prefix
        self._largest = largest
        self._known: OrderedDict[str, tuple[bytes, Entry]] = OrderedDict()
        self._answers = True

    @classmethod
    def from_url(
        cls, url: str, count: Callable[[str], None], *, prefix: str = "axai", largest: int
    ) -> RedisStore:
        """Keep entries in the Redis at ``url``: ``redis://``, ``rediss://`` or ``unix://``.

        Raises:
            ConfigurationError: it is no such URL; the prefix is no word.
            MissingExtra: the client of Redis is not installed.
        """
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as error:
            raise MissingExtra(
                "the client of Redis is not installed: pip install 'axai-pg[redis]'"
            ) from error
        try:
            client = Redis.from_url(
                url,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError:  # its message may have the password
            raise ConfigurationError(
                "the URL of the cache is none of Redis: redis://, rediss:// or unix://"
            ) from None
        return cls(client, count, prefix=prefix, largest=largest)

    async def get(self, org_id: uuid.UUID, key: str) -> Entry | None:
        """Return what is kept, unless its time is over, or Redis does not answer."""
        name = self._name(org_id, key)
        try:
            raw: bytes | None = await self._client.get(name)
        except _errors() as error:
            self._note(error)
            return None
        self._answers = True
        if raw is None:
            self._known.pop(name, None)
            return None
        known = self._known.get(name)
        if known is not None and known[0] == raw:
            self._known.move_to_end(name)
            return known[1]
        entry = _decoded(raw)
        if entry is not None:
            self._know(name, raw, entry)
        return entry

    async def put(self, org_id: uuid.UUID, key: str, entry: Entry, ttl: float) -> bool:
        """Keep an entry for ``ttl`` seconds; return whether Redis has taken it."""
        raw = _encoded(entry)
        if len(raw) > self._largest:
            self._count("oversized")
            return False
        name, index, now = self._name(org_id, key), self._index(org_id), time.time()
        try:
            async with self._client.pipeline(transaction=True) as pipeline:
                pipeline.set(name, raw, px=max(1, int(ttl * 1000)))
                pipeline.zremrangebyscore(index, "-inf", now)
                pipeline.zadd(index, {key: now + ttl})
                pipeline.expire(index, _INDEX_KEPT)
                await pipeline.execute()
        except _errors() as error:
            self._note(error)
            return False
        self._know(name, raw, entry)
        return True

    async def remove(self, org_id: uuid.UUID | None, selection: Selection) -> None:
        """Remove entries, of one organisation or of all.

        Raises:
            CacheUnavailable: Redis does not answer; what is in it stays.
        """
        try:
            if org_id is None:
                await self._remove_all()
            else:
                await self._remove_of(org_id, selection)
        except _errors() as error:
            raise CacheUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections; what is in Redis stays."""
        self._known.clear()
        await self._client.aclose()

    def usage(self) -> tuple[int, int]:
        """Return how many entries this process has seen of late, and how many bytes they take."""
        return len(self._known), sum(len(raw) for raw, _ in self._known.values())

    # ---- removing ----------------------------------------------------------------

    async def _remove_all(self) -> None:
        self._known.clear()
        found = [name async for name in self._client.scan_iter(f"{self._prefix}:*", _AT_ONCE)]
        for names in _parts(found):
            await self._client.unlink(*names)

    async def _remove_of(self, org_id: uuid.UUID, selection: Selection) -> None:
        index = self._index(org_id)
        members: list[bytes] = []
        if selection.key is None:
            members = await self._client.zrange(index, 0, -1)
        for keys in _parts(selection.among(member.decode() for member in members)):
            tags = await self._tags_of(org_id, keys, selection)
            chosen = [key for key, own in zip(keys, tags, strict=True) if selection.has(key, own)]
            if chosen:
                await self._client.unlink(*(self._name(org_id, key) for key in chosen))
                await self._client.zrem(index, *chosen)

    async def _tags_of(
        self, org_id: uuid.UUID, keys: list[str], selection: Selection
    ) -> list[frozenset[str]]:
        """Return the tags of each key; nothing is fetched if they are not asked for."""
        if selection.tags is None:
            return [frozenset()] * len(keys)
        return list(map(_tags, await self._client.mget([self._name(org_id, key) for key in keys])))

    # ---- names, and what is known of them ----------------------------------------

    def _index(self, org_id: uuid.UUID) -> str:
        return f"{self._prefix}:{org_id.hex}"

    def _name(self, org_id: uuid.UUID, key: str) -> str:
        return f"{self._index(org_id)}:{key}"

    def _know(self, name: str, raw: bytes, entry: Entry) -> None:
        """Remember the entry: it also knows up to when it was true."""
        self._known[name] = raw, entry
        self._known.move_to_end(name)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)

    def _note(self, error: Exception) -> None:
        """Log the first error of those in a row."""
        if self._answers:
            self._answers = False
            logger.warning("Redis does not answer, so nothing is cached: %s", type(error).__name__)


def _errors() -> type[Exception]:
    from redis.exceptions import RedisError

    return RedisError


def _encoded(entry: Entry) -> bytes:
    head = {
        "entities": sorted(entry.entities),
        "tags": sorted(entry.tags),
        "snapshot": entry.snapshot,
    }
    return json.dumps(head).encode() + b"\n" + entry.value


def _decoded(raw: bytes) -> Entry | None:
    """Return the entry; None if somebody else has written something there."""
    head, _, value = raw.partition(b"\n")
    try:
        found = json.loads(head)
        entities, tags = frozenset(found["entities"]), frozenset(found["tags"])
        return Entry(value, entities, tags, str(found["snapshot"]))
    except (ValueError, KeyError, TypeError):
        return None


def _tags(raw: bytes | None) -> frozenset[str]:
    entry = None if raw is None else _decoded(raw)
    return frozenset() if entry is None else entry.tags


def _parts(names: list[Any]) -> Iterator[list[Any]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))
