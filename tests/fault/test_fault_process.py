"""Number 27: starting badly, and ending well."""

import os
import re
import signal
import socket
import subprocess
import threading

import pytest

import resp
import server
from rough import exchange

pytestmark = pytest.mark.larder_only
# A bad start is told within a second; the rest is for a busy machine.
START_FAILURE_TIMEOUT_S = 5


def refused(*flags, env=None, cwd=None):
    """The one line of a start that must fail."""
    done = subprocess.run(
        [server.BINARY, *[str(flag) for flag in flags]],
        capture_output=True,
        text=True,
        timeout=START_FAILURE_TIMEOUT_S,
        env=dict(os.environ, **(env or {})),
        cwd=cwd,
    )
    assert done.returncode not in (0, None) and done.returncode > 0, done
    assert done.stderr.count("\n") == 1, f"not one line: {done.stderr!r}"
    return done.stderr


def closed_ports():
    return ["--port", server.free_port(), "--memcache_port", server.free_port()]


@pytest.mark.parametrize(
    "flags, named",
    [
        (["--nosuch", "1"], "nosuch"),
        (["--threads", "many"], "threads"),
        (["--threads", "-1"], "threads"),
        (["--port", "65536"], "port"),
        (["--port", "x"], "port"),
        (["--memcache_port", "-1"], "memcache"),
        (["--maxmemory", "lots"], "maxmemory"),
        (["--maxmemory", "1kb"], "maxmemory"),
        (["--maxmemory", "101%"], "maxmemory"),
        (["--io", "magic"], "io"),
        (["--bind", "not.an.address.at.all"], "bind"),
        (["--bind", "192.0.2.1"], "192.0.2.1"),
        (["--dbnum", "0"], "dbnum|databases"),
        (["--cache_mode", "maybe"], "cache.mode"),
        (["--loglevel", "shout"], "loglevel"),
        (["--port"], "port"),
        (["--port", "0", "--memcache_port", "0"], "port"),
        (["--maxclients", "0"], "maxclients"),
        (["--maxmemory-policy", "sometimes"], "maxmemory.policy"),
        (["--requirepass"], "requirepass"),
        (["--item_size_max", "2gb"], "item.size.max"),
    ],
)
def test_27_bad_flag_is_named_in_one_line(flags, named):
    names = {flag.lstrip("-") for flag in flags}
    ports = [word for pair in zip(*[iter(closed_ports())] * 2) if pair[0].lstrip("-") not in names for word in pair]
    assert re.search(named, refused(*ports, *flags))


@pytest.mark.parametrize("door", ["--port", "--memcache_port"])
def test_27_port_in_use_is_named_in_one_line(door):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = "--memcache_port" if door == "--port" else "--port"
        line = refused(door, port, other, server.free_port())
        assert str(port) in line and "in use" in line


def test_27_unreadable_configuration_file_is_named_in_one_line(tmp_path):
    missing = tmp_path / "none.conf"
    assert str(missing) in refused(missing, *closed_ports())
    assert str(tmp_path) in refused(tmp_path, *closed_ports())
    bad = tmp_path / "bad.conf"
    bad.write_text("port 7000\nnosuchparameter 1\n")
    line = refused(bad, *closed_ports())
    assert "nosuchparameter" in line and str(bad) in line


def test_27_unreadable_files_are_named_in_one_line(tmp_path):
    """Each flag that names a file, where the file is none, is a directory, and may not be read."""
    missing, garbage = tmp_path / "none", tmp_path / "garbage"
    garbage.write_bytes(b"user \xff\x00 nonsense\nuser\n-----BEGIN\n")
    for flag in ("aclfile", "memcache_auth_file"):
        for path in (missing, tmp_path, garbage):
            line = refused(*closed_ports(), f"--{flag}", path)
            assert flag in line and str(path) in line, line
    for path in (missing, tmp_path, garbage):
        line = refused(*closed_ports(), "--tls-port", server.free_port(), "--tls-cert-file", path, "--tls-key-file", path)
        assert str(path) in line, line
    for flag in ("--dir", "--logfile", "--pidfile", "--unixsocket"):
        line = refused(*closed_ports(), flag, missing / "deeper")
        assert str(missing) in line or flag.lstrip("-") in line, line
    nobody = tmp_path / "secret.conf"
    nobody.write_text("port 7000\n")
    nobody.chmod(0)
    if not os.access(nobody, os.R_OK):
        assert str(nobody) in refused(nobody, *closed_ports())


