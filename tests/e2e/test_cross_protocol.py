"""One keyspace behind both protocols, whichever core a client is connected to."""

import pytest

import resp

pytestmark = pytest.mark.larder_only
KEYS = [f"key{number}".encode() for number in range(60)]
CLIENTS = 6


class Memcache:
    """Lines out, lines and data blocks in."""

    def __init__(self, socket):
        self.socket = socket
        self.stream = socket.makefile("rb")

    def line(self, request):
        self.socket.sendall(request + b"\r\n")
        return self.stream.readline()

    def set(self, key, value, flags=0, exptime=0):
        return self.line(b"set %s %d %d %d\r\n%s" % (key, flags, exptime, len(value), value))

    def get(self, key):
        """(flags, value), or None."""
        line = self.line(b"get " + key)
        if line == b"END\r\n":
            return None
        _, name, flags, length = line.split()
        assert name == key
        value = self.stream.read(int(length) + 2)[:-2]
        assert self.stream.readline() == b"END\r\n"
        return int(flags), value

    def close(self):
        self.stream.close()
        self.socket.close()


@pytest.fixture
def doors(build_server):
    """Clients of both protocols, more than there are cores."""
    memcache = [Memcache(build_server.connect("memcache")) for _ in range(CLIENTS)]
    redis = [resp.Client(build_server.connect("resp")) for _ in range(CLIENTS)]
    yield memcache, redis
    for client in memcache + redis:
        client.close()


def test_value_set_by_memcache_is_read_by_redis(doors):
    memcache, redis = doors
    for number, key in enumerate(KEYS):
        assert memcache[number % CLIENTS].set(key, b"value of " + key, flags=number) == b"STORED\r\n"
        for client in redis:
            assert client.call("GET", key) == b"value of " + key
            assert client.call("TTL", key) == -1
    assert redis[0].call("MGET", *KEYS) == [b"value of " + key for key in KEYS]
    assert redis[0].call("DBSIZE") == len(KEYS)


def test_value_set_by_redis_is_read_by_memcache(doors):
    memcache, redis = doors
    for number, key in enumerate(KEYS):
        assert redis[number % CLIENTS].call("SET", key, b"value of " + key) == b"OK"
        for client in memcache:
            assert client.get(key) == (0, b"value of " + key)


def test_expiry_is_seen_from_both_sides(doors):
    memcache, redis = doors
    for number, key in enumerate(KEYS):
        memcache[number % CLIENTS].set(key, b"x", exptime=1000)
        assert 990 < redis[(number + 1) % CLIENTS].call("TTL", key) <= 1000
        assert memcache[(number + 2) % CLIENTS].line(b"touch %s 5000" % key) == b"TOUCHED\r\n"
        assert 4990 < redis[(number + 1) % CLIENTS].call("TTL", key) <= 5000
        assert redis[number % CLIENTS].call("PERSIST", key) == 1
        assert redis[number % CLIENTS].call("PEXPIREAT", key, 1) == 1
        assert memcache[(number + 2) % CLIENTS].get(key) is None
        redis[number % CLIENTS].call("SET", key, "y", "PX", 900_000)
        assert memcache[(number + 2) % CLIENTS].get(key) == (0, b"y")
        assert memcache[(number + 2) % CLIENTS].line(b"touch %s -1" % key) == b"TOUCHED\r\n"
        assert redis[number % CLIENTS].call("EXISTS", key) == 0


def test_an_expired_value_is_gone_for_both(doors):
    memcache, redis = doors
    redis[0].call("SET", "short", "x", "PX", 50)
    redis[1].call("SET", "marker", "x", "PX", 50)
    while redis[1].call("PTTL", "marker") != -2:
        pass
    for client in memcache:
        assert client.get(b"short") is None
    for client in redis:
        assert client.call("GET", "short") is None


def test_changes_by_either_are_seen_by_the_other(doors):
    memcache, redis = doors
    for number, key in enumerate(KEYS):
        mine, yours = memcache[number % CLIENTS], redis[(number + 1) % CLIENTS]
        yours.call("SET", key, "10")
        assert mine.line(b"incr %s 5" % key) == b"15\r\n"
        assert yours.call("INCR", key) == 16
        assert mine.line(b"append %s 0 0 1\r\n0" % key) == b"STORED\r\n"
        assert yours.call("GET", key) == b"160"
        assert yours.call("APPEND", key, "!") == 4
        assert mine.get(key) == (0, b"160!")
        assert mine.line(b"add %s 0 0 1\r\nx" % key) == b"NOT_STORED\r\n"
        assert yours.call("SETNX", key, "x") == 0
        assert mine.line(b"delete " + key) == b"DELETED\r\n"
        assert yours.call("GET", key) is None


def test_client_flags_stay_and_cas_sees_every_change(doors):
    memcache, redis = doors

    def unique():
        line = memcache[0].line(b"gets k")
        memcache[0].stream.readline(), memcache[0].stream.readline()
        return line.split()[4]

    memcache[1].set(b"k", b"1", flags=4294967295)
    assert redis[0].call("APPEND", "k", "2") == 2
    assert memcache[2].get(b"k") == (4294967295, b"12")
    first = unique()
    redis[1].call("SETRANGE", "k", "0", "9")
    assert unique() != first
    assert memcache[3].line(b"cas k 0 0 1 %s\r\nx" % first) == b"EXISTS\r\n"
    assert memcache[3].line(b"cas k 0 0 1 %s\r\nx" % unique()) == b"STORED\r\n"
    assert redis[2].call("GET", "k") == b"x"


def test_flush_all_empties_what_redis_clients_see(doors):
    memcache, redis = doors
    redis[0].call("MSET", *[word for key in KEYS for word in (key, b"x")])
    assert memcache[0].line(b"flush_all") == b"OK\r\n"
    for client in redis:
        assert client.call("MGET", *KEYS) == [None] * len(KEYS)
    redis[0].call("MSET", *[word for key in KEYS for word in (key, b"x")])
    assert redis[1].call("FLUSHALL") == b"OK"
    for client in memcache:
        assert client.get(KEYS[0]) is None


def test_memcache_clients_see_database_0(doors):
    memcache, redis = doors
    redis[0].call("SELECT", 5)
    redis[0].call("SET", "k", "five")
    assert memcache[0].get(b"k") is None
    memcache[0].set(b"k", b"zero")
    assert redis[0].call("GET", "k") == b"five"
    assert redis[1].call("GET", "k") == b"zero"
