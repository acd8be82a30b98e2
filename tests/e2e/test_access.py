"""Who may use the server: users of memcached's protocols, Unix sockets, how many clients, and for how long."""

import os
import re
import resource
import select
import signal
import socket
import stat
import subprocess
import threading

import pytest

import packets
import resp
import server

pytestmark = pytest.mark.larder_only
START_FAILURE_TIMEOUT_S = 5
AUTH_ERROR = (0x20, b"Auth failure.")


@pytest.fixture
def users(tmp_path):
    path = tmp_path / "users"
    path.write_text("user:pass\nother:with:colon\n")
    return path


@pytest.fixture
def guarded(build, users):
    """A server of this build that asks for users."""
    with server.start_build(build, flags=["--memcache_auth_file", str(users)]) as running:
        yield running


def credentials(data, line=b"set any 0 0 %d\r\n"):
    return line % len(data) + data + b"\r\n"


def talk(running, request, by_bytes=False):
    """All that a client is told that sends this and nothing more."""
    with running.connect("memcache") as client:
        received = b""
        try:
            for piece in [bytes([byte]) for byte in request] if by_bytes else [request]:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed early
        try:
            while more := client.recv(1 << 16):
                received += more
        except ConnectionResetError:
            pass
        return received


STRANGERS = [
    (b"get a\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"mn\r\nversion\r\n", b"CLIENT_ERROR unauthenticated\r\n" * 2),
    (b"set a 0 0\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"set a 0 0 x\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"set a 0 0 -1\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"set a 0 0 4294967296\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (b"SET a 0 0 9\r\n", b"CLIENT_ERROR unauthenticated\r\n"),
    (credentials(b"user pasS"), b"CLIENT_ERROR authentication failure\r\n"),
    (credentials(b"pass user"), b"CLIENT_ERROR authentication failure\r\n"),
    (credentials(b"user pas"), b"CLIENT_ERROR authentication failure\r\n"),
    (credentials(b"user passs"), b"CLIENT_ERROR authentication failure\r\n"),
    (credentials(b"user"), b"CLIENT_ERROR bad authentication token format\r\n"),
    (credentials(b""), b"CLIENT_ERROR bad authentication token format\r\n"),
    (credentials(b"   "), b"CLIENT_ERROR bad authentication token format\r\n"),
    (b"set a 0 0 9\r\nuser passXX", b"CLIENT_ERROR bad command line termination\r\n"),
    (credentials(b"x" * 16384), b"CLIENT_ERROR bad authentication token format\r\n"),
    (credentials(b"x" * 16385), b"CLIENT_ERROR auth token too long\r\n"),
]
LETS_IN = [
    credentials(b"user pass"),
    credentials(b"other with:colon"),
    credentials(b"  user  pass and more"),
    credentials(b"user pass", b"set %s x y %%d whatever follows\r\n" % (b"k" * 300)),
    b"set a 0 0 9\nuser pass\r\n",
]


@pytest.mark.parametrize("by_bytes", [False, True], ids=["whole", "bytes"])
def test_a_text_client_authenticates_with_its_first_set(guarded, by_bytes):
    for request, reply in STRANGERS:
        bytewise = by_bytes and len(request) < 1000
        assert talk(guarded, request, bytewise) == reply, request
        # The connection goes on where the request ends.
        follows = request + LETS_IN[0] + b"get a\r\n"
        assert talk(guarded, follows, bytewise) == reply + b"STORED\r\nEND\r\n", request
    for request in LETS_IN:
        assert talk(guarded, request + b"set a 1 0 1\r\nx\r\nget a\r\n", by_bytes) == b"STORED\r\n" * 2 + b"VALUE a 1 1\r\nx\r\nEND\r\n"
        assert talk(guarded, request + b"delete a\r\n" + request, by_bytes).startswith(b"STORED\r\nDELETED\r\n")


def test_a_stranger_gets_no_line_without_end(guarded):
    assert talk(guarded, b"set " + b"k" * 3000) == b"CLIENT_ERROR line too long\r\n"
    assert talk(guarded, b"get " + b"k " * 3000 + b"\r\n").startswith(b"CLIENT_ERROR")


def sasl(data, mechanism=b"PLAIN"):
    return packets.request(0x21, mechanism, value=data)


@pytest.mark.parametrize("by_bytes", [False, True], ids=["whole", "bytes"])
def test_a_binary_client_authenticates_with_plain(guarded, by_bytes):
    def ask(*requests):
        found, used = packets.replies(data := talk(guarded, b"".join(requests), by_bytes))
        assert used == len(data)
        return [(reply.status, reply.value) for reply in found]

    noop = packets.request(0x0A)
    # All but these three and the version ends the connection.
    for opcode in [*range(0x0B), *range(0x0C, 0x20), *range(0x23, 0x26), 0xFF]:
        assert ask(packets.request(opcode), packets.request(0x0B)) == [AUTH_ERROR]
    assert ask(packets.request(0x20)) == [(0, b"PLAIN")]
    ((_, version),) = ask(packets.request(0x0B))
    assert version.startswith(b"1.6.")
    for wrong in (sasl(b"\0user\0pasS"), sasl(b"user\0pass"), sasl(b"\0user\0pass", b"LOGIN"), packets.request(0x22, b"PLAIN", value=b"x")):
        assert ask(wrong, noop) == [AUTH_ERROR] * 2
    assert ask(sasl(b"\0user\0pass"), noop, noop) == [(0, b"Authenticated"), (0, b""), (0, b"")]
    assert ask(sasl(b"\0other\0with:colon"), noop) == [(0, b"Authenticated"), (0, b"")]
    assert ask(sasl(b"x" * 16385), sasl(b"\0user\0pass"), noop) == [(0x82, b"Out of memory"), (0, b"Authenticated"), (0, b"")]
    assert ask(sasl(b"x", b"m" * 33), packets.request(0x20)) == [(4, b"Invalid arguments"), (0, b"PLAIN")]


def test_attempts_are_counted_and_shown_to_nobody(start, users):
    running = start(threads=3, flags=["--memcache_auth_file", str(users), "--slowlog-log-slower-than", "0"])
    with resp.Client(running.connect()) as monitor, resp.Client(running.connect()) as client:
        assert monitor.call("MONITOR") == b"OK"
        assert talk(running, credentials(b"user wrong") + credentials(b"user pass") + b"get shown\r\n") == (
            b"CLIENT_ERROR authentication failure\r\nSTORED\r\nEND\r\n"
        )
        talk(running, sasl(b"\0user\0pass") + packets.request(0x0C, b"packet"))
        client.call("GET", "last")
        shown = b""
        while b'"last"' not in shown:
            shown += monitor.socket.recv(1 << 16)
        assert b'"get" "shown"' in shown and b'"get" "packet"' in shown
        assert b"pass" not in shown and b"wrong" not in shown
        assert b"pass" not in repr(client.call("SLOWLOG", "GET", "-1")).encode()
    stats = talk(running, credentials(b"user pass") + b"stats\r\nstats settings\r\n")
    assert b"STAT auth_cmds 4\r\n" in stats and b"STAT auth_errors 1\r\n" in stats
    assert b"STAT auth_enabled_sasl yes\r\n" in stats and str(users).encode() in stats


def test_users_are_read_again_on_sighup(start, users):
    running = start(threads=2, flags=["--memcache_auth_file", str(users)])
    with running.connect("memcache") as stays:
        stays.sendall(LETS_IN[0])
        assert stays.recv(100) == b"STORED\r\n"
        # What cannot be taken changes nothing.
        users.write_text("nonsense\n")
        os.kill(running.process.pid, signal.SIGHUP)
        server.eventually("the file is refused", lambda: "line 1: must be name:password" in running.process.output())
        assert talk(running, LETS_IN[0]) == b"STORED\r\n"
        users.write_text("fresh:word\n")
        os.kill(running.process.pid, signal.SIGHUP)
        server.eventually("the new user is known", lambda: talk(running, credentials(b"fresh word")) == b"STORED\r\n")
        assert talk(running, LETS_IN[0]) == b"CLIENT_ERROR authentication failure\r\n"
        stays.sendall(b"get a\r\n")
        assert stays.recv(100) == b"END\r\n"


def test_sighup_without_users_ends_nothing(start):
    running = start()
    os.kill(running.process.pid, signal.SIGHUP)
    server.eventually("it is logged", lambda: "SIGHUP" in running.process.output())
    assert talk(running, b"get a\r\n") == b"END\r\n"


def refused(*flags):
    """The one line of a start that must fail."""
    ports = ["--port", str(server.free_port()), "--memcache_port", str(server.free_port())]
    argv = [server.BINARY, *ports, *map(str, flags)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=START_FAILURE_TIMEOUT_S)
    assert done.returncode > 0 and done.stderr.count("\n") == 1, done
    return done.stderr


@pytest.mark.parametrize(
    "text, why", [("nobody\n", "line 1"), ("a:b\n:c\n", "line 2"), ("", "names no user"), ("x" * 300 + ":p", "line 1")]
)
def test_a_bad_file_of_users_is_named_in_one_line(tmp_path, text, why):
    path = tmp_path / "users"
    path.write_text(text)
    line = refused("--memcache_auth_file", path)
    assert "--memcache_auth_file" in line and str(path) in line and why in line


def test_an_unreadable_file_of_users_is_named_in_one_line(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        line = refused("--memcache_auth_file", path)
        assert "--memcache_auth_file" in line and str(path) in line


def unix(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(path))
    return client


def answers(path):
    try:
        with unix(path) as client:
            client.sendall(b"version\r\n")
            return bool(client.recv(1))
    except OSError:
        return False


@pytest.fixture
def sockets(tmp_path):
    return tmp_path / "redis.sock", tmp_path / "memcached.sock"


@pytest.mark.parametrize("io", ["auto", "poll"])
@pytest.mark.parametrize("threads", [1, 3])
def test_unix_sockets_serve_both_kinds_of_clients(start, sockets, threads, io):
    redis, memcached = sockets
    running = start(threads=threads, io=io, flags=["--unixsocket", redis, "--unixsocketperm", "660", "--memcache_unixsocket", memcached])
    modes = [stat.S_IMODE(path.stat().st_mode) for path in sockets]
    assert modes == [0o660, 0o700]
    for _ in range(2 * threads):
        with resp.Client(unix(redis)) as client, unix(memcached) as text, packets.Client(unix(memcached)) as binary:
            assert client.call("SET", "k", "v") == b"OK"
            text.sendall(b"get k\r\n")
            assert text.recv(100) == b"VALUE k 0 1\r\nv\r\nEND\r\n"
            assert binary.ask(0x00, b"k").value == b"v"
            # Those of the round before may be leaving still.
            listed = lambda path: [line for line in client.call("CLIENT", "LIST").decode().splitlines() if f" addr={path}:0 laddr={path}:0 " in line]
            server.eventually("they alone are listed", lambda: (len(listed(redis)), len(listed(memcached))) == (1, 2))
            assert all(" flags=U " in line for path in sockets for line in listed(path))
            assert client.call("CLIENT", "INFO").decode().split("flags=")[1][0] == "U"
            text.sendall(b"stats conns\r\n")
            found = b""
            while not found.endswith(b"END\r\n"):
                found += text.recv(1 << 16)
            assert found.count(b":addr unix:%s:0\r\n" % bytes(memcached)) == 2
            assert re.search(rb":protocol binary\r\n", found) and re.search(rb":protocol ascii\r\n", found)
    running.stop()
    assert not redis.exists() and not memcached.exists()
    running.processes.clear()


def test_unix_sockets_alone_are_enough(sockets):
    redis, memcached = sockets
    argv = [server.BINARY, "--port", 0, "--memcache_port", 0, "--threads", 2, "--maxmemory", "64mb"]
    argv += ["--unixsocket", redis, "--memcache_unixsocket", memcached]
    process = server.Process(argv, [])
    try:
        for path in sockets:
            server.eventually(f"somebody answers at {path}", lambda: answers(path))
        assert process.terminate() == 0
    finally:
        process.kill()
    assert not redis.exists() and not memcached.exists()


def test_a_socket_that_nobody_listens_on_is_replaced_and_others_are_not(start, sockets, tmp_path):
    redis, memcached = sockets
    for path in sockets:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(path))
    running = start(flags=["--unixsocket", redis, "--memcache_unixsocket", memcached])
    assert answers(redis) and answers(memcached)
    # In use, a file of another kind, no such directory, too long: one line with flag and path each.
    plain = tmp_path / "plain"
    plain.write_text("mine")
    for path in (redis, plain, tmp_path / "none" / "x.sock", tmp_path / ("x" * 200)):
        line = refused("--unixsocket", path)
        assert "--unixsocket" in line and str(path) in line
    assert plain.read_text() == "mine" and answers(redis)
    assert "must differ" in refused("--unixsocket", plain, "--memcache_unixsocket", plain)
    assert "unixsocketperm" in refused("--unixsocketperm", "999")
    # What somebody else has put in its place stays.
    redis.unlink()
    redis.write_text("another's")
    running.stop()
    running.processes.clear()
    assert redis.read_text() == "another's" and not memcached.exists()


def asks(client, protocol):
    """The server serves this client."""
    client.sendall(b"PING\r\n" if protocol == "resp" else b"version\r\n")
    received = client.recv(100)
    return received.startswith((b"+PONG", b"VERSION"))


REFUSALS = {"resp": b"-ERR max number of clients reached\r\n", "memcache": b"ERROR Too many open connections\r\n"}


@pytest.mark.parametrize("threads", [1, 3])
def test_maxclients_is_exact_over_all_doors(start, sockets, threads):
    redis, memcached = sockets
    limit = 20
    flags = ["--maxclients", str(limit), "--unixsocket", redis, "--memcache_unixsocket", memcached]
    running = start(threads=threads, flags=flags)
    doors = [
        ("resp", running.connect),
        ("memcache", lambda: running.connect("memcache")),
        ("resp", lambda: unix(redis)),
        ("memcache", lambda: unix(memcached)),
    ]
    # Clients that the start has looked at the ports with may be leaving still.
    with resp.Client(running.connect()) as first:
        server.eventually("nobody else is there", lambda: first.call("CLIENT", "LIST").count(b"\n") == 1)
        inside = []
        for number in range(limit - 1):
            protocol, connect = doors[number % len(doors)]
            inside.append((protocol, connect()))
            assert asks(inside[-1][1], protocol)
        for round in range(3):
            for protocol, connect in doors:
                with connect() as extra:
                    assert extra.makefile("rb").read() == REFUSALS[protocol]
            # One leaves, one comes, and the next is one too many again.
            leaves, (protocol, connect) = inside.pop(round), doors[round]
            leaves[1].close()
            server.eventually("it has left", lambda: first.call("CLIENT", "LIST").count(b"\n") == limit - 1)
            inside.append((protocol, connect()))
            assert asks(inside[-1][1], protocol)
        assert all(asks(client, protocol) for protocol, client in inside)
        assert first.call("CONFIG", "SET", "maxclients", str(limit + 1)) == b"OK"
        with running.connect() as extra, running.connect("memcache") as second:
            assert asks(extra, "resp")
            assert second.makefile("rb").read() == REFUSALS["memcache"]
        assert b"rejected_connections:13" in first.call("INFO", "stats")
        for _, client in inside:
            client.close()


@pytest.mark.parametrize("io", ["auto", "poll"])
@pytest.mark.parametrize("threads", [1, 3])
def test_fewer_descriptors_than_maxclients(start, threads, io):
    """Whoever finds no descriptor is told what it would be told at maxclients; all others are served."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
    running = start(threads=threads, io=io, preexec_fn=limit, flags=["--maxclients", "1000"])
    assert "file descriptors" in running.process.output()
    first = resp.Client(running.connect())
    assert first.call("PING") == b"PONG"
    clients = [(protocol, running.connect(protocol)) for _ in range(90) for protocol in ("resp", "memcache")]
    told = {}

    def settled():
        """Whoever was not told is served, as the server counts them."""
        open_ones = [(protocol, client) for protocol, client in clients if client not in told]
        readable, _, _ = select.select([client for _, client in open_ones], [], [], 0)
        for protocol, client in open_ones:
            if client in readable:
                told[client] = client.makefile("rb").read()
                assert told[client] == REFUSALS[protocol]
        connected = re.search(rb"connected_clients:(\d+)", first.call("INFO", "clients"))
        return int(connected[1]) == len(clients) - len(told) + 1

    server.eventually("the others are told", settled)
    served = [(protocol, client) for protocol, client in clients if client not in told]
    assert 30 < len(served) < 100 and all(asks(client, protocol) for protocol, client in served)
    for client in [first, *(client for _, client in clients)]:
        client.close()


def test_idle_clients_of_all_protocols_are_closed(start, sockets):
    redis, memcached = sockets
    flags = ["--timeout", "1", "--unixsocket", redis, "--memcache_unixsocket", memcached]
    running = start(threads=3, flags=flags)
    silent = {
        "silent": running.connect("memcache"),
        "after a request": running.connect("memcache"),
        "within a line": running.connect("memcache"),
        "within a value": running.connect("memcache"),
        "within a packet": running.connect("memcache"),
        "unix": unix(memcached),
        "unix resp": unix(redis),
    }
    silent["after a request"].sendall(b"get a\r\n")
    assert silent["after a request"].recv(100) == b"END\r\n"
    silent["within a line"].sendall(b"get ")
    silent["within a value"].sendall(b"set a 0 0 10\r\nxxx")
    silent["within a packet"].sendall(packets.request(0x0A)[:10])
    closed = threading.Event()

    def wait():
        for client in silent.values():
            if client.recv(100) != b"":
                return
        closed.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    with running.connect("memcache") as busy, packets.Client(running.connect("memcache")) as binary:
        while waiter.is_alive():
            assert asks(busy, "memcache") and binary.ask(0x0A).status == 0
            waiter.join(0.1)
    assert closed.is_set()
