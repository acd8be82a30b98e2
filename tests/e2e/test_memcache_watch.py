"""memcached's `watch`: lines of its form, from all cores, to watchers that read and to some that do not."""

import re

import pytest

import packets
import server
from rough import exchange
from test_memcache_dump import slow_reader
from test_memcache_stats import number, stats

HEAD = re.compile(rb"ts=\d+\.\d{6} gid=\d+ type=")


def watch(running, topics):
    watcher = running.connect("memcache")
    exchange(watcher, b"watch %s\r\n" % topics, b"OK\r\n")
    return watcher


def told(client, watcher, request, ending):
    """The lines that a request makes, without time, number and descriptor. A get of `end` ends them."""
    exchange(client, request, ending)
    return lines_until(client, watcher, b"end")


def lines_until(client, watcher, key):
    exchange(client, b"get %s\r\n" % key, b"END\r\n")
    return read_until(watcher, key)


def read_until(watcher, key):
    got = exchange(watcher, b"", b"")
    while not re.search(rb"type=item_get key=%s [^\n]*\n\Z" % key, got):
        more = watcher.recv(1 << 20)
        assert more, got
        got += more
    lines = got.split(b"\n")[:-2]
    assert all(HEAD.match(line) for line in lines), lines
    return [re.sub(rb"cfd=\d+", b"cfd=N", HEAD.sub(b"", line)) for line in lines]


def classless(lines):
    return [re.sub(rb"clsid=\d+", b"clsid=C", line) for line in lines]


CASES = [
    (b"get a\r\n", b"END\r\n", [b"item_get key=a status=not_found clsid=C cfd=N size=0"]),
    (
        b"set a 0 0 3\r\nxyz\r\n",
        b"STORED\r\n",
        [
            b"item_get key=a status=not_found clsid=C cfd=N size=0",
            b"item_store key=a status=stored cmd=set ttl=0 clsid=C cfd=N size=3",
        ],
    ),
    (
        b"get a b%c\r\n",
        b"END\r\n",
        [
            b"item_get key=a status=found clsid=C cfd=N size=3",
            b"item_get key=b%25c status=not_found clsid=C cfd=N size=0",
        ],
    ),
    (
        b"add a 0 0 1\r\nx\r\n",
        b"NOT_STORED\r\n",
        [
            b"item_get key=a status=found clsid=C cfd=N size=3",
            b"item_store key=a status=not_stored cmd=add ttl=0 clsid=C cfd=N size=1",
        ],
    ),
    (b"touch a 100\r\n", b"TOUCHED\r\n", [b"item_get key=a status=found clsid=C cfd=N size=3"]),
    (
        b"append a 0 0 1\r\ny\r\n",
        b"STORED\r\n",
        [
            b"item_get key=a status=found clsid=C cfd=N size=3",
            b"item_store key=a status=stored cmd=append ttl=100 clsid=C cfd=N size=4",
        ],
    ),
    (
        b"cas a 0 0 1 99999999\r\nz\r\n",
        b"EXISTS\r\n",
        [
            b"item_get key=a status=found clsid=C cfd=N size=4",
            b"item_store key=a status=exists cmd=cas ttl=0 clsid=C cfd=N size=1",
        ],
    ),
    (
        b"cas none 0 0 1 9\r\nz\r\n",
        b"NOT_FOUND\r\n",
        [
            b"item_get key=none status=not_found clsid=C cfd=N size=0",
            b"item_store key=none status=not_found cmd=cas ttl=0 clsid=C cfd=N size=1",
        ],
    ),
    (
        b"set n 0 0 1 noreply\r\n5\r\nincr n 300\r\n",
        b"305\r\n",
        [
            b"item_get key=n status=not_found clsid=C cfd=N size=0",
            b"item_store key=n status=stored cmd=set ttl=0 clsid=C cfd=N size=1",
            b"item_get key=n status=found clsid=C cfd=N size=1",
        ],
    ),
]


def test_looks_and_stores_are_told(build_server):
    with build_server.connect("memcache") as client, watch(build_server, b"fetchers mutations") as watcher:
        for request, ending, expected in CASES:
            got = classless(told(client, watcher, request, ending))
            if request.startswith(b"append"):
                got = [re.sub(rb"ttl=(99|100)\b", b"ttl=100", line) for line in got]
            elif b"not_stored" in b"".join(expected) or b"cas " in request:
                expected = [re.sub(rb"ttl=\d+", b"ttl=0", line) for line in expected]
            # Keys of one command may lie on several cores.
            assert sorted(got) == sorted(expected), request


def got(status, size=0):
    return b"item_get key=%%s status=%s clsid=C cfd=N size=%d" % (status, size)


def stored(status, command, size, ttl=0):
    return b"item_store key=%%s status=%s cmd=%s ttl=%d clsid=C cfd=N size=%d" % (status, command, ttl, size)


