"""Publishing and subscribing: against redis-server with several clients, many listeners, those who do not read, and what
client libraries make of it."""

import asyncio
import hashlib
import random
import selectors
import socket

import pytest
import redis

import resp
import server

SEED = 20261125
STEPS = 600
CHANNELS = [b"a", b"b", b"news.x", b"", b"\x00\r\n"]
PATTERNS = [b"*", b"a*", b"n?ws.[wx]", b"", b"zz"]
ENDS = (b"unsubscribe", b"punsubscribe", b"sunsubscribe")


class Speaker:
    """One client of each server, and whether it reads RESP3."""

    def __init__(self, port, resp3):
        self.client = resp.Client(server.connect(port))
        self.marks = 0
        if resp3:
            self.client.call("HELLO", 3)

    def say(self, request):
        self.client.send(*request)

    def heard(self):
        """All that has come, replies and messages. After the first answer all mail that was under way has become output,
        before the second it has been sent."""
        replies = []
        for _ in range(2):
            self.marks += 1
            mark = b"mark %d" % self.marks
            self.client.send("PING", mark)
            while (reply := self.client.reply()) not in (mark, [b"pong", mark]):
                replies.append(reply)
        return replies


def in_no_order(replies, request):
    """Patterns have the order of a hash table, and so have the names where all are given up. Nothing that the two servers
    answer may be lost or come twice."""
    found = []
    for reply in replies:
        if isinstance(reply, list) and reply and reply[0] in ENDS and len(request) == 1:
            found += [repr(reply[:2]), repr([reply[0], reply[2]])]
        elif request[:2] == (b"PUBSUB", b"CHANNELS") and isinstance(reply, list):
            found.append(repr(sorted(reply)))
        else:
            found.append(repr(reply))
    return sorted(found)


def request_of(dice):
    names = lambda some, least=1: [dice.choice(some) for _ in range(dice.randrange(least, 4))]
    return tuple(
        dice.choice(
            [
                lambda: [b"SUBSCRIBE", *names(CHANNELS)],
                lambda: [b"PSUBSCRIBE", *names(PATTERNS)],
                lambda: [b"SSUBSCRIBE", *names(CHANNELS)],
                lambda: [b"UNSUBSCRIBE", *names(CHANNELS, 0)],
                lambda: [b"PUNSUBSCRIBE", *names(PATTERNS, 0)],
                lambda: [b"SUNSUBSCRIBE", *names(CHANNELS, 0)],
                lambda: [b"PUBLISH", dice.choice(CHANNELS), b"message %d" % dice.randrange(1000)],
                lambda: [b"PUBLISH", dice.choice(CHANNELS), b"\r\n$5\r\n" * dice.randrange(3)],
                lambda: [b"SPUBLISH", dice.choice(CHANNELS), b"x" * dice.randrange(5)],
                lambda: [b"PUBSUB", dice.choice([b"NUMSUB", b"SHARDNUMSUB"]), *names(CHANNELS, 0)],
                lambda: [b"PUBSUB", b"CHANNELS", *names(PATTERNS)[:1]],
                lambda: [b"PUBSUB", b"NUMPAT"],
                lambda: dice.choice([[b"GET", b"k"], [b"PING"], [b"RESET"], [b"EXEC"], [b"PUBLISH", b"a"], [b"SUBSCRIBE"]]),
            ]
        )()
    )


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_several_clients_hear_what_they_hear_of_redis(start, threads, request):
    dice = random.Random(request.config.getoption("--seed") or SEED)
    ours = start(threads=threads)
    with server.peers() as theirs:
        speakers = [[Speaker(port, number % 2 == 1) for number in range(5)] for port in (ours.resp_port, theirs.resp_port)]
        told = 0
        for step in range(STEPS):
            speaker, words = dice.randrange(5), request_of(dice)
            heard = []
            for side in speakers:
                side[speaker].say(words)
                # The speaker first: then its command is done.
                own = side[speaker].heard()
                heard.append([own if other is side[speaker] else other.heard() for other in side])
            told += sum(map(len, heard[1]))
            for number, (left, right) in enumerate(zip(*heard, strict=True)):
                # RESET ends RESP3; a reply to a request of several words has no other order.
                assert in_no_order(left, words) == in_no_order(right, words), f"step {step}: client {speaker} said {words}; {number}"
        assert told > STEPS


