"""Clients that wait for elements: several of them at random against Redis, many of them in order, and those that go."""

import random
import resource
import time

import pytest

import resp
import server

SPREAD = ["a", "b", "c", "d"]
TOGETHER = ["{t}a", "{t}b", "{t}c", "{t}d"]
CLIENTS = 5
STEPS = 30


class Party:
    """One client of one server: its connection, and its id."""

    def __init__(self, running, proto):
        self.socket, self.received = running.connect(), b""
        if proto == 3:
            self.call("HELLO", "3")
        self.id = self.call("CLIENT", "ID")

    def send(self, *commands):
        self.socket.sendall(b"".join(resp.command(*command) for command in commands))

    def call(self, *command):
        self.send(command)
        return self.reply()

    def reply(self, timeout_s=server.REPLY_TIMEOUT_S):
        """The next reply; `...` if none comes in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                reply, used = resp.parse(self.received)
                self.received = self.received[used:]
                return reply
            except IndexError:
                pass
            self.socket.settimeout(max(deadline - time.monotonic(), 0.0005))
            try:
                more = self.socket.recv(1 << 16)
            except TimeoutError:
                return ...
            assert more, "the server has closed"
            self.received += more

    def close(self):
        self.socket.close()


class Side:
    """One server with its clients, and one that looks on."""

    def __init__(self, running, proto):
        self.onlooker = Party(running, 2)
        self.onlooker.call("FLUSHALL")
        self.parties = [Party(running, proto) for _ in range(CLIENTS)]

    def blocked(self):
        """The ids of clients that wait."""
        lines = [dict(field.split("=", 1) for field in line.split()) for line in self.onlooker.call("CLIENT", "LIST").decode().splitlines()]
        return {int(line["id"]) for line in lines if "b" in line["flags"]}

    def settle(self, at):
        """The reply of a client, or `...` once it waits for sure."""
        while True:
            reply = self.parties[at].reply(0.001)
            if reply is not ... or self.parties[at].id in self.blocked():
                return reply

    def close(self):
        for party in [*self.parties, self.onlooker]:
            party.close()


class Scene:
    """What is said. `chains`: what is moved may be waited for again, and a transaction may push to several keys. Over several
    shards it is chance which of these is seen first; Redis has an order there."""

    def __init__(self, dice, keys, chains):
        self.dice, self.keys, self.chains = dice, keys, chains

    def key(self):
        return self.dice.choice(self.keys)

    def number(self):
        return self.dice.randint(0, 99)

    def waiting(self):
        end = lambda: self.dice.choice(["LEFT", "RIGHT"])
        keys = [self.key() for _ in range(self.dice.randint(1, 3))]
        to = self.key() if self.chains else "sink"
        return self.dice.choice(
            [
                ["BLPOP", *keys, "0"],
                ["BRPOP", *keys, "0"],
                ["BLMOVE", self.key(), to, end(), end(), "0"],
                ["BRPOPLPUSH", self.key(), to, "0"],
                ["BLMPOP", "0", len(keys), *keys, end(), "COUNT", self.dice.randint(1, 3)],
            ]
        )

    def plain(self):
        one, other, number = self.key(), self.key(), self.number
        return self.dice.choice(
            [
                [["RPUSH", one, *[number() for _ in range(self.dice.randint(1, 4))]]],
                [["LPUSH", one, number()]],
                [["RPUSH", one, number()]],
                [["LPOP", one]],
                [["LRANGE", one, 0, -1]],
                [["DEL", one, other]],
                [["RENAME", one, other]],
                [["COPY", one, other, "REPLACE"]],
                [["LMOVE", one, other, "LEFT", "RIGHT"]],
                [["SET", one, number()]],
                [["SADD", one, number()]],
                [["TYPE", one]],
                [["FLUSHALL"]],
                # Redis 7.0 wakes nobody where a sort stores over another kind of value.
                [["DEL", other], ["SORT", one, "ALPHA", "STORE", other]],
                [["SELECT", 1], ["FLUSHDB"], ["RPUSH", one, number()], ["MOVE", one, 0], ["SELECT", 0]],
                # Of one key: in which order several are looked at is chance.
                [["SELECT", 1], ["FLUSHDB"], ["RPUSH", one, number(), number()], ["SELECT", 0], ["SWAPDB", 0, 1]],
                [["CLIENT", "UNBLOCK", None, *self.dice.choice([[], ["ERROR"], ["TIMEOUT"]])]],
                self.transaction(),
            ]
        )

    def transaction(self):
        inside, pushed = [], self.key()
        for _ in range(self.dice.randint(1, 4)):
            key = self.key()
            to = key if self.chains else pushed
            choice = [*self.in_a_transaction(to, key), ["DEL", key], ["SET", key, 1]]
            waiting = self.chains and self.dice.random() < 0.2
            inside.append(self.waiting() if waiting else self.dice.choice(choice))
        return [["MULTI"], *inside, ["EXEC"]]

    def in_a_transaction(self, to, key):
        return [["RPUSH", to, self.number()], ["LPOP", key]]


class Sorted(Scene):
    """The same with sorted sets."""

    def entries(self, most):
        """Scores, some of them alike, and members."""
        return [word for _ in range(self.dice.randint(1, most)) for word in (self.dice.choice([-1, 0, 0.5, "inf", 3]), self.number())]

    def waiting(self):
        keys = [self.key() for _ in range(self.dice.randint(1, 3))]
        end = self.dice.choice(["MIN", "MAX"])
        return self.dice.choice(
            [
                ["BZPOPMIN", *keys, "0"],
                ["BZPOPMAX", *keys, "0"],
                ["BZMPOP", "0", len(keys), *keys, end, "COUNT", self.dice.randint(1, 3)],
                ["BZMPOP", "0", len(keys), *keys, end],
            ]
        )

    def plain(self):
        one, other = self.key(), self.key()
        return self.dice.choice(
            [
                [["ZADD", one, *self.entries(4)]],
                [["ZADD", one, *self.entries(1)]],
                [["ZADD", one, self.dice.choice(["NX", "XX", "CH", "GT"]), *self.entries(2)]],
                [["ZINCRBY", one, 1.5, self.number()]],
                [["ZADD", one, "INCR", 1, self.number()]],
                [["ZPOPMIN", one]],
                [["ZRANGE", one, 0, -1, "WITHSCORES"]],
                [["ZREMRANGEBYRANK", one, 0, 1]],
                [["DEL", one, other]],
                [["RENAME", one, other]],
                [["COPY", one, other, "REPLACE"]],
                [["SET", one, self.number()]],
                [["SADD", one, self.number()]],
                [["RPUSH", one, self.number()]],
                [["FLUSHALL"]],
                # Redis 7.0 wakes nobody where something is stored over another kind of value.
                [["DEL", other], ["ZUNIONSTORE", other, 2, one, other]],
                [["DEL", other], ["ZINTERSTORE", other, 1, one, "WEIGHTS", 2]],
                [["DEL", other], ["ZDIFFSTORE", other, 2, one, other]],
                [["DEL", other], ["ZRANGESTORE", other, one, 0, 2]],
                [["SELECT", 1], ["FLUSHDB"], ["ZADD", one, *self.entries(2)], ["MOVE", one, 0], ["SELECT", 0]],
                [["SELECT", 1], ["FLUSHDB"], ["ZADD", one, *self.entries(3)], ["SELECT", 0], ["SWAPDB", 0, 1]],
                [["CLIENT", "UNBLOCK", None, *self.dice.choice([[], ["ERROR"], ["TIMEOUT"]])]],
                self.transaction(),
            ]
        )

    def in_a_transaction(self, to, key):
        return [["ZADD", to, *self.entries(2)], ["ZPOPMAX", key]]


class Both(Sorted):
    """Lists and sorted sets under the same names: whoever waits for one is not served the other."""

    def waiting(self):
        return self.dice.choice([super().waiting, lambda: Scene.waiting(self)])()

    def plain(self):
        return self.dice.choice([super().plain, lambda: Scene.plain(self)])()

    def in_a_transaction(self, to, key):
        return [*super().in_a_transaction(to, key), *Scene.in_a_transaction(self, to, key)]


def play(scene, ours, theirs, one_core):
    """Says the same to both, and compares all replies; nothing is left to time."""
    log, waiting, dice = [], set(), scene.dice
    for step in range(STEPS):
        free = [at for at in range(CLIENTS) if at not in waiting]
        at = dice.choice(free)
        if len(free) > 1 and dice.random() < 0.35:
            commands = [scene.waiting()]
        else:
            commands = scene.plain()
            if one_core:
                # In the same bytes: whoever is served is served before anything else happens. (Where an element goes on to another
                # core's list it arrives there a hop later, which the next request of the same pipeline may not see.)
                commands = commands + [["LLEN", scene.key()] for _ in range(dice.randint(0, 2))]
        log.append((at, commands))
        told = "\n".join(f"  {client}: {said}" for client, said in log)
        for side in (theirs, ours):
            named = sorted(waiting)[step % len(waiting)] if waiting else at
            said = [[side.parties[named].id if word is None else word for word in command] for command in commands]
            side.parties[at].send(*said)
        if commands[0][0].startswith("B"):
            expected = [theirs.settle(at)]
            got = [ours.settle(at)]
            if expected == [...]:
                waiting.add(at)
        else:
            expected = [theirs.parties[at].reply() for _ in commands]
            got = [ours.parties[at].reply() for _ in commands]
        assert got == expected, f"\n{told}\n"
        still = theirs.blocked() if waiting else set()
        for client in sorted(waiting):
            if theirs.parties[client].id in still:
                continue
            waiting.discard(client)
            assert ours.parties[client].reply() == theirs.parties[client].reply(), f"client {client}\n{told}"
        assert {party.id for party in ours.parties} & ours.blocked() == {ours.parties[at].id for at in waiting}, told


@pytest.mark.larder_only
@pytest.mark.parametrize("kind", [Scene, Sorted, Both])
@pytest.mark.parametrize("threads,keys,chains", [(1, SPREAD, True), (3, TOGETHER, True), (3, SPREAD, False)])
def test_clients_that_wait_are_served_as_redis_serves_them(threads, keys, chains, kind, start, request):
    seed = request.config.getoption("--seed") or random.randrange(1 << 32)
    running = start(threads=threads)
    with server.redis() as peer:
        for number in range(25):
            dice = random.Random(seed + number)
            proto = dice.choice([2, 3])
            ours, theirs = Side(running, proto), Side(peer, proto)
            try:
                play(kind(dice, keys, chains), ours, theirs, threads == 1)
            except AssertionError as failure:
                raise AssertionError(f"--seed {seed + number}: {failure}") from None
            finally:
                ours.close()
                theirs.close()


def blocked_clients(client):
    return int(next(line for line in client.call("INFO", "clients").decode().splitlines() if line.startswith("blocked_clients:")).split(":")[1])


@pytest.mark.parametrize("threads", [1, 3])
def test_many_clients_are_served_in_order_of_arrival(threads, start, request):
    """Ten thousand over several cores, and a thousand on one, or as many as there may be descriptors; fewer with fewer
    `--commands`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 12_000)), hard))
    wanted = (10_000 if threads > 1 else 1000) * request.config.getoption("--commands") // 100_000
    count = max(min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 1000), 10)
    running = start(threads=threads, **({} if request.config.getoption("--target") == "peer" else {"flags": ["--maxclients", 20_000]}))
    control = Party(running, 2)
    parties = []
    for number in range(count):
        party = Party(running, 2)
        party.send(["BLPOP", f"none:{number}", "queue", 0])
        parties.append(party)
        # Who comes after it comes after it: it is known to stand in line.
        if number % 50 == 49 or number < 100:
            server.eventually("they wait", lambda: blocked_clients(control) == len(parties), pause_s=0)
    order = []
    for start_at in range(0, count, 100):
        elements = list(range(start_at, min(start_at + 100, count)))
        control.call("RPUSH", "queue", *elements)
        order += [(number, int(parties[number].reply()[1])) for number in elements]
    # Those that were not waited for one by one may have changed places within their fifty.
    assert all(number == got for number, got in order[:100])
    assert all(abs(number - got) < 50 for number, got in order)
    assert sorted(got for _, got in order) == list(range(count))
    assert blocked_clients(control) == 0 and control.call("EXISTS", "queue") == 0
    for party in [*parties, control]:
        party.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_clients_that_go_take_nothing_with_them(threads, start):
    running = start(threads=threads)
    control = Party(running, 2)
    stays = Party(running, 2)
    for way in ["close", "kill", "unblock"]:
        goes = Party(running, 2)
        # A line for another kind of value, which is left as well.
        both = Party(running, 2)
        both.send(["BZPOPMAX", "y", "z", 0])
        server.eventually("it waits", lambda: blocked_clients(control) == 1)
        both.close()
        server.eventually("it waits no longer", lambda: blocked_clients(control) == 0)
        goes.send(["BRPOP", "x", "y", 0])
        server.eventually("it waits", lambda: blocked_clients(control) == 1)
        stays.send(["BLMOVE", "y", "z", "LEFT", "LEFT", 0])
        server.eventually("both wait", lambda: blocked_clients(control) == 2)
        if way == "close":
            goes.close()
        elif way == "kill":
            assert control.call("CLIENT", "KILL", "ID", goes.id) == 1
        else:
            assert control.call("CLIENT", "UNBLOCK", goes.id, "ERROR") == 1
            assert goes.reply() == resp.Error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK")
            assert goes.call("PING") == b"PONG"
        server.eventually("it waits no longer", lambda: blocked_clients(control) == 1)
        control.call("RPUSH", "y", way)
        assert stays.reply() == way.encode()
        assert control.call("LPOP", "z") == way.encode()
    assert control.call("DBSIZE") == 0


