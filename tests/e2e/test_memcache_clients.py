"""pymemcache, pylibmc and libmemcached's tools."""

import re
import subprocess

import pylibmc
import pymemcache
import pytest


@pytest.fixture
def running(start):
    return start(threads=3)


def test_pymemcache(running):
    client = pymemcache.Client(("127.0.0.1", running.memcache_port), default_noreply=False, timeout=10)
    assert client.set("k", b"v", expire=100)
    assert client.get("k") == b"v"
    assert client.get("none") is None
    assert client.add("k", b"x") is False
    assert client.replace("k", b"w") is True
    assert client.append("k", b"1") and client.prepend("k", b"0")
    value, unique = client.gets("k")
    assert value == b"0w1"
    assert client.cas("k", b"new", unique) is True
    assert client.cas("k", b"old", unique) is False
    assert client.cas("none", b"old", unique) is None
    assert client.set_many({f"key{number}": b"%d" % number for number in range(300)}) == []
    names = [f"key{number}" for number in range(300)]
    assert client.get_many([*names, "none"]) == {f"key{number}": b"%d" % number for number in range(300)}
    assert set(client.gets_many(names[:3])) == set(names[:3])
    assert client.set("n", b"10")
    assert client.incr("n", 5) == 15 and client.decr("n", 20) == 0 and client.incr("none", 1) is None
    assert client.touch("k", 100) is True and client.touch("none", 100) is False
    assert client.delete("k") is True and client.delete("k") is False
    assert client.version()
    assert client.stats()[b"curr_items"] == 301
    assert client.flush_all() is True
    assert client.get_many(names) == {}
    with pytest.raises(pymemcache.MemcacheClientError):
        client.incr("key with blank", 1)
    client.quit()


def test_pymemcache_without_replies(running):
    client = pymemcache.Client(("127.0.0.1", running.memcache_port), default_noreply=True, timeout=10)
    for number in range(100):
        client.set(f"key{number}", b"x")
        client.append(f"key{number}", b"y")
    client.delete("key0")
    assert client.get("key0") is None
    assert client.get("key99") == b"xy"
    client.flush_all()
    assert client.get("key99") is None
    client.close()


def test_pylibmc(running):
    client = pylibmc.Client([f"127.0.0.1:{running.memcache_port}"], binary=False, behaviors={"cas": True, "tcp_nodelay": True})
    assert client.set("k", "text", time=100)
    assert client.get("k") == "text"
    assert client.set("object", {"list": [1, 2.5, None]})
    assert client.get("object") == {"list": [1, 2.5, None]}
    assert client.set("big", "x" * 500_000, min_compress_len=1000)
    assert client.get("big") == "x" * 500_000
    value, unique = client.gets("k")
    assert client.cas("k", "new", unique) and not client.cas("k", "old", unique)
    assert client.set_multi({f"key{number}": number for number in range(300)}) == []
    assert client.get_multi([f"key{number}" for number in range(301)]) == {f"key{number}": number for number in range(300)}
    assert client.set("n", 10) and client.incr("n", 5) == 15 and client.decr("n", 1) == 14
    assert client.touch("k", 100) and not client.touch("none", 100)
    assert client.add("k", "x") is False and client.replace("none", "x") is False
    assert client.delete("k") and not client.delete("k")
    assert client.delete_multi([f"key{number}" for number in range(300)])
    ((_, stats),) = client.get_stats()
    assert int(stats["curr_items" if "curr_items" in stats else b"curr_items"]) == 3
    assert client.flush_all()
    assert client.get("object") is None
    client.disconnect_all()


def tool(running, name, *arguments):
    argv = [name, f"--servers=127.0.0.1:{running.memcache_port}", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_memccp_memccat_memcrm(running, tmp_path):
    for name, text in (("one", "first file\n"), ("two", "second\r\nfile")):
        (tmp_path / name).write_text(text, newline="")
    assert tool(running, "memccp", str(tmp_path / "one"), str(tmp_path / "two")).returncode == 0
    assert tool(running, "memccat", "one").stdout == "first file\n\n"
    assert tool(running, "memcexist", "two").returncode == 0
    assert tool(running, "memctouch", "--expire=100", "two").returncode == 0
    assert tool(running, "memcrm", "two").returncode == 0
    assert tool(running, "memcexist", "two").returncode != 0
    assert tool(running, "memcflush").returncode == 0
    assert tool(running, "memcexist", "one").returncode != 0


def test_memcstat_and_memcping(running):
    done = tool(running, "memcstat")
    assert done.returncode == 0, done.stdout + done.stderr
    for field in ("pid", "uptime", "version", "curr_items", "get_hits", "cmd_set", "bytes", "limit_maxbytes", "threads"):
        assert re.search(rf"^\s*{field}: \S+$", done.stdout, re.M), f"{field} is missing in {done.stdout}"
    assert tool(running, "memcping").returncode == 0
