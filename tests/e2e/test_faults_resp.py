"""Clients that misbehave towards the Redis port. After each the server serves others as before."""

import contextlib
import socket
import struct
import threading

import pytest

import resp
import server

MIB = 1 << 20
# What a process may have grown by, whatever one client does to it: far less than what that client asks for.
GROWTH_MAX = 160 * MIB


@contextlib.contextmanager
def unharmed(running):
    """Another client, served before, during and after; its keys stay."""
    with resp.Client(running.connect()) as other:
        assert other.call("MSET", *[word for number in range(100) for word in (f"mine:{number}", "x" * 100)]) == b"OK"
        before = running.process.rss_bytes()
        yield other
        assert other.call("PING") == b"PONG"
        assert other.call("EXISTS", *[f"mine:{number}" for number in range(100)]) == 100
        with resp.Client(running.connect()) as newcomer:
            assert newcomer.call("PING") == b"PONG"
        assert running.process.rss_bytes() - before < GROWTH_MAX


def send_until_closed(client, chunk, other, total_max, held_back=False):
    """Sends without reading until the server closes; meanwhile others are served.

    With `held_back` it is enough that the server stops reading from us: what it keeps for us is bounded then.
    """
    client.settimeout(0.5)
    sent = stalls = 0
    while sent < total_max:
        try:
            sent += client.send(chunk)
            stalls = 0
        except TimeoutError:
            stalls += 1
            if held_back and stalls == 4:
                return
            assert stalls < 40, "neither read from nor closed"
        except (BrokenPipeError, ConnectionResetError):
            return
        assert other.call("PING") == b"PONG"
    raise AssertionError(f"took {sent} bytes of requests without a word")


@pytest.mark.larder_only
def test_client_that_never_reads_is_capped(build_server):
    with unharmed(build_server) as other:
        other.call("SET", "big", "x" * (256 * 1024))
        with build_server.connect() as greedy:
            send_until_closed(greedy, resp.command("GET", "big") * 100, other, 256 * MIB, held_back=True)


@pytest.mark.larder_only
def test_stranger_that_never_reads_is_capped(start):
    running = start(flags=["--requirepass", "secret"])
    with running.connect() as stranger, resp.Client(running.connect()) as other:
        assert other.call("AUTH", "secret") == b"OK"
        before = running.process.rss_bytes()
        send_until_closed(stranger, resp.command("GET", "k") * 1000, other, 1024 * MIB, held_back=True)
        assert running.process.rss_bytes() - before < GROWTH_MAX
        assert other.call("PING") == b"PONG"


@pytest.mark.larder_only
def test_monitor_that_never_reads_is_capped_and_closed(start):
    running = start(threads=2)
    with unharmed(running) as other, running.connect() as watcher:
        watcher.sendall(b"MONITOR\r\n")
        assert watcher.recv(5) == b"+OK\r\n"

        def gone():
            other.pipeline([["SET", "noise", "y" * 10_000]] * 200)
            return other.call("CLIENT", "LIST").count(b"\n") == 1

        server.eventually("the watcher is closed", gone, timeout_s=60)


@pytest.mark.larder_only
def test_keys_reply_that_nobody_reads_is_capped(start):
    running = start(maxmemory="512mb")
    with unharmed(running) as other:
        for first in range(0, 100_000, 1000):
            other.pipeline([["SET", f"{'k' * 100}:{number}", ""] for number in range(first, first + 1000)])
        with running.connect() as greedy:
            send_until_closed(greedy, resp.command("KEYS", "*") * 1000, other, 256 * MIB, held_back=True)


