"""Numbers 18 to 21: connections in great numbers and of every manner, and a kernel that gives little."""

import contextlib
import ctypes
import os
import random
import resource
import selectors
import signal
import socket
import struct
import threading
import urllib.request

import pytest

import packets
import resp
import server
from rough import MIB, batches, exchange, info, narrow, others, rest, send_until_closed, unharmed

IDLE = 10_000
# At once, of which some find the completion queue full: it has room for 4096.
CROWD = 6_000
LINGER = struct.pack("ii", 1, 0)


@contextlib.contextmanager
def many_descriptors(count):
    """Lets this process have so many, and what it starts meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.fail(f"only {hard} descriptors are allowed, {count} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    client.close()


@pytest.mark.larder_only
@pytest.mark.parametrize("io", ["uring", "poll"])
def test_18_ten_thousand_idle_connections(start, io):
    with many_descriptors(IDLE + 1000):
        running = start(threads=2, io=io)
        with resp.Client(running.connect()) as other:
            used, resident = info(other, "used_memory"), running.process.rss_bytes()
            idle = [running.connect("memcache" if number % 2 else "resp") for number in range(IDLE)]
            # Half of them have asked something once, and one in ten has stopped in the middle of a request.
            for number, client in enumerate(idle):
                if number % 4 == 0:
                    client.sendall(b"PING\r\n")
                elif number % 10 == 1:
                    client.sendall(b"get k")
            for client in idle[::4]:
                assert client.recv(10) == b"+PONG\r\n"
            server.eventually("all are there", lambda: info(other, "connected_clients") >= IDLE + 1)
            assert other.call("SET", "k", "v") == b"OK"
            # What DESIGN allows each: under a KiB.
            assert info(other, "used_memory") - used < IDLE * 1024
            assert running.process.rss_bytes() - resident < IDLE * 1536
            # All at once.
            for client in idle:
                client.close()
            server.eventually("they are forgotten", lambda: others(other) == 0)


def test_18_storm_of_connections(build_server):
    with unharmed(build_server) as other:
        for round in range(2000):
            client = build_server.connect()
            if round % 3 == 1:
                client.sendall(b"PING\r\n")
            elif round % 3 == 2:
                client.sendall(b"*2\r\n$3\r\nGET")
            client.close()
        server.eventually("closed connections are forgotten", lambda: others(other) == 0)


def test_18_connections_that_end_before_they_are_accepted(build_server):
    """A backlog full of those who are gone again, by a close or by a reset, while the server cannot look."""
    process = build_server.process
    with unharmed(build_server):
        for _ in range(3):
            process.popen.send_signal(signal.SIGSTOP)
            clients = [build_server.connect("memcache" if number % 2 else "resp") for number in range(200)]
            for number, client in enumerate(clients):
                if number % 3:
                    client.sendall(b"get k\r\n" * (number % 5))
                reset(client) if number % 2 else client.close()
            process.popen.send_signal(signal.SIGCONT)


def test_18_reset_in_the_middle_of_a_reply(build_server):
    with unharmed(build_server) as other:
        other.call("SET", "big", "x" * (8 * MIB))
        for _ in range(50):
            client = build_server.connect()
            client.sendall(resp.command("GET", "big") * 3)
            assert client.recv(1000)
            reset(client)


def test_18_resets_at_any_moment_in_both_protocols(build_server):
    dice = random.Random(18)
    with unharmed(build_server) as other:
        other.call("SET", "big", "x" * (2 * MIB))
        for _ in range(200):
            protocol, ask = dice.choice([
                ("resp", resp.command("GET", "big") * 2),
                ("resp", resp.command("MGET", "big", "mine:1", "big") + b"*2\r\n$3\r\nGET\r\n$100000\r\nab"),
                ("resp", resp.command("BLPOP", "none", 0)),
                ("resp", resp.command("SUBSCRIBE", "none", "nothing") + b"PING\r\n"),
                ("resp", resp.command("MULTI") + resp.command("GET", "big") * 3 + resp.command("EXEC")),
                ("memcache", b"get big big mine:1\r\n"),
                ("memcache", b"mg big v k q\r\nset k 0 0 100000\r\nabc"),
                ("memcache", packets.request(0x00, b"big") * 2 + packets.request(0x0A)[:10]),
            ])
            client = build_server.connect(protocol)
            client.sendall(ask[: dice.randrange(1, len(ask) + 1)])
            if dice.random() < 0.5:
                client.settimeout(0.001)
                with contextlib.suppress(TimeoutError):
                    client.recv(dice.choice([1, 1000, 100_000]))
            reset(client)


def test_18_half_close_still_gets_its_replies(build_server):
    with build_server.connect() as client:
        client.sendall(resp.command("SET", "k", "v") + resp.command("GET", "k"))
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b"+OK\r\n$1\r\nv\r\n"


def test_18_idle_half_request_does_not_hold_others(build_server):
    halves = [build_server.connect("memcache") for _ in range(50)]
    for half in halves:
        half.sendall(b"set k 0 0 1000\r\nabc")
    with build_server.connect("memcache") as other:
        server.eventually("others are served", lambda: exchange(other, b"get k\r\n", b"END\r\n") == b"END\r\n")
    for half in halves:
        half.close()


def test_18_idle_client_is_closed_by_timeout_and_a_busy_one_is_not(start):
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
def test_18_one_byte_at_a_time_is_no_activity(start):
    """Slowloris: who never comes to the end of a request is idle, however it drips."""
    running = start(threads=2, flags=["--timeout", "1"])
    requests = {
        "resp": [resp.command("SET", "k", "x" * 1000), b"PING" + b" " * 1000, b"*1000000\r\n" + b"$1\r\na\r\n" * 1000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 1000],
        "memcache": [b"set k 0 0 1000\r\n" + b"x" * 1000, b"get " + b"k " * 1000, packets.request(0x01, b"k", bytes(8), b"x" * 1000)],
    }
    waiting = selectors.DefaultSelector()
    for protocol, texts in requests.items():
        for text in texts:
            waiting.register(running.connect(protocol), selectors.EVENT_READ, iter(text))
    with resp.Client(running.connect()) as busy:

        def all_closed():
            for key, _ in waiting.select(0.1):
                with contextlib.suppress(ConnectionResetError):
                    assert key.fileobj.recv(100) == b""
                waiting.unregister(key.fileobj)
                key.fileobj.close()
            for key in list(waiting.get_map().values()):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    key.fileobj.sendall(bytes([next(key.data)]))
            assert busy.call("PING") == b"PONG"
            return not waiting.get_map()

        server.eventually("those who drip are closed", all_closed, pause_s=0)


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


@pytest.mark.larder_only
@pytest.mark.parametrize("io", ["auto", "poll"])
def test_19_no_descriptors_left_on_accept(start, io):
    running = start(threads=2, io=io, preexec_fn=limit_descriptors)
    with resp.Client(running.connect()) as client:
        sockets = [running.connect() for _ in range(200)]
        assert client.call("PING") == b"PONG"
        for socket_ in sockets:
            socket_.close()
        server.eventually("new clients are served again", lambda: served(running))
        assert client.call("PING") == b"PONG"


def served(running):
    try:
        with resp.Client(running.connect(timeout_s=1)) as client:
            return client.call("PING") == b"PONG"
    except OSError:
        return False


@pytest.mark.larder_only
def test_19_no_descriptors_left_does_not_spin(start):
    """With the backlog full of clients that it cannot take, the server waits instead of burning its core."""
    running = start(threads=1, preexec_fn=limit_descriptors)
    sockets = [running.connect() for _ in range(200)]
    with open(f"/proc/{running.process.pid}/stat") as stat:
        def ticks():
            stat.seek(0)
            return sum(int(field) for field in stat.read().rsplit(")", 1)[1].split()[11:13])

        before = ticks()
        with pytest.raises(TimeoutError):
            sockets[0].settimeout(1)
            sockets[0].recv(1)
        assert ticks() - before < os.sysconf("SC_CLK_TCK") / 2
    for socket_ in sockets:
        socket_.close()


@pytest.mark.larder_only
def test_19_maxclients_refuses_with_an_error(start):
    running = start(flags=["--maxclients", "10"])
    # The tenth is the witness.
    clients = [resp.Client(running.connect()) for _ in range(9)]
    assert all(client.call("PING") == b"PONG" for client in clients)
    with running.connect() as extra:
        assert extra.makefile("rb").read() == b"-ERR max number of clients reached\r\n"
    clients.pop().close()
    server.eventually("there is room again", lambda: served(running))
    for client in clients:
        client.close()


@pytest.mark.larder_only
def test_19_a_limit_lower_than_maxclients(start):
    """It is said at the start, and each client beyond it is told."""
    running = start(threads=2, flags=["--maxclients", "5000"], preexec_fn=limit_descriptors)
    assert "only 100 file descriptors are allowed" in running.process.output()
    clients = [running.connect() for _ in range(150)]
    answers = []
    for client in clients:
        with contextlib.suppress(OSError):
            client.sendall(b"PING\r\n")
    for client in clients:
        try:
            answers.append(client.recv(100))
        except ConnectionResetError:
            answers.append(b"")
    assert answers.count(b"+PONG\r\n") > 50
    refused = [answer for answer in answers if answer != b"+PONG\r\n"]
    assert len(refused) > 40 and set(refused) <= {b"-ERR max number of clients reached\r\n", b""}
    for client in clients:
        client.close()
    server.eventually("new clients are served again", lambda: served(running))


BPF_LOAD, BPF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def forbid_io_uring(errno):
    """What a container's seccomp profile does, for this process and what it becomes."""

    class Filter(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    def statement(code, k, true=0, false=0):
        return struct.pack("HBBI", code, true, false, k)

    io_uring_setup = 425
    words = statement(BPF_LOAD, 0) + statement(BPF_EQUAL, io_uring_setup, 0, 1)
    words += statement(BPF_RETURN, REFUSE | errno) + statement(BPF_RETURN, ALLOW)
    program = Filter(len(words) // 8, ctypes.cast(ctypes.create_string_buffer(words, len(words)), ctypes.c_char_p))
    no_new_privileges, set_seccomp, mode_filter = 38, 22, 2
    assert server.LIBC.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert server.LIBC.prctl(set_seccomp, mode_filter, ctypes.byref(program), 0, 0) == 0


@pytest.mark.larder_only
@pytest.mark.parametrize("errno, reason", [(1, "Operation not permitted"), (38, "Function not implemented")])
def test_20_no_io_uring_at_the_start(start, errno, reason):
    """By a profile, or by a kernel that has none: epoll serves, and the log and INFO say why."""
    running = start(threads=2, preexec_fn=lambda: forbid_io_uring(errno))
    server.eventually("the log says that it serves", lambda: "ready to serve" in running.process.output())
    assert "epoll" in running.process.output() and reason in running.process.output()
    with resp.Client(running.connect()) as client:
        assert b"multiplexing_api:epoll\r\n" in client.call("INFO", "server")
        assert client.call("SET", "k", "x" * MIB) == b"OK" and len(client.call("GET", "k")) == MIB
    # Who insists on it is told in one line.
    ports = [server.free_port(), server.free_port()]
    argv = [server.BINARY, "--port", ports[0], "--memcache_port", ports[1], "--io", "uring"]
    with pytest.raises(server.StartFailure, match=f"--io uring: .*{reason}"):
        server.Process(argv, ports, preexec_fn=lambda: forbid_io_uring(errno))


@pytest.mark.larder_only
@pytest.mark.parametrize("bytes_", [0, 65_536])
def test_20_starts_without_locked_memory(start, bytes_):
    running = start(io="auto", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (bytes_, bytes_)))
    with resp.Client(running.connect()) as client:
        assert client.call("SET", "k", "x" * MIB) == b"OK" and len(client.call("GET", "k")) == MIB


def metric(running, name):
    """Summed over the cores."""
    with urllib.request.urlopen(f"http://127.0.0.1:{running.resp_port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name + "{"))


@pytest.mark.larder_only
@pytest.mark.skipif(not server.io_uring_permitted(), reason="io_uring is not permitted here")
def test_20_thousands_of_completions_at_once(start):
    """Clients all of whom have sent something, and some of whom have gone, when the server looks again. How many completions a
    queue has room for, `tests/reactor` (`exhaustion`) makes as few as it takes; here are more than there is room for."""
    with many_descriptors(CROWD + 1000):
        running = start(threads=1, io="uring")
        process = running.process
        crowd = [running.connect("memcache" if number % 2 else "resp") for number in range(CROWD)]
        for _ in range(2):
            process.popen.send_signal(signal.SIGSTOP)
            for number, client in enumerate(crowd):
                client.sendall(b"mg k v\r\nmn\r\n" if number % 2 else resp.command("ECHO", f"{number}"))
            for number in range(0, CROWD, 50):
                reset(crowd[number]) if number % 100 else crowd[number].close()
            process.popen.send_signal(signal.SIGCONT)
            for number, client in enumerate(crowd):
                if number % 50:
                    expected = b"EN\r\nMN\r\n" if number % 2 else b"$%d\r\n%d\r\n" % (len(str(number)), number)
                    got = b""
                    while len(got) < len(expected):
                        got += client.recv(100)
                    assert got == expected, number
            for number in range(0, CROWD, 50):
                crowd[number] = running.connect("memcache" if number % 2 else "resp")
        for client in crowd:
            client.close()


@pytest.mark.larder_only
@pytest.mark.skipif(not server.io_uring_permitted(), reason="io_uring is not permitted here")
def test_20_no_buffers_left(start):
    """More clients than there are buffers have each sent what fills several of them."""
    running = start(threads=1, io="uring", maxmemory="64mb")
    process = running.process
    clients = [resp.Client(running.connect()) for _ in range(300)]
    value = b"x" * 30_000
    process.popen.send_signal(signal.SIGSTOP)
    for number, client in enumerate(clients):
        client.socket.sendall(resp.command("SET", f"k{number % 10}", value) * 3 + resp.command("ECHO", f"{number}"))
    process.popen.send_signal(signal.SIGCONT)
    for number, client in enumerate(clients):
        assert [client.reply() for _ in range(4)] == [b"OK"] * 3 + [b"%d" % number]
    # What the loop counts is published some times a second.
    server.eventually("buffers ran out", lambda: metric(running, "larder_io_buffers_exhausted_total") > 0)
    for client in clients:
        client.close()


def test_20_clients_are_killed_as_their_requests_complete(build_server):
    """Receives, sends and waits that are cancelled while they end by themselves, and by their clients too."""
    dice = random.Random(20)
    value = "x" * 300_000
    with unharmed(build_server) as other:
        other.call("SET", "big", value)
        for _ in range(30):
            clients = [resp.Client(build_server.connect()) for _ in range(20)]
            ids = [client.call("CLIENT", "ID") for client in clients]
            asks = [["GET", "big"], ["BLPOP", "none", 0], ["SET", "big", value], ["PING"], ["SUBSCRIBE", "c"], ["MGET", "big", "big"]]
            for client in clients:
                ask = resp.command(*dice.choice(asks))
                client.socket.sendall(ask[: dice.choice([len(ask), len(ask) - 1])])
            if dice.random() < 0.3:
                other.call("LPUSH", "none", *range(10))
            # One after the other in one segment, while half of them leave.
            kills = b"".join(resp.command("CLIENT", "KILL", "ID", number) for number in ids)
            other.socket.sendall(kills)
            for client in clients[::2]:
                reset(client.socket)
            assert set(other.reply() for _ in ids) <= {0, 1}
            for client in clients[1::2]:
                with contextlib.suppress(OSError):
                    client.socket.sendall(b"\r\n")
                rest(client.socket)
                client.close()
            other.call("DEL", "none")
        server.eventually("they are gone", lambda: others(other) == 0)


@pytest.mark.larder_only
def test_21_keys_reply_that_nobody_reads_is_capped(start):
    running = start(maxmemory="512mb")
    with unharmed(running) as other:
        for first in range(0, 100_000, 1000):
            other.pipeline([["SET", f"{'k' * 100}:{number}", ""] for number in range(first, first + 1000)])
        with running.connect() as greedy:
            send_until_closed(greedy, resp.command("KEYS", "*") * 1000, other, 256 * MIB, held_back=True)


@pytest.mark.larder_only
def test_21_monitor_that_never_reads_is_capped_and_closed(start):
    running = start(threads=2)
    with unharmed(running) as other, running.connect() as watcher:
        watcher.sendall(b"MONITOR\r\n")
        assert watcher.recv(5) == b"+OK\r\n"

        def gone():
            other.pipeline([["SET", "noise", "y" * 10_000]] * 200)
            return others(other) == 0

        server.eventually("the watcher is closed", gone, timeout_s=60)


@pytest.mark.larder_only
def test_21_scans_that_nobody_reads(start):
    """Each step of a scan is a reply of its own, and one step may be all keys."""
    running = start(threads=2, maxmemory="512mb")
    with unharmed(running) as other:
        for batch in batches(range(100_000), 1000):
            other.call("MSET", *[word for number in batch for word in (f"{'k' * 100}:{number}", "")])
        other.call("SADD", "set", *[f"{'m' * 100}:{number}" for number in range(10_000)])
        for request in (["SCAN", 0, "COUNT", 1_000_000], ["SSCAN", "set", 0, "COUNT", 1_000_000], ["SMEMBERS", "set"]):
            with running.connect() as greedy:
                send_until_closed(greedy, resp.command(*request) * 100, other, 256 * MIB, held_back=True)
        assert info(other, "evicted_keys") == 0


@pytest.mark.larder_only
@pytest.mark.parametrize("request_, word", [(b"lru_crawler metadump all\r\n", b"key="), (b"lru_crawler mgdump all\r\n", b"mg ")])
def test_21_dumps_of_memcached_that_stop(start, request_, word):
    """The reader takes some of it, and no more: what waits for it is bounded, and it may leave at any time."""
    running = start(threads=2)
    with running.connect("memcache") as other:
        for batch in batches(range(60_000), 5000):
            exchange(other, b"".join(b"set key:%08d 0 0 1 noreply\r\nx\r\n" % number for number in batch) + b"mn\r\n", b"MN\r\n")
        before = running.process.rss_bytes()
        readers = [narrow(running, 8192, "memcache") for _ in range(20)]
        for reader in readers:
            reader.settimeout(20)
            reader.sendall(request_ * 3)
        for reader in readers:
            assert word in reader.recv(1000) + reader.recv(1000)
        for number in range(300):
            assert exchange(other, b"get key:%08d\r\n" % number, b"END\r\n").count(b"\r\n") == 3
        assert running.process.rss_bytes() - before < 64 * MIB
        for number, reader in enumerate(readers):
            reset(reader) if number % 2 else reader.close()
