"""What Prometheus's exporters for Redis and for memcached read from a server, they read from this one.

redis_exporter runs itself, where Debian has it. memcached_exporter is in no release of Debian: the fields that its source
(pkg/exporter/exporter.go) asks for are listed here, and are read as it reads them. Of the collectors of memcached's figures that
Debian has, collectd runs itself.
"""

import os
import pathlib
import re
import shutil
import subprocess
import urllib.request

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only
WAIT_S = 20

# Series that Redis has and larder has not, with the reason.
REDIS_ONLY = {
    # latency-tracking is "no" and has no other value: /metrics has histograms by family.
    "redis_latency_percentiles_usec",
    "redis_latency_percentiles_usec_sum",
    "redis_latency_percentiles_usec_count",
    # The parameter is called threads, and each is a core.
    "redis_config_io_threads",
}


def exporter():
    return shutil.which("prometheus-redis-exporter") or shutil.which("redis_exporter")


def scraped(port, *flags):
    """Series by name and labels, as redis_exporter makes them of the server on `port`."""
    web = server.free_port()
    argv = [exporter(), "-redis.addr", f"redis://127.0.0.1:{port}", "-web.listen-address", f"127.0.0.1:{web}", *flags]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def metrics():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{web}/metrics", timeout=WAIT_S) as answer:
                return answer.read().decode()
        except OSError:
            return None

    try:
        text = server.eventually("the exporter answers", metrics)
    finally:
        process.terminate()
        log = process.communicate(timeout=WAIT_S)[1]
    assert "level=error" not in log, log
    lines = [line.rsplit(" ", 1) for line in text.split("\n") if line and not line.startswith("#")]
    return {series: float(value) for series, value in lines}


def names(series):
    return {re.split("{", name)[0] for name in series}


def some_of_everything(port):
    with resp.Client(server.connect(port)) as client:
        client.call("CONFIG", "SET", "latency-monitor-threshold", "1")
        client.call("SET", "k", "v")
        client.call("SET", "mortal", "v", "EX", "100")
        client.call("GET", "k")
        client.call("GET", "none")
        client.call("NOSUCHCOMMAND")
        client.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        client.call("GET", "k")


def test_redis_exporter_makes_the_series_of_redis(start):
    if exporter() is None:
        pytest.skip("there is no redis_exporter: tests/run installs Debian's")
    larder = start(threads=2)
    with server.redis() as redis:
        for running in (larder, redis):
            some_of_everything(running.resp_port)
        flags = ["-export-client-list", "-check-keys", "k*", "-include-system-metrics"]
        ours, theirs = scraped(larder.resp_port, *flags), scraped(redis.resp_port, *flags)
    assert ours["redis_up"] == 1 and ours['redis_exporter_last_scrape_error{err=""}'] == 0
    assert names(theirs) - names(ours) == REDIS_ONLY & names(theirs)
    same = [
        'redis_db_keys{db="db0"}',
        'redis_db_keys_expiring{db="db0"}',
        "redis_keyspace_hits_total",
        "redis_keyspace_misses_total",
        'redis_commands_total{cmd="set"}',
        'redis_commands_total{cmd="get"}',
        'redis_errors_total{err="ERR"}',
        'redis_key_size{db="db0",key="k"}',
        "redis_connected_slaves",
    ]
    assert {name: ours.get(name) for name in same} == {name: theirs.get(name) for name in same}
    assert ours["redis_memory_max_bytes"] == 256 << 20 and ours["redis_config_maxclients"] == 64000


# What the exporter parses, by how it parses it.
OPERATIONS = ("get", "delete", "incr", "decr", "cas", "touch")
NUMBERS = [f"{operation}_{end}" for operation in OPERATIONS for end in ("hits", "misses")] + [
    "uptime", "time", "cas_badval", "cmd_flush", "cmd_set", "bytes", "limit_maxbytes", "curr_items", "total_items",
    "bytes_read", "bytes_written", "curr_connections", "total_connections", "rejected_connections", "conn_yields",
    "listen_disabled_num", "evictions", "reclaimed", "store_too_large", "store_no_memory", "lru_crawler_starts",
    "direct_reclaims", "crawler_items_checked", "crawler_reclaimed", "moves_to_cold", "moves_to_warm",
    "moves_within_lru", "total_malloced", "accepting_conns",
]  # fmt: skip
TIMES = ["rusage_user", "rusage_system"]
ITEMS = [
    "number", "age", "hits_to_hot", "hits_to_warm", "hits_to_cold", "hits_to_temp", "crawler_reclaimed", "evicted",
    "evicted_nonzero", "evicted_time", "evicted_unfetched", "expired_unfetched", "outofmemory", "reclaimed",
    "tailrepairs", "mem_requested", "moves_to_cold", "moves_to_warm", "moves_within_lru", "number_hot", "number_warm",
    "number_cold", "age_hot", "age_warm",
]  # fmt: skip (number_temp is there with temp_lru only, and the exporter knows that)
SLABS = [f"{operation}_hits" for operation in OPERATIONS] + [
    "cas_badval", "cmd_set", "chunk_size", "chunks_per_page", "total_pages", "total_chunks", "used_chunks", "free_chunks",
    "free_chunks_end", "mem_requested",
]  # fmt: skip
SETTINGS = ["maxconns", "lru_crawler_sleep", "lru_crawler_tocrawl", "hot_lru_pct", "warm_lru_pct", "hot_max_factor", "warm_max_factor"]
SWITCHES = ["lru_crawler", "lru_maintainer_thread"]


