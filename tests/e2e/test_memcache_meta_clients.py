"""Clients that speak meta commands, and Django's cache."""

import django.conf
import meta_memcache
import pymemcache
import pytest
from django.core.cache.backends.memcached import PyMemcacheCache
from meta_memcache.configuration import LeasePolicy, RecachePolicy, StalePolicy


@pytest.fixture
def running(start):
    return start(threads=3)


@pytest.fixture
def client(running):
    pools = meta_memcache.connection_pool_factory_builder(connection_timeout=20, recv_timeout=20)
    server = meta_memcache.ServerAddress("127.0.0.1", running.memcache_port)
    return meta_memcache.CacheClient.cache_client_from_servers([server], pools)


def test_meta_memcache_reads_and_writes(client):
    assert client.get("key") is None
    assert client.set("key", {"a": [1, 2, 3]}, ttl=100)
    assert client.get("key") == {"a": [1, 2, 3]}
    assert client.get("key", touch_ttl=500) == {"a": [1, 2, 3]}
    assert client.set("key", "text", ttl=100, set_mode=meta_memcache.SetMode.ADD) is False
    assert client.set("other", "text", ttl=100, set_mode=meta_memcache.SetMode.REPLACE) is False
    assert client.set("key", "text", ttl=100, no_reply=True)
    value, unique = client.get_cas("key")
    assert value == "text"
    assert client.set("key", "newer", ttl=100, cas_token=unique)
    assert client.set("key", "lost", ttl=100, cas_token=unique) is False
    assert client.touch("key", ttl=1000) and not client.touch("absent", ttl=1000)
    assert client.delete("key") and not client.delete("key")
    assert client.invalidate("key")


def test_meta_memcache_writes_long_and_foreign_keys_in_base64(client):
    names = ["clé étrange", "emoji \N{CAT FACE}", "with blanks and\ttabs", "k" * 400]
    for number, name in enumerate(names):
        assert client.set(name, number, ttl=0)
    found = client.multi_get(names)
    assert [found[meta_memcache.Key(name)] for name in names] == [0, 1, 2, 3]
    assert all(client.delete(name) for name in names)
    assert client.multi_get(names[:2]) == {meta_memcache.Key(name): None for name in names[:2]}


def test_meta_memcache_reads_many(client):
    names = [f"key{number}" for number in range(500)]
    for number, name in enumerate(names):
        client.set(name, "v%d" % number, ttl=100, no_reply=True)
    found = client.multi_get([*names, "absent"])
    assert [found[meta_memcache.Key(name)] for name in names] == ["v%d" % number for number in range(500)]
    assert found[meta_memcache.Key("absent")] is None


def test_meta_memcache_counts(client):
    assert client.delta("n", 1) is False
    assert client.delta_initialize_and_get("n", 1, initial_value=10, initial_ttl=100) == 10
    assert client.delta_initialize_and_get("n", 5, initial_value=10, initial_ttl=100) == 15
    assert client.delta_and_get("n", -20) == 0
    assert client.delta("n", 7, refresh_ttl=500) and client.delta("n", 1, no_reply=True)
    assert client.delta_and_get("n", 0) == 8


def test_meta_memcache_keeps_the_herd_away(client):
    stale = StalePolicy(mark_stale_on_deletion_ttl=30, mark_stale_on_cas_mismatch=True)
    recache = RecachePolicy(ttl=30)
    client.set("key", "old", ttl=1000)
    _, unique = client.get_cas("key")
    assert client.delete("key", stale_policy=stale)
    assert client.get("key", recache_policy=recache) is None, "this one is to bring a new value"
    assert client.get("key", recache_policy=recache) == "old", "the others have the old one meanwhile"
    assert client.set("key", "seen before", ttl=1000, cas_token=unique, stale_policy=stale)
    assert client.get("key", recache_policy=recache) == "seen before"
    assert client.set("key", "new", ttl=1000)
    assert client.get("key", recache_policy=recache) == "new"
    lease = LeasePolicy(ttl=30, miss_retries=3, miss_retry_wait=0.01)
    waits = []
    assert client.get_or_lease("leased", lease) is None, "the first to miss is to bring it"
    assert client.get_or_lease("leased", lease, lease_wait_fn=waits.append) is None and waits
    client.set("leased", "there", ttl=100)
    assert client.get_or_lease("leased", lease) == "there"


def test_pymemcache_sends_meta_commands(running):
    client = pymemcache.Client(("127.0.0.1", running.memcache_port), timeout=20)
    assert client.raw_command(b"ms key 3 T100 c\r\nabc").startswith(b"HD c")
    assert client.raw_command("mg key s f t v", end_tokens=b"abc\r\n").startswith(b"VA 3 s3 f0 t")
    assert client.raw_command("ma n N0 J5 v", end_tokens=b"5\r\n") == b"VA 1\r\n"
    assert client.raw_command("mn") == b"MN"
    assert client.get("key") == b"abc"
    client.close()


@pytest.fixture
def cache(running):
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    cache = PyMemcacheCache(f"127.0.0.1:{running.memcache_port}", {"TIMEOUT": 300, "KEY_PREFIX": "site"})
    yield cache
    cache.close()


def test_django_cache(cache):
    assert cache.get("key", "default") == "default"
    cache.set("key", {"a": 1, "b": [None, True, "text"]})
    assert cache.get("key") == {"a": 1, "b": [None, True, "text"]}
    assert cache.add("key", 1) is False and cache.add("new", 1) is True
    assert cache.get_or_set("made", lambda: "value", 100) == "value"
    cache.set("gone", "x", timeout=0)
    assert cache.get("gone") is None and "gone" not in cache and "key" in cache
    cache.set("never", "x", timeout=None)
    assert cache.get("never") == "x"
    assert cache.set_many({f"many{number}": number for number in range(100)}) == []
    assert cache.get_many([f"many{number}" for number in range(101)]) == {f"many{number}": number for number in range(100)}
    cache.delete_many([f"many{number}" for number in range(50)])
    assert len(cache.get_many([f"many{number}" for number in range(100)])) == 50
    cache.set("n", 10)
    assert cache.incr("n") == 11 and cache.decr("n", 5) == 6
    with pytest.raises(ValueError):
        cache.incr("absent")
    assert cache.touch("n", 1000) is True and cache.touch("absent") is False
    assert cache.incr_version("n") == 2 and cache.get("n", version=2) == 6
    assert cache.delete("key") is True and cache.delete("key") is False
    cache.set("big", "x" * 900_000)
    assert len(cache.get("big")) == 900_000
    cache.clear()
    assert cache.get("never") is None
