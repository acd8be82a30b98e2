"""Dumps of all items: whole, at the pace of their readers, and beside other clients."""

import socket
import threading

import pytest

import server
from rough import exchange
from test_memcache_stats import number, stats

CLIENTS = 50
MIB = 1 << 20


def fill(client, count, key=b"key:%08d"):
    """Stores items in batches; the names."""
    names = [key % i for i in range(count)]
    for start in range(0, count, 5000):
        stores = b"".join(b"set %s 0 0 1 noreply\r\nx\r\n" % name for name in names[start : start + 5000])
        exchange(client, stores + b"version\r\n", b"\r\n")
    return names


def slow_reader(running):
    """A connection whose kernel buffers are small."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.settimeout(server.REPLY_TIMEOUT_S)
    client.connect(("127.0.0.1", running.memcache_port))
    return client


class Busy:
    """Clients that read and write other keys until told to stop; every reply is checked."""

    def __init__(self, running, count):
        self.stop, self.served, self.errors = threading.Event(), [0] * count, []
        self.threads = [threading.Thread(target=self.work, args=(running, i)) for i in range(count)]

    def work(self, running, index):
        try:
            with running.connect("memcache") as client:
                while not self.stop.is_set():
                    request = b"set other%d 0 0 3\r\nabc\r\nget other%d\r\n" % (index, index)
                    expected = b"STORED\r\nVALUE other%d 0 3\r\nabc\r\nEND\r\n" % index
                    got = exchange(client, request, b"END\r\n")
                    assert got == expected, got
                    self.served[index] += 1
        except (AssertionError, OSError) as error:
            self.errors.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors[:3]


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_is_dumped_while_others_are_served(threads, start, request):
    """A tenth of what is to be shown; `--commands 1000000` shows all of it."""
    items = request.config.getoption("--commands")
    running = start(threads=threads)
    with running.connect("memcache") as client:
        names = fill(client, items)
        with Busy(running, CLIENTS) as busy:
            server.eventually("all clients are served", lambda: all(busy.served))
            before = list(busy.served)
            dump = exchange(client, b"lru_crawler metadump all\r\n", b"END\r\n")
            mgdump = exchange(client, b"lru_crawler mgdump hash\r\n", b"EN\r\n")
            server.eventually("all go on", lambda: all(now > then for now, then in zip(busy.served, before)))
        keys = {line.split(b" ", 1)[0] for line in dump.split(b"\n")}
        assert keys >= {b"key=" + name.replace(b":", b"%3A") for name in names}
        assert set(mgdump.split(b"\r\n")) >= {b"mg " + name for name in names}
        assert exchange(client, b"get key:00000007\r\n", b"END\r\n") == b"VALUE key:00000007 0 1\r\nx\r\nEND\r\n"


@pytest.mark.larder_only
def test_items_are_dumped_while_the_index_changes(build_server):
    """What is there from the beginning to the end is shown, whatever else comes and goes."""
    with build_server.connect("memcache") as client, build_server.connect("memcache") as other, slow_reader(build_server) as dumper:
        names = fill(client, 20_000, b"stays%06d" + b"_" * 100)
        dumper.sendall(b"lru_crawler metadump all\r\n")
        dump = dumper.recv(1 << 16)
        fill(other, 60_000, b"comes%06d")
        exchange(other, b"".join(b"delete comes%06d noreply\r\n" % i for i in range(60_000)) + b"version\r\n", b"\r\n")
        dump += exchange(dumper, b"", b"END\r\n")
        shown = {line.split(b" ", 1)[0] for line in dump.split(b"\n")}
        assert shown >= {b"key=" + name for name in names}


@pytest.mark.larder_only
def test_a_dump_that_is_not_read_holds_a_bounded_buffer(build_server):
    process = build_server.process
    with build_server.connect("memcache") as client:
        # A dump is about 25 MB, and there are 32 of them.
        fill(client, 60_000, b"key:%08d" + b"%%" * 100)
        before = process.rss_bytes()
        readers = [slow_reader(build_server) for _ in range(32)]
        for reader in readers:
            reader.sendall(b"lru_crawler metadump all\r\nversion\r\n")
        for reader in readers:
            assert reader.recv(4) == b"key="
        for _ in range(300):
            exchange(client, b"get key:00000000%s\r\n" % (b"%" * 100), b"END\r\n")
        assert process.rss_bytes() - before < 16 * MIB
        # One goes on and gets everything, and the reply behind it; the others leave.
        rest = bytearray()
        while b"\nEND\r\nVERSION " not in rest[-100:]:
            rest += readers[0].recv(1 << 20)
        assert rest.count(b" cls=") == 60_000
        for reader in readers:
            reader.close()
        server.eventually("they are gone", lambda: number(stats(client), "curr_connections") == 1)


@pytest.mark.larder_only
def test_classes_are_dumped_by_number(build_server):
    with build_server.connect("memcache") as client:
        exchange(client, b"set small 0 0 1\r\nx\r\nset big 0 0 1000\r\n" + b"x" * 1000 + b"\r\n", b"STORED\r\nSTORED\r\n")
        dump = exchange(client, b"lru_crawler metadump all\r\n", b"END\r\n")
        lines = dict(line.split(b" ", 1) for line in dump.split(b"\n")[:-2])
        classes = {key: int(dict(f.split(b"=") for f in facts.split())[b"cls"]) for key, facts in lines.items()}
        small, big = classes[b"key=small"], classes[b"key=big"]
        assert small < big
        one = exchange(client, b"lru_crawler metadump %d\r\n" % big, b"END\r\n")
        assert one.startswith(b"key=big ") and one.count(b"\n") == 2
        assert exchange(client, b"lru_crawler metadump %d,%d\r\n" % (small, big), b"END\r\n").count(b"\n") == 3
        assert exchange(client, b"lru_crawler metadump %d\r\n" % (big + 1), b"END\r\n") == b"END\r\n"


def test_a_client_that_says_no_more_gets_its_dump(build_server):
    """As `nc` does with an end of input."""
    with build_server.connect("memcache") as client:
        exchange(client, b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
        client.sendall(b"lru_crawler metadump all\r\n")
        client.shutdown(socket.SHUT_WR)
        got = b""
        while more := client.recv(1 << 16):
            got += more
        assert got.startswith(b"key=a exp=-1 ") and got.endswith(b"\nEND\r\n")
