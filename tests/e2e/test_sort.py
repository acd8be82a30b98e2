"""SORT at random against Redis: by the elements, by other keys, by fields of hashes, stored and not."""

import random

import pytest

import resp
import server

ROUNDS = 400


def fill(dice):
    """Commands that make something to be sorted, and something to sort it by. No two weights are alike: which of them comes first is
    chance in Redis."""
    numbers = dice.sample(range(60), 40)
    commands = [["FLUSHALL"], ["RPUSH", "list", *dice.sample(range(-20, 20), 15), "1.5", "1e1", "0x10"]]
    commands.append(["ZADD", "sorted", *(word for member in dice.sample(range(40), 12) for word in (dice.randint(-5, 5), member))])
    commands += [["SADD", "set", *dice.sample(range(40), 12)], ["RPUSH", "words", "b", "a", "", "aa", "B", "z z", "10"]]
    for number, weight in zip(range(40), numbers):
        if dice.random() < 0.9:
            commands.append(["SET", f"w_{number}", weight])
        commands.append(["HSET", f"h_{number}", "weight", weight, "name", f"name {number}"])
        if dice.random() < 0.5:
            commands.append(["SET", f"n_{number}_x", f"text {number}"])
    return [*commands, ["SET", "text", "x"]]


def sort(dice):
    words = ["SORT", dice.choice(["list", "list", "set", "set", "sorted", "sorted", "words", "none", "text"])]
    if dice.random() < 0.5:
        words += ["BY", dice.choice(["h_*->weight", "h_*->weight", "h_*->none", "nosort", "*", "h_*->name", "w_*->f"])]
    if dice.random() < 0.4:
        words += ["LIMIT", dice.randint(-2, 20), dice.randint(-2, 20)]
    for _ in range(dice.randint(0, 2)):
        words += ["GET", dice.choice(["#", "w_*", "n_*_x", "h_*->name", "none", "h_*->", "*"])]
    words += dice.choice([[], ["ASC"], ["DESC"]])
    # What has no weight is alike as a text, and then it is chance what comes first.
    weighed = "BY" not in words or "nosort" in words or words[1] in ("set", "sorted") and {"h_*->weight", "h_*->name"} & set(words[2:4])
    if weighed and dice.random() < 0.4:
        words.append("ALPHA")
    if dice.random() < 0.3:
        words += ["STORE", dice.choice(["result", "words"])]
    elif dice.random() < 0.2:
        words[0] = "SORT_RO"
    return words


def alike(words, reply):
    """What Redis promises of a reply: nothing of the order of a set that is not sorted."""
    if isinstance(reply, list) and words[1] == "set" and "nosort" in words:
        return len(reply) if "LIMIT" in words else sorted(reply, key=repr)
    return reply


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_sorts_are_answered_as_redis_answers_them(threads, start, request):
    seed = request.config.getoption("--seed") or random.randrange(1 << 32)
    dice = random.Random(seed)
    running = start(threads=threads)
    with server.redis() as peer, resp.Client(running.connect()) as ours, resp.Client(peer.connect()) as theirs:
        for number in range(ROUNDS):
            if number % 40 == 0:
                for command in fill(dice):
                    assert ours.call(*command) == theirs.call(*command)
            words = sort(dice)
            told = f"--seed {seed}, {number}: {words}"
            assert alike(words, ours.call(*words)) == alike(words, theirs.call(*words)), told
            if "STORE" in words:
                stored = words[words.index("STORE") + 1]
                assert ours.call("LRANGE", stored, 0, -1) == theirs.call("LRANGE", stored, 0, -1), told
            if "STORE" in words:
                for client in (ours, theirs):
                    client.call("DEL", "words")
                    client.call("RPUSH", "words", "b", "a", "", "aa", "B", "z z", "10")
