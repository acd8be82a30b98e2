"""Files written for Redis start this server: Debian's own, and one with every name that a running Redis knows."""

import pathlib
import re

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only
SHIPPED = pathlib.Path("/etc/redis/redis.conf")


def ignored(running):
    """The names that the log says have no effect."""
    found = re.findall(r"WARN *\] without effect: ([^;]+);", running.process.output())
    return {name for names in found for name in names.split(", ")}


def test_the_file_that_debian_ships_for_redis_starts_it(start, tmp_path):
    if not SHIPPED.exists():
        pytest.skip("there is no /etc/redis/redis.conf: tests/run installs redis-server")
    # The first argument names the file; flags have the ports, as always here.
    overridden = ["--dir", str(tmp_path), "--pidfile", "", "--logfile", ""]
    running = start(threads=2, flags=["--flagfile", str(SHIPPED), *overridden])
    with resp.Client(running.connect()) as client:
        assert client.call("CONFIG", "GET", "hash-max-listpack-entries")[1] == b"512"
        limits = client.call("CONFIG", "GET", "client-output-buffer-limit")[1]
        assert limits == b"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
        # What has no effect is no parameter: it is not shown, and not set.
        assert client.call("CONFIG", "GET", "rdbcompression") == []
        assert "Unknown option" in str(client.call("CONFIG", "SET", "rdbcompression", "no"))
        # What clients of Redis ask for is answered by what holds.
        assert client.call("CONFIG", "GET", "appendonly") == [b"appendonly", b"no"]
    names = ignored(running)
    assert {"daemonize", "rdbcompression", "replica-read-only", "lazyfree-lazy-expire", "stream-node-max-bytes"} <= names
    active = {line.split()[0] for line in SHIPPED.read_text().split("\n") if line.strip() and not line.startswith("#")}
    assert names < active and "port" not in names and "appendonly" not in names


def quoted(value):
    escaped = "".join(f"\\x{byte:02x}" if byte < 32 or byte > 126 or byte in b'"\\' else chr(byte) for byte in value)
    return f'"{escaped}"'


def test_every_name_that_redis_knows_is_known(start, tmp_path):
    with server.redis() as redis, resp.Client(redis.connect()) as client:
        flat = client.call("CONFIG", "GET", "*")
    pairs = {name.decode(): value for name, value in zip(flat[::2], flat[1::2])}
    assert len(pairs) > 150
    path = tmp_path / "redis.conf"
    lists = {"bind", "client-output-buffer-limit", "oom-score-adj-values", "latency-tracking-info-percentiles", "save"}
    path.write_text("".join(f"{name} {value.decode() if name in lists and value else quoted(value)}\n" for name, value in pairs.items()))
    running = start(flags=["--flagfile", str(path), "--dir", str(tmp_path), "--pidfile", "", "--logfile", ""])
    names = ignored(running)
    with resp.Client(running.connect()) as client:
        shown = set(client.call("CONFIG", "GET", "*")[::2])
    unexplained = {name for name in pairs if name.encode() not in shown and name not in names}
    # Values of these say what is so here as well.
    assert unexplained <= {"min-replicas-to-write", "min-slaves-to-write", "replicaof", "slaveof"}


def test_flags_of_dragonfly_start_it(start, tmp_path):
    flags = tmp_path / "dragonfly.flags"
    flags.write_text(
        "--logtostderr\n--cache_mode=true\n--dbnum=4\n--dbfilename=\n--snapshot_cron=*/5 * * * *\n--noversion_check\n"
        "--tcp_keepalive=60\n--keys_output_limit=100\n--admin_port=6399\n--primary_port_http_enabled=true\n--df_snapshot_format=true\n"
    )
    running = start(flags=["--flagfile", str(flags)])
    assert ignored(running) == {"logtostderr", "dbfilename", "snapshot_cron", "version_check", "admin_port", "df_snapshot_format"}
    with resp.Client(running.connect()) as client:
        assert client.call("CONFIG", "GET", "databases")[1] == b"4"
        assert client.call("CONFIG", "GET", "tcp-keepalive")[1] == b"60"