def stats(running, kind=""):
    with running.connect("memcache") as client:
        client.sendall(f"stats {kind}".strip().encode() + b"\r\n")
        lines = client.makefile("rb")
        found = {}
        while (line := lines.readline().decode()) != "END\r\n":
            word, name, value = line.rstrip("\r\n").split(" ", 2)
            assert word == "STAT"
            found[name] = value
        return found


def by_class(found, prefix=""):
    """`1:chunk_size` and `items:1:number` by their class, as the exporter's client takes them apart."""
    classes = {}
    for name, value in found.items():
        words = name.removeprefix(prefix).split(":")
        if len(words) == 2 and words[0].isdigit():
            classes.setdefault(int(words[0]), {})[words[1]] = value
    return classes


def unreadable(found, wanted, read=float):
    bad = []
    for name in wanted:
        try:
            read(found[name])
        except (KeyError, ValueError) as error:
            bad.append(f"{name}: {error!r}")
    return bad


def seconds(text):
    whole, micros = text.split(".")
    return int(whole) + int(micros) / 1e6


def test_memcached_exporter_can_read_everything(start):
    running = start(threads=2)
    with running.connect("memcache") as client:
        client.sendall(b"set k 0 0 1\r\nv\r\nget k\r\nget none\r\ntouch k 100\r\nset n 0 100 1\r\n1\r\nincr n 1\r\nmn\r\n")
        assert client.makefile("rb").read(8) == b"STORED\r\n"
        general = stats(running)
        items = server.eventually("an item is listed", lambda: by_class(stats(running, "items"), "items:"))
        slabs, settings = by_class(stats(running, "slabs")), stats(running, "settings")
    # total_malloced is among those of the slabs; the exporter's client joins them.
    general |= {name: value for name, value in stats(running, "slabs").items() if ":" not in name}
    assert unreadable(general, NUMBERS) + unreadable(general, TIMES, seconds) == []
    assert general["version"]
    assert items and slabs
    for found in items.values():
        assert unreadable(found, ITEMS) == []
    for found in slabs.values():
        assert unreadable(found, SLABS) == []
    assert unreadable(settings, SETTINGS) == []
    assert settings["lru_crawler"] == "yes" and {settings[name] for name in SWITCHES} <= {"yes", "no"}
    # It takes these for series that it subtracts from each other.
    sets = int(general["cmd_set"]) - sum(int(general[f"cas_{end}"]) for end in ("misses", "hits", "badval"))
    assert sets == 2


COLLECTD = "/usr/sbin/collectd"


def test_collectd_makes_its_figures_of_memcached(start, tmp_path):
    if not os.access(COLLECTD, os.X_OK):
        pytest.skip("there is no collectd: tests/run installs Debian's")
    running = start(threads=2)
    with running.connect("memcache") as client:
        client.sendall(b"set k 0 0 1\r\nv\r\nget k\r\nget none\r\nincr none 1\r\ndelete none\r\ntouch k 9\r\nmn\r\n")
        replies = client.makefile("rb")
        while replies.readline() != b"MN\r\n":
            pass
    log, figures = tmp_path / "log", tmp_path / "csv" / "here" / "memcached-larder"
    plugins = {
        "logfile": f'File "{log}"',
        "csv": f'DataDir "{tmp_path}/csv"',
        "memcached": f'<Instance "larder">\nHost "127.0.0.1"\nPort "{running.memcache_port}"\n</Instance>',
    }
    configuration = tmp_path / "collectd.conf"
    configuration.write_text(
        f'BaseDir "{tmp_path}"\nPIDFile "{tmp_path}/pid"\nInterval 1\nHostname "here"\nFQDNLookup false\n'
        + "".join(f"LoadPlugin {name}\n<Plugin {name}>\n{said}\n</Plugin>\n" for name, said in plugins.items())
    )
    collectd = subprocess.Popen([COLLECTD, "-f", "-C", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def figure(name):
        """The last value of a figure, from a file for each day."""
        lines = [line for path in sorted(pathlib.Path(figures).glob(f"{name}-20*")) for line in path.read_text().split()]
        return float(lines[-1].split(",")[1]) if lines and "," in lines[-1] else None

    try:
        # What is written last.
        server.eventually("collectd has asked", lambda: figure("percent-hitratio") is not None)
    finally:
        collectd.terminate()
        assert collectd.wait(WAIT_S) == 0
    said = log.read_text()
    assert 'Instance "larder": connection established' in said and "fail" not in said.lower() and "error" not in said.lower()
    expected = {
        "memcached_items-current": 1,
        "memcached_command-set": 1,
        "memcached_command-get": 2,
        "memcached_command-touch": 1,
        "memcached_ops-hits": 1,
        "memcached_ops-misses": 1,
        "memcached_ops-incr_misses": 1,
        "memcached_ops-delete_misses": 1,
        "memcached_ops-evictions": 0,
    }
    assert {name: figure(name) for name in expected} == expected