HIT, MISS = got(b"found", 3), got(b"not_found")

# Key, request, what its reply begins with, lines.
META_CASES = [
    (b"a", b"ms a 3\r\nxyz\r\n", b"HD\r\n", [MISS, stored(b"stored", b"set", 3)]),
    (b"a", b"ms a 3 q\r\nxyz\r\n", b"", [HIT, stored(b"stored", b"set", 3)]),
    (b"e", b"ms ZQ== 3 b\r\nxyz\r\n", b"HD", [MISS, stored(b"stored", b"set", 3)]),
    (b"a", b"ms a 1 ME\r\nx\r\n", b"NS", [HIT, stored(b"not_stored", b"add", 1)]),
    (b"a", b"ms a 1 C1\r\nx\r\n", b"EX", [HIT, stored(b"exists", b"cas", 1)]),
    (b"a", b"ms a 1 MR C999999\r\nx\r\n", b"EX", [HIT, stored(b"exists", b"cas", 1)]),
    (b"a", b"ms a 1 MA C999999\r\nx\r\n", b"EX", [HIT, stored(b"exists", b"append", 1)]),
    (b"z", b"ms z 1 C1 Oq k\r\nx\r\n", b"NF Oq kz", [MISS, stored(b"not_found", b"cas", 1)]),
    (b"z", b"ms z 1 MR\r\nx\r\n", b"NS", [MISS, stored(b"not_stored", b"replace", 1)]),
    (b"z", b"ms z 1 MP q\r\nx\r\n", b"NS", [MISS, stored(b"not_stored", b"prepend", 1)]),
    (b"a", b"ms a 1 Tx\r\nx\r\n", b"CLIENT_ERROR", []),
    (b"a", b"mg a v\r\n", b"VA 3", [HIT]),
    (b"z", b"mg z v q\r\n", b"", [MISS]),
    (b"a", b"mg a v v\r\n", b"CLIENT_ERROR", []),
    (b"v", b"mg v N30 v\r\n", b"VA 0 W", [MISS]),
    (b"a", b"me a\r\n", b"ME a", [HIT]),
    (b"a", b"md a I\r\n", b"HD", [HIT]),
    (b"a", b"md a q\r\n", b"", [HIT]),
    (b"z", b"md z\r\n", b"NF", [MISS]),
    (b"z", b"ma z\r\n", b"NF", [MISS]),
    (b"n", b"ma n N0 J5\r\n", b"HD", [MISS, stored(b"stored", b"add", 1)]),
    (b"n", b"ma n\r\n", b"HD", [got(b"found", 1)]),
]


def test_meta_commands_are_told(build_server):
    with build_server.connect("memcache") as client, watch(build_server, b"fetchers mutations") as watcher:
        for key, request, begins, expected in META_CASES:
            reply = exchange(client, request + b"mn\r\n", b"MN\r\n")
            assert reply.startswith(begins or b"MN"), request
            lines = classless(lines_until(client, watcher, b"end"))
            # memcached looks once more before it stores a first number.
            assert list(dict.fromkeys(lines)) == [line % key for line in expected], request


def ask_packets(connection, watcher, asked):
    """The replies to packets, and the lines. `end` is asked for by the same client, and when all else is answered:
    otherwise cores do not agree on what was first."""
    asking, replies = packets.Client(connection), []
    connection.sendall(b"".join(asked) + packets.request(0x0A))
    while not replies or replies[-1].opcode != 0x0A:
        replies += asking.read()
    connection.sendall(packets.request(0x00, b"end"))
    asking.read()
    return replies[:-1], classless(read_until(watcher, b"end"))


STORING = bytes(8)
COUNTING = bytes(7) + b"\x01" + bytes(7) + b"\x05"
PACKET_CASES = [
    (packets.request(0x01, b"a", STORING, b"xyz"), 0, [MISS, stored(b"stored", b"set", 3)]),
    (packets.request(0x11, b"a", STORING, b"xyz"), None, [HIT, stored(b"stored", b"set", 3)]),
    (packets.request(0x02, b"a", STORING, b"x"), 2, [HIT, stored(b"not_stored", b"add", 1)]),
    (packets.request(0x13, b"z", STORING, b"x"), 1, [MISS, stored(b"not_stored", b"replace", 1)]),
    (packets.request(0x01, b"a", STORING, b"x", cas=999999), 2, [HIT, stored(b"exists", b"cas", 1)]),
    (packets.request(0x02, b"a", STORING, b"x", cas=999999), 2, [HIT, stored(b"exists", b"cas", 1)]),
    (packets.request(0x03, b"z", STORING, b"x", cas=9), 1, [MISS, stored(b"not_found", b"cas", 1)]),
    (packets.request(0x0E, b"a", b"", b"y", cas=999999), 2, [HIT, stored(b"exists", b"append", 1)]),
    (packets.request(0x0F, b"z", b"", b"y"), 5, [MISS, stored(b"not_stored", b"prepend", 1)]),
    (packets.request(0x00, b"a"), 0, [HIT]),
    (packets.request(0x09, b"z"), None, [MISS]),
    (packets.request(0x1C, b"a", b"\x00\x00\x03\xe8"), 0, [HIT]),
    (packets.request(0x1E, b"z", b"\x00\x00\x03\xe8"), None, [MISS]),
    (packets.request(0x05, b"z", COUNTING + b"\xff" * 4), 1, [MISS]),
    (packets.request(0x15, b"n", COUNTING + bytes(4)), None, [MISS, stored(b"stored", b"add", 1)]),
    (packets.request(0x05, b"n", COUNTING + bytes(4)), 0, [got(b"found", 1)]),
    (packets.request(0x04, b"a", cas=999999), 2, [HIT]),
    (packets.request(0x14, b"a"), None, [HIT]),
    (packets.request(0x04, b"a"), 1, [MISS]),
]


