"""Random commands of memcached's classic protocol against Debian's memcached; what differs by intent is in
`memcache_differences`."""

import random
import re

import pytest

import differential
import memcache_differences
import server

CONNECTIONS = 2
REPLY_TIMEOUT_S = 5
DONE = re.compile(rb"VERSION [^\r\n]*\r\n\Z")
DEFAULT_SEED = 20261121

KEYS = [b"a", b"b", b"c", b"d", b"{t}1", b"{t}2", b"k" * 250]
# Counters have keys of their own, see NUMBER_VALUE.
COUNTERS = [b"n1", b"n2", b"n3"]
ANY = KEYS + COUNTERS
VALUES = [b"", b"0", b"1", b"abc", b"foo bar", b"\r\n", b"get a\r\n", b"\x00\xff", b"x" * 100, b"y" * 2000, b"END"]
DIGITS = [b"0", b"1", b"99", b"18446744073709551615", b"18446744073709551614", b"5", b"007"]
DELTAS = [b"0", b"1", b"5", b"100", b"18446744073709551615", b"18446744073709551616", b"-1", b"x", b"1.5"]
FLAGS = [b"0", b"1", b"65535", b"4294967295", b"-0", b"7"]
TIMES = [b"0", b"0", b"0", b"100000", b"2592000", b"2592001", b"-1", b"2000000000", b"-0"]
ANY_TIMES = TIMES + [b"x"]
REFUSED = [b"bogus", b"GET a", b"flush_all x", b"set a 0 0 -1", b"set a 0 0 x", b"delete a 5", b"gat x a", b"set a 0 0 2147483648"]
REFUSED += [b"delete a b c", b"incr n1 1 2 3", b"touch a x", b"decr n1 x", b"ab", b"flush_all 1 2 3"]



class Generator:
    """Each call makes one request: words, or words with the place of a cas unique (a tuple)."""

    def __init__(self, dice):
        self.dice = dice
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    def __call__(self):
        return [self.dice.choice(self.makers)()]

    def noreply(self):
        return b" noreply" if self.dice.random() < 0.15 else b""

    def make_store(self):
        key = self.dice.choice(ANY)
        verbs = [b"set", b"set", b"add", b"replace"] + ([b"append", b"prepend"] if key in KEYS else [])
        value = self.dice.choice(VALUES if key in KEYS else DIGITS)
        line = [self.dice.choice(verbs), key, self.dice.choice(FLAGS), self.dice.choice(TIMES), b"%d" % len(value)]
        return b" ".join(line) + self.noreply() + b"\r\n" + value + b"\r\n"

    def make_plain_set(self):
        key = self.dice.choice(KEYS)
        value = self.dice.choice(VALUES)
        return b"set %s %d 0 %d\r\n%s\r\n" % (key, self.dice.randrange(9), len(value), value)

    def make_wrong_length(self):
        """Whatever the length takes of what follows, the line behind that is whole again."""
        value = self.dice.choice([b"", b"abc", b"x" * 50])
        return b"set a 0 0 %d\r\n%s\r\nget abc\r\n" % (len(value) + self.dice.choice([1, 2]), value)

    def make_cas(self):
        key = self.dice.choice(ANY)
        value = self.dice.choice(VALUES if key in KEYS else DIGITS)
        line = b"cas %s %s %s %d " % (key, self.dice.choice(FLAGS), self.dice.choice(TIMES), len(value))
        rest = self.noreply() + b"\r\n" + value + b"\r\n"
        if self.dice.random() < 0.2:
            return line + self.dice.choice([b"0", b"18446744073709551615"]) + rest
        return (line, key, rest)

    def make_get(self):
        return self.dice.choice([b"get ", b"gets "]) + b" ".join(self.keys()) + self.ending()

    def make_gets(self):
        return b"gets " + self.dice.choice(ANY) + b"\r\n"

    def make_gat(self):
        return self.dice.choice([b"gat ", b"gats "]) + self.dice.choice(ANY_TIMES) + b" " + b" ".join(self.keys()) + b"\r\n"

    def make_delete(self):
        return b"delete " + self.dice.choice(ANY) + self.dice.choice([b"", b" 0"]) + self.noreply() + b"\r\n"

    def make_arithmetic(self):
        verb = self.dice.choice([b"incr", b"decr"])
        key = self.dice.choice(COUNTERS * 3 + [b"nokey"])
        return verb + b" " + key + b" " + self.dice.choice(DELTAS) + self.noreply() + b"\r\n"

    def make_touch(self):
        return b"touch " + self.dice.choice(ANY) + b" " + self.dice.choice(ANY_TIMES) + self.noreply() + b"\r\n"

    def make_rare(self):
        if self.dice.random() < 0.95:
            return self.make_get()
        return b"flush_all" + self.dice.choice([b"", b" 0"]) + self.noreply() + b"\r\n"

    def make_refused(self):
        if self.dice.random() < 0.5:
            return memcache_differences.fenced(self.dice)
        return self.dice.choice(REFUSED) + self.ending()

    def keys(self):
        return [self.dice.choice(ANY) for _ in range(self.dice.choice([1, 1, 1, 2, 5, 20]))]

    def ending(self):
        return self.dice.choice([b"\r\n", b"\r\n", b"\n"])