@pytest.mark.larder_only
def test_what_a_client_publishes_to_itself_does_not_tear_the_reply_of_exec(start):
    """Documented difference: Redis 7.0 writes such messages between the replies of EXEC, which no client can read; here they
    come before it."""
    running = start(threads=3)
    with resp.Client(server.connect(running.resp_port)) as client:
        client.call("HELLO", 3)
        client.call("SUBSCRIBE", "own")
        for request in (["MULTI"], ["PUBLISH", "own", "1"], ["SET", "k", "v"], ["PUBLISH", "own", "2"]):
            client.call(*request)
        client.send("EXEC")
        replies = [client.reply() for _ in range(3)]
        assert replies == [[b"message", b"own", b"1"], [b"message", b"own", b"2"], [1, b"OK", 1]]


class Reader:
    """A listener whose bytes must be these, and no others."""

    def __init__(self, port, channel, expected):
        self.socket = server.connect(port)
        self.socket.sendall(resp.command("SUBSCRIBE", channel))
        self.confirmed = b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(channel), channel)
        got = b""
        while len(got) < len(self.confirmed):
            got += self.socket.recv(len(self.confirmed) - len(got))
        assert got == self.confirmed
        self.expected, self.at = expected, 0

    def read(self):
        """True once all has come."""
        got = self.socket.recv(1 << 18)
        assert got and got == self.expected[self.at : self.at + len(got)], f"other bytes at {self.at}"
        self.at += len(got)
        return self.at == len(self.expected)


def message(channel, payload):
    return b"*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel, len(payload), payload)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_listeners_hear_all_messages_in_order(start, threads, request):
    listeners, messages = request.config.getoption("--listeners"), request.config.getoption("--messages")
    if threads == 1:
        listeners, messages = listeners // 5, messages // 10
    running = start(threads=threads)
    payloads = [b"message %d" % number for number in range(messages)]
    expected = b"".join(message(b"news", payload) for payload in payloads)
    readers = [Reader(running.resp_port, b"news", expected) for _ in range(listeners)]
    publisher = resp.Client(server.connect(running.resp_port, 120))
    waiting = selectors.DefaultSelector()
    for reader in readers:
        waiting.register(reader.socket, selectors.EVENT_READ, reader)
    left, sent, answered = len(readers), 0, 0
    while left or answered < messages:
        # No more is under way than the listeners may have waiting.
        behind = min(reader.at for reader in readers) // len(message(b"news", payloads[0]))
        if sent < messages and sent - answered < 100 and sent - behind < 20_000:
            batch = payloads[sent : sent + 100]
            publisher.socket.sendall(b"".join(resp.command("PUBLISH", b"news", payload) for payload in batch))
            sent += len(batch)
        for key, _ in waiting.select(0.01):
            if key.data.read():
                waiting.unregister(key.fileobj)
                left -= 1
        while answered < sent:
            assert publisher.reply() == listeners
            answered += 1
    for reader in readers:
        reader.socket.close()


