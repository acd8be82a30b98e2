"""Numbers 22 to 26: memory that is used up by other values than before, and clocks."""

import pathlib
import random
import re
import threading
import time

import pytest

import resp
import server
from rough import MIB, batches, exchange, info, narrow

VALUE = re.compile(rb"VALUE (\S+) ")
FAKETIME = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
EXPIRING = 1_000_000


def store(client, keys, value):
    """Every one of them is stored, or this fails."""
    for batch in batches(keys, max(1, min(2000, 2 * MIB // len(value)))):
        lines = b"".join(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(value), value) for key in batch)
        sender = threading.Thread(target=client.sendall, args=(lines + b"mn\r\n",))
        sender.start()
        got = exchange(client, b"", b"MN\r\n")
        sender.join()
        assert got == b"STORED\r\n" * len(batch) + b"MN\r\n"


def hit_ratio(client, keys, value):
    """Reads all of them; those that are missed are stored anew, as whoever uses a cache does."""
    missed = []
    for batch in batches(keys, max(1, min(500, 2 * MIB // len(value)))):
        got = exchange(client, b"get " + b" ".join(batch) + b"\r\n", b"END\r\n")
        found = set(VALUE.findall(got))
        assert got.count(value) >= len(found)
        missed += [key for key in batch if key not in found]
    store(client, missed, value)
    return 1 - len(missed) / len(keys)


@pytest.mark.larder_only
def test_22_sizes_that_change_altogether(start):
    """memcached#677, #224: memory that small values have taken is large values' when nobody stores small ones any more, and back."""
    running = start(threads=2, maxmemory="48mb")
    base = running.process.rss_bytes()
    with running.connect("memcache") as client, resp.Client(running.connect()) as other:
        for round_, (size, flood, working_set) in enumerate([(100, 500_000, 60_000), (100_000, 1000, 120), (100, 500_000, 60_000)]):
            value = b"v%d" % round_ + b"x" * (size - 2)
            store(client, (b"%d:flood:%d" % (round_, number) for number in range(flood)), value)
            keys = [b"%d:work:%d" % (round_, number) for number in range(working_set)]
            ratios = []
            while not ratios or ratios[-1] < 0.9:
                ratios.append(hit_ratio(client, keys, value))
                assert len(ratios) < 12, f"{size} bytes: hit ratios {ratios}"
        assert info(other, "evicted_keys") > 0
        within = lambda: running.process.rss_bytes() < 48 * MIB * 1.1 + base + 16 * MIB  # noqa: E731
        server.eventually("what the values before have left free is the system's", within)


@pytest.mark.larder_only
@pytest.mark.parametrize("emptied", [["CONFIG", "SET", "maxmemory", "16mb"], ["FLUSHALL"]])
def test_23_memory_that_is_not_needed_any_more_is_the_systems(emptied, start):
    running = start(threads=2, maxmemory="256mb", flags=["--maxclients", "100"])
    with resp.Client(running.connect()) as client:
        before = running.process.rss_bytes()
        for number in range(0, 4000, 100):
            commands = [["SET", f"value:{each}", bytes(20_000 + each * 10)] for each in range(number, number + 100)]
            assert set(client.pipeline(commands)) == {b"OK"}
        assert running.process.rss_bytes() - before > 120 << 20
        assert client.call(*emptied) == b"OK"
        server.eventually("memory is given back", lambda: running.process.rss_bytes() - before < 60 << 20)


@pytest.mark.larder_only
def test_23_a_limit_that_moves_under_load(start):
    """Down to an eighth and up again, with strings and collections, while others write: the ledger follows it."""
    running = start(threads=2, maxmemory="128mb")
    over, failures = threading.Event(), []

    def write(seed):
        dice = random.Random(seed)
        try:
            with resp.Client(running.connect()) as client:
                while not over.is_set():
                    key = dice.randrange(4000)
                    commands = [["SET", f"s{key}", b"x" * dice.choice([10, 1000, 30_000, 100_000])], ["GET", f"s{dice.randrange(4000)}"]]
                    commands += [["HSET", f"h{key % 100}", f"f{key}", b"y" * 500], ["LPUSH", f"l{key % 100}", b"z" * 200]]
                    commands += [["ZADD", f"z{key % 100}", key, f"m{key}"]]
                    assert not [reply for reply in client.pipeline(commands) if isinstance(reply, resp.Error)]
        except BaseException as failure:
            failures.append(failure)

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(2)]
    for writer in writers:
        writer.start()
    try:
        with resp.Client(running.connect()) as client:
            server.eventually("there is much", lambda: info(client, "used_memory") > 60 * MIB)
            for megabytes in (16, 128, 32, 64, 16):
                assert client.call("CONFIG", "SET", "maxmemory", f"{megabytes}mb") == b"OK"
                # What is in the store; buffers come on top.
                below = lambda: info(client, "used_memory") - info(client, "mem_clients_normal") <= megabytes * MIB  # noqa: E731
                server.eventually(f"it is within {megabytes} MiB", below)
    finally:
        over.set()
        for writer in writers:
            writer.join()
    assert not failures, failures[0]


@pytest.mark.larder_only
def test_24_a_million_keys_that_expire_in_one_second(start):
    """KeyDB#904. Nobody asks for them again, and their memory comes back; others are served (the witness is one of them)."""
    running = start(threads=2)
    with running.connect("memcache") as client, resp.Client(running.connect()) as other:
        other.call("MSET", *[word for number in range(1000) for word in (f"stays:{number}", "x")])
        before = info(other, "used_memory")
        due = int(other.call("TIME")[0]) + 8
        for batch in batches(range(EXPIRING), 10_000):
            client.sendall(b"".join(b"set e%d 0 %d 1 noreply\r\nx\r\n" % (number, due) for number in batch))
        exchange(client, b"mn\r\n", b"MN\r\n")
        full = info(other, "used_memory") - before
        # Otherwise this machine has taken so long that there was nothing to be seen.
        if int(other.call("TIME")[0]) < due:
            assert full > 30 * MIB and other.call("DBSIZE") == EXPIRING + 1000
        server.eventually("the moment is there", lambda: int(other.call("TIME")[0]) > due, 60)
        server.eventually("they are gone", lambda: other.call("DBSIZE") == 1000, 60)
        assert info(other, "expired_keys") == EXPIRING and info(other, "evicted_keys") == 0
        server.eventually("their memory is back", lambda: info(other, "used_memory") - before < full / 4, 60)
        assert other.call("EXISTS", *[f"stays:{number}" for number in range(1000)]) == 1000


@pytest.mark.larder_only
def test_24_clock_that_steps(start, tmp_path):
    """The system's clock is set an hour forward, two back, and fifty years forward: what is bound to a date goes by it,
    what has a length (idle time, pauses, waits) is as long as it was."""
    assert FAKETIME, "libfaketime is not installed"
    offset = tmp_path / "offset"

    def step(seconds):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{seconds:+d}\n")
        fresh.rename(offset)

    step(0)
    env = {"LD_PRELOAD": str(FAKETIME[0]), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1"}
    env |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    running = start(threads=2, flags=["--timeout", "600"], env=env)
    with resp.Client(running.connect()) as client, resp.Client(running.connect()) as idle, resp.Client(running.connect()) as waiting:

        def clock():
            return int(client.call("TIME")[0])

        def stepped(seconds, shift):
            step(seconds)
            server.eventually("the server's clock has been set", lambda: abs(clock() - int(time.time()) - shift) < 30)

        assert idle.call("PING") == b"PONG"
        waiting.send("BLPOP", "queue", 600)
        with running.connect("memcache") as memcache:
            exchange(memcache, b"set relative 0 100 1\r\nx\r\nset absolute 0 %d 1\r\nx\r\n" % (clock() + 10_000), b"STORED\r\nSTORED\r\n")
            client.call("SET", "short", "x", "EX", 100)
            client.call("SET", "long", "x", "EX", 10_000)
            client.call("SET", "ever", "x")
            client.call("HSET", "hash", "short", "x", "long", "x")
            client.call("HPEXPIRE", "hash", 100_000, "FIELDS", 1, "short")
            client.call("HPEXPIRE", "hash", 10_000_000, "FIELDS", 1, "long")

            stepped(3600, 3600)
            assert client.call("MGET", "short", "long", "ever", "relative", "absolute") == [None, b"x", b"x", None, b"x"]
            assert 6000 < client.call("TTL", "long") <= 6400
            assert client.call("HGETALL", "hash") == [b"long", b"x"]
            assert exchange(memcache, b"get relative absolute\r\n", b"END\r\n").count(b"VALUE") == 1
            # An hour has not passed for anybody who is connected.
            lines = client.call("CLIENT", "LIST").decode().splitlines()
            assert len(lines) == 5 and all(int(re.search(r" idle=(\d+)", line)[1]) < 60 for line in lines), lines
            assert idle.call("PING") == b"PONG"

            # A pause that is on when the clock is set back ends when it would have.
            assert client.call("CLIENT", "PAUSE", 300, "WRITE") == b"OK"
            stepped(-3600, -3600)
            assert client.call("SET", "after", "pause", "PX", 200) == b"OK"
            server.eventually("it expires by the clock of now", lambda: client.call("GET", "after") is None)
            # What was gone stays gone.
            assert client.call("EXISTS", "short", "relative") == 0
            assert client.call("HEXISTS", "hash", "short") == 0
            assert 13_000 < client.call("TTL", "long") <= 13_700
            assert client.call("OBJECT", "FREQ", "ever") >= 0
            assert exchange(memcache, b"set soon 0 1 1\r\nx\r\n", b"\r\n") == b"STORED\r\n"
            server.eventually("so does it", lambda: client.call("EXISTS", "soon") == 0)

            stepped(50 * 365 * 86_400, 50 * 365 * 86_400)
            assert client.call("MGET", "long", "absolute", "ever") == [None, None, b"x"]
            assert client.call("SET", "k", "v", "EX", 100) == b"OK" and 90 < client.call("TTL", "k") <= 100
            assert exchange(memcache, b"set k2 0 100 1\r\nx\r\nget k2\r\n", b"END\r\n").count(b"VALUE") == 1
            assert info(client, "uptime_in_seconds") < 600
            assert client.call("LPUSH", "queue", "served") == 1
            assert waiting.reply() == [b"queue", b"served"]
            assert idle.call("PING") == b"PONG"
            step(0)


def test_25_value_that_changes_while_it_is_sent_arrives_as_it_was(build_server):
    value = b"a" * (20 * MIB)
    with resp.Client(build_server.connect()) as client, resp.Client(build_server.connect()) as slow:
        for change in (["SET", "big", "b" * 1000], ["SETRANGE", "big", 0, "b" * 100], ["DEL", "big"], ["FLUSHALL"]):
            assert client.call("SET", "big", value) == b"OK"
            slow.send("GET", "big")
            # The first bytes have come, the last cannot have: nobody has read the rest.
            assert slow.socket.recv(21) == b"$%d\r\n" % len(value) + value[:10]
            client.call(*change)
            client.call("MSET", *[word for number in range(20) for word in (f"new:{number}", "c" * MIB)])
            slow.received = b"$%d\r\n" % len(value) + value[:10]
            assert slow.reply() == value


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("io", ["uring", "poll"])
def test_25_value_that_is_overwritten_deleted_or_evicted_while_it_is_sent_stays_whole(start, threads, io):
    running = start(maxmemory="48mb", threads=threads, flags=["--io", io])
    changes = [["SET", "v", "new"], ["DEL", "v"], ["APPEND", "v", "more"], ["SETRANGE", "v", "0", "X"], ["FLUSHALL"]]
    changes.append([["SET", f"fill:{number}", b"y" * 2 * MIB] for number in range(30)])
    value = bytes(at % 251 for at in range(1000)) * 3000
    with resp.Client(running.connect()) as other:
        for change in changes:
            assert other.call("SET", "v", value) == b"OK"
            reader = narrow(running, 64 << 10)
            reader.sendall(resp.command("GET", "v"))
            expected = b"$%d\r\n" % len(value) + value + b"\r\n"
            # Some of it has come, so that it is being sent.
            got = reader.recv(100)
            for command in change if isinstance(change[0], list) else [change]:
                other.call(*command)
            reader.settimeout(20)
            while len(got) < len(expected):
                got += reader.recv(1 << 20)
            assert got == expected, change[0]
            reader.close()


@pytest.mark.larder_only
def test_25_collections_that_change_while_their_reply_is_sent(build_server):
    """A reply is what was there at its moment, however slowly it is read."""
    with resp.Client(build_server.connect()) as other:
        members = [b"%06d" % number + b"m" * 300 for number in range(5000)]
        for batch in batches(members, 1000):
            other.call("RPUSH", "list", *batch)
            other.call("SADD", "set", *batch)
            other.call("HSET", "hash", *[word for member in batch for word in (member[:6], member)])
            other.call("ZADD", "zset", *[word for member in batch for word in (int(member[:6]), member)])
        asks = [["LRANGE", "list", 0, -1], ["SMEMBERS", "set"], ["HVALS", "hash"], ["ZRANGE", "zset", 0, -1]]
        readers = [narrow(build_server, 64 << 10) for _ in asks]
        begun = []
        for reader, ask in zip(readers, asks):
            reader.sendall(resp.command(*ask))
            begun.append(reader.recv(100))
        other.pipeline([["LTRIM", "list", 0, 10], ["DEL", "set"], ["HSET", "hash", "000001", "new"], ["FLUSHALL"]])
        length = len(resp.command(*members))
        for reader in readers:
            reader.settimeout(20)
            got = [begun.pop(0)]
            while (left := length - sum(map(len, got))) > 0:
                got.append(reader.recv(left))
            assert sorted(resp.parse(b"".join(got))[0]) == members
            reader.close()


@pytest.mark.larder_only
@pytest.mark.parametrize("io", ["uring", "poll"])
def test_26_blocks_of_changing_sizes_keep_the_process_within_its_bound(io, start):
    if io == "uring" and not server.io_uring_permitted():
        pytest.skip("io_uring is not permitted here")
    running = start(threads=1, io=io, maxmemory="64mb")
    dice = random.Random(9)
    value = bytes(n * 7 % 256 for n in range(MIB))
    with running.connect("resp") as client:
        for batch in range(40):
            asked = b"".join(resp.command("SET", f"k{dice.randrange(300)}", value[: dice.randrange(40_000, MIB)]) for _ in range(20))
            assert exchange(client, asked, b"+OK\r\n" * 20) == b"+OK\r\n" * 20
            # maxmemory, a tenth, and a base of 40 MiB.
            assert running.process.rss_bytes() < (64 + 6 + 40) * MIB, batch


@pytest.mark.larder_only
@pytest.mark.parametrize("io", ["uring", "poll"])
def test_26_churn_of_everything_stays_within_the_bound(io, start):
    """Values of all sizes and types, with and without a deadline, overwritten, appended to and deleted, many times what fits."""
    running = start(threads=2, io=io, maxmemory="32mb")
    dice = random.Random(26)
    block = bytes(MIB)
    peak = 0
    with resp.Client(running.connect()) as client, running.connect("memcache") as memcache:
        base = running.process.rss_bytes()
        for _ in range(120):
            commands = []
            for _ in range(60):
                size = int(2 ** (dice.random() * 19))
                key, field = f"k{dice.randrange(5000)}", dice.randrange(1000)
                commands.append(dice.choice([
                    ["SET", key, block[:size]],
                    ["SET", key, block[:size], "PX", dice.randrange(1, 2000)],
                    ["APPEND", f"a{dice.randrange(50)}", block[: size // 8]],
                    ["HSET", f"h{dice.randrange(50)}", field, block[: size // 64]],
                    ["RPUSH", f"l{dice.randrange(50)}", block[: size // 64]],
                    ["LTRIM", f"l{dice.randrange(50)}", 0, 500],
                    ["SADD", f"s{dice.randrange(50)}", *range(field, field + 50)],
                    ["ZADD", f"z{dice.randrange(50)}", field, key],
                    ["UNLINK", key, f"h{dice.randrange(50)}"],
                ]))
            replies = client.pipeline(commands)
            assert not [reply for reply in replies if isinstance(reply, resp.Error)]
            size = int(2 ** (dice.random() * 17))
            lines = b"".join(b"set m%d 0 %d %d noreply\r\n%s\r\n" % (dice.randrange(3000), dice.choice([0, 1, 2]), size, block[:size]) for _ in range(20))
            exchange(memcache, lines + b"mn\r\n", b"MN\r\n")
            peak = max(peak, running.process.rss_bytes())
        assert info(client, "evicted_keys") > 100
    assert peak < 32 * MIB * 1.1 + base + 32 * MIB, f"{peak >> 20} MiB, {base >> 20} at the start"