class Loop(threading.Thread):
    """A client that asks and asks; every reply must be whole, and the end must be an end."""

    def __init__(self, running, depth):
        super().__init__()
        self.socket, self.depth = running.connect(), depth
        self.rounds, self.failure = 0, None

    def run(self):
        try:
            self.ask()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the request came after the door was closed
        except BaseException as failure:
            self.failure = failure

    def ask(self):
        request = resp.command("INCR", "n") + resp.command("GET", "big") * (self.depth - 1)
        client = resp.Client(self.socket)
        while True:
            self.socket.sendall(request)
            for answered in range(self.depth):
                try:
                    client.reply()
                except ConnectionError:
                    assert client.received == b"", f"torn reply: {client.received[:100]!r}"
                    return
            self.rounds += 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_27_signal_under_load_answers_what_is_in_flight(build_server, how):
    process = build_server.process
    with resp.Client(build_server.connect()) as client:
        client.call("SET", "big", "x" * 20_000)
    loops = [Loop(build_server, depth) for depth in (1, 1, 10, 50)]
    for loop in loops:
        loop.start()
    server.eventually("all clients are being served", lambda: all(loop.rounds > 20 for loop in loops))
    process.popen.send_signal(how)
    assert process.popen.wait(20) == 0, process.output()
    for loop in loops:
        loop.join(20)
        assert not loop.is_alive() and loop.failure is None, loop.failure
    for port in (build_server.resp_port, build_server.memcache_port):
        with pytest.raises(ConnectionRefusedError):
            server.connect(port)
    build_server.processes.clear()


def test_27_signal_under_load_of_memcached_answers_what_is_in_flight(build_server):
    """Each client gets whole replies to the requests that were read, and then the end."""
    process = build_server.process
    with build_server.connect("memcache") as client:
        exchange(client, b"set big 0 0 20000\r\n" + b"x" * 20_000 + b"\r\n", b"STORED\r\n")
    reply = b"VALUE big 0 20000\r\n" + b"x" * 20_000 + b"\r\nEND\r\n"
    failures, rounds = [], [0] * 4

    def ask(index):
        try:
            with build_server.connect("memcache") as client:
                while True:
                    client.sendall(b"get big\r\n" * (index * 7 + 1))
                    for _ in range(index * 7 + 1):
                        got = b""
                        while len(got) < len(reply):
                            more = client.recv(len(reply) - len(got))
                            if not more:
                                assert got == b"", f"torn reply of {len(got)} bytes"
                                return
                            got += more
                        assert got == reply
                    rounds[index] += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        except BaseException as failure:
            failures.append(failure)

    clients = [threading.Thread(target=ask, args=(index,)) for index in range(4)]
    for client in clients:
        client.start()
    server.eventually("all clients are being served", lambda: all(count > 20 for count in rounds))
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(20) == 0, process.output()
    build_server.processes.clear()
    for client in clients:
        client.join(20)
        assert not client.is_alive()
    assert not failures, failures[0]


def test_27_replies_in_flight_leave_before_the_end(build_server):
    """A reply far larger than the socket's buffers is under way when the signal comes."""
    process = build_server.process
    value = b"v" * (16 << 20)
    client = resp.Client(build_server.connect())
    client.call("SET", "big", value)
    client.send("GET", "big")
    assert client.socket.recv(4) == b"$167"
    process.popen.send_signal(signal.SIGTERM)
    client.received = b"$167"
    assert client.reply() == value
    assert process.popen.wait(20) == 0
    build_server.processes.clear()


def test_27_client_that_never_reads_does_not_hold_up_the_end(build_server):
    process = build_server.process
    with build_server.connect() as stuck, resp.Client(build_server.connect()) as client:
        client.call("SET", "big", "x" * (16 << 20))
        stuck.sendall(resp.command("GET", "big"))
        assert stuck.recv(1)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0
    build_server.processes.clear()


def test_27_the_end_comes_with_clients_in_every_state(build_server):
    """Who waits, listens, watches, dumps, is in the middle of a request or of a transaction holds up nobody's end."""
    process = build_server.process
    asks = [
        ("resp", resp.command("BLPOP", "none", 0)),
        ("resp", resp.command("SUBSCRIBE", "c") + resp.command("PSUBSCRIBE", "*")),
        ("resp", b"MONITOR\r\n"),
        ("resp", resp.command("MULTI") + resp.command("SET", "k", "v")),
        ("resp", resp.command("WATCH", "k") + resp.command("CLIENT", "PAUSE", "100000", "WRITE") + resp.command("SET", "k", "v")),
        ("resp", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc"),
        ("memcache", b"watch fetchers\r\n"),
        ("memcache", b"lru_crawler metadump all\r\n"),
        ("memcache", b"set k 0 0 1000000\r\nabc"),
    ]
    clients = [build_server.connect(protocol) for protocol, _ in asks * 3]
    for client, (_, ask) in zip(clients, asks * 3):
        client.sendall(ask)
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(20) == 0, process.output()
    build_server.processes.clear()
    assert "panicked" not in process.output()


def test_27_signal_right_after_the_first_connection_ends_well():
    """As soon as a client can connect, the server can be stopped well."""
    for _ in range(20):
        ports = [server.free_port(), server.free_port()]
        argv = [server.BINARY, "--port", ports[0], "--memcache_port", ports[1], "--threads", "3", "--maxmemory", "64mb"]
        process = server.Process(argv, [])
        server.eventually("it listens", lambda: connects(ports[0]), pause_s=0)
        assert process.terminate() == 0, process.output()


def connects(port):
    try:
        server.connect(port, 1).close()
        return True
    except OSError:
        return False
