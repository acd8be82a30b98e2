"""Random packets of memcached's binary protocol against Debian's memcached."""

import random
import struct

import pytest

import differential
import packets
import server

CONNECTIONS = 2
REPLY_TIMEOUT_S = 5
DEFAULT_SEED = 20261125
NOOP = 0x0A
# The noop that ends a batch; no other request has this.
LAST = 0xFFFFFFFF

KEYS = [b"a", b"b", b"c", b"{t}1", b"{t}2", b"k" * 250]
COUNTERS = [b"n1", b"n2", b"n3"]
ANY = KEYS + COUNTERS
VALUES = [b"", b"0", b"abc", b"\r\n", b"\x80\x0a", b"\x00\xff", b"x" * 100, b"y" * 2000, b"z" * 70_000]
DIGITS = [b"0", b"1", b"99", b"18446744073709551615", b"18446744073709551614", b"007", b"", b"x", b"-1"]
NUMBERS = [0, 1, 5, 100, 2**63, 2**64 - 2, 2**64 - 1]
TIMES = [0, 0, 0, 100_000, 2_592_000, 2_592_001, 2_000_000_000, 2**32 - 1]
DO_NOT_CREATE = 2**32 - 1
READS = [0x00, 0x09, 0x0C, 0x0D]
TOUCHES = [0x1C, 0x1D, 0x1E, 0x23, 0x24]
STORES = [0x01, 0x01, 0x11, 0x11, 0x02, 0x12, 0x03, 0x13]
EXTENDS = [0x0E, 0x0F, 0x19, 0x1A]
COUNTS = [0x05, 0x06, 0x15, 0x16]
UNKNOWN = [0x1B, 0x1F, 0x25, 0x30, 0x31, 0x7F, 0xFF]
ITEM_SIZE_MAX = 1 << 20

# Documented differences:
# - Uniques: memcached draws them from one counter, larder from one for each shard. Each is replaced by how many the key
#   has had. A store whose time has passed leaves nothing, and its unique is not compared.
# - A command that memcached does not know has its key and extras dropped twice, which takes its place in the stream: such
#   packets are sent without either. Bytes behind the body of touch and stat are taken for the next packet: not sent.
# - A key that fills memcached's read buffer of 16 KiB makes it close without a word; larder says why first. Not sent.
# - A number that gets shorter is filled with blanks only if no earlier reply holds the item. larder always fills.


class Generator:
    """Each call makes one request: its fields, and whether its unique is to be the key's last one."""

    def __init__(self, dice):
        self.dice = dice
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    def __call__(self):
        return [self.dice.choice(self.makers)()]

    def unique(self):
        return self.dice.choice([None] * 6 + ["last", "last", 12345])

    def make_read(self):
        return self.dice.choice(READS), self.dice.choice(ANY), b"", b"", None

    def make_store(self):
        key = self.dice.choice(ANY)
        value = self.dice.choice(VALUES if key in KEYS else DIGITS)
        extras = struct.pack(">II", self.dice.choice([0, 1, 2**32 - 1]), self.dice.choice(TIMES))
        return self.dice.choice(STORES), key, extras, value, self.unique()

    def make_plain_store(self):
        value = self.dice.choice(VALUES[:-1])
        return 0x11, self.dice.choice(KEYS), struct.pack(">II", 7, 0), value, None

    def make_extension(self):
        return self.dice.choice(EXTENDS), self.dice.choice(KEYS), b"", self.dice.choice(VALUES[:-2]), self.unique()

    def make_count(self):
        time = self.dice.choice([*TIMES, DO_NOT_CREATE, DO_NOT_CREATE])
        extras = struct.pack(">QQI", self.dice.choice(NUMBERS), self.dice.choice(NUMBERS), time)
        return self.dice.choice(COUNTS), self.dice.choice(COUNTERS), extras, b"", self.unique()

    def make_touch(self):
        return self.dice.choice(TOUCHES), self.dice.choice(ANY), struct.pack(">I", self.dice.choice(TIMES)), b"", None

    def make_delete(self):
        return self.dice.choice([0x04, 0x14]), self.dice.choice(ANY), b"", b"", self.unique()

    def make_rare(self):
        if self.dice.random() < 0.9:
            return self.make_read()
        if self.dice.random() < 0.2:
            key = self.dice.choice(KEYS)
            value = b"x" * (ITEM_SIZE_MAX + self.dice.choice([1, 1000]))
            opcode, extras = self.dice.choice([(0x01, bytes(8)), (0x12, bytes(8)), (0x0E, b""), (0x1A, b"")])
            return opcode, key, extras, value, None
        return self.dice.choice(
            [
                (NOOP, b"", b"", b"", None),
                (0x10, b"nonsense", b"", b"", None),
                (0x10, b"sizes", b"", b"", None),
                (0x18, b"", b"", b"", None),
                (0x08, b"", bytes(4), b"", None),
                (self.dice.choice(UNKNOWN), b"", b"", b"x" * self.dice.randrange(50), None),
            ]
        )


