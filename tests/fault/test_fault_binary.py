"""Numbers 7, 14 and 18 in memcached's binary protocol: the server lives on, answers others, and keeps nothing for lengths that are only claimed."""

import struct
import threading

import pytest

import packets
import server

MIB = 1 << 20
# The client that looks whether others are served.
WITNESSES = 1


def claiming(opcode, body, key=b"k", extras=b""):
    """The start of a packet whose body is said to be so long."""
    return packets.HEAD.pack(0x80, opcode, len(key), len(extras), 0, 0, body, 7, 0) + extras + key


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_14_a_body_of_four_gigabytes_is_dropped_as_it_comes(start, threads):
    """CVE-2011-4971, CVE-2016-8704 to 8706: lengths that overflow where they are added in 32 bits."""
    running = start(threads=threads, flags=["--item_size_max", str(MIB)])
    with packets.Client(running.connect("memcache")) as other:
        other.ask(0x01, b"k", bytes(8), b"old")
        before = running.process.rss_bytes()
        for opcode, extras, status in ((0x01, bytes(8), 3), (0x0E, b"", 3), (0x1A, b"", 3), (0x55, b"", 0x81)):
            for body in (2**31 - 1, 2**31, 2**31 + 9, 2**32 - 2, 2**32 - 1):
                with packets.Client(running.connect("memcache")) as liar:
                    liar.socket.sendall(claiming(opcode, body, extras=extras))
                    (reply,) = liar.read()
                    assert reply.status == status
                    liar.socket.sendall(bytes(4 * MIB))
                    assert other.ask(0x0A).status == 0
        assert running.process.rss_bytes() - before < 16 * MIB
        # A set that failed so has removed what it was to replace.
        assert other.ask(0x00, b"k").status == 1


def test_18_a_packet_that_never_ends_holds_up_nobody(start):
    running = start(threads=3)
    whole = packets.request(0x01, b"key", bytes(8), b"value")
    halves = []
    for length in range(1, len(whole)):
        half = running.connect("memcache")
        half.sendall(whole[:length])
        halves.append(half)
    with packets.Client(running.connect("memcache")) as other:
        assert other.ask(0x00, b"key").status == 1
        for half in halves[::2]:
            half.close()
        assert other.ask(0x00, b"key").status == 1
        # What the others had begun, they may end.
        for number, half in enumerate(halves[1::2]):
            length = 2 * number + 2
            half.sendall(whole[length:] + packets.request(0x0A))
            client = packets.Client(half)
            found = []
            while len(found) < 2:
                found += client.read()
            assert [reply.opcode for reply in found] == [0x01, 0x0A]
            half.close()
        assert other.ask(0x00, b"key").value == b"value"


@pytest.mark.parametrize("threads", [1, 3])
def test_07_ten_thousand_packets_in_one_piece_are_answered_in_order(start, threads):
    running = start(threads=threads)
    count = 10_000
    requests = b"".join(packets.request(0x11, b"key%d" % n, bytes(8), b"%d" % n, opaque=n) for n in range(count))
    requests += b"".join(packets.request(0x0D, b"key%d" % (n * 7 % (2 * count)), opaque=n) for n in range(count))
    requests += packets.request(0x0A, opaque=count)
    with packets.Client(running.connect("memcache")) as client:
        sender = threading.Thread(target=client.socket.sendall, args=(requests,))
        sender.start()
        found = []
        while not (found and found[-1].opaque == count):
            found += client.read()
        sender.join()
    wanted = [(n, b"%d" % (n * 7 % (2 * count))) for n in range(count) if n * 7 % (2 * count) < count]
    assert [(reply.opaque, reply.value) for reply in found[:-1]] == wanted


def test_18_connections_that_come_and_go_in_the_middle_of_packets(start):
    running = start(threads=3)
    with packets.Client(running.connect("memcache")) as other:
        for number in range(600):
            client = running.connect("memcache")
            client.sendall([b"", packets.request(0x0C, b"k")[:13], packets.request(0x0A) * 20, claiming(0x01, 1000, extras=bytes(8))][number % 4])
            client.close()
        server.eventually("they are forgotten", lambda: count_of_connections(other) <= 1 + WITNESSES)
        assert other.ask(0x0A).status == 0


def count_of_connections(client):
    client.socket.sendall(packets.request(0x10))
    found = []
    while not (found and found[-1].key == b""):
        found += client.read()
    return next(int(reply.value) for reply in found if reply.key == b"curr_connections")
