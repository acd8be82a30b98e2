"""Clients that misbehave, and what is asked of a server meanwhile."""

import contextlib
import itertools
import socket

import resp

MIB = 1 << 20
# What a process may have grown by, whatever one client does to it: far less than what that client asks for.
GROWTH_MAX = 160 * MIB


def exchange(client, request, ending):
    """Sends, and receives until the reply ends so."""
    client.sendall(request)
    got = b""
    while not got.endswith(ending):
        more = client.recv(1 << 20)
        assert more, got[-200:]
        got += more
    return got


def info(client, field):
    """A number of `INFO`."""
    for line in client.call("INFO", "everything").decode().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split(":")[1])
    raise AssertionError(f"INFO has no {field}")


def narrow(running, room=4096, protocol="resp"):
    """A connection with little room in its own socket."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    sock.connect(("127.0.0.1", running.port(protocol)))
    return sock


def others(client):
    """How many clients there are beside this one and the witness of `tests/fault`."""
    lines = client.call("CLIENT", "LIST").decode().splitlines()
    return len([line for line in lines if " name=witness " not in line]) - 1


@contextlib.contextmanager
def unharmed(running):
    """Another client, served before, during and after; its keys stay."""
    with resp.Client(running.connect()) as other:
        assert other.call("MSET", *[word for number in range(100) for word in (f"mine:{number}", "x" * 100)]) == b"OK"
        before = running.process.rss_bytes()
        yield other
        assert other.call("PING") == b"PONG"
        assert other.call("EXISTS", *[f"mine:{number}" for number in range(100)]) == 100
        with resp.Client(running.connect()) as newcomer:
            assert newcomer.call("PING") == b"PONG"
        assert running.process.rss_bytes() - before < GROWTH_MAX


def send_until_closed(client, chunk, other, total_max, held_back=False):
    """Sends without reading until the server closes; meanwhile others are served.

    With `held_back` it is enough that the server stops reading from us: what it keeps for us is bounded then.
    """
    client.settimeout(0.5)
    sent = stalls = 0
    while sent < total_max:
        try:
            sent += client.send(chunk)
            stalls = 0
        except TimeoutError:
            stalls += 1
            if held_back and stalls == 4:
                return
            assert stalls < 40, "neither read from nor closed"
        except (BrokenPipeError, ConnectionResetError):
            return
        assert other.call("PING") == b"PONG"
    raise AssertionError(f"took {sent} bytes of requests without a word")


def rest(client):
    """All that still comes before the server closes; a reset is a close."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(1 << 20):
            got += more
    return got


def batches(items, size):
    """The items in lists of so many."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
