"""A store that may not evict: several values are stored together, or none of them, and the client is told."""

import random

import pytest

import resp

OOM = b"OOM command not allowed when used memory > 'maxmemory'."
ROUNDS = 300


def fill(client, twin):
    number = 0
    while client.call("SET", f"fill:{number}", "x" * 5000) == b"OK":
        twin[f"fill:{number}"] = b"x" * 5000
        number += 1
    assert number > 100


def check(client, twin, names):
    values = client.call("MGET", *names)
    for name, value in zip(names, values):
        assert value == twin.get(name), name


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_many_values_are_stored_all_or_none(threads, start):
    dice = random.Random(threads)
    running = start(threads=threads, maxmemory="16mb", flags=["--maxmemory-policy", "noeviction"])
    with resp.Client(running.connect()) as client:
        twin = {}
        fill(client, twin)
        stored = refused = 0
        for _ in range(ROUNDS):
            gone = dice.sample(sorted(twin), 3)
            client.call("DEL", *gone[: dice.randrange(4)])
            left = client.call("MGET", *gone)
            twin = {name: value for name, value in twin.items() if name not in gone or left[gone.index(name)] is not None}
            # New keys and old ones, of sizes that fit their chunks and of others.
            names = [f"new:{dice.randrange(60)}" for _ in range(dice.randrange(2, 9))]
            names += dice.sample(sorted(twin), 2)
            values = [b"y" * dice.choice([3, 700, 5000, 5001, 30_000, 30_000]) for _ in names]
            pairs = [word for pair in zip(names, values) for word in pair]
            command = dice.choice(["MSET", "MSET", "MSETNX", "EXEC"])
            if command == "EXEC":
                replies = client.pipeline([["MULTI"], ["GET", names[0]], ["MSET", *pairs], ["STRLEN", names[-1]], ["EXEC"]])
                reply = replies[-1][1]
            else:
                reply = client.call(command, *pairs)
            if reply in (b"OK", 1):
                stored += 1
                twin.update(zip(names, values))
            elif command == "MSETNX" and reply == 0:
                assert any(name in twin for name in names)
            else:
                assert reply == OOM, reply
                refused += 1
            check(client, twin, names)
        check(client, twin, sorted(twin))
        assert client.call("DBSIZE") == len(twin)
        assert stored > 20 and refused > 20, (stored, refused)


@pytest.mark.larder_only
def test_values_of_changing_sizes_leave_no_holes(start):
    """What was given back for values that are gone is the system's again, whatever size the next ones have."""
    dice = random.Random(1)
    running = start(threads=2, maxmemory="64mb")
    clients = [resp.Client(running.connect()) for _ in range(8)]
    block = bytes(1_000_000)
    for _ in range(400):
        for client in clients:
            size = int(30_000 * 33 ** dice.random())
            client.send("SET", f"value:{dice.randrange(3000)}", block[:size])
        for client in clients:
            assert client.reply() == b"OK"
    memory = clients[0].call("INFO", "memory").decode()
    used = next(int(line.split(":")[1]) for line in memory.splitlines() if line.startswith("used_memory:"))
    assert used < 90 << 20
    assert running.process.rss_bytes() < used + (24 << 20)
    for client in clients:
        client.close()
