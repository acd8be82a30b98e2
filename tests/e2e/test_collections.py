"""Collections as a whole: what they take compared with Redis, what is left when they go, scans while they change."""

import random

import pytest

import resp
import server

# Few at a time: the buffers of a connection are memory in use too.
BATCH = 20
NO_NUMBER = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"


def call(client, commands):
    """Sends commands in pipelines; none of them may fail."""
    for start in range(0, len(commands), BATCH):
        replies = client.pipeline(commands[start : start + BATCH])
        assert not any(isinstance(reply, resp.Error) for reply in replies), replies[:3]


def of_info(client, *names):
    """Figures of one moment."""
    lines = dict(line.split(":", 1) for line in client.call("INFO", "memory").decode().split("\r\n") if ":" in line)
    return [int(lines[name]) for name in names]


def used_memory(client):
    return of_info(client, "used_memory")[0]


def held_memory(client):
    """Without the buffers of clients: how many of those are kept changes from one moment to the next."""
    used, buffers = of_info(client, "used_memory", "mem_clients_normal")
    return used - buffers


def set_of(count, form="member:%06d"):
    members = [form % number for number in range(count)]
    return [["SADD", "set", *members[start : start + 100]] for start in range(0, count, 100)]


def hashes_of(count, fields):
    return [
        ["HSET", f"hash:{number}", *[word for field in range(fields) for word in (f"field:{field}", f"value:{field * number}")]]
        for number in range(count)
    ]


def list_of(count, form="element:%06d", name="RPUSH"):
    return [[name, "list", *command[2:]] for command in set_of(count, form)]


def sorted_of(count, form="member:%06d", score=str):
    """Members in an order that is not that of their scores."""
    scattered = [number * 7919 % count for number in range(count)]
    words = [word for number in scattered for word in (score(number), form % number)]
    return [["ZADD", "sorted", *words[start : start + 200]] for start in range(0, len(words), 200)]


def taken(running, commands):
    """Bytes that commands make a server use."""
    with resp.Client(running.connect()) as client:
        client.call("FLUSHALL")
        before = used_memory(client)
        call(client, commands)
        return server.eventually("the used memory is told", lambda: used_memory(client)) - before


def test_collections_take_less_memory_than_those_of_redis(start):
    ours = start(threads=1)
    with server.redis() as theirs:
        for name, commands, most in [
            ("a set of strings", set_of(100_000), 0.8),
            ("a set of integers", set_of(100_000, "%d"), 0.8),
            ("a large hash", [["HSET", "hash", *command[2:]] for command in set_of(100_000)], 0.8),
            ("hashes of a hundred fields", hashes_of(500, 100), 1.0),
            ("small hashes", hashes_of(5_000, 5), 1.0),
            ("a list", list_of(100_000), 1.0),
            ("a list that came from the left", list_of(100_000, "%d", "LPUSH"), 1.0),
            ("a list of long elements", [["RPUSH", "list", b"%05000d" % number] for number in range(2_000)], 1.0),
            ("a sorted set", sorted_of(100_000), 0.8),
            ("a sorted set of floats", sorted_of(100_000, score=lambda number: number / 7), 0.8),
            ("a sorted set of integers", sorted_of(100_000, "%d"), 0.8),
            ("a sorted set of long members", sorted_of(10_000, "%0300d"), 1.0),
            ("small sorted sets", [["ZADD", f"sorted:{number}", *[word for at in range(10) for word in (at * number, f"member:{at}")]] for number in range(5_000)], 1.0),
            ("small sorted sets of floats", [["ZADD", f"sorted:{number}", *[word for at in range(10) for word in (at / 7, at)]] for number in range(5_000)], 1.0),
            ("small lists", [["RPUSH", f"list:{number}", *range(10)] for number in range(5_000)], 1.0),
        ]:
            bytes_ours, bytes_theirs = taken(ours, commands), taken(theirs, commands)
            assert bytes_ours <= bytes_theirs * most, f"{name}: {bytes_ours} bytes, Redis {bytes_theirs}"


