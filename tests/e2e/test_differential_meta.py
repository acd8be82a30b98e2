"""Random meta commands, with classic ones among them, against Debian's memcached. What differs by intent is in
`memcache_differences`. `--commands 200000` is the full figure; what runs by default is a share of it."""

import base64
import random

import pytest

import differential
import memcache_differences
import server
import test_differential_memcache as classic

DEFAULT_SEED = 20261125
SHARE = 0.3

# Keys that are always written in base64, and the bytes that they mean.
ENCODED = [base64.b64encode(key) for key in (b"bin 1", b"\x00\xff\r\n", b"{t} 3", b"plain")]
KEYS = classic.KEYS
COUNTERS = classic.COUNTERS
TTLS = memcache_differences.TTLS
VALUES = classic.VALUES + [b"z" * 20_000, b"w" * 200_000]
TOO_LARGE = b"t" * 1_048_577
WRONG = [b"v v", b"k t k", b"S3", b"[", b"\xff", b"Tx", b"T", b"Cx", b"C-1", b"Fx", b"Jx", b"Dx", b"u O" + b"o" * 32]
WRONG += [b"T18446744073709551616", b"N- v", b"Rx T0", b"q q"]


class Generator:
    def __init__(self, dice):
        self.dice = dice
        self.classic = classic.Generator(dice)
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    def __call__(self):
        if self.dice.random() < 0.3:
            return self.classic()
        made = self.dice.choice(self.makers)()
        return made if isinstance(made, list) else [made]

    def some(self, words, chance=0.4):
        chosen = [word for word in words if self.dice.random() < chance]
        self.dice.shuffle(chosen)
        return chosen

    def line(self, start, key, flags):
        if key in ENCODED:
            flags = flags + [b"b"]
        if b"c" in flags and b"k" not in flags:
            flags.append(b"k")
        self.dice.shuffle(flags)
        return b" ".join([start, *flags])

    def with_last(self, verb, key, rest, flags, data=b""):
        """The request with a flag C that has the last unique that the key is known to have had."""
        line = self.line(b"%s %s%s" % (verb, key, rest), key, flags)
        return (line + b" C", key, b"\r\n" + data)

    def common(self):
        opaque = b"O%d" % self.dice.randrange(1000)
        return self.some([b"k", opaque, b"q", b"P/x", b"Lx"], 0.3)

    def make_get(self):
        key = self.dice.choice(KEYS + ENCODED)
        flags = self.common() + self.some([b"v", b"s", b"f", b"t", b"c", b"h", b"l", b"u"])
        if self.dice.random() < 0.3:
            flags.append(b"T" + self.dice.choice(TTLS))
        if self.dice.random() < 0.3 and key not in ENCODED:
            flags.append(b"N" + self.dice.choice(TTLS))
        if self.dice.random() < 0.2:
            flags.append(b"R" + self.dice.choice([b"0", b"-1", b"30", b"150000", b"1000000"]))
        if b"t" not in flags and self.dice.random() < 0.05:
            flags = [flag for flag in flags if flag[:1] != b"T"] + [b"T-1"]
        return self.line(b"mg " + key, key, flags) + b"\r\n"

    make_get_again = make_get_more = make_get

    def make_get_of_counter(self):
        key = self.dice.choice(COUNTERS)
        return self.line(b"mg " + key, key, self.common() + self.some([b"f", b"t", b"c", b"l", b"u"])) + b"\r\n"

    def make_set(self):
        key = self.dice.choice(KEYS + ENCODED + COUNTERS)
        value = self.dice.choice(VALUES if key not in COUNTERS else classic.DIGITS)
        flags = self.common() + self.some([b"c", b"F%d" % self.dice.randrange(9), b"T" + self.dice.choice(TTLS)])
        modes = [b"MS", b"ME", b"MR"] + ([b"MA", b"MP"] if key in KEYS else [])
        if self.dice.random() < 0.6:
            flags.append(self.dice.choice(modes))
        elif b"c" not in flags and self.dice.random() < 0.05:
            flags = [flag for flag in flags if flag[:1] != b"T"] + [b"T-1"]
        data = value + b"\r\n"
        if self.dice.random() < 0.3:
            if key not in COUNTERS and self.dice.random() < 0.4:
                flags.append(b"I")
            if self.dice.random() < 0.6:
                return self.with_last(b"ms", key, b" %d" % len(value), flags, data)
            flags.append(self.dice.choice([b"C0", b"C1", b"C18446744073709551615"]))
        return self.line(b"ms %s %d" % (key, len(value)), key, flags) + b"\r\n" + data

    make_set_again = make_set

    def make_delete(self):
        key = self.dice.choice(KEYS + ENCODED + COUNTERS)
        flags = self.common()
        if key not in COUNTERS and self.dice.random() < 0.6:
            flags += [b"I"] + self.some([b"T" + self.dice.choice(TTLS)])
        if self.dice.random() < 0.2:
            return self.with_last(b"md", key, b"", flags)
        return self.line(b"md " + key, key, flags) + b"\r\n"

    def make_arithmetic(self):
        key = self.dice.choice(COUNTERS * 2 + [b"nokey"])
        flags = self.common() + self.some([b"v", b"c", b"t"])
        if b"q" not in flags and self.dice.random() < 0.2:
            # 1.6.18 gives the time to the old item where the number moves to a new one, because it grows or because
            # an unsent reply holds it. These do neither.
            key = self.dice.choice([b"timed1", b"timed2"])
            ttl, initial = self.dice.choice(TTLS), b"J10000000000000000000"
            return self.line(b"ma " + key, key, flags + [b"T" + ttl, b"N0", initial]) + b"\r\n"
        flags += self.some([b"D" + self.dice.choice([b"0", b"1", b"7", b"18446744073709551615"])])
        flags += self.some([self.dice.choice([b"MI", b"M+", b"MD", b"M-", b"MX"])])
        if b"q" not in flags and key != b"nokey":
            flags += self.some([b"N" + self.dice.choice(TTLS), b"J" + self.dice.choice([b"0", b"13", b"99"])])
        if self.dice.random() < 0.2:
            return self.with_last(b"ma", key, b"", flags)
        return self.line(b"ma " + key, key, flags) + b"\r\n"

    make_arithmetic_again = make_arithmetic

    def make_debug(self):
        return b"me " + self.dice.choice(KEYS) + b"\r\n"

    def make_noop(self):
        return self.dice.choice([b"mn\r\n", b"mn x\r\n", b"mn\n"])

    def make_wrong(self):
        wrong = self.dice.choice(WRONG)
        if self.dice.random() < 0.3:
            return memcache_differences.fenced(self.dice)
        if self.dice.random() < 0.2:
            return b"mg %s v\r\n" % (b"k" * 251)
        return self.dice.choice([b"mg a %s\r\n" % wrong, b"ms a 3 %s\r\nabc\r\n" % wrong])

    def make_wrong_data(self):
        """Whatever the length takes of what follows, the line behind that is whole again."""
        flags = self.dice.choice([b"", b" q", b" k v", b" S3", b" Tx q"])
        return b"ms a %d%s\r\nabc\r\nget abc\r\n" % (3 + self.dice.choice([1, 2]), flags)

    def make_rare(self):
        if self.dice.random() < 0.9:
            return self.make_get()
        if self.dice.random() < 0.1:
            verb = self.dice.choice([b"ms a %d", b"set a 0 0 %d", b"ms a %d ME", b"add a 0 0 %d"])
            return verb % len(TOO_LARGE) + b"\r\n" + TOO_LARGE + b"\r\n"
        return b"flush_all" + self.dice.choice([b"", b" 0", b" noreply"]) + b"\r\n"


@pytest.mark.parametrize("threads", [1, 3])
def test_meta_replies_equal_those_of_memcached(threads, start, request):
    seed = request.config.getoption("--seed") or DEFAULT_SEED + threads
    generate = Generator(random.Random(seed))
    count = request.config.getoption("--commands")
    commands = [generate() for _ in range(count if count > 100_000 else int(count * SHARE / 2))]
    shrink = request.config.getoption("--shrink-seconds")
    ours = start(threads=threads)
    with server.memcached() as theirs:
        sides = lambda: [classic.Side(ours, False), classic.Side(theirs, True)]  # noqa: E731
        differential.check(sides, classic.compare, commands, classic.CONNECTIONS, seed, classic.show, shrink)
