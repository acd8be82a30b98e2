"""After many operations, classic and meta ones mixed, `stats` agrees with what the test itself has counted.

`--commands 1000000` is the full figure; a tenth of it runs by default, over one core and over three."""

import collections
import random

import pytest

CLIENTS = 8
BATCH = 200
KEYS = [b"key%d" % number for number in range(500)]
NUMBERS = [b"n%d" % number for number in range(50)]


class Model:
    """A cache that is a dictionary, and memcached's rules of what counts as what."""

    def __init__(self):
        self.values, self.counts = {}, collections.Counter()

    def count(self, *names):
        self.counts.update(names)

    def get(self, key):
        found = key in self.values
        self.count("cmd_get", "get_hits" if found else "get_misses")
        return found

    def touch(self, key):
        found = key in self.values
        self.count("cmd_touch", "touch_hits" if found else "touch_misses")
        return found

    def delete(self, key):
        found = self.values.pop(key, None) is not None
        self.count("delete_hits" if found else "delete_misses")
        return found

    def store(self, key, mode):
        self.count("cmd_set")
        if mode == "add" and key in self.values or mode in ("replace", "append") and key not in self.values:
            return False
        self.values[key] = "text"
        self.count("total_items")
        return True

    def change(self, key, verb):
        if key not in self.values:
            self.count(f"{verb}_misses")
            return False
        self.count(f"{verb}_hits")
        return True

    def compare(self, key):
        """With a unique that no item has."""
        self.count("cmd_set", "cas_badval" if key in self.values else "cas_misses")
        return key in self.values


class Maker:
    """Each method makes a request, tells the model, and returns the request with its reply."""

    def __init__(self, dice, model):
        self.dice, self.model = dice, model
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    def __call__(self):
        return self.dice.choice(self.makers)()

    def key(self):
        return self.dice.choice(KEYS)

    def make_get(self):
        key = self.key()
        return b"get %s\r\n" % key, b"VALUE %s 0 1\r\n5\r\nEND\r\n" % key if self.model.get(key) else b"END\r\n"

    def make_gat(self):
        key = self.key()
        return b"gat 1000 %s\r\n" % key, b"VALUE %s 0 1\r\n5\r\nEND\r\n" % key if self.model.touch(key) else b"END\r\n"

    def make_touch(self):
        key = self.key()
        return b"touch %s 1000\r\n" % key, b"TOUCHED\r\n" if self.model.touch(key) else b"NOT_FOUND\r\n"

    def make_mg(self):
        key = self.key()
        return b"mg %s v\r\n" % key, b"VA 1\r\n5\r\n" if self.model.get(key) else b"EN\r\n"

    def make_mg_quiet(self):
        key = self.key()
        return b"mg %s v q u\r\n" % key, b"VA 1\r\n5\r\n" if self.model.get(key) else b""

    def make_mg_touch(self):
        key = self.key()
        if key in self.model.values:
            self.model.touch(key)
            return b"mg %s T1000\r\n" % key, b"HD\r\n"
        self.model.get(key)
        return b"mg %s T1000\r\n" % key, b"EN\r\n"

    def make_set(self):
        key = self.key()
        self.model.store(key, "set")
        return b"set %s 0 1000 1 noreply\r\n5\r\n" % key, b""

    def make_add(self):
        key = self.key()
        return b"add %s 0 0 1\r\n5\r\n" % key, b"STORED\r\n" if self.model.store(key, "add") else b"NOT_STORED\r\n"

    def make_ms(self):
        key = self.key()
        self.model.store(key, "set")
        return self.dice.choice([(b"ms %s 1 T1000\r\n5\r\n" % key, b"HD\r\n"), (b"ms %s 1 q\r\n5\r\n" % key, b"")])

    def make_ms_mode(self):
        key, (mode, letter) = self.key(), self.dice.choice([("add", b"E"), ("replace", b"R"), ("set", b"S")])
        return b"ms %s 1 M%s\r\n5\r\n" % (key, letter), b"HD\r\n" if self.model.store(key, mode) else b"NS\r\n"

    def make_cas(self):
        key = self.key()
        exists = self.model.compare(key)
        return b"cas %s 0 0 1 18446744073709551615\r\n5\r\n" % key, b"EXISTS\r\n" if exists else b"NOT_FOUND\r\n"

    def make_ms_cas(self):
        key = self.key()
        exists = self.model.compare(key)
        return b"ms %s 1 C18446744073709551615\r\n5\r\n" % key, b"EX\r\n" if exists else b"NF\r\n"

    def make_append_nothing(self):
        key = self.key()
        return b"append %s 0 0 0\r\n\r\n" % key, b"STORED\r\n" if self.model.store(key, "append") else b"NOT_STORED\r\n"

    def make_delete(self):
        key = self.key()
        return b"delete %s\r\n" % key, b"DELETED\r\n" if self.model.delete(key) else b"NOT_FOUND\r\n"

    def make_md(self):
        key = self.key()
        return b"md %s\r\n" % key, b"HD\r\n" if self.model.delete(key) else b"NF\r\n"

    def make_arithmetic(self):
        key, verb = self.dice.choice(NUMBERS), self.dice.choice(["incr", "decr"])
        found = self.model.change(key, verb)
        if self.dice.random() < 0.5:
            mode = b"" if verb == "incr" else b" MD"
            return b"ma %s D0%s\r\n" % (key, mode), b"HD\r\n" if found else b"NF\r\n"
        return b"%s %s 0\r\n" % (verb.encode(), key), b"7\r\n" if found else b"NOT_FOUND\r\n"

    def make_number(self):
        key = self.dice.choice(NUMBERS)
        if key in self.model.values:
            return self.make_arithmetic()
        self.model.values[key] = "number"
        self.model.count("total_items")
        return b"ma %s N0 J7 v\r\n" % key, b"VA 1\r\n7\r\n"

    def make_debug(self):
        self.model.count("cmd_meta")
        return b"me nothing\r\n", b"EN\r\n"

    def make_refused(self):
        return self.dice.choice([(b"mg a v v\r\n", b"CLIENT_ERROR duplicate flag\r\n"), (b"mn\r\n", b"MN\r\n"), (b"bogus\r\n", b"ERROR\r\n")])

    def make_flush(self):
        if self.dice.random() < 0.99:
            return self.make_get()
        self.model.values.clear()
        self.model.count("cmd_flush")
        return b"flush_all\r\n", b"OK\r\n"


