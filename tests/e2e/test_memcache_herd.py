"""Herd control: of many clients that find a value outdated, one is told to bring a new one."""

import threading

import pytest

CLIENTS = 100


class Herd:
    """Clients that are connected, and ask at the same time."""

    def __init__(self, running):
        self.sockets = [running.connect("memcache") for _ in range(CLIENTS)]

    def ask(self, request, ending):
        """What each is told."""
        gate = threading.Barrier(CLIENTS)
        told = [b""] * CLIENTS

        def client(number):
            socket = self.sockets[number]
            gate.wait(timeout=20)
            socket.sendall(request)
            while not told[number].endswith(ending):
                more = socket.recv(65536)
                assert more, told[number]
                told[number] += more

        threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return told

    def close(self):
        for socket in self.sockets:
            socket.close()


@pytest.fixture(params=[1, 3])
def herd(request, start):
    herd = Herd(start(threads=request.param))
    yield herd
    herd.close()


def one(herd, request):
    reply = b""
    herd.sockets[0].sendall(request + b"mn\r\n")
    while not reply.endswith(b"MN\r\n"):
        reply += herd.sockets[0].recv(65536)
    return reply[:-4]


def winners(told, value):
    """How many were told to bring a new value. All others are told that somebody was, and all have the old one."""
    flags = [reply.split(b"\r\n")[0].split(b" ")[2:] for reply in told]
    assert all(reply.endswith(b"\r\n" + value + b"\r\n") for reply in told)
    won = sum(b"W" in words for words in flags)
    assert sum(b"Z" in words for words in flags) == CLIENTS - won
    return won


KEYS = [b"key%d" % number for number in range(10)]


def test_one_of_a_hundred_clients_that_hit_a_stale_key_wins(herd):
    for key in KEYS:
        assert one(herd, b"ms %s 3 T1000\r\nold\r\nmd %s I T30\r\n" % (key, key)) == b"HD\r\nHD\r\n"
        told = herd.ask(b"mg %s v\r\n" % key, b"old\r\n")
        assert winners(told, b"old") == 1
        assert all(b" X" in reply for reply in told)
        # And again only once there is a new one, and that is outdated.
        assert winners(herd.ask(b"mg %s v\r\n" % key, b"old\r\n"), b"old") == 0
        assert one(herd, b"ms %s 3\r\nnew\r\nmd %s I\r\n" % (key, key)) == b"HD\r\nHD\r\n"
        assert winners(herd.ask(b"mg %s v\r\n" % key, b"new\r\n"), b"new") == 1


def test_one_of_a_hundred_clients_that_miss_makes_the_key(herd):
    for key in KEYS:
        told = herd.ask(b"mg %s v N30\r\n" % key, b"\r\n\r\n")
        assert winners(told, b"") == 1


def test_one_of_a_hundred_clients_renews_a_key_near_its_end(herd):
    for key in KEYS:
        assert one(herd, b"ms %s 1 T1000\r\nx\r\n" % key) == b"HD\r\n"
        assert winners(herd.ask(b"mg %s v R2000\r\n" % key, b"x\r\n"), b"x") == 1


def test_a_hundred_clients_count_together(herd):
    herd.ask(b"ma n N0 J1\r\n", b"HD\r\n")
    assert one(herd, b"mg n v\r\n") == b"VA 3\r\n100\r\n"
