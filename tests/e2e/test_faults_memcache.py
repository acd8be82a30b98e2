"""Clients that misbehave towards the memcached port."""

import threading

import pytest

import server

MIB = 1 << 20


def exchange(client, request, ending):
    client.sendall(request)
    got = b""
    while not got.endswith(ending):
        more = client.recv(1 << 20)
        assert more, got[-200:]
        got += more
    return got


def test_get_with_a_hundred_thousand_keys(build_server):
    with build_server.connect("memcache") as client:
        exchange(client, b"set k7 3 0 1\r\nx\r\nset k99999 0 0 1\r\ny\r\n", b"STORED\r\nSTORED\r\n")
        line = b"get " + b" ".join(b"k%d" % number for number in range(100_000)) + b"\r\n"
        got = exchange(client, line, b"END\r\n")
        assert got == b"VALUE k7 3 1\r\nx\r\nVALUE k99999 0 1\r\ny\r\nEND\r\n"
        exchange(client, b"version\r\n", b"\r\n")


def test_multiget_of_many_values_comes_whole_and_in_order(build_server):
    with build_server.connect("memcache") as client:
        names = [b"key%d" % number for number in range(2000)]
        stores = b"".join(b"set %s 0 0 500 noreply\r\n%s\r\n" % (name, name.ljust(500)) for name in names)
        sender = threading.Thread(target=client.sendall, args=(stores + b"get " + b" ".join(names) + b"\r\n",))
        sender.start()
        got = b""
        while not got.endswith(b"\r\nEND\r\n"):
            got += client.recv(1 << 20)
        sender.join()
        assert got == b"".join(b"VALUE %s 0 500\r\n%s\r\n" % (name, name.ljust(500)) for name in names) + b"END\r\n"


@pytest.mark.larder_only
def test_client_that_never_reads_is_capped(build_server):
    """The server closes it, or reads no more from it."""
    process = build_server.process
    with build_server.connect("memcache") as greedy, build_server.connect("memcache") as other:
        exchange(other, b"set big 0 0 262144\r\n" + b"x" * 262144 + b"\r\n", b"STORED\r\n")
        before = process.rss_bytes()
        greedy.settimeout(2)
        sent = 0
        with pytest.raises(OSError):
            while sent < 256 * MIB:
                sent += greedy.send(b"get big\r\n" * 1000)
                assert exchange(other, b"version\r\n", b"\r\n").startswith(b"VERSION")
        assert process.rss_bytes() - before < 160 * MIB
        assert exchange(other, b"get big\r\n", b"END\r\n").startswith(b"VALUE big 0 262144\r\n")


@pytest.mark.larder_only
def test_line_without_an_end_is_not_collected(build_server):
    process = build_server.process
    with build_server.connect("memcache") as other:
        before = process.rss_bytes()
        for start in (b"set ", b"x", b"incr k ", b"touch ", b" "):
            with build_server.connect("memcache") as endless:
                with pytest.raises(OSError):
                    endless.sendall(start + b"a" * (64 * MIB))
                    while endless.recv(1000):
                        pass
                    raise ConnectionResetError
        assert process.rss_bytes() - before < 32 * MIB
        assert exchange(other, b"version\r\n", b"\r\n")


@pytest.mark.larder_only
def test_endless_multiget_is_bounded(build_server):
    """A line of keys may be long, but not without limit."""
    process = build_server.process
    with build_server.connect("memcache", 5) as endless, build_server.connect("memcache") as other:
        before = process.rss_bytes()
        sent = 0
        with pytest.raises(OSError):
            endless.sendall(b"get ")
            while sent < 4096 * MIB:
                sent += endless.send(b"abcdefgh " * 100_000)
        assert process.rss_bytes() - before < 256 * MIB
        assert exchange(other, b"version\r\n", b"\r\n")


def test_control_characters_in_a_key_do_no_harm(build_server):
    with build_server.connect("memcache") as client:
        for byte in (1, 9, 11, 12, 27, 127, 128, 255):
            key = b"a%sb" % bytes([byte])
            reply = exchange(client, b"set %s 0 0 1\r\nx\r\n" % key, b"\r\n")
            assert reply in (b"STORED\r\n", b"CLIENT_ERROR bad command line format\r\n"), (byte, reply)
            exchange(client, b"version\r\n", b"\r\n")


@pytest.mark.larder_only
def test_refused_data_blocks_of_every_size_leave_no_rest(start):
    running = start(flags=["--item_size_max", "10kb"])
    with running.connect("memcache") as client:
        for length in (10 * 1024 + 1, 20_000, 65_536, 1_000_000, 10_000_000):
            request = b"set k 0 0 %d\r\n%s\r\nget k\r\n" % (length, b"get a\r\n".ljust(length, b"x"))
            sender = threading.Thread(target=client.sendall, args=(request,))
            sender.start()
            assert exchange(client, b"", b"END\r\n") == b"SERVER_ERROR object too large for cache\r\nEND\r\n"
            sender.join()


def test_value_that_changes_while_it_is_sent_arrives_as_it_was(build_server):
    value = b"z" * (900 * 1024)
    reply = b"VALUE big 0 %d\r\n%s\r\nEND\r\n" % (len(value), value)
    slow = [build_server.connect("memcache") for _ in range(10)]
    with build_server.connect("memcache") as other:
        for client in slow:
            exchange(other, b"set big 0 0 %d\r\n%s\r\n" % (len(value), value), b"STORED\r\n")
            client.sendall(b"get big\r\n")
            assert client.recv(10) == reply[:10]
            exchange(other, b"set big 0 0 1\r\nx\r\nflush_all\r\n", b"STORED\r\nOK\r\n")
        for client in slow:
            assert exchange(client, b"", b"\r\nEND\r\n") == reply[10:]
            client.close()