def deaf(port, channel):
    """A client that listens and never reads, with little room in its kernel."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", port))
    made.sendall(resp.command("SUBSCRIBE", channel))
    made.recv(len(channel) + 40)
    return made


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("limit", ["1mb 0 0", "0 256kb 1"])
def test_who_stops_reading_is_closed_and_costs_no_more_than_allowed(start, threads, limit):
    running = start(threads=threads)
    with server.peers(), resp.Client(server.connect(running.resp_port)) as client:
        assert client.call("CONFIG", "SET", "client-output-buffer-limit", f"pubsub {limit}") == b"OK"
        silent = [deaf(running.resp_port, b"news") for _ in range(4)]
        listening = resp.Client(server.connect(running.resp_port))
        listening.call("SUBSCRIBE", "news")
        payload, sent, most = b"x" * 10_000, 0, 0

        def closed():
            nonlocal sent, most
            receivers = client.call("PUBLISH", "news", payload)
            sent += 1
            assert listening.reply() == [b"message", b"news", payload]
            if sent % 100 == 0:
                most = max(most, int(client.call("INFO", "memory").partition(b"used_memory:")[2].split()[0]))
            return receivers == 1 and sent > 100

        server.eventually("those who do not read are closed", closed, 40, 0)
        info = client.call("INFO", "stats")
        assert int(info.partition(b"client_output_buffer_limit_disconnections:")[2].split()[0]) == 4
        # Had nobody been closed, it would be this and more; what each may have waiting is a megabyte, or a second's worth.
        if limit.startswith("1mb"):
            assert most < (200 << 20)
        for one in silent:
            one.close()


def test_redis_py_listens_in_a_thread_and_publishes(start):
    running = start(threads=3)
    for protocol in (2, 3):
        client = redis.Redis(port=running.resp_port, protocol=protocol)
        listener = client.pubsub(ignore_subscribe_messages=True)
        handled = []
        listener.subscribe("plain", handled_channel=lambda message: handled.append(message["data"]))
        listener.psubscribe("pat*")
        listener.get_message(timeout=5), listener.get_message(timeout=5), listener.get_message(timeout=5)
        assert client.publish("plain", "one") == client.publish("handled_channel", "two") == client.publish("pattern", "three") == 1
        found = []

        def all_came():
            if (heard := listener.get_message(timeout=1)) is not None:
                found.append((heard["type"], heard["channel"], heard["data"]))
            return len(found) == 2 and handled == [b"two"]

        server.eventually("the messages come", all_came, pause_s=0)
        assert found == [("message", b"plain", b"one"), ("pmessage", b"pattern", b"three")]
        assert dict(client.pubsub_numsub("plain")) == {b"plain": 1}
        listener.close()
        server.eventually("the listener is forgotten", lambda: client.pubsub_channels() == [])


def test_channels_of_django_send_to_groups(start):
    layers = pytest.importorskip("channels_redis.pubsub")
    running = start(threads=3)

    async def conversation():
        hosts = [("127.0.0.1", running.resp_port)]
        first, second = (layers.RedisPubSubChannelLayer(hosts=hosts) for _ in range(2))
        names = [await first.new_channel(), await second.new_channel(), await second.new_channel()]
        await first.group_add("room", names[0])
        await second.group_add("room", names[1])
        await second.group_add("other", names[2])
        for number in range(50):
            await first.group_send("room", {"type": "chat", "number": number})
        await first.send(names[2], {"type": "alone"})
        for layer, name in ((first, names[0]), (second, names[1])):
            for number in range(50):
                assert await asyncio.wait_for(layer.receive(name), 10) == {"type": "chat", "number": number}
        assert await asyncio.wait_for(second.receive(names[2]), 10) == {"type": "alone"}
        await second.group_discard("room", names[1])
        await first.group_send("room", {"type": "chat", "number": 50})
        assert (await asyncio.wait_for(first.receive(names[0]), 10))["number"] == 50
        for layer in (first, second):
            await layer.flush()

    asyncio.run(conversation())


@pytest.mark.parametrize("threads", [1, 3])
def test_large_messages_come_whole(start, threads):
    running = start(threads=threads)
    with resp.Client(server.connect(running.resp_port)) as client:
        listeners = [resp.Client(server.connect(running.resp_port)) for _ in range(3)]
        for listener in listeners:
            listener.call("SUBSCRIBE", "large")
        for size in (0, 1, 32 << 10, 1 << 20, 3 << 20):
            payload = random.Random(size).randbytes(size)
            assert client.call("PUBLISH", "large", payload) == 3
            for listener in listeners:
                assert hashlib.sha1(listener.reply()[2]).digest() == hashlib.sha1(payload).digest()
