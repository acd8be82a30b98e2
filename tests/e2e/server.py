"""Starts and stops the server under test, or the peers that it is compared with.

Readiness is observed by connecting, the end by waiting for the process. Ports are free ones.
"""

import ctypes
import errno
import itertools
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("E2E_BINARY", ROOT / "target/release/larder"))
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
REPLY_TIMEOUT_S = 20


# Below the ports that the kernel gives to outgoing connections, so that only other tests can take one meanwhile; each
# process of a run starts somewhere else and hands out none twice in a row.
PORTS_MIN, PORTS_MAX = 10_000, 32_000
_ports = itertools.cycle(range(PORTS_MIN, PORTS_MAX))
for _ in range(os.getpid() * 977 % (PORTS_MAX - PORTS_MIN)):
    next(_ports)


def free_port():
    for port in _ports:
        with socket.socket() as probe:
            # As the servers bind: a port whose last connections have only just ended is free to them.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def connect(port, timeout_s=REPLY_TIMEOUT_S):
    client = socket.create_connection(("127.0.0.1", port), timeout_s)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def eventually(what, condition, timeout_s=REPLY_TIMEOUT_S, pause_s=0.01):
    """Observes `condition` until it holds and returns its value; fails, naming `what`, when it never does."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"within {timeout_s} s it never came true that {what}")
        time.sleep(pause_s)


LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
TCP_ULP = 31


class Process:
    """One running server process with its output in a file, so that it can never block on a full pipe."""

    def __init__(self, argv, ports, env=None, preexec_fn=None):
        self.argv = [str(word) for word in argv]
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            env=dict(os.environ, **(env or {})),
            preexec_fn=lambda: self._prepare(preexec_fn),
        )
        self.pid = self.popen.pid
        try:
            for port in ports:
                self._await(port)
        except BaseException:
            self.kill()
            raise

    @staticmethod
    def _prepare(preexec_fn):
        # Tests that are killed leave no server behind.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if preexec_fn:
            preexec_fn()

    def _await(self, port):
        def listening():
            if self.popen.poll() is not None:
                raise StartFailure(f"{' '.join(self.argv)} exited with {self.popen.returncode}:\n{self.output()}")
            # A line that both protocols answer, if only with an error.
            try:
                with connect(port, 1) as client:
                    client.sendall(b"version\r\n")
                    return bool(client.recv(1))
            except OSError:
                return False

        eventually(f"{self.argv[0]} answers on {port}", listening, START_TIMEOUT_S)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def terminate(self):
        """SIGTERM, then the exit status."""
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.argv[0]} did not stop within {STOP_TIMEOUT_S} s of SIGTERM:\n{self.output()}")

    def kill(self):
        if self.alive():
            self.popen.kill()
        self.popen.wait()

    def voluntary_switches(self):
        """How often its threads have gone to sleep."""
        total = 0
        for task in os.scandir(f"/proc/{self.pid}/task"):
            for line in open(f"{task.path}/status"):
                if line.startswith("voluntary_ctxt_switches:"):
                    total += int(line.split()[1])
        return total

    def rss_bytes(self):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"process {self.pid} has no VmRSS")


class StartFailure(Exception):
    """The process ended before it listened."""


def on_free_ports(count, start):
    """A port may be taken between choosing and binding it: choose again, a few times."""
    for attempt in range(5):
        ports = [free_port() for _ in range(count)]
        try:
            return ports, start(ports)
        except StartFailure as failure:
            if "in use" not in str(failure) or attempt == 4:
                raise
    raise AssertionError("unreachable")


class Server:
    """What tests talk to: `resp_port`, `memcache_port`, and the processes behind them."""

    def __init__(self, processes, resp_port, memcache_port):
        self.processes = processes
        self.resp_port = resp_port
        self.memcache_port = memcache_port

    @property
    def process(self):
        return self.processes[0]

    def port(self, protocol):
        return {"resp": self.resp_port, "memcache": self.memcache_port}[protocol]

    def connect(self, protocol="resp", timeout_s=REPLY_TIMEOUT_S):
        return connect(self.port(protocol), timeout_s)

    def stop(self):
        """Stops everything. Each must still live, and a larder end with status 0."""
        for process in self.processes:
            crashed = not process.alive()
            larder = process.argv[0] == str(BINARY)
            status = process.terminate() if larder else process.kill()
            if crashed:
                raise AssertionError(f"died during the test with {process.popen.returncode}:\n{process.output()}")
            if larder and status != 0:
                raise AssertionError(f"exit status {status} after SIGTERM:\n{process.output()}")

    def __enter__(self):
        return self

    def __exit__(self, kind, _value, _trace):
        if kind is None:
            self.stop()
        else:
            for process in self.processes:
                process.kill()


def larder(threads=1, io="auto", maxmemory="256mb", flags=(), **process):
    def start(ports):
        argv = [BINARY, "--port", ports[0], "--memcache_port", ports[1], "--threads", threads]
        argv += ["--io", io, "--maxmemory", maxmemory, *flags]
        return Process(argv, ports, **process)

    ports, running = on_free_ports(2, start)
    return Server([running], *ports)


# So that what hangs on the policy (OBJECT FREQ and IDLETIME, shared numbers) is the same: larder's default.
REDIS_POLICY = ["--maxmemory-policy", "allkeys-lfu", "--maxmemory", "256mb"]


def redis(flags=()):
    def start(ports):
        argv = ["redis-server", "--port", ports[0], "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        argv += REDIS_POLICY
        return Process([*argv, *flags], ports)

    ports, running = on_free_ports(1, start)
    return Server([running], ports[0], None)


def memcached(threads=1, flags=()):
    def start(ports):
        user = ["-u", "root"] if os.geteuid() == 0 else []
        argv = ["memcached", "-p", ports[0], "-l", "127.0.0.1", "-U", "0", "-t", threads, *user, *flags]
        return Process(argv, ports)

    ports, running = on_free_ports(1, start)
    return Server([running], None, ports[0])


def peers(flags=()):
    """redis-server (with these flags) and memcached side by side, behind the face of one larder."""
    first = redis(flags)
    try:
        second = memcached()
    except BaseException:
        first.process.kill()
        raise
    return Server([first.process, second.process], first.resp_port, second.memcache_port)


def start_build(build, **options):
    """A larder of this (threads, driver), or the peers."""
    threads, io = build
    return peers() if threads == "peer" else larder(threads=threads, io=io, **options)


def kernel_has_tls():
    """Whether this kernel seals and opens records: an unconnected socket cannot be given that, for want of a connection."""
    with socket.socket() as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError as error:
            return error.errno == errno.ENOTCONN
    return True


def io_uring_permitted():
    """Whether this kernel lets us create a ring: asks the system call itself, as the server does."""
    io_uring_setup = 425
    parameters = ctypes.create_string_buffer(120)
    descriptor = LIBC.syscall(io_uring_setup, 4, parameters)
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True
