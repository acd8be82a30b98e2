"""Starting badly, and ending well."""

import os
import re
import resource
import signal
import socket
import subprocess
import threading

import pytest

import resp
import server

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
    ],
)
def test_bad_flag_is_named_in_one_line(flags, named):
    names = {flag.lstrip("-") for flag in flags}
    ports = [word for pair in zip(*[iter(closed_ports())] * 2) if pair[0].lstrip("-") not in names for word in pair]
    assert re.search(named, refused(*ports, *flags))


@pytest.mark.parametrize("door", ["--port", "--memcache_port"])
def test_port_in_use_is_named_in_one_line(door):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = "--memcache_port" if door == "--port" else "--port"
        line = refused(door, port, other, server.free_port())
        assert str(port) in line and "in use" in line


def test_unreadable_configuration_file_is_named_in_one_line(tmp_path):
    missing = tmp_path / "none.conf"
    assert str(missing) in refused(missing, *closed_ports())
    assert str(tmp_path) in refused(tmp_path, *closed_ports())
    bad = tmp_path / "bad.conf"
    bad.write_text("port 7000\nnosuchparameter 1\n")
    line = refused(bad, *closed_ports())
    assert "nosuchparameter" in line and str(bad) in line


def test_configuration_file_is_used_and_flags_win(tmp_path):
    path = tmp_path / "larder.conf"
    path.write_text("# a comment\nthreads 1\nmaxmemory 100mb\nrequirepass fromfile\n")
    ports = [server.free_port(), server.free_port()]
    argv = [server.BINARY, path, "--port", ports[0], "--memcache-port", ports[1], "--requirepass", "fromflag"]
    process = server.Process(argv, ports)
    with resp.Client(server.connect(ports[0])) as client:
        assert client.call("AUTH", "fromflag") == b"OK"
        assert client.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", str(100 << 20).encode()]
    assert process.terminate() == 0


def test_first_lines_of_the_log_say_how_it_runs(start):
    running = start(threads=2, io="poll")
    server.eventually("the log says that it serves", lambda: "ready to serve" in running.process.output(), 10)
    lines = running.process.output()
    assert str(running.resp_port) in lines and str(running.memcache_port) in lines
    assert re.search(r"\b2 threads\b", lines) and "maxmemory" in lines
    assert re.search(r"driver.*(poll|epoll)", lines)


def listening(pid):
    """(address, port) pairs that a process listens on."""
    sockets = {os.readlink(link.path) for link in os.scandir(f"/proc/{pid}/fd") if os.path.islink(link.path)}
    found = set()
    for line in list(open("/proc/net/tcp"))[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            address, port = fields[1].split(":")
            found.add((address, int(port, 16)))
    return found


def test_a_port_of_zero_switches_a_door_off():
    for on, off in (("--port", "--memcache_port"), ("--memcache_port", "--port")):
        port = server.free_port()
        process = server.Process([server.BINARY, on, port, off, 0, "--threads", 1, "--maxmemory", "64mb"], [port])
        assert {port} == {open_port for _, open_port in listening(process.pid)}
        assert process.terminate() == 0


def test_bound_to_loopback_unless_told_otherwise(start):
    running = start()
    loopback = "0100007F"
    assert listening(running.process.pid) == {(loopback, running.resp_port), (loopback, running.memcache_port)}


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
def test_signal_under_load_answers_what_is_in_flight(build_server, how):
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


def test_replies_in_flight_leave_before_the_end(build_server):
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


def test_client_that_never_reads_does_not_hold_up_the_end(build_server):
    process = build_server.process
    with build_server.connect() as stuck, resp.Client(build_server.connect()) as client:
        client.call("SET", "big", "x" * (16 << 20))
        stuck.sendall(resp.command("GET", "big"))
        assert stuck.recv(1)
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(30) == 0
    build_server.processes.clear()


def test_signal_right_after_the_first_connection_ends_well():
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


@pytest.mark.parametrize("command", [["SHUTDOWN"], ["SHUTDOWN", "NOSAVE"]])
def test_shutdown_command(build_server, command):
    process = build_server.process
    with resp.Client(build_server.connect()) as client:
        client.send(*command)
        with pytest.raises(ConnectionError):
            raise AssertionError(client.reply())
    assert process.popen.wait(20) == 0, process.output()
    build_server.processes.clear()


def limit_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


@pytest.mark.parametrize("io", ["auto", "poll"])
def test_no_descriptors_left_on_accept(start, io):
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


def test_no_descriptors_left_does_not_spin(start):
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


def test_maxclients_refuses_with_an_error(start):
    running = start(flags=["--maxclients", "10"])
    clients = [resp.Client(running.connect()) for _ in range(10)]
    assert all(client.call("PING") == b"PONG" for client in clients)
    with running.connect() as extra:
        assert extra.makefile("rb").read() == b"-ERR max number of clients reached\r\n"
    clients.pop().close()
    server.eventually("there is room again", lambda: served(running))
    for client in clients:
        client.close()


def test_starts_without_locked_memory(start):
    running = start(io="auto", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0)))
    with resp.Client(running.connect()) as client:
        assert client.call("PING") == b"PONG"
