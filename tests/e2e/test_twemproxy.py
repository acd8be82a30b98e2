"""Debian's nutcracker (twemproxy) in front of two larders, for clients of either protocol."""

import os
import shutil

import pymemcache
import pytest
import redis

import server

pytestmark = pytest.mark.larder_only

POOL = """
{name}:
  listen: 127.0.0.1:{port}
  hash: fnv1a_64
  distribution: modula
  redis: {redis}
  auto_eject_hosts: false
  timeout: 10000
  server_connections: 1
  servers:
    - 127.0.0.1:{first}:1
    - 127.0.0.1:{second}:1
"""


def connects(port):
    try:
        server.connect(port, 1).close()
        return True
    except OSError:
        return False


@pytest.fixture
def proxied(start, tmp_path):
    """Two larders, and the ports of a proxy for Redis and for memcached clients."""
    behind = [start(threads=1), start(threads=3)]
    program = shutil.which("nutcracker", path=f"{os.environ['PATH']}:/usr/sbin")
    configuration = tmp_path / "nutcracker.yml"

    def begin(ports):
        pools = [("redis", ports[0], "true", "resp"), ("memcached", ports[1], "false", "memcache")]
        text = "".join(
            POOL.format(name=name, port=port, redis=redis, first=behind[0].port(door), second=behind[1].port(door))
            for name, port, redis, door in pools
        )
        configuration.write_text(text)
        argv = [program, "-c", configuration, "-a", "127.0.0.1", "-s", ports[2], "-p", tmp_path / "pid", "-o", tmp_path / "log"]
        process = server.Process(argv, [])

        def listens():
            if not process.alive():
                raise server.StartFailure(f"{(tmp_path / 'log').read_text()} {process.output()}")
            return all(connects(port) for port in ports[:2])

        try:
            server.eventually("the proxy listens", listens)
        except BaseException:
            process.kill()
            raise
        return process

    ports, process = server.on_free_ports(3, begin)
    try:
        yield behind, ports[0], ports[1]
        assert process.alive()
    finally:
        process.kill()


def items(running):
    with redis.Redis(port=running.resp_port) as client:
        return client.dbsize()


# The proxy knows neither HELLO nor CLIENT and closes the connection for them.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_redis_clients(proxied):
    behind, port, _ = proxied
    with redis.Redis(port=port, socket_timeout=10, protocol=2, lib_name=None, lib_version=None) as client:
        assert client.set("k", "v", ex=100) and client.get("k") == b"v" and client.ttl("k") > 90
        assert client.incr("n", 5) == 5 and client.append("k", "+") == 2 and client.setrange("k", 1, "-") == 2
        assert client.setnx("k", "x") is False and client.getset("k", "w") == b"v-" and client.strlen("k") == 1
        # Taken apart by the proxy, a part for each server.
        names = [f"key{number}" for number in range(500)]
        assert client.mset({name: name for name in names})
        assert client.mget([*names, "none"]) == [name.encode() for name in names] + [None]
        with client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.get(name)
            assert pipeline.execute() == [name.encode() for name in names]
        big = os.urandom(300_000)
        assert client.set("big", big) and client.get("big") == big
        counts = [items(running) for running in behind]
        assert sum(counts) == len(names) + 3 and min(counts) > 10, counts
        assert client.delete(*names, "none") == len(names)
        assert client.exists("k") == 1 and client.expire("k", 100) and client.persist("k") and client.type("k") == b"string"
        with pytest.raises(redis.ResponseError, match="not an integer"):
            client.incr("k")
    assert sum(items(running) for running in behind) == 3


def test_memcached_clients(proxied):
    behind, _, port = proxied
    client = pymemcache.Client(("127.0.0.1", port), default_noreply=False, timeout=10)
    assert client.set("k", b"v", expire=100) and client.get("k") == b"v" and client.get("none") is None
    assert client.add("k", b"x") is False and client.replace("k", b"w") and client.append("k", b"1") and client.prepend("k", b"0")
    value, unique = client.gets("k")
    assert value == b"0w1" and client.cas("k", b"new", unique) is True and client.cas("k", b"old", unique) is False
    assert client.set("n", b"10") and client.incr("n", 5) == 15 and client.decr("n", 20) == 0 and client.incr("none", 1) is None
    names = [f"key{number}" for number in range(500)]
    assert client.set_many({name: name.encode() for name in names}) == []
    assert client.get_many([*names, "none"]) == {name: name.encode() for name in names}
    assert client.set_many({name: b"quiet" for name in names[:50]}, noreply=True) == []
    assert client.get_many(names[:50]) == {name: b"quiet" for name in names[:50]}
    big = os.urandom(300_000)
    assert client.set("big", big) and client.get("big") == big
    counts = [items(running) for running in behind]
    assert sum(counts) == len(names) + 3 and min(counts) > 10, counts
    assert client.touch("k", 100) and not client.touch("none", 100)
    assert client.delete("k") is True and client.delete("k") is False
    client.quit()