def test_what_a_collection_took_comes_back_when_it_goes(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        for removal in (["UNLINK", "set"], ["FLUSHALL"], ["SET", "set", "x"], ["SDIFFSTORE", "set", "set", "set"], ["PEXPIRE", "set", "1"]):
            client.call("DEL", "set")
            call(client, set_of(100_000))
            full = held_memory(client)
            client.call(*removal)
            # Thirteen bytes a member, and what keeps them.
            server.eventually(f"{removal} gives the memory back", lambda: full - held_memory(client) > 1_500_000)


def test_what_a_list_took_comes_back_when_it_is_trimmed_or_goes(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        for removal in (["UNLINK", "list"], ["LTRIM", "list", "50000", "50009"], ["LPOP", "list", "100000"], ["LREM", "list", "0", "x"]):
            client.call("DEL", "list")
            call(client, list_of(100_000, "x%.0s" if removal[0] == "LREM" else "element:%06d"))
            full = held_memory(client)
            client.call(*removal)
            server.eventually(f"{removal} gives the memory back", lambda: full - held_memory(client) > full_share(removal))
            assert client.call("LLEN", "list") == (10 if removal[0] == "LTRIM" else 0)


def full_share(removal):
    """Most of what the elements took: two bytes each of short ones, seventeen of the others."""
    return 150_000 if removal[0] == "LREM" else 1_300_000


def test_what_a_sorted_set_took_comes_back_when_most_of_it_is_removed(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        for removal, left in [
            (["UNLINK", "sorted"], 0),
            (["ZREMRANGEBYRANK", "sorted", "10", "-1"], 10),
            (["ZREMRANGEBYSCORE", "sorted", "(4", "99994"], 10),
            (["ZPOPMAX", "sorted", "99999"], 1),
            (["ZINTERSTORE", "sorted", "2", "sorted", "none"], 0),
        ]:
            client.call("DEL", "sorted")
            call(client, sorted_of(100_000))
            full = held_memory(client)
            client.call(*removal)
            server.eventually(f"{removal} gives the memory back", lambda: full - held_memory(client) > 2_500_000)
            assert client.call("ZCARD", "sorted") == left


def test_sorted_sets_move_between_shards(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        call(client, sorted_of(2_000))
        for number in range(50):
            popped = client.call("ZMPOP", "2", f"none:{number}", "sorted", "MIN")
            assert popped == [b"sorted", [[b"member:%06d" % number, b"%d" % number]]]
            assert client.call("ZRANGESTORE", f"part:{number}", "sorted", "0", "2") == 3
            assert client.call("ZDIFF", "2", f"part:{number}", "sorted") == []
            assert client.call("RENAME", "sorted", f"sorted:{number}") == b"OK"
            assert client.call("COPY", f"sorted:{number}", "sorted") == 1
            assert client.call("ZUNIONSTORE", f"sorted:{number}", "2", f"sorted:{number}", "sorted") == 1999 - number
            assert client.call("ZSCORE", f"sorted:{number}", "member:001999") == b"3998"
            assert client.call("DEL", f"sorted:{number}") == 1
        assert client.call("ZRANGE", "sorted", "0", "-1") == [b"member:%06d" % number for number in range(50, 2000)]


def test_lists_move_between_shards(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        call(client, list_of(2_000))
        for number in range(50):
            assert client.call("LMOVE", "list", f"other:{number}", "LEFT", "RIGHT") == b"element:%06d" % number
            assert client.call("LRANGE", f"other:{number}", "0", "-1") == [b"element:%06d" % number]
            moved = client.call("LMPOP", "2", f"none:{number}", "list", "RIGHT")
            assert moved == [b"list", [b"element:%06d" % (1999 - number)]]
            assert client.call("RENAME", "list", f"list:{number}") == b"OK"
            assert client.call("COPY", f"list:{number}", "list") == 1
            assert client.call("DEL", f"list:{number}") == 1
        left = [b"element:%06d" % number for number in range(50, 1950)]
        assert client.call("LRANGE", "list", "0", "-1") == left


def test_a_scan_finds_all_that_stays_while_the_collection_changes(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client:
        call(client, set_of(2000) + [["HSET", "hash", *command[2:]] for command in set_of(4000)] + sorted_of(2000))
        stays = {b"member:%06d" % number for number in range(0, 2000, 2)}
        for name, key, change, members in [
            ("SSCAN", "set", lambda number: ["SREM", "set", f"member:{number:06}"], lambda reply: reply),
            ("HSCAN", "hash", lambda number: ["HDEL", "hash", f"member:{number:06}"], lambda reply: reply[::2]),
            ("ZSCAN", "sorted", lambda number: ["ZREM", "sorted", f"member:{number:06}"], lambda reply: reply[::2]),
        ]:
            cursor, seen, number = b"0", set(), 1
            while True:
                cursor, found = client.call(name, key, cursor, "COUNT", "20")
                seen.update(members(found))
                if cursor == b"0":
                    break
                call(client, [change(number + 2 * more) for more in range(20)])
                new = {"set": ["SADD", key, f"new:{number}"], "hash": ["HSETNX", key, f"new:{number}", "x"]}
                # What stays gets other scores, which is no reason to be left out.
                again = ["ZADD", key, "-1", f"new:{number}", *[word for more in range(0, 2000, 20) for word in (number, f"member:{more:06}")]]
                call(client, [new.get(key, again)])
                number += 40
            assert stays <= seen


def test_fields_that_have_died_are_gone_from_every_reply(start):
    running = start(threads=1)
    with resp.Client(running.connect()) as client:
        fields = [f"f{number}" for number in range(1000)]
        client.call("HSET", "large", "stays", "1", *[word for field in fields for word in (field, "x")])
        client.call("HSET", "small", "stays", "1", "goes", "2")
        client.call("HPEXPIRE", "large", "1", "FIELDS", "1000", *fields)
        client.call("HPEXPIRE", "small", "1", "FIELDS", "1", "goes")
        for key in ("large", "small"):
            server.eventually("the fields are dead", lambda: client.call("HGETALL", key) == [b"stays", b"1"])
            assert client.call("HKEYS", key) == [b"stays"]
            assert client.call("HRANDFIELD", key, "-3") == [b"stays"] * 3
            assert client.call("HSCAN", key, "0", "COUNT", "10000") == [b"0", [b"stays", b"1"]]
            server.eventually("they are reclaimed", lambda: client.call("HLEN", key) == 1)
        # The last one takes its key along, though nobody asks for it.
        client.call("HPEXPIRE", "small", "1", "FIELDS", "1", "stays")
        server.eventually("the key is gone", lambda: client.call("DBSIZE") == 1)


def test_collections_are_misses_to_memcached(start):
    running = start(threads=3)
    with resp.Client(running.connect()) as client, running.connect("memcache") as socket:
        client.call("HSET", "h", "f", "v")
        call(client, [["SADD", "s", *[str(number) for number in range(1000)]]])
        socket.sendall(b"get h s\r\nincr h 1\r\nappend h 0 0 1\r\nx\r\nset s 0 0 1\r\nx\r\nget s\r\n")
        received = b""
        while not received.endswith(b"x\r\nEND\r\n"):
            received += socket.recv(4096)
        assert received == b"END\r\n" + NO_NUMBER + b"NOT_STORED\r\nSTORED\r\nVALUE s 0 1\r\nx\r\nEND\r\n"
        assert client.call("GET", "s") == b"x" and client.call("HGET", "h", "f") == b"v"


def test_a_full_server_refuses_and_keeps_what_it_has(start):
    running = start(threads=1, maxmemory="4mb", flags=("--maxmemory-policy", "noeviction"))
    with resp.Client(running.connect()) as client:
        added, batch = 0, 100
        while True:
            members = [f"member:{number:06}" for number in range(added, added + batch)]
            reply = client.call("SADD", "set", *members)
            if isinstance(reply, resp.Error):
                break
            added += batch
        assert reply.startswith(b"OOM ")
        assert client.call("SCARD", "set") == added
        assert client.call("SISMEMBER", "set", f"member:{added:06}") == 0
        assert client.call("HSET", "hash", "f", "v" * 100_000).startswith(b"OOM ")
        assert client.call("EXISTS", "hash") == 0
        assert client.call("SREM", "set", *[f"member:{number:06}" for number in range(added)]) == added
        assert client.call("SADD", "set", "x") == 1


class Growing:
    """A collection and what it must be: its commands have happened as a whole, or not at all."""

    def __init__(self, kind, key):
        self.kind, self.key, self.model, self.next = kind, key, [] if kind == "list" else {}, 0

    def more(self, dice):
        """A command that makes it larger, and what it is then."""
        count = dice.choice([1, 1, 3, 20])
        numbers = range(self.next, self.next + count)
        self.next += count
        words = [b"%d:%s" % (number, b"x" * dice.choice([1, 10, 40])) for number in numbers]
        if self.kind == "ints":
            members = [b"%d" % (number << dice.choice([0, 20, 40])) for number in numbers]
            return ["SADD", self.key, *members], {**self.model, **dict.fromkeys(members)}
        if self.kind == "set":
            return ["SADD", self.key, *words], {**self.model, **dict.fromkeys(words)}
        if self.kind in ("hash", "dying"):
            pairs = [word for number, word in zip(numbers, words) for word in (b"%d" % number, word)]
            name = ["HSET", self.key] if self.kind == "hash" else ["HSETEX", self.key, "EX", 1000, "FIELDS", count]
            return [*name, *pairs], {**self.model, **dict(zip(pairs[::2], words))}
        if self.kind == "zset":
            pairs = [word for number, word in zip(numbers, words) for word in (number % 7, word)]
            return ["ZADD", self.key, *pairs], {**self.model, **{word: b"%d" % (number % 7) for number, word in zip(numbers, words)}}
        if dice.random() < 0.2 and self.model:
            at = dice.randrange(len(self.model))
            return ["LSET", self.key, at, words[0]], [*self.model[:at], words[0], *self.model[at + 1 :]]
        if dice.random() < 0.2 and self.model:
            at = dice.randrange(len(self.model))
            return ["LINSERT", self.key, "BEFORE", self.model[at], words[0]], [*self.model[:at], words[0], *self.model[at:]]
        if dice.random() < 0.5:
            return ["LPUSH", self.key, *words], [*reversed(words), *self.model]
        return ["RPUSH", self.key, *words], [*self.model, *words]

    def is_whole(self, client):
        if self.kind == "list":
            return client.call("LRANGE", self.key, 0, -1) == self.model
        if self.kind in ("set", "ints"):
            return sorted(client.call("SMEMBERS", self.key)) == sorted(self.model)
        pairs = client.call(*(["ZRANGE", self.key, 0, -1, "WITHSCORES"] if self.kind == "zset" else ["HGETALL", self.key]))
        return dict(zip(pairs[::2], pairs[1::2])) == self.model and len(pairs) == 2 * len(self.model)


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", ["ints", "set", "hash", "dying", "list", "zset"])
def test_what_grows_past_the_limit_is_refused_and_stays_whole_in_every_encoding(start, kind, threads):
    running = start(threads=threads, maxmemory=f"{4 * threads}mb", flags=("--maxmemory-policy", "noeviction", "--list-max-listpack-size", "16"))
    dice = random.Random(kind)
    with resp.Client(running.connect()) as client:
        growing = Growing(kind, "key")
        # The shard is full before it begins: it grows into what is freed bit by bit.
        fillers = 0
        while (reply := client.call("SET", "{key}%d" % fillers, "v" * 3000)) == b"OK":
            fillers += 1
        assert reply.startswith(b"OOM ")
        refused, encodings = 0, set()
        for filler in range(min(fillers, 60)):
            client.call("DEL", "{key}%d" % filler)
            for _ in range(30):
                command, then = growing.more(dice)
                reply = client.call(*command)
                if isinstance(reply, resp.Error):
                    assert reply.startswith(b"OOM "), (command, reply)
                    refused += 1
                    assert growing.is_whole(client), command
                    break
                growing.model = then
            if growing.model:
                encodings.add(client.call("OBJECT", "ENCODING", "key"))
                # A copy of it needs as much again.
                if filler % 20 == 19:
                    assert client.call("COPY", "key", "{key}copy") == 1 or growing.is_whole(client)
                    client.call("DEL", "{key}copy")
        assert growing.is_whole(client) and refused > 4 and len(encodings) >= (1 if kind == "list" else 2), (refused, encodings)
