"""Clients and tools that speak memcached's binary protocol, and pylibmc over several servers."""

import os
import pathlib
import struct
import subprocess
import sys
import threading

import bmemcached
import pylibmc
import pytest

import packets

HERE = pathlib.Path(__file__).parent


@pytest.fixture
def running(start):
    return start(threads=3)


def address(running):
    return f"127.0.0.1:{running.memcache_port}"


def test_memccapable(running):
    """The tests of libmemcached, of which memcached 1.6.18 passes all."""
    argv = ["memccapable", "-h", "127.0.0.1", "-p", str(running.memcache_port)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    results = [line.split() for line in done.stdout.splitlines() if line.startswith(("ascii ", "binary "))]
    failed = [line for line in results if line[-1] != "[pass]"]
    assert failed == [] and len(results) == 54, done.stdout + done.stderr
    assert done.returncode == 0


def bmemcached_session(client):
    assert client.set("k", "v", time=100)
    assert client.get("k") == "v" and client.get("none") is None
    assert not client.add("k", "x") and not client.replace("none", "x") and client.replace("k", "w")
    value, unique = client.gets("k")
    assert value == "w" and unique > 0
    assert client.cas("k", "new", unique) and not client.cas("k", "old", unique)
    assert client.set_multi({f"key{number}": number for number in range(300)}) == []
    names = [f"key{number}" for number in range(300)]
    assert client.get_multi([*names, "none"]) == {f"key{number}": number for number in range(300)}
    assert client.incr("n", 5, default=10) == 10 and client.incr("n", 5) == 15 and client.decr("n", 20) == 0
    assert client.delete("k")
    big = os.urandom(300_000)
    assert client.set("big", big) and client.get("big") == big
    ((_, stats),) = client.stats().items()
    assert stats["curr_items"] in ("302", b"302")
    assert client.flush_all() and client.get("key1") is None
    client.disconnect_all()


def test_python_binary_memcached(running):
    bmemcached_session(bmemcached.Client((address(running),)))


def pylibmc_session(client):
    assert client.set("k", "text", time=100) and client.get("k") == "text"
    assert client.set("object", {"list": [1, 2.5, None]}) and client.get("object") == {"list": [1, 2.5, None]}
    assert client.set_multi({f"key{number}": number for number in range(300)}) == []
    assert client.get_multi([f"key{number}" for number in range(301)]) == {f"key{number}": number for number in range(300)}
    assert client.set("n", 10) and client.incr("n", 5) == 15 and client.decr("n", 1) == 14
    # No touch: libmemcached waits five seconds for more than its reply in this mode, with memcached too.
    assert client.add("k", "x") is False
    with pytest.raises(pylibmc.NotFound):
        client.replace("none", "x")
    assert client.set("raw", b"-") and client.append("raw", b"+") and client.prepend("raw", b"0")
    assert client.get("raw") == b"0-+"
    assert client.set("big", "x" * 500_000) and client.get("big") == "x" * 500_000
    assert client.delete("k") and not client.delete("k")


@pytest.mark.parametrize("noreply", [False, True])
def test_pylibmc_in_binary_mode(running, noreply):
    client = pylibmc.Client([address(running)], binary=True, behaviors={"tcp_nodelay": True})
    pylibmc_session(client)
    if noreply:
        quiet = pylibmc.Client([address(running)], binary=True, behaviors={"_noreply": True, "tcp_nodelay": True})
        for number in range(1000):
            quiet.set(f"quiet{number}", number)
        # The read of the same connection comes after all of them.
        assert quiet.get("quiet999") == 999 and quiet.get("quiet0") == 0
    assert len(client.get_stats()[0][1]) > 20
    assert client.flush_all() and client.get("object") is None


@pytest.mark.parametrize("binary", [False, True])
def test_pylibmc_with_ketama_over_three_servers(start, binary):
    servers = [start(threads=threads) for threads in (1, 2, 3)]
    behaviors = {"ketama": True, "tcp_nodelay": True}
    client = pylibmc.Client([address(running) for running in servers], binary=binary, behaviors=behaviors)
    keys = [f"key{number}" for number in range(600)]
    assert client.set_multi({key: key for key in keys}) == []
    assert client.get_multi(keys) == {key: key for key in keys}
    assert all(client.get(key) == key for key in keys[:50])
    counts = []
    for running in servers:
        with running.connect("memcache") as connection:
            connection.sendall(b"stats\r\n")
            text = b""
            while not text.endswith(b"END\r\n"):
                text += connection.recv(1 << 16)
            counts += [int(line.split()[2]) for line in text.splitlines() if line.startswith(b"STAT curr_items ")]
    assert sum(counts) == len(keys) and min(counts) > 10, counts


def memjs(*arguments):
    return subprocess.run(
        ["node", HERE / "memjs_check.js", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ, NODE_PATH=str(pathlib.Path(sys.prefix) / "node_modules")),
    )


def test_memjs(running):
    done = memjs(address(running))
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr


@pytest.mark.larder_only
def test_clients_that_authenticate(start, tmp_path):
    users = tmp_path / "users"
    users.write_text("one:first\nother:pass:word\n")
    running = start(threads=3, flags=["--memcache_auth_file", str(users)])
    bmemcached_session(bmemcached.Client((address(running),), "one", "first"))
    done = memjs(address(running), "other", "pass:word")
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr
    assert memjs(address(running), "other", "password").returncode != 0
    with pytest.raises(bmemcached.exceptions.MemcachedException, match="Auth failure"):
        bmemcached.Client((address(running),), "one", "second").get("k")


def test_tools_in_binary_mode(running, tmp_path):
    (tmp_path / "one").write_text("first file\n", newline="")

    def tool(name, *arguments):
        argv = [name, "--binary", f"--servers={address(running)}", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    assert tool("memccp", str(tmp_path / "one")).returncode == 0
    assert tool("memccat", "one").stdout == "first file\n\n"
    assert tool("memcexist", "one").returncode == 0
    assert tool("memctouch", "--expire=100", "one").returncode == 0
    stats = tool("memcstat")
    assert stats.returncode == 0 and "\tcurr_items: 1\n" in stats.stdout
    assert tool("memcrm", "one").returncode == 0
    assert tool("memcexist", "one").returncode != 0
    assert tool("memcflush").returncode == 0


def test_statistics_of_packets_are_those_of_lines(running):
    with packets.Client(running.connect("memcache")) as client:
        client.socket.sendall(packets.request(0x10, b"settings"))
        found = []
        while not (found and found[-1].key == b""):
            found += client.read()
    with running.connect("memcache") as connection:
        connection.sendall(b"stats settings\r\n")
        text = b""
        while not text.endswith(b"END\r\n"):
            text += connection.recv(1 << 16)
    lines = [b"STAT %s %s" % (reply.key, reply.value) for reply in found[:-1]]
    assert lines == text.splitlines()[:-1]


def test_a_counter_of_many_clients_loses_nothing(start):
    running = start(threads=3)
    extras = struct.pack(">QQI", 1, 1, 0)

    def count():
        with packets.Client(running.connect("memcache")) as client:
            batch = b"".join(packets.request(0x15, b"n%d" % (n % 4), extras) for n in range(400))
            client.socket.sendall(batch + packets.request(0x0A))
            (last,) = client.read()
            assert last.opcode == 0x0A

    clients = [threading.Thread(target=count) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    with packets.Client(running.connect("memcache")) as client:
        assert [client.ask(0x00, b"n%d" % n).value for n in range(4)] == [b"800"] * 4
