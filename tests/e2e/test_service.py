"""Under a service manager: what it is told, what it hands over, and the log that others rotate."""

import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only
WAIT_S = 20


class Manager:
    """The end of the notify socket that systemd would hold."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(WAIT_S)

    def hear(self, state):
        """The next message but for the watchdog's; it must say `state`."""
        while (said := self.socket.recv(4096).decode()) == "WATCHDOG=1":
            pass
        assert said.split("\n")[0] == state, said
        return said

    def hears_within(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        finally:
            self.socket.settimeout(WAIT_S)

    def drain(self):
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(4096)
        self.socket.settimeout(WAIT_S)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path)
    yield made
    made.socket.close()


def test_start_reload_and_end_are_told(start, manager):
    running = start(threads=2, env={"NOTIFY_SOCKET": manager.path})
    ready = manager.hear("READY=1")
    assert "STATUS=" in ready and "2 threads" in ready
    running.process.popen.send_signal(signal.SIGHUP)
    manager.hear("RELOADING=1")
    manager.hear("READY=1")
    running.process.popen.send_signal(signal.SIGTERM)
    manager.hear("STOPPING=1")
    assert running.process.popen.wait(WAIT_S) == 0
    running.processes.clear()


def test_an_end_by_a_client_is_told_too(start, manager):
    running = start(env={"NOTIFY_SOCKET": manager.path})
    manager.hear("READY=1")
    with resp.Client(running.connect()) as client:
        client.send("SHUTDOWN", "NOSAVE")
        manager.hear("STOPPING=1")
    assert running.process.popen.wait(WAIT_S) == 0
    running.processes.clear()


def test_nobody_is_told_where_it_is_not_supervised(start, manager):
    silent_one = start(env={"NOTIFY_SOCKET": manager.path}, flags=["--supervised", "no"])
    silent_one.stop()
    silent_one.processes.clear()
    assert manager.hears_within(0.01) is None
    unsupervised = start(flags=["--supervised", "systemd"])
    assert "no NOTIFY_SOCKET" in unsupervised.process.output()


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def ptrace(request, thread):
    call = server.LIBC.ptrace
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    call.restype = ctypes.c_long
    return call(request, thread, None, None)


def thread_named(pid, name):
    for task in os.scandir(f"/proc/{pid}/task"):
        if open(f"{task.path}/comm").read().strip() == name:
            return int(task.name)
    raise AssertionError(f"no thread {name}")


def test_a_core_that_hangs_is_not_covered_by_those_that_turn(start, manager):
    running = start(threads=2, env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"})
    manager.hear("READY=1")
    for _ in range(3):
        assert manager.hears_within(WAIT_S) == "WATCHDOG=1"
    core = thread_named(running.process.pid, "core-1")
    if ptrace(PTRACE_SEIZE, core) != 0:
        pytest.skip("a thread cannot be stopped here: ptrace is not permitted")
    try:
        assert ptrace(PTRACE_INTERRUPT, core) == 0
        os.waitpid(core, WALL)
        server.eventually("it is noticed", lambda: "core 1 does not turn any more" in running.process.output())
        manager.drain()
        assert manager.hears_within(0.3) is None
    finally:
        ptrace(PTRACE_DETACH, core)
    assert manager.hears_within(WAIT_S) == "WATCHDOG=1"


@contextlib.contextmanager
def listening(*sockets):
    """Descriptors of listening sockets, and the shell's words that put them where a service manager does."""
    words = " ".join(f"{3 + place}<&{held.fileno()}" for place, held in enumerate(sockets))
    yield [held.fileno() for held in sockets], f"exec {words}; export LISTEN_PID=$$ LISTEN_FDS={len(sockets)}; exec \"$@\""
    for held in sockets:
        held.close()


def tcp():
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen(10)
    return held


@pytest.mark.parametrize("io", ["auto", "poll"])
def test_sockets_of_the_service_manager_are_served(tmp_path, io):
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "memcache.sock"))
    unix.listen(10)
    redis, memcache = tcp(), tcp()
    ports = [redis.getsockname()[1], memcache.getsockname()[1]]
    # This client comes before there is a server.
    early = resp.Client(server.connect(ports[0]))
    early.send("PING")
    with listening(redis, memcache, unix) as (descriptors, script):
        argv = [server.BINARY, "--port", ports[0], "--memcache_port", ports[1], "--threads", 2, "--maxmemory", "64mb"]
        argv += ["--memcache_unixsocket", tmp_path / "memcache.sock", "--io", io]
        popen = subprocess.Popen(
            ["bash", "-c", script, "larder", *[str(word) for word in argv]],
            pass_fds=descriptors,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        assert early.reply() == b"PONG"
        assert early.call("SET", "k", "v") == b"OK"
        with server.connect(ports[1]) as client:
            client.sendall(b"get k\r\n")
            assert client.makefile("rb").read(14).startswith(b"VALUE k 0 1\r\nv")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "memcache.sock"))
            client.sendall(b"mn\r\n")
            assert client.recv(10) == b"MN\r\n"
    finally:
        early.close()
        popen.terminate()
        log = popen.communicate(timeout=WAIT_S)[1]
    assert popen.returncode == 0, log
    assert f"sockets of the service manager: 127.0.0.1:{ports[0]}, 127.0.0.1:{ports[1]}" in log
    # It is the manager's file.
    assert (tmp_path / "memcache.sock").exists()


