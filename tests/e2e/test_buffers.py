"""Clients whose buffers grow, and large values on their way: memory stays bounded, keys stay, bytes stay what they were."""

import socket

import pytest

import resp
import server

MIB = 1 << 20


def info(client, field):
    return server_field(client.call("INFO", "everything"), field)


def server_field(text, field):
    for line in text.decode().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split(":")[1])
    raise AssertionError(f"INFO has no {field}")


def narrow(running, room=4096):
    """A connection with little room in its own socket."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    sock.connect(("127.0.0.1", running.resp_port))
    return sock


@pytest.mark.larder_only
def test_slow_readers_cost_nobody_a_key_and_the_greatest_are_closed(start):
    running = start(maxmemory="128mb", threads=2)
    with resp.Client(running.connect()) as other:
        for number in range(0, 10_000, 100):
            other.pipeline([["SET", f"mine:{at}", "x" * 1000] for at in range(number, number + 100)])
        before = running.process.rss_bytes()
        readers = []
        for number in range(120):
            reader = narrow(running)
            # Each gets a value of its own that has been overwritten when it would read it: nobody else has it any more.
            other.call("SET", f"big:{number}", bytes([65 + number % 26]) * MIB)
            reader.sendall(resp.command("GET", f"big:{number}") * 3)
            readers.append(reader)
            other.call("SET", f"big:{number}", "small")
            assert running.process.rss_bytes() - before < 100 * MIB
        assert other.call("EXISTS", *[f"mine:{at}" for at in range(10_000)]) == 10_000
        assert info(other, "evicted_keys") == 0
        closings = info(other, "client_output_buffer_limit_disconnections")
        assert closings > 0
        assert info(other, "used_memory") < 170 * MIB
        for reader in readers:
            reader.close()
        server.eventually("buffers are given back", lambda: info(other, "mem_clients_normal") < 8 * MIB)


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("io", ["uring", "poll"])
def test_value_that_is_overwritten_deleted_or_evicted_while_it_is_sent_stays_whole(start, threads, io):
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
def test_lying_lengths_cost_nothing(start):
    running = start(maxmemory="256mb", threads=2)
    with resp.Client(running.connect()) as other:
        other.call("SET", "mine", "x")
        before = running.process.rss_bytes()
        liars = [running.connect() for _ in range(400)]
        for number, liar in enumerate(liars):
            liar.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$30000000\r\nabc" if number % 2 else b"*2\r\n$40000\r\nab")
        assert other.call("GET", "mine") == b"x"
        assert running.process.rss_bytes() - before < 24 * MIB
        assert info(other, "evicted_keys") == 0
        for liar in liars:
            liar.close()


@pytest.mark.larder_only
def test_killed_client_that_does_not_read_is_gone_at_once(start):
    running = start(threads=2)
    with resp.Client(running.connect()) as other:
        other.call("SET", "big", "x" * 8 * MIB)
        deaf = narrow(running)
        deaf.sendall(resp.command("CLIENT", "ID"))
        client_id = int(deaf.recv(100)[1:-2])
        deaf.sendall(resp.command("GET", "big") * 10)
        server.eventually("replies wait", lambda: b"omem=0" not in other.call("CLIENT", "LIST", "ID", client_id))
        assert other.call("CLIENT", "KILL", "ID", client_id) == 1
        assert other.call("CLIENT", "LIST", "ID", client_id) == b""


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_large_values_of_every_length_come_back_in_both_protocols(start, threads):
    running = start(threads=threads, maxmemory="512mb", flags=["--item_size_max", "64mb"])
    with resp.Client(running.connect()) as redis, running.connect("memcache") as memcache:
        stream = memcache.makefile("rwb")
        for length in (32_767, 32_768, 40_000, 65_536, MIB - 1, MIB, MIB + 1, 5 * MIB + 3, 9 * MIB):
            value = (b"%d;" % length * (length // 3 + 1))[:length]
            key = f"k{length}"
            assert redis.call("SET", key, value, "EX", "1000") == b"OK"
            assert 990 < redis.call("TTL", key) <= 1000
            stream.write(b"get %s\r\n" % key.encode())
            stream.flush()
            assert stream.readline() == b"VALUE %s 0 %d\r\n" % (key.encode(), length)
            assert stream.read(length + 2) == value + b"\r\n"
            assert stream.readline() == b"END\r\n"
            stream.write(b"set m%d 7 0 %d\r\n%s\r\n" % (length, length, value[::-1]))
            stream.flush()
            assert stream.readline() == b"STORED\r\n"
            assert redis.call("GET", f"m{length}") == value[::-1]
            assert redis.call("MGET", key, "absent", f"m{length}") == [value, None, value[::-1]]
            assert redis.call("SET", key, value[::-1], "GET") == value
            assert redis.call("APPEND", key, "tail") == length + 4
            assert redis.call("GET", key) == value[::-1] + b"tail"
            redis.call("DEL", key, f"m{length}")


@pytest.mark.larder_only
def test_output_limits_close_at_once_or_after_their_time(start):
    running = start(threads=2)
    with resp.Client(running.connect()) as other:
        other.call("SET", "big", "x" * 4 * MIB)
        for limits in ("normal 1mb 0 0", "normal 0 1mb 1"):
            assert other.call("CONFIG", "SET", "client-output-buffer-limit", limits) == b"OK"
            before = info(other, "client_output_buffer_limit_disconnections")
            deaf = narrow(running)
            deaf.sendall(resp.command("GET", "big") * 4)
            server.eventually(
                limits, lambda: info(other, "client_output_buffer_limit_disconnections") == before + 1
            )
            assert other.call("CLIENT", "LIST").count(b"\n") == 1
            deaf.close()
        shown = other.call("CONFIG", "GET", "client-output-buffer-limit")[1]
        assert shown == b"normal 0 1048576 1 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
