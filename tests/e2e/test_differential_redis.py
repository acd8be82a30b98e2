"""Random commands of the string, bitmap, key, connection and transaction families against redis-server."""

import random

import pytest

import differential
import redis_commands
import resp
import server

CONNECTIONS = 2
DONE = b"$17\r\nthe batch is done\r\n"
DEFAULT_SEED = 20261121

# Documented differences: what may differ, as a function that makes of a reply what must not.
# Everything that is not here is compared byte by byte. Errors always are.


def any_of_type(reply):
    return type(reply).__name__


def in_order(reply):
    return sorted(reply)


def pairs_in_order(reply):
    """Fields and values, flat or as a map."""
    return sorted(reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True))


def count_of(reply):
    return len(reply) if isinstance(reply, list) else type(reply).__name__


class Near(int):
    """A time, equal to those close to it: the two servers run the command at different moments."""

    def __new__(cls, value, tolerance):
        made = super().__new__(cls, value)
        made.tolerance = tolerance
        return made

    def __eq__(self, other):
        if not isinstance(other, Near):
            return False
        return int(self) == int(other) if min(self, other) < 0 else abs(int(self) - int(other)) <= self.tolerance

    __hash__ = int.__hash__


def near_seconds(reply):
    return Near(reply, 3)


def near_milliseconds(reply):
    return Near(reply, 3000)


DIFFERENCES = {
    b"TTL": near_seconds,
    b"EXPIRETIME": near_seconds,
    b"PTTL": near_milliseconds,
    b"PEXPIRETIME": near_milliseconds,
    # The order of a hash table.
    b"KEYS": in_order,
    b"RANDOMKEY": any_of_type,
    # The order of a hash table, and where small collections become one: Redis 7.0 has no small sets but of integers.
    b"HGETALL": pairs_in_order,
    b"HKEYS": in_order,
    b"HVALS": in_order,
    b"SMEMBERS": in_order,
    b"SINTER": in_order,
    b"SUNION": in_order,
    b"SDIFF": in_order,
    b"SPOP": lambda reply: in_order(reply) if isinstance(reply, list) else any_of_type(reply),
    # Which ones is chance.
    b"HRANDFIELD": count_of,
    b"SRANDMEMBER": count_of,
    b"ZRANDMEMBER": count_of,
    b"HSCAN": any_of_type,
    b"SSCAN": any_of_type,
    b"ZSCAN": any_of_type,
    # What one call returns is the server's choice; that all keys come is another test's.
    b"SCAN": any_of_type,
    # Whether a short string is int, embstr or raw depends in Redis on the commands that made it.
    b"OBJECT ENCODING": any_of_type,
    b"OBJECT IDLETIME": near_seconds,
    # In Redis a queued command's arguments hold the value too.
    b"OBJECT REFCOUNT": any_of_type,
    # The connection's number is in it.
    b"HELLO": any_of_type,
}


def canonical(arguments, reply, queued):
    if isinstance(reply, resp.Error) or reply is None:
        return reply
    name = arguments[0].upper()
    if name == b"EXEC":
        return [canonical(command, item, []) for command, item in zip(queued, reply, strict=True)]
    if name == b"OBJECT" and len(arguments) > 1:
        name += b" " + arguments[1].upper()
    rule = DIFFERENCES.get(name)
    return rule(reply) if rule else reply


class Side:
    """Some connections to one server."""

    def __init__(self, running, protocol):
        self.sockets = [running.connect() for _ in range(CONNECTIONS)]
        first = resp.Client(self.sockets[0])
        first.call("FLUSHALL")
        for socket in self.sockets:
            if protocol == 3:
                resp.Client(socket).call("HELLO", "3")

    def send(self, connection, run):
        requests = b"".join(resp.command(*arguments) for arguments in run)
        self.sockets[connection].sendall(requests + resp.command("ECHO", "the batch is done"))

    def receive(self, connection):
        received = bytearray()
        while not received.endswith(DONE):
            more = self.sockets[connection].recv(1 << 20)
            if not more:
                raise differential.Difference(f"a server closed the connection after {bytes(received[-200:])!r}")
            received += more
        return bytes(received[: -len(DONE)])

    def close(self):
        for socket in self.sockets:
            socket.close()


def compare(run, ours, theirs):
    if ours == theirs:
        return
    queued, at, peer_at = [], 0, 0
    for arguments in run:
        reply, end = resp.parse(ours, at)
        peer_reply, peer_end = resp.parse(theirs, peer_at)
        same = ours[at:end] == theirs[peer_at:peer_end] or (
            ours[at : at + 1] == theirs[peer_at : peer_at + 1]
            and canonical(arguments, reply, queued) == canonical(arguments, peer_reply, queued)
        )
        if not same:
            raise differential.Difference(
                f"{show(arguments)}\n  larder {ours[at:end][:600]!r}\n  redis  {theirs[peer_at:peer_end][:600]!r}"
            )
        if peer_reply == b"QUEUED":
            queued.append(arguments)
        elif arguments[0].upper() in (b"EXEC", b"DISCARD"):
            queued = []
        at, peer_at = end, peer_end


def show(arguments):
    return " ".join(repr(word if len(word) < 80 else word[:20] + b"...")[1:] for word in arguments)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_replies_equal_those_of_redis(threads, protocol, start, request):
    seed = request.config.getoption("--seed") or DEFAULT_SEED + 10 * threads + protocol
    ours = start(threads=threads)
    with resp.Client(ours.connect()) as client:
        other_types = not client.call("LPUSH").startswith(b"ERR unknown command")
    generate = redis_commands.Generator(random.Random(seed), other_types)
    commands, count = [], 0
    while count < request.config.getoption("--commands"):
        commands.append(generate())
        count += len(commands[-1])
    with server.redis() as theirs:
        def sides():
            return [Side(ours, protocol), Side(theirs, protocol)]

        shrink = request.config.getoption("--shrink-seconds")
        differential.check(sides, compare, commands, CONNECTIONS, seed, show, shrink)