class Side:
    """Some connections to one server, and the uniques that it gave."""

    def __init__(self, running, is_peer):
        self.is_peer = is_peer
        self.alike = memcache_differences.Alike()
        self.sockets = [running.connect("memcache", REPLY_TIMEOUT_S) for _ in range(CONNECTIONS)]
        # Every shard's counter of changes is beyond 1, and no key is there.
        self.send(0, [b"set warm%d 0 0 1\r\nx\r\n" % number for number in range(100)] + [b"flush_all\r\n"])
        self.receive(0)

    def send(self, connection, run):
        requests = [part if isinstance(part, bytes) else self.with_unique(*part) for part in run]
        self.sockets[connection].sendall(b"".join(requests) + b"version\r\n")

    def with_unique(self, line, key, rest):
        return line + self.alike.last(key) + rest

    def receive(self, connection):
        received = bytearray()
        while not DONE.search(received, max(0, len(received) - 100)):
            try:
                more = self.sockets[connection].recv(1 << 20)
            except TimeoutError:
                raise differential.Difference(f"no end of the batch after {bytes(received[-300:])!r}") from None
            if not more:
                raise differential.Difference(f"a server closed the connection after {bytes(received[-300:])!r}")
            received += more
        return self.alike(DONE.sub(b"", received), self.is_peer)

    def close(self):
        for socket in self.sockets:
            socket.close()


def compare(run, ours, theirs):
    if ours == theirs:
        return
    lines, peer_lines = ours.split(b"\r\n"), theirs.split(b"\r\n")
    first = next((i for i, pair in enumerate(zip(lines, peer_lines)) if pair[0] != pair[1]), min(len(lines), len(peer_lines)))
    raise differential.Difference(
        f"in a batch of {len(run)} requests, line {first} of the reply\n"
        f"  larder    {lines[max(0, first - 3):first + 3]}\n  memcached {peer_lines[max(0, first - 3):first + 3]}"
    )


def show(part):
    text = part if isinstance(part, bytes) else part[0] + b"<last unique>" + part[2]
    return repr(text if len(text) < 120 else text[:60] + b"..." + text[-30:])[1:]


@pytest.mark.parametrize("threads", [1, 3])
def test_replies_equal_those_of_memcached(threads, start, request):
    seed = request.config.getoption("--seed") or DEFAULT_SEED + threads
    generate = Generator(random.Random(seed))
    commands = [generate() for _ in range(request.config.getoption("--commands"))]
    shrink = request.config.getoption("--shrink-seconds")
    ours = start(threads=threads)
    with server.memcached() as theirs:
        differential.check(lambda: [Side(ours, False), Side(theirs, True)], compare, commands, CONNECTIONS, seed, show, shrink)
