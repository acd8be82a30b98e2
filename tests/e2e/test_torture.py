"""Multi-key commands are atomic: money moves between keys on all shards, and the sum never changes."""

import random
import threading

import resp

ACCOUNTS = [f"account:{number}" for number in range(24)]
START_BALANCE = 1000
WRITERS = 6
READERS = 3
ROUNDS = 1500


class Crew:
    """Threads with a connection each; the first failure of any is the test's."""

    def __init__(self, running):
        self.running, self.threads, self.failures = running, [], []

    def add(self, work, *arguments):
        def run():
            try:
                with resp.Client(self.running.connect()) as client:
                    work(client, *arguments)
            except BaseException as failure:
                self.failures.append(failure)

        self.threads.append(threading.Thread(target=run))

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


def open_accounts(running):
    with resp.Client(running.connect()) as client:
        client.call("MSET", *[word for account in ACCOUNTS for word in (account, START_BALANCE)])


def total(client):
    return sum(int(balance) for balance in client.call("MGET", *ACCOUNTS))


def read_until(done, client):
    """Also with the keys in another order, and in a transaction."""
    sums = []
    while True:
        last = done.is_set()
        sums.append(total(client))
        client.pipeline([["MULTI"], ["MGET", *ACCOUNTS[::-1]], ["GET", ACCOUNTS[0]]])
        inside, first = client.call("EXEC")
        sums.append(sum(int(balance) for balance in inside))
        assert inside[-1] == first, "a transaction saw two states"
        if last:
            break
    assert set(sums) == {START_BALANCE * len(ACCOUNTS)}, f"sums seen: {sorted(set(sums))}"


def play(running, move):
    open_accounts(running)
    done = threading.Event()
    readers, writers = Crew(running), Crew(running)
    for _ in range(READERS):
        readers.add(lambda client: read_until(done, client))
    for seed in range(WRITERS):
        writers.add(lambda client, seed: move(client, random.Random(seed)), seed)
    for thread in readers.threads:
        thread.start()
    try:
        writers.run()
    finally:
        done.set()
        for thread in readers.threads:
            thread.join()
    if readers.failures:
        raise readers.failures[0]
    with resp.Client(running.connect()) as client:
        assert total(client) == START_BALANCE * len(ACCOUNTS)


def test_transfers_by_transaction_keep_the_sum(build_server):
    def move(client, dice):
        for _ in range(ROUNDS):
            debtor, creditor = dice.sample(ACCOUNTS, 2)
            amount = dice.randrange(1, 50)
            replies = client.pipeline([["MULTI"], ["DECRBY", debtor, amount], ["INCRBY", creditor, amount], ["EXEC"]])
            assert len(replies[-1]) == 2

    play(build_server, move)


def test_transfers_by_watch_and_mset_keep_the_sum(build_server):
    """Optimistic: both balances are read, and written by one MSET unless somebody was quicker."""

    def move(client, dice):
        moved = 0
        while moved < ROUNDS // 8:
            debtor, creditor = dice.sample(ACCOUNTS, 2)
            amount = dice.randrange(1, 50)
            client.call("WATCH", debtor, creditor)
            one, other = (int(balance) for balance in client.call("MGET", debtor, creditor))
            commands = [["MULTI"], ["MSET", debtor, one - amount, creditor, other + amount], ["EXEC"]]
            moved += client.pipeline(commands)[-1] is not None

    play(build_server, move)


def test_mset_is_seen_whole(build_server):
    """Every MSET writes one value to all keys: no reader ever sees two."""
    done = threading.Event()
    readers, writers = Crew(build_server), Crew(build_server)
    open_accounts(build_server)

    def write(client, writer):
        for number in range(ROUNDS):
            client.call("MSET", *[word for account in ACCOUNTS for word in (account, f"{writer}:{number}")])

    def read(client):
        while not done.is_set():
            assert len(set(client.call("MGET", *ACCOUNTS))) == 1

    for writer in range(WRITERS):
        writers.add(write, writer)
    for _ in range(READERS):
        readers.add(read)
    for thread in readers.threads:
        thread.start()
    try:
        writers.run()
    finally:
        done.set()
        for thread in readers.threads:
            thread.join()
    if readers.failures:
        raise readers.failures[0]


def test_msetnx_and_rename_have_one_winner(build_server):
    """Of all that try at once to take a set of keys, or to move one away, exactly one does."""
    wins = []

    def take(client, who):
        for number in range(100):
            keys = [f"lock:{number}:{part}" for part in range(4)]
            random.Random(who).shuffle(keys)
            if client.call("MSETNX", *[word for key in keys for word in (key, who)]):
                wins.append(number)

    crew = Crew(build_server)
    for who in range(WRITERS):
        crew.add(take, who)
    crew.run()
    assert sorted(wins) == list(range(100))

    moved = []

    def steal(client, who):
        for number in range(100):
            if client.call("RENAME", f"lock:{number}:0", f"loot:{who}:{number}") == b"OK":
                moved.append(number)

    crew = Crew(build_server)
    for who in range(WRITERS):
        crew.add(steal, who)
    crew.run()
    assert sorted(moved) == list(range(100))


def test_pipelines_over_all_shards_keep_their_order(build_server):
    """Single and multi-key commands mixed: replies come in the order of the requests, for many clients at once."""

    def work(client, who):
        commands, expected = [], []
        for number in range(300):
            key, other = f"own:{who}:{number % 7}", f"own:{who}:{(number + 3) % 7}"
            commands += [["SET", key, number], ["GET", key], ["MSET", key, "a", other, "b"], ["MGET", other, key]]
            expected += [b"OK", str(number).encode(), b"OK", [b"b", b"a"]]
            commands += [["MULTI"], ["DEL", key], ["EXISTS", key, other], ["EXEC"], ["ECHO", number]]
            expected += [b"OK", b"QUEUED", b"QUEUED", [1, 1], str(number).encode()]
        assert client.pipeline(commands) == expected

    crew = Crew(build_server)
    for who in range(WRITERS):
        crew.add(work, who)
    crew.run()