def test_idle_half_request_does_not_hold_others(build_server):
    halves = [build_server.connect("memcache") for _ in range(50)]
    for half in halves:
        half.sendall(b"set k 0 0 1000\r\nabc")
    with build_server.connect("memcache") as other:
        server.eventually("others are served", lambda: exchange(other, b"get k\r\n", b"END\r\n") == b"END\r\n")
    for half in halves:
        half.close()


FLAGS = b"b c f h k l q s t u v x I Oa P/ L/ C1 D1 E1 F1 J1 MS N1 R1 T1".split()


def test_every_meta_flag_twice_is_refused_and_nothing_is_out_of_step(build_server):
    with build_server.connect("memcache") as client:
        for flag in FLAGS:
            for request in (b"mg k %s %s\r\n", b"md k %s %s\r\n", b"ma k %s %s\r\n", b"ms k 4 %s %s\r\nmg k\r\n"):
                reply = exchange(client, request % (flag, flag) + b"mn\r\n", b"MN\r\n")
                assert reply.startswith(b"CLIENT_ERROR ") and reply.count(b"\r\n") == 2, (request, flag, reply)
        assert exchange(client, b"mg k\r\nmn\r\n", b"MN\r\n") == b"EN\r\nMN\r\n"


@pytest.mark.larder_only
def test_refused_storage_takes_its_data_along(build_server):
    """Whatever is wrong with the line: as many bytes are dropped as it announces, and the next request is served."""
    long = b"k" * 251
    lines = [b"set k x 0 %d", b"set k 0 x %d", b"set " + long + b" 0 0 %d", b"cas k 0 0 %d x", b"cas k 0 0 %d", b"append k -1 0 %d"]
    lines += [b"ms k %d S3", b"ms k %d v v", b"ms k %d MX", b"ms k %d b", b"ms " + long + b" %d", b"ms k %d q O" + b"o" * 500]
    with build_server.connect("memcache") as client:
        for length in (0, 1, 10, 4000, 70_000, 3_000_000):
            for line in lines:
                data = b"get k\r\n" * (length // 7 + 1)
                request = line % length + b"\r\n" + data[:length] + b"\r\nmn\r\n"
                sender = threading.Thread(target=client.sendall, args=(request,))
                sender.start()
                reply = exchange(client, b"", b"MN\r\n")
                sender.join()
                error = reply.split(b"\r\n")[0]
                assert error.startswith((b"CLIENT_ERROR ", b"SERVER_ERROR object too large")), (line, reply)
                assert reply == error + b"\r\nMN\r\n", (line, length, reply)


@pytest.mark.larder_only
def test_item_size_max_bounds_values_of_memcached_clients_alone(start):
    running = start(threads=3)
    limit = MIB - 59
    with running.connect("memcache") as client, running.connect("resp") as redis:
        for length, reply in ((limit, b"STORED\r\n"), (limit + 1, b"SERVER_ERROR object too large for cache\r\n")):
            assert exchange(client, b"set k 0 0 %d\r\n%s\r\n" % (length, b"x" * length), b"\r\n") == reply
        assert exchange(client, b"get k\r\n", b"END\r\n") == b"END\r\n"
        assert exchange(client, b"ms k %d\r\n%s\r\n" % (limit, b"x" * limit), b"\r\n") == b"HD\r\n"
        assert exchange(client, b"append k 0 0 1\r\nx\r\n", b"\r\n") == b"NOT_STORED\r\n"
        value = b"y" * (3 * MIB)
        assert exchange(redis, b"*3\r\n$3\r\nSET\r\n$1\r\nr\r\n$%d\r\n%s\r\n" % (len(value), value), b"\r\n") == b"+OK\r\n"
        reply = b"VALUE r 0 %d\r\n%s\r\nEND\r\n" % (len(value), value)
        assert exchange(client, b"get r\r\n", b"\r\nEND\r\n") == reply


@pytest.mark.larder_only
def test_item_size_max_may_be_large(start):
    running = start(flags=["--item_size_max", "64mb"], maxmemory="512mb")
    value = b"z" * (60 * MIB)
    with running.connect("memcache") as client:
        sender = threading.Thread(target=client.sendall, args=(b"ms k %d\r\n%s\r\n" % (len(value), value),))
        sender.start()
        assert exchange(client, b"", b"\r\n") == b"HD\r\n"
        sender.join()
        assert exchange(client, b"mg k v s\r\n", b"z\r\n") == b"VA %d s%d\r\n%s\r\n" % (len(value), len(value), value)


@pytest.mark.larder_only
def test_shutdown_stops_the_server_where_that_is_enabled(start):
    running = start(threads=3)
    with running.connect("memcache") as client:
        assert exchange(client, b"shutdown\r\n", b"\r\n") == b"SERVER_ERROR: shutdown not enabled\r\n"
    with server.larder(threads=3, flags=["--enable_shutdown", "true"]) as running:
        with running.connect("memcache") as client:
            assert b"STAT shutdown_command yes\r\n" in exchange(client, b"stats settings\r\n", b"END\r\n")
            assert exchange(client, b"shutdown x\r\n", b"\r\n") == b"CLIENT_ERROR invalid shutdown mode\r\n"
            client.sendall(b"set k 0 0 1\r\nx\r\nshutdown graceful\r\n")
            got = b""
            while more := client.recv(1000):
                got += more
            assert got in (b"", b"STORED\r\n")
        assert running.process.popen.wait(20) == 0
        running.processes.clear()