def stats(client):
    client.sendall(b"stats\r\n")
    text = b""
    while not text.endswith(b"END\r\n"):
        text += client.recv(1 << 16)
    return dict(line.split(b" ", 2)[1:] for line in text.split(b"\r\n") if line.startswith(b"STAT"))


def receive(client, length):
    got = bytearray()
    while len(got) < length:
        more = client.recv(1 << 20)
        assert more
        got += more
    return bytes(got)


@pytest.mark.parametrize("threads", [1, 3])
def test_statistics_agree_with_what_was_done(threads, start, request):
    running = start(threads=threads)
    clients = [running.connect("memcache") for _ in range(CLIENTS)]
    model = Model()
    dice = random.Random(request.config.getoption("--seed") or 7)
    make = Maker(dice, model)
    for _ in range(request.config.getoption("--commands") // BATCH):
        # One client at a time: what the model knows is what the server has done.
        client = dice.choice(clients)
        made = [make() for _ in range(BATCH)]
        requests, replies = b"".join(pair[0] for pair in made), b"".join(pair[1] for pair in made)
        client.sendall(requests + b"mn\r\n")
        assert receive(client, len(replies) + 4) == replies + b"MN\r\n"
    told = stats(clients[0])
    expected = {name: 0 for name in ("get_expired", "evictions", "store_too_large", "store_no_memory")}
    expected |= dict(model.counts) | {"curr_items": len(model.values)}
    assert {name: int(told[name.encode()]) for name in expected} == expected
    # A miss whose key a flush had just taken is one of the misses.
    assert 0 <= int(told[b"get_flushed"]) <= model.counts["get_misses"]
    for client in clients:
        client.close()