def test_packets_are_told(build_server):
    with build_server.connect("memcache") as connection, watch(build_server, b"fetchers mutations") as watcher:
        for request, status, expected in PACKET_CASES:
            key = request[24 + request[4] :][: request[3]]
            replies, lines = ask_packets(connection, watcher, [request])
            assert [reply.status for reply in replies] == ([] if status is None else [status]), request
            assert list(dict.fromkeys(lines)) == [line % key for line in expected], request


@pytest.mark.larder_only
def test_values_over_the_limit_are_told(build_server):
    """memcached tells of them with a size and a class that are left over from something else."""
    value = b"x" * 1_048_577
    requests = [
        (b"set", b"set a 0 0 %d\r\n%s\r\n" % (len(value), value)),
        (b"append", b"append a 0 0 %d\r\n%s\r\n" % (len(value), value)),
        (b"replace", b"ms a %d MR\r\n%s\r\n" % (len(value), value)),
    ]
    with build_server.connect("memcache") as client, watch(build_server, b"mutations fetchers") as watcher:
        for command, request in requests:
            exchange(client, request, b"SERVER_ERROR object too large for cache\r\n")
            lines = classless(lines_until(client, watcher, b"end"))
            assert lines == [MISS % b"a", stored(b"too_large", command, 0) % b"a"]


@pytest.mark.larder_only
def test_deletions_by_all_dialects_are_told(build_server):
    with build_server.connect("memcache") as client, watch(build_server, b"deletions fetchers") as watcher:
        for request, command in [(b"md a\r\n", b"md"), (b"md a q\r\n", b"md"), (b"md a x\r\n", b"md"), (b"md a I\r\n", None)]:
            exchange(client, b"ms a 2 q\r\nxy\r\n" + request + b"mn\r\n", b"MN\r\n")
            lines = [line for line in classless(lines_until(client, watcher, b"end")) if line.startswith(b"deleted")]
            assert lines == ([b"deleted key=a cmd=%s clsid=C cfd=N size=2" % command] if command else []), request
        exchange(client, b"ms a 2\r\nxy\r\n", b"HD\r\n")
        with build_server.connect("memcache") as connection:
            replies, lines = ask_packets(connection, watcher, [packets.request(0x14, b"a")])
        assert replies == [] and b"deleted key=a cmd=delete clsid=C cfd=N size=2" in lines


@pytest.mark.larder_only
def test_all_dialects_are_counted_by_prefix(build_server):
    """memcached itself leaves meta commands out."""
    with (
        build_server.connect("memcache") as client,
        build_server.connect("memcache") as connection,
        watch(build_server, b"fetchers") as watcher,
    ):
        exchange(client, b"stats detail on\r\n", b"OK\r\n")
        meta = b"ms m:a 1\r\nx\r\nmg m:a v\r\nmg m:b v\r\nmg m:a v v\r\nmd m:a I\r\nmd m:a\r\nma m:c\r\n"
        exchange(client, meta + b"mn\r\n", b"MN\r\n")
        asked = [
            packets.request(0x11, b"p:a", STORING, b"x"),
            packets.request(0x00, b"p:a"),
            packets.request(0x09, b"p:b"),
            packets.request(0x14, b"p:a"),
        ]
        ask_packets(connection, watcher, asked)
        told = exchange(client, b"stats detail dump\r\n", b"END\r\n")
        assert sorted(told.split(b"\r\n")[:-2]) == [
            b"PREFIX m get 2 hit 1 set 1 del 1",
            b"PREFIX p get 2 hit 1 set 1 del 1",
        ]


