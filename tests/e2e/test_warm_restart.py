"""The cache goes from a process to the next one through a file."""

import contextlib
import signal
import struct

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only
FAR_MS = 4_000_000_000_000


@contextlib.contextmanager
def larder(path, threads=1, **options):
    """A server that may end within the test, and ends with it."""
    made = server.larder(threads=threads, flags=["--warm_restart_file", path], **options)
    try:
        yield made
        assert made.process.terminate() == 0
    finally:
        made.process.kill()


@contextlib.contextmanager
def redis(made):
    with made.connect() as socket:
        yield resp.Client(socket).call


def memcache(made, line, end=b"END\r\n"):
    with made.connect("memcache") as client:
        client.sendall(line)
        got = b""
        while not got.endswith(end):
            more = client.recv(1 << 16)
            assert more, got
            got += more
        return got


def fill(made):
    with redis(made) as call:
        for number in range(300):
            call("SELECT", number % 3)
            call("SET", f"key:{number}", f"value {number} " * number)
        call("SELECT", 0)
        call("SET", "expires", "x", "PXAT", FAR_MS)
        call("SET", "dies", "x", "PX", 1)
        call("SET", "large", "l" * (3 << 20))
        call("HSET", "hash", "field", "1", "due", "2")
        call("HPEXPIREAT", "hash", FAR_MS, "FIELDS", 1, "due")
        call("SADD", "set", 1, 2, "three")
        call("RPUSH", "list", 1, "two", "")
        call("RPUSH", "long list", *range(20_000))
        call("ZADD", "sorted", 1.5, "a", "inf", "b", -7, "")
        call("ZADD", "long sorted", *[word for number in range(5_000) for word in (number / 8, f"m{number}")])
    assert memcache(made, b"set flagged 12345 0 5\r\nhello\r\n", b"STORED\r\n") == b"STORED\r\n"


def unique(made, key):
    return int(memcache(made, b"gets " + key + b"\r\n").split(b"\r\n")[0].split()[4])


def test_nosave_leaves_nothing(tmp_path):
    path = tmp_path / "cache"
    with larder(path, 3) as made:
        fill(made)
        with redis(made) as call, contextlib.suppress(EOFError, ConnectionError, AssertionError):
            call("SHUTDOWN", "NOSAVE")
        assert made.process.popen.wait(server.STOP_TIMEOUT_S) == 0
    assert list(tmp_path.iterdir()) == []


def check(made):
    with redis(made) as call:
        for number in range(300):
            call("SELECT", number % 3)
            assert call("GET", f"key:{number}") == (f"value {number} " * number).encode(), number
        call("SELECT", 0)
        assert call("PEXPIRETIME", "expires") == FAR_MS
        assert call("GET", "dies") is None
        assert call("GET", "large") == b"l" * (3 << 20)
        assert call("DBSIZE") == 109
        assert call("HGET", "hash", "field") == b"1"
        assert call("HPEXPIRETIME", "hash", "FIELDS", 1, "due") == [FAR_MS]
        assert sorted(call("SMEMBERS", "set")) == [b"1", b"2", b"three"]
        assert call("LRANGE", "list", 0, -1) == [b"1", b"two", b""]
        assert call("LRANGE", "long list", 0, -1) == [b"%d" % number for number in range(20_000)]
        assert call("ZRANGE", "sorted", 0, -1, "WITHSCORES") == [b"", b"-7", b"a", b"1.5", b"b", b"inf"]
        assert call("ZRANGE", "long sorted", 0, -1) == [b"m%d" % number for number in range(5_000)]
        assert call("ZSCORE", "long sorted", "m4999") == b"624.875" and call("ZRANK", "long sorted", "m4999") == 4999
    assert memcache(made, b"get flagged\r\n").startswith(b"VALUE flagged 12345 5\r\nhello\r\n")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGUSR1])
def test_the_next_process_has_everything_and_no_unique_comes_again(tmp_path, stop):
    path = tmp_path / "warm"
    with larder(path, threads=2) as first:
        fill(first)
        uniques = {key: unique(first, key) for key in (b"flagged", b"key:0", b"key:3")}
        first.process.popen.send_signal(stop)
        assert first.process.popen.wait(server.STOP_TIMEOUT_S) == 0
        assert "309 items" in first.process.output() and path.stat().st_mode & 0o777 == 0o600
    # Other threads, other seeds.
    with larder(path, threads=3) as second:
        assert "warm restart: 309 items" in second.process.output() and not path.exists()
        check(second)
        assert {key: unique(second, key) for key in uniques} == uniques
        for _ in range(20):
            memcache(second, b"set key:0 0 0 1\r\nx\r\n", b"STORED\r\n")
            assert unique(second, b"key:0") > max(uniques.values())


def test_a_file_is_used_once(tmp_path):
    path = tmp_path / "warm"
    with larder(path) as first, redis(first) as call:
        call("SET", "key", "old")
    made = server.larder(flags=["--warm_restart_file", path])
    with redis(made) as call:
        assert call("GET", "key") == b"old"
        call("SET", "key", "new")
    made.process.kill()
    with larder(path) as third, redis(third) as call:
        assert call("GET", "key") is None
        assert "no warm restart file" in third.process.output()


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda data: data[:8] + struct.pack("=I", 77) + data[12:], "its version is 77"),
        (lambda data: data[: len(data) // 2], "not complete"),
        (lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], "damaged"),
        (lambda data: b"#!/bin/sh\n" * 20, "no warm restart file"),
        (lambda data: b"", "not complete"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_in_one_line(tmp_path, change, reason):
    path = tmp_path / "warm"
    with larder(path, threads=2) as first:
        fill(first)
    path.write_bytes(change(path.read_bytes()))
    with larder(path, threads=2) as second, redis(second) as call:
        refusals = [line for line in second.process.output().splitlines() if "refused" in line]
        assert len(refusals) == 1 and reason in refusals[0] and "starts empty" in refusals[0]
        assert call("DBSIZE") == 0


def test_a_file_that_cannot_be_written_does_not_keep_the_server_from_ending(tmp_path):
    with larder(tmp_path / "none" / "warm") as made, redis(made) as call:
        call("SET", "key", "value")
    assert "nothing is kept" in made.process.output()


def test_collections_small_and_grown_go_along(tmp_path):
    path = tmp_path / "warm"
    with larder(path, threads=3) as made, redis(made) as call:
        call("SADD", "members", *[f"member:{number}" for number in range(5000)])
        call("SADD", "numbers", *range(300))
        call("HSET", "small", "a", "1", "b", "2")
        call("HSET", "large", *[word for number in range(1000) for word in (number, f"v{number}")])
        for key in ("small", "large"):
            call("HPEXPIREAT", key, FAR_MS, "FIELDS", 1, "a" if key == "small" else "7")
        call("PEXPIREAT", "large", FAR_MS)
    with larder(path, threads=2) as made, redis(made) as call:
        assert call("SCARD", "members") == 5000 and call("SISMEMBER", "members", "member:4999") == 1
        assert call("SMEMBERS", "numbers") == [b"%d" % number for number in range(300)]
        assert call("HGETALL", "small") == [b"a", b"1", b"b", b"2"]
        assert call("HPEXPIRETIME", "small", "FIELDS", 2, "a", "b") == [FAR_MS, -1]
        assert call("HLEN", "large") == 1000 and call("HGET", "large", 999) == b"v999"
        assert call("HPEXPIRETIME", "large", "FIELDS", 2, 7, 8) == [FAR_MS, -1]
        assert call("PEXPIRETIME", "large") == FAR_MS
