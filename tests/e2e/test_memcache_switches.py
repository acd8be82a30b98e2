"""What memcached's -F, -X, -W and -D forbid and allow: the same answers by both servers."""

import re

import pytest

import packets
import server
from rough import exchange

SWITCHES = {
    "letters": ["-F", "-X", "-W", "-D", "/"],
    "names": ["--disable_flush_all", "--disable-dumping", "--disable_watch", "--prefix_delimiter=/"],
}

# Request, memcached 1.6.18's answer where larder's is that of 1.6.45.
REFUSED = [
    (b"set a 0 0 1\r\nx\r\nflush_all\r\nget a\r\n", None),
    (b"flush_all 0 noreply\r\nflush_all noreply\r\nflush_all -1 noreply\r\nget a\r\n", None),
    (b"stats cachedump 1 1\r\n", None),
    (b"lru_crawler metadump all\r\n", None),
    (b"lru_crawler metadump 999\r\n", None),
    (b"lru_crawler mgdump all\r\n", b"ERROR\r\n"),
    (b"watch\r\n", None),
    (b"watch evictions\r\n", None),
    (b"watch bogus\r\n", None),
]


def ask(running, request):
    with running.connect("memcache") as client:
        client.sendall(request + b"mn\r\n")
        got = b""
        while not got.endswith(b"MN\r\n"):
            more = client.recv(1 << 16)
            assert more, got
            got += more
        return got.removesuffix(b"MN\r\n")


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("spelling", SWITCHES)
def test_what_is_switched_off_is_refused(threads, spelling, start):
    running = start(threads=threads, flags=SWITCHES[spelling])
    with server.memcached(flags=["-F", "-X", "-W", "-D", "/"]) as peer:
        for request, old in REFUSED:
            answer, expected = ask(running, request), ask(peer, request)
            if old is None:
                assert answer == expected, request
            else:
                assert expected == old and answer == b"ERROR key dump not allowed\r\n"
        # 1.6.18 refuses the list of keys and lets their prefixes be listed.
        for request in [b"stats detail dump\r\n", b"stats detail on\r\n", b"stats detail off\r\n"]:
            assert ask(running, request) == b"CLIENT_ERROR stats detail not allowed\r\n"
        for request in [(0x08,), (0x18,), (0x08, b"", b"\0\0\0\0")]:
            assert packet(running, *request) == packet(peer, *request), request
        settings = [dict(re.findall(rb"STAT (\S+) (.*)\r\n", ask(made, b"stats settings\r\n"))) for made in (running, peer)]
        for name in [b"flush_enabled", b"dump_enabled", b"stat_key_prefix", b"detail_enabled"]:
            assert settings[0][name] == settings[1][name], name


def packet(running, opcode, key=b"", extras=b""):
    """The answers to a packet and to a noop behind it."""
    with running.connect("memcache") as client:
        client.sendall(packets.request(opcode, key, extras) + packets.request(0x0A))
        got = b""
        while len(got) < 24 or got[-24:-22] != b"\x81\x0a":
            more = client.recv(1 << 16)
            assert more, got
            got += more
        return got


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_a_delimiter_of_ones_own_counts_from_the_start(threads, start):
    running = start(threads=threads, flags=["-D", "/"])
    requests = [
        b"set a/b 0 0 1\r\nx\r\nget a/b a/c a:d\r\ndelete a/b\r\n",
        b"stats detail dump\r\n",
        b"set b:c/d 0 0 1\r\nx\r\nget b:x\r\nstats detail dump\r\n",
        b"stats detail off\r\nget a/b\r\nstats detail on\r\nget a/b\r\n",
    ]
    with server.memcached(flags=["-D", "/"]) as peer:
        for request in requests:
            answers = [sorted(ask(made, request).split(b"\r\n")) for made in (running, peer)]
            assert answers[0] == answers[1], request


@pytest.mark.larder_only
def test_shutdown_stops_the_server_where_that_is_enabled(start):
    running = start(threads=3)
    with running.connect("memcache") as client:
        assert exchange(client, b"shutdown\r\n", b"\r\n") == b"SERVER_ERROR: shutdown not enabled\r\n"
    with server.larder(threads=3, flags=["--enable_shutdown", "true"]) as running:
        with running.connect("memcache") as client:
            assert b"STAT shutdown_command yes\r\n" in exchange(client, b"stats settings\r\n", b"END\r\n")
            assert exchange(client, b"shutdown x\r\n", b"\r\n") == b"CLIENT_ERROR invalid shutdown mode\r\n"
            client.sendall(b"set k 0 0 1\r\nx\r\nshutdown graceful\r\n")
            got = b""
            while more := client.recv(1000):
                got += more
            assert got in (b"", b"STORED\r\n")
        assert running.process.popen.wait(20) == 0
        running.processes.clear()
