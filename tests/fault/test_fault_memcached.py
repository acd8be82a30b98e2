"""Numbers 13 to 17, and what else a client of memcached's text protocol can do."""

import contextlib
import threading

import pytest

import resp
import server
from rough import MIB, exchange, rest

BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"


@pytest.mark.larder_only
def test_03_client_that_never_reads_is_capped(build_server):
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


def test_13_get_with_a_hundred_thousand_keys(build_server):
    with build_server.connect("memcache") as client:
        exchange(client, b"set k7 3 0 1\r\nx\r\nset k99999 0 0 1\r\ny\r\n", b"STORED\r\nSTORED\r\n")
        line = b"get " + b" ".join(b"k%d" % number for number in range(100_000)) + b"\r\n"
        got = exchange(client, line, b"END\r\n")
        assert got == b"VALUE k7 3 1\r\nx\r\nVALUE k99999 0 1\r\ny\r\nEND\r\n"
        exchange(client, b"version\r\n", b"\r\n")


def test_13_multiget_of_many_values_comes_whole_and_in_order(build_server):
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
def test_13_line_without_an_end_is_not_collected(build_server):
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
def test_13_endless_multiget_is_bounded(build_server):
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


def test_13_control_characters_in_a_key_do_no_harm(build_server):
    with build_server.connect("memcache") as client:
        for byte in (1, 9, 11, 12, 27, 127, 128, 255):
            key = b"a%sb" % bytes([byte])
            reply = exchange(client, b"set %s 0 0 1\r\nx\r\n" % key, b"\r\n")
            assert reply in (b"STORED\r\n", b"CLIENT_ERROR bad command line format\r\n"), (byte, reply)
            exchange(client, b"version\r\n", b"\r\n")


def test_13_a_key_of_251_bytes_is_refused_wherever_it_stands(build_server):
    key = b"k" * 251
    lines = [b"get %s", b"gets a %s b", b"gat 0 %s", b"delete %s", b"incr %s 1", b"decr %s 1", b"touch %s 0", b"mg %s v", b"md %s"]
    lines += [b"ma %s", b"me %s", b"mg %s b"]
    with build_server.connect("memcache") as client:
        for line in lines:
            reply = exchange(client, line % key + b"\r\nmn\r\n", b"MN\r\n")
            assert reply.startswith(b"CLIENT_ERROR ") and reply.count(b"\r\n") == 2, (line, reply)
        for line in (b"set %s 0 0 2\r\nxy", b"add %s 0 0 2\r\nxy", b"cas %s 0 0 2 1\r\nxy", b"ms %s 2\r\nxy"):
            assert exchange(client, line % key + b"\r\nmn\r\n", b"MN\r\n").startswith(b"CLIENT_ERROR "), line
        # One byte less is a key.
        key = key[1:]
        assert exchange(client, b"set %s 0 0 2\r\nxy\r\nget %s\r\n" % (key, key), b"END\r\n").count(key) == 1