@pytest.mark.larder_only
@pytest.mark.parametrize("argument_bytes", [1000, 1 * MIB])
def test_command_that_is_never_finished_is_charged_and_shed(start, argument_bytes):
    running = start(maxmemory="64mb", threads=2)
    with unharmed(running) as other, running.connect() as endless:
        endless.sendall(b"*1000000\r\n")
        argument = b"$%d\r\n%s\r\n" % (argument_bytes, b"x" * argument_bytes)
        send_until_closed(endless, argument * (MIB // argument_bytes), other, 1024 * MIB)


@pytest.mark.larder_only
def test_many_unfinished_commands_do_not_add_up(start):
    running = start(maxmemory="64mb", threads=2)
    with unharmed(running):
        clients = [running.connect(timeout_s=2) for _ in range(100)]
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10485760\r\n" + b"x" * (10 * MIB - 1))
        for client in clients:
            client.close()


def test_stranger_is_allowed_little(start):
    running = start(flags=["--requirepass", "secret"])
    for request, error in [
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*1000000\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        (b"*1\r\n$536870912\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
    ]:
        with running.connect() as stranger:
            stranger.sendall(request)
            assert stranger.makefile("rb").read() == error
    with resp.Client(running.connect()) as client:
        assert client.call("GET", "k") == b"NOAUTH Authentication required."
        assert client.call("HELLO", "3") == (
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
            b"<pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
        )
        assert client.call("AUTH", "wrong") == b"WRONGPASS invalid username-password pair or user is disabled."
        assert client.call("MULTI") == b"NOAUTH Authentication required."
        assert client.call("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me")[b"proto"] == 3
        assert client.call("CLIENT", "GETNAME") == b"me"
        assert client.call("SET", "k", "x" * 100_000) == b"OK"
        assert client.call("RESET") == b"RESET"
        assert client.call("GET", "k") == b"NOAUTH Authentication required."


def test_ten_thousand_requests_in_one_segment(build_server):
    with resp.Client(build_server.connect()) as client:
        commands = [["SET", f"k{number % 50}", number] for number in range(5000)]
        commands += [["GET", f"k{number % 50}"] for number in range(5000)]
        sender = threading.Thread(
            target=client.socket.sendall, args=(b"".join(resp.command(*command) for command in commands),)
        )
        sender.start()
        replies = [client.reply() for _ in commands]
        sender.join()
    assert replies == [b"OK"] * 5000 + [b"%d" % (4950 + number % 50) for number in range(5000)]


def test_large_values_whole_and_in_pieces(build_server):
    value = bytes(range(256)) * (40 * 1024)
    with resp.Client(build_server.connect()) as client, resp.Client(build_server.connect()) as slow:
        assert client.call("SET", "big", value) == b"OK"
        assert client.call("GET", "big") == value
        request = resp.command("SET", "cut", value)
        for at in range(0, len(request), 1_000_003):
            slow.socket.sendall(request[at : at + 1_000_003])
        assert slow.reply() == b"OK"
        assert client.call("GETRANGE", "cut", 5_000_000, 5_000_999) == value[5_000_000:5_001_000]
        assert client.call("STRLEN", "cut") == len(value)


def test_value_that_changes_while_it_is_sent_arrives_as_it_was(build_server):
    value = b"a" * (20 * MIB)
    with resp.Client(build_server.connect()) as client, resp.Client(build_server.connect()) as slow:
        for change in (["SET", "big", "b" * 1000], ["SETRANGE", "big", 0, "b" * 100], ["DEL", "big"], ["FLUSHALL"]):
            assert client.call("SET", "big", value) == b"OK"
            slow.send("GET", "big")
            # The first bytes have come, the last cannot have: nobody has read the rest.
            assert slow.socket.recv(21) == b"$%d\r\n" % len(value) + value[:10]
            client.call(*change)
            client.call("MSET", *[word for number in range(20) for word in (f"new:{number}", "c" * MIB)])
            slow.received = b"$%d\r\n" % len(value) + value[:10]
            assert slow.reply() == value


def test_reset_in_the_middle_of_a_reply(build_server):
    with unharmed(build_server) as other:
        other.call("SET", "big", "x" * (8 * MIB))
        for _ in range(50):
            client = build_server.connect()
            client.sendall(resp.command("GET", "big") * 3)
            assert client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()


def test_half_close_still_gets_its_replies(build_server):
    with build_server.connect() as client:
        client.sendall(resp.command("SET", "k", "v") + resp.command("GET", "k"))
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"+OK\r\n$1\r\nv\r\n"


def test_storm_of_connections(build_server):
    with unharmed(build_server) as other:
        for round in range(2000):
            client = build_server.connect()
            if round % 3 == 1:
                client.sendall(b"PING\r\n")
            elif round % 3 == 2:
                client.sendall(b"*2\r\n$3\r\nGET")
            client.close()
        server.eventually(
            "closed connections are forgotten", lambda: other.call("CLIENT", "LIST").count(b"\n") == 1
        )


def test_idle_client_is_closed_by_timeout_and_a_busy_one_is_not(start):
    running = start(flags=["--timeout", "1"])
    with running.connect() as idle, running.connect() as crawling, resp.Client(running.connect()) as busy:
        closed = threading.Event()

        def wait():
            if idle.recv(1) == b"":
                closed.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        while waiter.is_alive():
            assert busy.call("PING") == b"PONG"
            waiter.join(0.1)
        assert closed.is_set()
        # Silent as well, in the middle of a request.
        crawling.settimeout(20)
        assert crawling.recv(1) == b""


@pytest.mark.larder_only
def test_patterns_do_not_explode(start):
    running = start(threads=2)
    with resp.Client(running.connect(timeout_s=10)) as client:
        client.call("SET", "a" * 1000, "x")
        for pattern in ("a*" * 100 + "b", "*a" * 100 + "*b", "?*" * 200 + "b", "[a-z]*" * 100 + "b", "*" * 10_000 + "b"):
            assert client.call("KEYS", pattern) == []
            assert client.call("SCAN", "0", "MATCH", pattern, "COUNT", "10")[1] == []
            assert client.call("CONFIG", "GET", pattern) == []


def test_expired_and_evicted_while_watched_or_queued(start):
    """An expiry between WATCH and EXEC: the transaction sees the key gone; the server goes on."""
    running = start()
    with resp.Client(running.connect()) as client, resp.Client(running.connect()) as other:
        client.call("SET", "k", "v", "PX", 30)
        client.call("WATCH", "k")
        while other.call("EXISTS", "k"):
            pass
        client.call("MULTI")
        client.call("GET", "k")
        assert client.call("EXEC") in ([None], None)