def test_a_socket_that_no_parameter_names_is_refused_in_one_line():
    with listening(tcp()) as (descriptors, script):
        done = subprocess.run(
            ["bash", "-c", script, "larder", server.BINARY, "--port", "1", "--memcache_port", "2"],
            pass_fds=descriptors,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "neither that of port nor that of memcache_port" in done.stderr
    silent = subprocess.run(
        ["bash", "-c", "exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "larder", server.BINARY],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert "descriptor 3 is no listening socket" in silent.stderr and silent.stderr.count("\n") == 1


def read(path):
    return path.read_text() if path.exists() else ""


def test_a_rotated_log_is_opened_anew_by_sighup(start, tmp_path):
    log, old = tmp_path / "log", tmp_path / "log.1"
    running = start(flags=["--dir", str(tmp_path), "--logfile", "log"])
    assert "ready to serve" in server.eventually("it logs", lambda: "ready to serve" in read(log) and read(log))
    log.rename(old)
    running.process.popen.send_signal(signal.SIGHUP)
    server.eventually("the new file is used", lambda: "SIGHUP" in read(log))
    assert "SIGHUP" not in read(old)
    assert running.process.output() == ""


def test_lines_for_the_journal_have_its_priorities(tmp_path):
    """The journal is whoever reads the file that JOURNAL_STREAM names; where a shell has put another there, nobody does."""
    path = tmp_path / "stderr"
    for inode, first in [(0, r"<3>/no/such/file: No such"), (1, r"larder: /no/such/file: No such")]:
        with open(path, "wb") as stream:
            about = os.fstat(stream.fileno())
            variables = dict(os.environ, JOURNAL_STREAM=f"{about.st_dev}:{about.st_ino + inode}")
            refused = subprocess.run([server.BINARY, "/no/such/file"], stderr=stream, env=variables, timeout=WAIT_S)
        assert refused.returncode == 1 and re.match(first, path.read_text())
    with open(path, "wb") as stream:
        about = os.fstat(stream.fileno())
        variables = dict(os.environ, JOURNAL_STREAM=f"{about.st_dev}:{about.st_ino}")
        argv = [server.BINARY, "--port", "0", "--memcache_port", str(server.free_port()), "--save", "60 1", "--threads", "1"]
        running = subprocess.Popen(argv, stderr=stream, env=variables)
    try:
        server.eventually("it serves", lambda: "ready to serve" in path.read_text())
    finally:
        running.terminate()
        assert running.wait(WAIT_S) == 0
    lines = path.read_text().splitlines()
    assert all(re.match(r"<[3467]>\w", line) for line in lines), lines
    assert lines[0].startswith("<4>without effect: save; no snapshots are taken") and "<6>stopped" in lines


def test_relative_files_lie_in_dir(start, tmp_path):
    running = start(flags=["--dir", str(tmp_path), "--pidfile", "pid", "--unixsocket", "redis.sock"])
    assert read(tmp_path / "pid") == f"{running.process.pid}\n"
    with resp.Client(running.connect()) as client:
        assert client.call("CONFIG", "GET", "dir") == [b"dir", str(tmp_path).encode()]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "redis.sock"))
    running.stop()
    running.processes.clear()
    assert not (tmp_path / "pid").exists()


def test_keys_answers_no_more_than_it_may(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        for number in range(50):
            client.call("SET", f"k{number}", "v")
        assert len(client.call("KEYS", "*")) == 50
        client.call("CONFIG", "SET", "keys_output_limit", "7")
        server.eventually("all cores know", lambda: len(client.call("KEYS", "*")) == 7)
        assert len(client.call("KEYS", "k1")) == 1


SECRETS = ["s3cret-of-the-server", "wr0ng-guess", "value-of-a-key", "key-of-a-value", "name-of-a-client"]


def test_the_log_at_its_most_talkative_has_no_secrets_in_it(start):
    password, wrong, value, key, name = SECRETS
    running = start(threads=2, flags=["--loglevel", "debug", "--requirepass", password])
    with resp.Client(running.connect()) as client:
        for words in [("AUTH", wrong), ("AUTH", name, wrong), ("HELLO", "3", "AUTH", "default", wrong)]:
            assert isinstance(client.call(*words), resp.Error)
        assert client.call("AUTH", password) == b"OK"
        client.call("CLIENT", "SETNAME", name)
        client.call("SET", key, value)
        client.call("GET", key)
        client.call("CONFIG", "SET", "requirepass", password)
        client.call("LPUSH", key, value)
        client.call("NOSUCH" + key, value)
    with running.connect() as client:
        client.sendall(f"*1\r\n!{value}\r\n".encode())
        client.makefile("rb").read()
    with running.connect("memcache") as client:
        client.sendall(f"set {key} 0 0 {len(value)}\r\n{value}\r\n{key}\r\nquit\r\n".encode())
        client.makefile("rb").read()
    with running.connect() as client:
        client.sendall(f"GET /info HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {value}\r\nConnection: close\r\n\r\n".encode())
        client.makefile("rb").read()
    server.eventually("all are gone", lambda: running.process.output().count("is gone") >= 4)
    log = running.process.output()
    assert "sets requirepass\n" in log and "failed to authenticate" in log and "protocol error" in log
    assert [secret for secret in SECRETS if secret in log] == []


def test_a_flood_of_bad_clients_is_not_one_of_lines(start):
    running = start(flags=["--requirepass", "right", "--maxclients", "20"])
    before = running.process.output().count("\n")
    with resp.Client(running.connect()) as client:
        client.socket.sendall(resp.command("AUTH", "wrong") * 2000)
        for _ in range(2000):
            assert isinstance(client.reply(), resp.Error)
    held = []

    def full():
        """The one who has just left may still be counted: until nobody more is let in."""
        held.append(running.connect())
        held[-1].sendall(b"PING\r\n")
        return b"max number of clients" in held[-1].recv(1000)

    server.eventually("the server is full", full)
    for _ in range(300):
        with contextlib.suppress(OSError), running.connect() as extra:
            extra.makefile("rb").read()
    lines = running.process.output().split("\n")[before:]
    for client in held:
        client.close()
    failed = [line for line in lines if "failed to authenticate" in line]
    assert failed and re.search(r"WARN.*client 127\.0\.0\.1:\d+ failed", failed[0])
    assert any("maxclients 20 reached" in line for line in lines)
    # Once a second for each kind, however long it took.
    assert len(lines) < 100


def test_the_level_changes_while_it_runs(start):
    running = start()
    with resp.Client(running.connect()) as client:
        assert "is there" not in running.process.output()
        client.call("CONFIG", "SET", "loglevel", "verbose")

        def comes_and_goes():
            running.connect().close()
            return "is gone" in running.process.output()

        server.eventually("clients are logged", comes_and_goes)
        client.call("CONFIG", "SET", "loglevel", "nothing")
        server.eventually("the level is taken", lambda: client.call("PING"))
    server.eventually("it is silent", lambda: silent(running))


def silent(running):
    before = running.process.output()
    for _ in range(3):
        with resp.Client(running.connect()) as client:
            client.call("PING")
    return running.process.output() == before


def test_configuration_errors_are_one_line_with_file_line_and_reason(tmp_path):
    for text, said in [
        ("port 1\nmaxmemory lots\n", r":2: maxmemory: 'lots' is not allowed: bytes"),
        ("port 1\n\n# x\nhz 0\n", r":4: hz: '0' is not allowed: an integer from 1 to 500"),
        ('requirepass "open\n', r":1: a quote is not closed"),
        ("timeout\n", r":1: timeout has no value"),
        ("tiemout 1\n", r":1: tiemout: unknown parameter"),
        ("appendonly yes\n", r":1: appendonly: 'yes' is not allowed: only no; no write is kept on disk"),
    ]:
        path = tmp_path / "bad.conf"
        path.write_text(text)
        done = subprocess.run([server.BINARY, path], capture_output=True, text=True, timeout=WAIT_S)
        assert done.returncode == 1 and re.search(f"^larder: {re.escape(str(path))}{said}", done.stderr), done.stderr
        assert done.stderr.count("\n") == 1
