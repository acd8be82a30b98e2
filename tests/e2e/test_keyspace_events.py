"""Keyspace events: those of random commands against redis-server's, those of memcached's commands, and those of keys that
expire or are evicted."""

import random

import pytest

import redis_commands
import resp
import server

SEED = 20261125
COMMANDS = 4000


class Listener:
    """A RESP3 client that hears all events."""

    def __init__(self, port):
        self.client = resp.Client(server.connect(port))
        self.client.call("HELLO", 3)
        self.client.call("PSUBSCRIBE", "__key*@*__:*")

    def heard(self):
        """What has been told up to now. After the first answer all mail that was under way has become output, before the
        second it has been sent."""
        events = []
        for _ in range(2):
            self.client.send("PING")
            while (message := self.client.reply()) != b"PONG":
                kind, _, channel, payload = message
                assert kind == b"pmessage"
                events.append((channel, payload))
        return events

    def close(self):
        self.client.socket.close()


def kinds(events):
    """Without what depends on the moment: when it is found that a key has expired."""
    return [event for event in events if b":expired" not in event[0] and event[1] != b"expired"]


def by_key(events):
    """Events of each key in order, told by both kinds of channels. Keys of several shards have no order between them."""
    found = {}
    for channel, payload in events:
        where, _, name = channel.partition(b"__:")
        if where.startswith(b"__keyspace"):
            found.setdefault((where, name), []).append(payload)
        else:
            found.setdefault((where, payload), []).append(name)
    return found


def is_refused(reply):
    return isinstance(reply, resp.Error) or isinstance(reply, list) and any(map(is_refused, reply))


def without_misses(events):
    return [event for event in events if b":keymiss" not in event[0] and event[1] != b"keymiss"]


# Documented differences. SMOVE tells of the destination first, where it finds whether the member is new; commands on
# several keys make a new key before they tell anything; and Redis does not look for the other keys of a command once it
# has seen one that it refuses.
NOT_IN_ORDER = {b"SMOVE"}


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("classes", ["KEA", "KEAmn"])
def test_events_are_those_of_redis_in_the_same_order(start, threads, classes, request):
    seed = request.config.getoption("--seed") or SEED
    made = redis_commands.Generator(random.Random(seed))
    ours = start(threads=threads)
    with server.peers() as theirs:
        ports = [ours.resp_port, theirs.resp_port]
        clients = [resp.Client(server.connect(port)) for port in ports]
        for client in clients:
            assert client.call("CONFIG", "SET", "notify-keyspace-events", classes) == b"OK"
        listeners = [Listener(port) for port in ports]
        told = 0
        for number in range(COMMANDS):
            requests = made()
            for client in clients:
                refused = is_refused(client.pipeline(requests))
            heard = [kinds(listener.heard()) for listener in listeners]
            told += len(heard[1])
            if refused:
                heard = [without_misses(events) for events in heard]
            if threads > 1 or requests[0][0].upper() in NOT_IN_ORDER or "n" in classes:
                heard = [by_key(events) for events in heard]
            assert heard[0] == heard[1], f"seed {seed}, command {number}: {requests}"
        assert told > COMMANDS / 2
        for each in [*listeners]:
            each.close()


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_commands_of_memcached_are_told_in_words_of_redis(start, threads):
    ours = start(threads=threads)
    client = resp.Client(server.connect(ours.resp_port))
    client.call("CONFIG", "SET", "notify-keyspace-events", "EA")
    listener = Listener(ours.resp_port)
    cache = server.connect(ours.memcache_port)
    lines = cache.makefile("rb")

    def events_of(request, replies=1):
        cache.sendall(request)
        for _ in range(replies):
            lines.readline()
        return [(channel.partition(b"__:")[2], key) for channel, key in listener.heard()]

    assert events_of(b"set k 0 0 1\r\na\r\n") == [(b"set", b"k")]
    assert events_of(b"set k 0 100 1\r\na\r\n") == [(b"set", b"k"), (b"expire", b"k")]
    assert events_of(b"add k 0 100 1\r\na\r\n") == []
    assert events_of(b"append k 0 0 1\r\nb\r\n") == [(b"append", b"k")]
    assert events_of(b"prepend k 0 0 1\r\nb\r\n") == [(b"prepend", b"k")]
    assert events_of(b"touch k 0\r\n") == [(b"persist", b"k")]
    assert events_of(b"gat 1000 k\r\n", 3) == [(b"expire", b"k")]
    assert events_of(b"delete k\r\n") == [(b"del", b"k")]
    assert events_of(b"delete k\r\n") == []
    assert events_of(b"set n 0 0 1\r\n5\r\n") == [(b"set", b"n")]
    assert events_of(b"incr n 7\r\n") == [(b"incrby", b"n")]
    assert events_of(b"ma n MD\r\n") == [(b"incrby", b"n")]
    assert events_of(b"ma m N0 J3\r\n") == [(b"set", b"m")]
    assert events_of(b"ms m 1\r\nx\r\n") == [(b"set", b"m")]
    assert events_of(b"md m\r\n") == [(b"del", b"m")]
    assert events_of(b"mg n v\r\n", 2) == []


@pytest.mark.parametrize("how", ["read", "left"])
def test_a_key_that_expires_is_told_once(start, how):
    running = start(threads=1)
    client = resp.Client(server.connect(running.resp_port))
    client.call("CONFIG", "SET", "notify-keyspace-events", "KEx")
    listener = Listener(running.resp_port)
    client.call("SET", "k", "v", "PX", "30")
    client.call("SET", "other", "v")
    heard = []

    def expired():
        if how == "read":
            client.call("GET", "k")
        heard.extend(listener.heard())
        return heard

    server.eventually("the key is told to have expired", expired)
    heard.extend(listener.heard())
    assert heard == [(b"__keyspace@0__:k", b"expired"), (b"__keyevent@0__:expired", b"k")]


@pytest.mark.larder_only
def test_evicted_keys_are_told(start):
    running = start(threads=1, maxmemory="64mb")
    client = resp.Client(server.connect(running.resp_port))
    client.call("CONFIG", "SET", "notify-keyspace-events", "Ee")
    listener = Listener(running.resp_port)
    heard = 0
    for batch in range(600):
        for number in range(200):
            client.send("SET", f"{batch}:{number}", "v" * 1000)
        for _ in range(200):
            assert client.reply() == b"OK"
        events = listener.heard()
        assert {channel for channel, _ in events} <= {b"__keyevent@0__:evicted"}
        heard += len(events)
    counted = client.call("INFO", "stats").partition(b"evicted_keys:")[2].split()[0]
    assert heard == int(counted) > 10_000


def test_events_are_told_of_the_clients_database(start):
    running = start(threads=3)
    client = resp.Client(server.connect(running.resp_port))
    client.call("CONFIG", "SET", "notify-keyspace-events", "K$")
    listener = Listener(running.resp_port)
    client.call("SELECT", 7)
    client.call("SET", "k", "v")
    client.call("DEL", "k")
    assert listener.heard() == [(b"__keyspace@7__:k", b"set")]
    client.call("CONFIG", "SET", "notify-keyspace-events", "")
    client.call("SET", "k", "v")
    assert listener.heard() == []