@pytest.mark.larder_only
def test_13_words_of_http_close_the_connection_before_its_headers_are_commands(build_server):
    with build_server.connect("memcache") as other:
        exchange(other, b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        for verb in (b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"CONNECT"):
            with build_server.connect("memcache") as client:
                with contextlib.suppress(OSError):
                    client.sendall(verb + b" /flush_all HTTP/1.1\r\nHost: a\r\nflush_all\r\nX: y\r\n\r\nflush_all\r\n")
                assert b"OK" not in rest(client), verb
        assert exchange(other, b"get k\r\n", b"END\r\n") == b"VALUE k 0 1\r\nx\r\nEND\r\n"


@pytest.mark.larder_only
def test_14_a_length_that_is_wrong(build_server):
    """Too short, too long, negative, no number: an error, and the next good command is served."""
    with build_server.connect("memcache") as client:
        for request, replies in [
            (b"set k 0 0 3\r\nabcd\r\n", b"CLIENT_ERROR bad data chunk\r\n" + BAD_LINE),
            (b"set k 0 0 5\r\nabc\r\nget k\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
            (b"set k 0 0 -1\r\n", BAD_LINE),
            (b"set k 0 0 -9223372036854775808\r\n", BAD_LINE),
            (b"set k 0 0 18446744073709551616\r\n", BAD_LINE),
            (b"set k 0 0 x\r\n", BAD_LINE),
            (b"set k 0 0 2147483647\r\n", BAD_LINE),
            (b"append k 0 0 4294967297\r\n", BAD_LINE),
        ]:
            assert exchange(client, request + b"mn\r\n", b"MN\r\n") == replies + b"MN\r\n", request
            assert exchange(client, b"set good 0 0 2\r\nok\r\nget good\r\n", b"END\r\n").count(b"ok") == 1, request
        for line in (b"ms k -1", b"ms k 18446744073709551616", b"ms k x", b"ms k"):
            assert exchange(client, line + b"\r\nmn\r\n", b"MN\r\n").startswith(b"CLIENT_ERROR "), line
        assert exchange(client, b"get k\r\n", b"END\r\n") == b"END\r\n"


@pytest.mark.larder_only
def test_14_refused_data_blocks_of_every_size_leave_no_rest(start):
    running = start(flags=["--item_size_max", "10kb"])
    with running.connect("memcache") as client:
        for length in (10 * 1024 + 1, 20_000, 65_536, 1_000_000, 10_000_000):
            request = b"set k 0 0 %d\r\n%s\r\nget k\r\n" % (length, b"get a\r\n".ljust(length, b"x"))
            sender = threading.Thread(target=client.sendall, args=(request,))
            sender.start()
            assert exchange(client, b"", b"END\r\n") == b"SERVER_ERROR object too large for cache\r\nEND\r\n"
            sender.join()


@pytest.mark.larder_only
def test_14_refused_storage_takes_its_data_along(build_server):
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
def test_14_item_size_max_bounds_values_of_memcached_clients_alone(start):
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
def test_14_item_size_max_may_be_large(start):
    running = start(flags=["--item_size_max", "64mb"], maxmemory="512mb")
    value = b"z" * (60 * MIB)
    with running.connect("memcache") as client:
        sender = threading.Thread(target=client.sendall, args=(b"ms k %d\r\n%s\r\n" % (len(value), value),))
        sender.start()
        assert exchange(client, b"", b"\r\n") == b"HD\r\n"
        sender.join()
        assert exchange(client, b"mg k v s\r\n", b"z\r\n") == b"VA %d s%d\r\n%s\r\n" % (len(value), len(value), value)


@pytest.mark.larder_only
def test_15_numbers_out_of_their_range(build_server):
    with build_server.connect("memcache") as client:
        exchange(client, b"set n 7 0 2\r\n10\r\n", b"STORED\r\n")
        beyond = (b"18446744073709551616", b"99999999999999999999999", b"x", b"1.5", b"0x10", b"-")
        for number in (*beyond, b"-1"):
            for verb in (b"incr", b"decr"):
                reply = exchange(client, b"%s n %s\r\n" % (verb, number), b"\r\n")
                assert reply == b"CLIENT_ERROR invalid numeric delta argument\r\n", (verb, number)
            for line in (b"ma n D%s", b"ma none N0 J%s", b"mg n E%s", b"ms n 2 F%s\r\nxy"):
                reply = exchange(client, line % number + b"\r\nmn\r\n", b"MN\r\n")
                assert reply.startswith(b"CLIENT_ERROR ") and reply.count(b"\r\n") == 2, (line, number, reply)
        for number in (*beyond, b"9223372036854775808", b"-9223372036854775809"):
            for line in (b"touch n %s", b"gat %s n", b"set n 0 %s 2\r\nxy", b"ms n 2 T%s\r\nxy", b"mg n T%s", b"flush_all %s"):
                reply = exchange(client, line % number + b"\r\nmn\r\n", b"MN\r\n")
                assert reply.startswith((b"CLIENT_ERROR ", b"ERROR")) and reply.count(b"\r\n") == 2, (line, number, reply)
        for flags in (*beyond, b"4294967296", b"-1"):
            reply = exchange(client, b"set n %s 0 2\r\nxy\r\nmn\r\n" % flags, b"MN\r\n")
            assert reply == BAD_LINE + b"MN\r\n", (flags, reply)
        assert exchange(client, b"get n\r\n", b"END\r\n") == b"VALUE n 7 2\r\n10\r\nEND\r\n"


def test_15_counters_wrap_above_and_stop_below(build_server):
    with build_server.connect("memcache") as client:
        for request, reply in [
            (b"set n 0 0 20\r\n18446744073709551615\r\n", b"STORED"),
            (b"incr n 1\r\n", b"0"),
            (b"incr n 18446744073709551615\r\n", b"18446744073709551615"),
            (b"incr n 3\r\n", b"2"),
            (b"decr n 3\r\n", b"0"),
            (b"decr n 18446744073709551615\r\n", b"0"),
            (b"set n 0 0 20\r\n18446744073709551616\r\n", b"STORED"),
            (b"incr n 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value"),
            (b"set n 0 0 2\r\n-1\r\n", b"STORED"),
            (b"incr n 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value"),
        ]:
            assert exchange(client, request, b"\r\n") == reply + b"\r\n", request


FLAGS = b"b c f h k l q s t u v x I Oa P/ L/ C1 D1 E1 F1 J1 MS N1 R1 T1".split()


def test_16_every_meta_flag_twice_is_refused_and_nothing_is_out_of_step(build_server):
    with build_server.connect("memcache") as client:
        for flag in FLAGS:
            for request in (b"mg k %s %s\r\n", b"md k %s %s\r\n", b"ma k %s %s\r\n", b"ms k 4 %s %s\r\nmg k\r\n"):
                reply = exchange(client, request % (flag, flag) + b"mn\r\n", b"MN\r\n")
                assert reply.startswith(b"CLIENT_ERROR ") and reply.count(b"\r\n") == 2, (request, flag, reply)
        assert exchange(client, b"mg k\r\nmn\r\n", b"MN\r\n") == b"EN\r\nMN\r\n"


def test_16_a_huge_opaque_and_flags_that_are_none(build_server):
    with build_server.connect("memcache") as client:
        for flags in (b"O" + b"o" * 500, b"!", b"\x01", b"\xff", b"T", b"M?", b"Mxyz", b"S", b"F"):
            for line in (b"ms k 7 %s\r\nmg k v\n\r\n", b"ms k 7 q %s\r\nmg k v\n\r\n"):
                reply = exchange(client, line % flags + b"mn\r\n", b"MN\r\n")
                assert reply.startswith(b"CLIENT_ERROR ") and b"EN\r\n" not in reply, (flags, reply)
        # A line that is too long to be one takes its connection along.
        with build_server.connect("memcache") as other:
            other.sendall(b"ms k 7 O" + b"o" * 100_000 + b"\r\nmg k v\n\r\n")
            assert b"EN\r\n" not in rest(other)
        # As many bytes as an opaque may have come back.
        opaque = b"O" + b"o" * 31
        missed = exchange(client, b"mg none v %s\r\nmg k k %s\r\nmn\r\n" % (opaque, opaque), b"MN\r\n")
        assert [line[:2] for line in missed.split(b"\r\n")] == [b"EN", b"EN", b"MN", b""]
        assert exchange(client, b"ms k 1 %s\r\nx\r\n" % opaque, b"\r\n") == b"HD %s\r\n" % opaque


@pytest.mark.larder_only
def test_17_administrators_with_ids_out_of_range(build_server):
    with build_server.connect("memcache") as client:
        huge = b"99999999999999999999999"
        for line in [
            *(b"slabs reassign %s" % ids for ids in (b"999 1", b"1 999", b"-1 -1", b"1 1", b"a b", b"", b"1", b"%s %s" % (huge, huge))),
            *(b"slabs reassign %s" % ids for ids in (b"4294967297 1", b"-2147483649 1", b"1 2 3", b"0 0", b"256 1", b"1 256")),
            *(b"slabs automove %s" % word for word in (b"3", b"-1", b"x", huge, b"ratio x", b"window 0", b"window " + huge)),
            *(b"lru %s" % word for word in (b"mode x", b"mode", b"tune", b"tune 101 1 1 1", b"tune 50 40 1 1", b"tune nan 1 1 1")),
            *(b"lru %s" % word for word in (b"tune 10 10 -1 1", b"temp_ttl x", b"temp_ttl", b"x", b"")),
            *(b"lru_crawler %s" % word for word in (b"crawl 999", b"crawl x", b"sleep -1", b"sleep 99999999", b"tocrawl x")),
            *(b"lru_crawler %s" % word for word in (b"", b"x", b"metadump 999", b"metadump x", b"mgdump 999", b"crawl " + huge)),
            *(b"cache_memlimit %s" % size for size in (b"x", b"-1", b"0", b"1", huge, b"")),
            *(b"stats cachedump %s" % ids for ids in (b"999 1", b"-1 1", b"1 -1", b"x 1", huge + b" 1", b"1 " + huge)),
            *(b"verbosity %s" % level for level in (b"x", huge, b"")),
            *(b"watch %s" % topic for topic in (b"x", huge)),
            *(b"stats %s" % kind for kind in (b"x", b"detail x", b"detail", b"cachedump")),
        ]:
            reply = exchange(client, line + b"\r\nmn\r\n", b"MN\r\n")
            assert not reply.startswith((b"OK", b"MN")), (line, reply)
            assert reply.count(b"\r\n") == 2, (line, reply)
        assert exchange(client, b"set k 0 0 1\r\nx\r\nget k\r\n", b"END\r\n").endswith(b"VALUE k 0 1\r\nx\r\nEND\r\n")


def test_25_value_that_changes_while_it_is_sent_arrives_as_it_was(build_server):
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