def test_a_timeout_ends_in_its_time_and_costs_nothing_until_then(start):
    running = start(threads=3)
    client = Party(running, 2)
    for command in [["BLPOP", "a", "b", "c", 0.2], ["BRPOPLPUSH", "a", "b", 0.2]]:
        began = time.monotonic()
        assert client.call(*command) is None
        assert 0.195 < time.monotonic() - began < 5


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_a_client_that_waits_hears_what_it_has_subscribed_to(threads, start):
    """Messages do not wait for the reply, and the reply is what it would be without them. Redis 7.0 does the same with clients of
    RESP3; those of RESP2 cannot wait while they listen."""
    running = start(threads=threads)
    with server.redis() as peer:
        for each in (running, peer):
            waiter, control = Party(each, 3), Party(each, 2)
            waiter.send(["SUBSCRIBE", "news"])
            assert waiter.reply() == [b"subscribe", b"news", 1]
            for number, (wait, give, reply) in enumerate(
                [
                    (["BLPOP", "a", "b", "c", 0], ["RPUSH", "c", "x"], [b"c", b"x"]),
                    (["BLMOVE", "a", "b", "LEFT", "LEFT", 0], ["RPUSH", "a", "y"], b"y"),
                    (["BZPOPMIN", "y", "z", 0], ["ZADD", "z", 1, "m"], [b"z", b"m", 1.0]),
                ]
            ):
                waiter.send(wait)
                server.eventually("it waits", lambda: blocked_clients(control) == 1)
                for part in range(3):
                    assert control.call("PUBLISH", "news", f"{number}.{part}") == 1
                    assert waiter.reply() == [b"message", b"news", b"%d.%d" % (number, part)]
                assert blocked_clients(control) == 1
                # What gives and what publishes are on the same core, or one after the other: on others one may overtake.
                if threads == 1 or each is peer:
                    control.send(give, ["PUBLISH", "news", "behind"])
                    assert [waiter.reply(), waiter.reply()] == [reply, [b"message", b"news", b"behind"]]
                    assert control.reply() == 1 and control.reply() == 1
                else:
                    assert control.call(*give) == 1 and waiter.reply() == reply
            waiter.close()
            control.close()


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("what", ["ALL", "WRITE"])
def test_a_pause_holds_what_would_serve_those_who_wait(threads, what, start):
    """As in Redis: the client stands in line through the pause, and its time runs."""
    running = start(threads=threads)
    with server.redis() as peer:
        for each in (running, peer):
            waiter, pusher, control, hasty, late = (Party(each, 2) for _ in range(5))
            waiter.send(["BLPOP", "none", "queue", 0])
            hasty.send(["BLPOP", "other", 0.3])
            server.eventually("they wait", lambda: blocked_clients(control) == 2)
            # A pause of all holds even what would end it.
            assert control.call("CLIENT", "PAUSE", 60_000 if what == "WRITE" else 1000, what) == b"OK"
            pusher.send(["RPUSH", "queue", "x"])
            late.send(["BLPOP", "queue", 0])
            # A read is answered in a pause of those who write.
            if what == "WRITE":
                assert control.call("EXISTS", "queue") == 0
            assert hasty.reply() is None
            assert pusher.reply(0.01) is late.reply(0.01) is waiter.reply(0.01) is ...
            assert control.call("CLIENT", "UNPAUSE") == b"OK"
            assert pusher.reply() == 1
            assert waiter.reply() == [b"queue", b"x"]
            assert control.call("RPUSH", "queue", "y") == 1
            assert late.reply() == [b"queue", b"y"]
            for party in (waiter, pusher, control, hasty, late):
                party.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_those_who_wait_can_be_killed_and_are_never_evicted_for_it(threads, start):
    running = start(threads=threads)
    control = Party(running, 2)
    waiters = [Party(running, 2) for _ in range(4)]
    assert waiters[0].call("CLIENT", "NO-EVICT", "ON") == b"OK"
    for number, waiter in enumerate(waiters):
        waiter.send(["BLPOP", "queue", 0])
        server.eventually("it waits", lambda: blocked_clients(control) == number + 1)
    assert control.call("CLIENT", "KILL", "ID", waiters[1].id) == 1
    server.eventually("it waits no longer", lambda: blocked_clients(control) == 3)
    lines = control.call("CLIENT", "LIST").decode().splitlines()
    flags = {int(line.split()[0][3:]): line.partition(" flags=")[2].split()[0] for line in lines}
    assert ("e" in flags[waiters[0].id]) and "b" in flags[waiters[0].id] and flags[waiters[2].id] == "b"
    assert control.call("CLIENT", "KILL", "ID", waiters[3].id, "SKIPME", "no") == 1
    server.eventually("it waits no longer", lambda: blocked_clients(control) == 2)
    assert control.call("RPUSH", "queue", "x", "y", "z") == 3
    assert [waiters[0].reply(), waiters[2].reply()] == [[b"queue", b"x"], [b"queue", b"y"]]
    assert control.call("LRANGE", "queue", 0, -1) == [b"z"]
    for party in (*waiters, control):
        party.close()


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_a_full_shard_serves_those_who_wait(threads, start):
    """Everything that comes makes something else go: what is pushed is given to the client that waits, and not evicted before."""
    running = start(threads=threads, maxmemory="64mb")
    control = Party(running, 2)
    waiters = [Party(running, 2) for _ in range(20)]
    filler = b"v" * 2000
    evicted = lambda: int(control.call("INFO", "stats").partition(b"evicted_keys:")[2].split()[0])
    number = 0
    for round_ in range(20):
        for at, waiter in enumerate(waiters):
            waiter.send(["BLMPOP", 0, 2, f"none:{at}", f"queue:{at}", "LEFT", "COUNT", 2] if at % 2 else ["BZPOPMAX", f"queue:{at}", 0])
        server.eventually("they wait", lambda: blocked_clients(control) == len(waiters))
        for at, waiter in enumerate(waiters):
            control.send(*(["SET", f"filler:{number + i}", filler] for i in range(100)))
            number += 100
            assert [control.reply() for _ in range(100)] == [b"OK"] * 100
            if at % 2:
                assert control.call("RPUSH", f"queue:{at}", round_, at) == 2
                assert waiter.reply() == [b"queue:%d" % at, [b"%d" % round_, b"%d" % at]]
            else:
                assert control.call("ZADD", f"queue:{at}", round_, at) == 1
                assert waiter.reply() == [b"queue:%d" % at, b"%d" % at, b"%d" % round_]
    assert evicted() > 1000
    for party in (*waiters, control):
        party.close()
