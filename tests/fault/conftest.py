"""The second half of every line of FAULTS.md, for every test here: the server still runs, has answered others
meanwhile, and has leaked nothing.

Whatever server a test starts gets a witness, a client that asks all shards again and again until the test is over, each
time within its patience. Then all clients are gone but the one that looks, all keys are flushed, and connections, descriptors,
buffers, bytes in the ledger and the resident set are what they were before the fault. A test that ends its server takes it
out of `processes`: then the witness has been served until that end.
"""

import os
import threading

import pytest

import resp
import rough
import server as servers

MIB = 1 << 20
# What an idle core keeps of buffers for the next client, and of blocks of large values (`limits.rs`).
KEPT_BYTES_PER_CORE = 9 * MIB
# What an empty store keeps: the index does not shrink to nothing, and each size class keeps a page.
EMPTY_STORE_BYTES_PER_CORE = 6 * MIB
# A busy machine may let a process wait for long; what is answered later than this is not answered.
PATIENCE_S = 15


def word_of(running, flag, default):
    """The value of a flag that the server was started with."""
    words = running.process.argv
    return words[words.index(flag) + 1] if flag in words else default


class Witness(threading.Thread):
    """A client that is served, or says why not."""

    KEYS = [f"nobody's:{number}" for number in range(16)]

    def __init__(self, running, password):
        super().__init__(daemon=True)
        self.running, self.over = running, threading.Event()
        self.answers, self.failure = 0, None
        self.client = resp.Client(running.connect(timeout_s=PATIENCE_S))
        if password:
            assert self.client.call("AUTH", password) == b"OK"
        assert self.client.call("CLIENT", "SETNAME", "witness") == b"OK"
        self.start()

    def run(self):
        try:
            while not self.over.wait(0.02):
                assert self.client.call("EXISTS", *self.KEYS) == 0
                self.answers += 1
        except BaseException as failure:
            self.failure = failure
        finally:
            self.client.close()

    def stop(self):
        self.over.set()
        self.join(2 * PATIENCE_S)
        assert not self.is_alive(), "the witness waits for an answer"
        # Where the test has ended the server, there is an end to being served.
        ended = not self.running.processes and isinstance(self.failure, OSError)
        if self.failure and not ended:
            raise AssertionError(f"another client was not served: {self.failure!r}") from self.failure


class Survival:
    """What a server holds before a fault, and whether it holds the same after it."""

    def __init__(self, running, with_witness=True):
        self.running = running
        self.threads = int(word_of(running, "--threads", 1))
        self.password = word_of(running, "--requirepass", "")
        with self.client() as client:
            self.before = self.holds(client)
        self.witness = Witness(running, self.password) if with_witness else None

    def client(self):
        client = resp.Client(self.running.connect())
        if self.password:
            assert client.call("AUTH", self.password) == b"OK"
        return client

    def holds(self, client):
        fields = dict(line.split(":", 1) for line in client.call("INFO", "everything").decode().split("\r\n") if ":" in line)
        names = "connected_clients blocked_clients mem_clients_normal used_memory pubsub_channels pubsub_patterns".split()
        held = {name: int(fields[name]) for name in names}
        held["descriptors"] = len(os.listdir(f"/proc/{self.running.process.pid}/fd"))
        held["rss"] = self.running.process.rss_bytes()
        return held

    def bounds(self):
        """The most that may be held after the test."""
        bounds = dict(self.before)
        bounds["mem_clients_normal"] += self.threads * KEPT_BYTES_PER_CORE
        bounds["used_memory"] += self.threads * (KEPT_BYTES_PER_CORE + EMPTY_STORE_BYTES_PER_CORE)
        bounds["rss"] += rough.GROWTH_MAX
        return bounds

    def check(self):
        if self.witness:
            self.witness.stop()
        if not self.running.processes:
            return
        assert self.running.process.alive(), self.running.process.output()
        bounds = self.bounds()
        with self.client() as client:
            assert client.call("FLUSHALL") == b"OK"
            held = {}

            def is_back():
                held.update(self.holds(client))
                return all(held[name] <= most for name, most in bounds.items())

            try:
                servers.eventually("all is as before", is_back)
            except AssertionError:
                kept = {name: (held[name], most) for name, most in bounds.items() if held[name] > most}
                raise AssertionError(f"kept after the fault, and the most that may be: {kept}") from None
            assert client.call("SET", "after", "all") == b"OK"
        with self.running.connect("memcache") as client:
            assert rough.exchange(client, b"get after\r\n", b"END\r\n") == b"VALUE after 0 3\r\nall\r\nEND\r\n"
        output = self.running.process.output()
        assert "panicked" not in output, output


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.has_passed = outcome.get_result().passed


@pytest.fixture
def survives(request, target):
    """Looks after servers: `survives(running)` before the fault. After the test each is as it was before."""
    watched = []

    def watch(running, **options):
        if target == "larder":
            watched.append(Survival(running, **options))
        return running

    yield watch
    # What has failed already says more than what it has left behind.
    passed = getattr(request.node, "has_passed", False)
    for survival in watched:
        if passed:
            survival.check()
        elif survival.witness:
            survival.witness.over.set()


@pytest.fixture
def start(start, survives):
    """As everywhere, and looked after. `with_witness=False`: the test has no room for a client more."""

    def begin(*arguments, with_witness=True, **options):
        return survives(start(*arguments, **options), with_witness=with_witness)

    return begin


@pytest.fixture
def build_server(build_server, build, survives):
    """As everywhere, and looked after. (`build` is named so that it is seen to be asked for.)"""
    return survives(build_server)