class Side:
    """Some connections to one server, and the uniques that it gave."""

    def __init__(self, running):
        self.sockets = [running.connect("memcache", REPLY_TIMEOUT_S) for _ in range(CONNECTIONS)]
        self.uniques = {}
        self.keys = []
        self.send(0, [(0x08, b"", b"", b"", None)])
        self.receive(0)

    def send(self, connection, run):
        # The unique that a request names is the last that was seen before its batch.
        self.keys = [key for _, key, _, _, _ in run]
        batch = [
            packets.request(opcode, key, extras, value, opaque=number, cas=self.cas(key, unique))
            for number, (opcode, key, extras, value, unique) in enumerate(run)
        ]
        batch.append(packets.request(NOOP, opaque=LAST))
        self.sockets[connection].sendall(b"".join(batch))

    def cas(self, key, unique):
        if unique == "last":
            return self.uniques.get(key, [54321])[-1]
        return unique or 0

    def receive(self, connection):
        data, found = bytearray(), []
        while not (found and found[-1].opaque == LAST):
            try:
                more = self.sockets[connection].recv(1 << 20)
            except TimeoutError:
                raise differential.Difference(f"no end of the batch after {found[-3:]}") from None
            if not more:
                raise differential.Difference(f"a server closed the connection after {found[-3:]}")
            data += more
            some, used = packets.replies(data)
            del data[:used]
            found += some
        for reply in found:
            self.make_comparable(reply)
        return found

    def make_comparable(self, reply):
        if reply.opaque == LAST:
            return
        key = self.keys[reply.opaque]
        if reply.cas:
            seen = self.uniques.setdefault(key, [])
            if not seen or seen[-1] != reply.cas:
                seen.append(reply.cas)
            reply.cas = 1
        if key in COUNTERS:
            reply.value = reply.value.rstrip(b" ") if reply.opcode in READS + TOUCHES else reply.value

    def close(self):
        for socket in self.sockets:
            socket.close()


def compare(run, ours, theirs):
    if ours == theirs:
        return
    first = next((i for i, pair in enumerate(zip(ours, theirs)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
    raise differential.Difference(
        f"in a batch of {len(run)} requests, reply {first}\n"
        f"  larder    {short(ours[max(0, first - 1):first + 2])}\n  memcached {short(theirs[max(0, first - 1):first + 2])}"
    )


def short(found):
    text = repr(found)
    return text if len(text) < 1000 else text[:500] + " ... " + text[-500:]


def show(part):
    opcode, key, extras, value, unique = part
    value = value if len(value) < 60 else value[:20] + b"..." + b"%d" % len(value)
    return f"{opcode:#04x} key={key[:20]!r} extras={extras.hex()} value={value!r} unique={unique}"


@pytest.mark.parametrize("threads", [1, 3])
def test_replies_to_packets_equal_those_of_memcached(threads, start, request):
    seed = request.config.getoption("--seed") or DEFAULT_SEED + threads
    generate = Generator(random.Random(seed))
    commands = [generate() for _ in range(request.config.getoption("--commands") // 8)]
    shrink = request.config.getoption("--shrink-seconds")
    ours = start(threads=threads, flags=["--item_size_max", str(ITEM_SIZE_MAX)])
    with server.memcached() as theirs:
        differential.check(lambda: [Side(ours), Side(theirs)], compare, commands, CONNECTIONS, seed, show, shrink)


def lies(dice):
    """Packets whose lengths do not fit, each the last of its connection: servers close."""
    opcode = dice.choice([*range(0x26), 0xFF])
    key, extras = dice.choice([0, 1, 250, 251, 300, 5000]), dice.choice([0, 1, 4, 8, 20, 21, 255])
    body = dice.choice([0, 1, 4, 8, key + extras, max(0, key + extras - 1), key + extras + 3])
    return packets.HEAD.pack(0x80, opcode, key, extras, 0, 0, body, 7, 0), opcode, key + extras, body


def answer(running, request):
    """What comes back until the server closes or the request is over, which a half-close shows."""
    with running.connect("memcache", REPLY_TIMEOUT_S) as client:
        received = bytearray()
        try:
            client.sendall(request)
            client.shutdown(1)
            while more := client.recv(1 << 16):
                received += more
        except ConnectionResetError:
            pass
        return bytes(received)


def test_lengths_that_do_not_fit_are_answered_as_by_memcached(start, request):
    """The bytes that follow are too few for a body; where there is one, memcached waits for it and so is not asked."""
    dice = random.Random(request.config.getoption("--seed") or DEFAULT_SEED)
    ours = start(threads=3)
    with server.memcached() as theirs:
        for _ in range(400):
            head, opcode, front, body = lies(dice)
            # All that memcached wants to see before it judges.
            packet = head + bytes(min(front, 1 << 17))
            goes_on = opcode in (0x10, 0x20, 0x21, 0x22, *TOUCHES) or packets.is_unknown(opcode)
            if opcode == 0x0B and front == body == 0:
                continue  # a well-formed version: each has its own
            if goes_on and body > front or packets.is_unknown(opcode) and body:
                continue
            one, other = answer(ours, packet), answer(theirs, packet)
            assert one == other, f"{head.hex()}: larder {one!r}, memcached {other!r}"