@pytest.mark.larder_only
def test_deletions_are_told(build_server):
    with build_server.connect("memcache") as client, watch(build_server, b"deletions fetchers") as watcher:
        exchange(client, b"set a 0 0 2\r\nxy\r\n", b"STORED\r\n")
        got = classless(told(client, watcher, b"delete a\r\ndelete a\r\n", b"NOT_FOUND\r\n"))
        assert [line for line in got if line.startswith(b"deleted")] == [b"deleted key=a cmd=delete clsid=C cfd=N size=2"]


@pytest.mark.larder_only
def test_evictions_are_told(start):
    running = start(threads=3, maxmemory="8mb")
    with running.connect("memcache") as client, watch(running, b"evictions") as watcher:
        store = b"".join(b"set k%d 0 %d 500 noreply\r\n%s\r\n" % (i, i % 2 * 1000, b"v" * 500) for i in range(20_000))
        exchange(client, store + b"version\r\n", b"\r\n")
        evicted = number(stats(client), "evictions")
        assert evicted > 100
        got = b""
        while got.count(b"\n") < 100:
            got += watcher.recv(1 << 20)
        for line in got.split(b"\n")[:100]:
            assert re.fullmatch(
                rb"ts=[\d.]+ gid=\d+ type=eviction key=k\d+ fetch=no ttl=(-1|99\d|1000) la=\d+ clsid=\d+ size=500", line
            ), line


@pytest.mark.larder_only
def test_connections_are_told(build_server):
    with watch(build_server, b"connevents") as watcher:
        with build_server.connect("memcache") as client:
            port = client.getsockname()[1]
            exchange(client, b"version\r\n", b"\r\n")
        got = b""
        while b"type=conn_close" not in got or not got.endswith(b"\n"):
            got += watcher.recv(1 << 16)
        new, close = got.split(b"\n")[:2]
        assert re.fullmatch(rb"ts=[\d.]+ gid=\d+ type=conn_new rip=127.0.0.1 rport=%d transport=tcp cfd=\d+" % port, new)
        pattern = rb"ts=[\d.]+ gid=\d+ type=conn_close rip=127.0.0.1 rport=%d transport=tcp reason=normal cfd=\d+" % port
        assert re.fullmatch(pattern, close)


@pytest.mark.larder_only
def test_watchers_see_the_clients_of_all_cores(start):
    running = start(threads=3)
    watchers = [watch(running, b"") for _ in range(4)]
    clients = [running.connect("memcache") for _ in range(6)]
    for index, client in enumerate(clients):
        exchange(client, b"get key%d\r\n" % index, b"END\r\n")
    wanted = {b"key=key%d" % index for index in range(6)}
    for watcher in watchers:
        got = b""
        while not wanted <= set(re.findall(rb"key=\S+", got)):
            more = watcher.recv(1 << 16)
            assert more
            got += more
        numbers = [int(n) for n in re.findall(rb"gid=(\d+)", got)]
        assert len(set(numbers)) == len(numbers)
    for one in watchers + clients:
        one.close()


@pytest.mark.larder_only
def test_a_watcher_that_does_not_read_misses_lines_and_is_told(build_server):
    process = build_server.process
    with build_server.connect("memcache") as client, slow_reader(build_server) as watcher:
        exchange(watcher, b"watch fetchers\r\n", b"OK\r\n")
        before = process.rss_bytes()
        line = b"get " + b" ".join(b"k%d" % i for i in range(5000)) + b"\r\n"
        rounds = 0
        while number(stats(client), "log_watcher_skipped") == 0:
            # The others are served all the while.
            assert exchange(client, line, b"END\r\n") == b"END\r\n"
            rounds += 1
            assert rounds < 200
        for _ in range(20):
            exchange(client, line, b"END\r\n")
        assert process.rss_bytes() - before < 32 << 20
        general = stats(client)
        assert number(general, "log_watchers") == 1
        assert number(general, "log_worker_written") >= number(general, "log_watcher_sent")
        # Once it reads again it is told how many it has missed, and then of what comes.
        got, asked = b"", 0
        while b"skipped=" not in got:
            got = got[-100:] + watcher.recv(1 << 20)
            asked += 1
            exchange(client, b"get again\r\n", b"END\r\n")
        assert re.search(rb"(?:^|\n)skipped=[1-9]\d*\nts=", got + watcher.recv(100))


@pytest.mark.larder_only
def test_watchers_are_limited_and_counted_out(build_server):
    watchers = [watch(build_server, b"mutations") for _ in range(20)]
    with build_server.connect("memcache") as client:
        too_many = exchange(client, b"watch mutations\r\n", b"\r\n")
        assert too_many == b"WATCHER_TOO_MANY log watcher limit reached\r\n"
        assert number(stats(client), "log_watchers") == 20
        for watcher in watchers:
            watcher.close()
        server.eventually("they are counted out", lambda: number(stats(client), "log_watchers") == 0)
        assert exchange(client, b"watch mutations\r\n", b"\r\n") == b"OK\r\n"
