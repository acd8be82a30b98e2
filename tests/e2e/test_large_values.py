"""Large requests, which are received straight into the memory that keeps them: whatever their senders do meanwhile."""

import random
import socket
import struct
import threading

import pytest

import packets
import resp
import server

MIB = 1 << 20


def pattern(length, salt=0):
    block = bytes((n * 7 + n // 251 + salt) % 256 for n in range(65_521))
    return (block * (length // len(block) + 1))[:length]


def command(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def receive(client, length):
    got = bytearray()
    while len(got) < length:
        more = client.recv(1 << 20)
        assert more, bytes(got[-100:])
        got += more
    return bytes(got)


def kinds(value):
    """The same store and fetch in each protocol, with requests before and behind: request, reply."""
    length = len(value)
    text = b"set big 5 0 %d\r\n%s\r\n" % (length, value)
    yield (
        "memcache",
        b"version\r\n" * 3 + text + b"get big\r\n" + text + b"mn\r\nget none\r\n",
        lambda got: got.endswith(
            b"STORED\r\nVALUE big 5 %d\r\n%s\r\nEND\r\nSTORED\r\nMN\r\nEND\r\n" % (length, value)
        ),
    )
    yield (
        "resp",
        command("PING") + command("SET", "big", value, "EX", 1000) + command("GET", "big")
        + command("MSET", "one", value, "two", "2") + command("GET", "two"),
        lambda got: got == b"+PONG\r\n+OK\r\n$%d\r\n%s\r\n+OK\r\n$1\r\n2\r\n" % (length, value),
    )
    packed = packets.request(1, b"big", struct.pack(">II", 5, 0), value) + packets.request(0, b"big") + packets.request(10)
    yield (
        "memcache",
        packed,
        lambda got: [reply.value for reply in packets.replies(got)[0]] == [b"", value, b""],
    )


def whole(got, expected):
    try:
        return expected(got)
    except AssertionError:
        return False


@pytest.mark.larder_only
def test_large_requests_in_pieces_of_any_size(build_server, request):
    dice = random.Random(request.config.getoption("--seed") or 3)
    for length in [33_000, 70_000, 300_000, 1_000_000]:
        for protocol, asked, expected in kinds(pattern(length)):
            for most in [700, 20_000, 200_000, 1 << 30]:
                with build_server.connect(protocol) as client:
                    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

                    def send(asked=asked, client=client, most=most):
                        at = 0
                        while at < len(asked):
                            piece = min(len(asked) - at, dice.randrange(most // 2, most) + 1)
                            client.sendall(asked[at : at + piece])
                            at += piece

                    sender = threading.Thread(target=send)
                    sender.start()
                    got = b""
                    while not whole(got, expected):
                        more = client.recv(1 << 20)
                        assert more, got[-100:]
                        got += more
                    sender.join()


@pytest.mark.larder_only
def test_large_requests_of_many_clients_do_not_mix(build_server):
    values = [pattern(100_000 + 77_777 * n, n) for n in range(8)]

    def work(n, failures):
        try:
            with build_server.connect("resp", 30) as client:
                for round_ in range(6):
                    value = values[(n + round_) % len(values)]
                    client.sendall(command("SET", f"key{n}", value) + command("GET", f"key{n}"))
                    expected = b"+OK\r\n$%d\r\n%s\r\n" % (len(value), value)
                    assert receive(client, len(expected)) == expected
        except BaseException as failure:  # told by the thread that waits
            failures.append(failure)

    failures = []
    threads = [threading.Thread(target=work, args=(n, failures)) for n in range(12)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures, failures[0]


@pytest.mark.larder_only
def test_senders_that_stop_halfway_leave_nothing(build_server):
    """Reset, half-closed, closed, killed: the old value stays, and the memory comes back."""
    value = pattern(900_000)
    with resp.Client(build_server.connect("resp")) as redis:
        assert redis.call("SET", "big", "old") == b"OK"
        before = buffers_of(redis)
        for round_ in range(12):
            halfway = (command("SET", "big", value))[: 40_000 + 70_000 * round_]
            if round_ % 2:
                halfway = (b"set big 0 0 %d\r\n%s" % (len(value), value))[: 40_000 + 70_000 * round_]
            client = build_server.connect("memcache" if round_ % 2 else "resp")
            client.sendall(halfway)
            # What is answered behind it on another connection has seen these bytes come, or soon does.
            assert redis.call("GET", "big") == b"old"
            if round_ % 3 == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif round_ % 3 == 1:
                client.shutdown(socket.SHUT_WR)
                assert client.recv(100) == b""
            client.close()
        server.eventually("the clients are gone", lambda: redis.call("INFO", "clients").count(b"connected_clients:1\r\n") == 1)
        server.eventually("their memory is back", lambda: buffers_of(redis) <= before + 3 * MIB)
        assert redis.call("GET", "big") == b"old"


def buffers_of(redis):
    for line in redis.call("INFO", "memory").split(b"\r\n"):
        if line.startswith(b"mem_clients_normal:"):
            return int(line.split(b":")[1])
    raise AssertionError("no mem_clients_normal")


@pytest.mark.larder_only
def test_a_stalled_large_request_holds_up_nobody_and_goes_on(build_server):
    value = pattern(MIB - 1000)
    with build_server.connect("memcache") as slow, build_server.connect("memcache") as other:
        asked = b"set slow 0 0 %d\r\n%s\r\nget slow\r\n" % (len(value), value)
        for start in range(0, len(asked), 150_000):
            slow.sendall(asked[start : start + 150_000])
            for n in range(20):
                other.sendall(b"set k%d 0 0 1\r\nx\r\nmn\r\n" % n)
                assert receive(other, 12) == b"STORED\r\nMN\r\n"
        expected = b"STORED\r\nVALUE slow 0 %d\r\n%s\r\nEND\r\n" % (len(value), value)
        assert receive(slow, len(expected)) == expected


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


def test_large_values_whole_and_in_pieces(build_server):
    value = bytes(range(256)) * (40 * 1024)
    with resp.Client(build_server.connect()) as client, resp.Client(build_server.connect()) as slow:
        assert client.call("SET", "big", value) == b"OK"
        assert client.call("GET", "big") == value
        request = resp.command("SET", "cut", value)
        for at in range(0, len(request), 1_000_003):
            slow.socket.sendall(request[at : at + 1_000_003])
        assert slow.reply() == b"OK"
        assert client.call("GETRANGE", "cut", 5_000_000, 5_000_999) == value[5_000_000:5_001_000]
        assert client.call("STRLEN", "cut") == len(value)
