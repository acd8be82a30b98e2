"""Numbers 1 to 7: what comes in on the Redis port."""

import contextlib
import threading

import pytest

import resp
import server
from rough import GROWTH_MAX, MIB, info, narrow, others, rest, send_until_closed, unharmed

MULTIBULK = b"-ERR Protocol error: invalid multibulk length\r\n"
BULK = b"-ERR Protocol error: invalid bulk length\r\n"


def test_01_lengths_that_are_none(build_server):
    for request, error in [
        (b"*2147483648\r\n", MULTIBULK),
        (b"*99999999999999999999\r\n", MULTIBULK),
        (b"*9223372036854775808\r\n", MULTIBULK),
        (b"*x\r\n", MULTIBULK),
        (b"*\r\n", MULTIBULK),
        (b"*1x\r\n", MULTIBULK),
        (b"*+1\r\n", MULTIBULK),
        (b"*1\r\n$-1\r\n", BULK),
        (b"*1\r\n$99999999999\r\n", BULK),
        (b"*1\r\n$536870913\r\n", BULK),
        (b"*1\r\n$9223372036854775807\r\n", BULK),
        (b"*1\r\n$18446744073709551616\r\n", BULK),
        (b"*1\r\n$x\r\n", BULK),
        (b"*1\r\n$\r\n", BULK),
        (b"*1\r\n:4\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\nPING\r\n", b"-ERR Protocol error: expected '$', got 'P'\r\n"),
    ]:
        with build_server.connect() as client:
            client.sendall(b"PING\r\n" + request)
            assert rest(client) == b"+PONG\r\n" + error, request


def test_01_what_is_no_request_is_passed_over(build_server):
    """`*-5`, `*0` and empty lines, before and between requests; CVE-2026-27623: an empty request leaves no trace."""
    with resp.Client(build_server.connect()) as client:
        for nothing in (b"*-5\r\n", b"*0\r\n", b"*-1\r\n", b"\r\n", b"   \r\n", b"\r\n*0\r\n\r\n*-5\r\n"):
            client.socket.sendall(nothing + b"*1\r\n$4\r\nPING\r\n" + nothing + resp.command("ECHO", "a") + nothing)
            assert [client.reply(), client.reply()] == [b"PONG", b"a"], nothing
            # Cut in the middle, as the two come in segments of their own.
            client.socket.sendall(nothing[:1])
            client.socket.sendall(nothing[1:])
            client.socket.sendall(resp.command("SET", "k", "v"))
            assert client.reply() == b"OK", nothing
        # The line end after a bulk string is not looked at.
        client.socket.sendall(b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n")
        assert [client.reply(), client.reply()] == [b"PONG", b"PONG"]


@pytest.mark.larder_only
def test_01_lines_without_their_ends_are_not_collected(build_server):
    process = build_server.process
    with unharmed(build_server):
        before = process.rss_bytes()
        for begun in (b"*", b"*1\r\n$", b"PING ", b"*1", b"\"", b" "):
            with build_server.connect() as client:
                with contextlib.suppress(OSError):
                    client.sendall(begun + b"1" * (16 * MIB))
                # The error, unless what it has not read of ours has the kernel reset the connection before that has come.
                assert b"+" not in rest(client)
        assert process.rss_bytes() - before < 32 * MIB


def test_02_stranger_is_allowed_little(start):
    """CVE-2021-32675."""
    running = start(flags=["--requirepass", "secret"])
    for request, error in [
        (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*100\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*1000000\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
        (b"*1\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        (b"*1\r\n$100000000\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
        (b"*1\r\n$536870912\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
    ]:
        with running.connect() as stranger:
            stranger.sendall(request)
            assert stranger.makefile("rb").read() == error
    with resp.Client(running.connect()) as client:
        assert client.call("GET", "k") == b"NOAUTH Authentication required."
        assert client.call("HELLO", "3") == (
            b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "
            b"<pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
        )
        assert client.call("AUTH", "wrong") == b"WRONGPASS invalid username-password pair or user is disabled."
        assert client.call("MULTI") == b"NOAUTH Authentication required."
        assert client.call("HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me")[b"proto"] == 3
        assert client.call("CLIENT", "GETNAME") == b"me"
        assert client.call("SET", "k", "x" * 100_000) == b"OK"
        assert client.call("RESET") == b"RESET"
        assert client.call("GET", "k") == b"NOAUTH Authentication required."


@pytest.mark.larder_only
def test_03_client_that_never_reads_is_capped(build_server):
    with unharmed(build_server) as other:
        other.call("SET", "big", "x" * (256 * 1024))
        with build_server.connect() as greedy:
            send_until_closed(greedy, resp.command("GET", "big") * 100, other, 256 * MIB, held_back=True)
        assert info(other, "evicted_keys") == 0


@pytest.mark.larder_only
def test_03_stranger_that_never_reads_is_capped(start):
    """CVE-2025-21605: refusals without end, of which none is read."""
    running = start(flags=["--requirepass", "secret"])
    with resp.Client(running.connect()) as other:
        assert other.call("AUTH", "secret") == b"OK"
        before = running.process.rss_bytes()
        for request in (resp.command("GET", "k"), resp.command("SET", "x", "5"), b"x\r\n", resp.command("AUTH", "wrong")):
            with running.connect() as stranger:
                send_until_closed(stranger, request * 1000, other, 1024 * MIB, held_back=True)
        assert running.process.rss_bytes() - before < GROWTH_MAX
        assert other.call("PING") == b"PONG"


@pytest.mark.larder_only
def test_03_slow_readers_cost_nobody_a_key_and_the_greatest_are_closed(start):
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
def test_03_killed_client_that_does_not_read_is_gone_at_once(start):
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
def test_03_output_limits_close_at_once_or_after_their_time(start):
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
            assert others(other) == 0
            deaf.close()
        shown = other.call("CONFIG", "GET", "client-output-buffer-limit")[1]
        assert shown == b"normal 0 1048576 1 slave 268435456 67108864 60 pubsub 33554432 8388608 60"


@pytest.mark.larder_only
@pytest.mark.parametrize("argument_bytes", [1000, 1 * MIB])
def test_04_command_that_is_never_finished_is_charged_and_shed(start, argument_bytes):
    """CVE-2025-46686."""
    running = start(maxmemory="64mb", threads=2)
    with unharmed(running) as other, running.connect() as endless:
        endless.sendall(b"*1000000\r\n")
        argument = b"$%d\r\n%s\r\n" % (argument_bytes, b"x" * argument_bytes)
        send_until_closed(endless, argument * (MIB // argument_bytes), other, 1024 * MIB)


@pytest.mark.larder_only
def test_04_many_unfinished_commands_do_not_add_up(start):
    running = start(maxmemory="64mb", threads=2)
    with unharmed(running):
        clients = [running.connect(timeout_s=2) for _ in range(100)]
        for client in clients:
            with contextlib.suppress(OSError):
                client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10485760\r\n" + b"x" * (10 * MIB - 1))
        for client in clients:
            client.close()


@pytest.mark.larder_only
def test_05_lying_lengths_cost_nothing(start):
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
def test_05_lengths_near_the_end_of_64_bits(start):
    """CVE-2021-41099: what a request may be long is at its greatest, and lengths are added to what is there already."""
    running = start(threads=2)
    with resp.Client(running.connect()) as other:
        assert other.call("CONFIG", "SET", "client-query-buffer-limit", 2**63 - 1) == b"OK"
        assert isinstance(other.call("CONFIG", "SET", "proto-max-bulk-len", 2**63 - 1), resp.Error)
        before = running.process.rss_bytes()
        for length in (2**63 - 1, 2**63 - 17, 2**62, 2**32 - 1, 2**31, 2**31 - 1, 8294967296, 536870912):
            for head in (b"*3\r\n$3\r\nSET\r\n$1\r\nA\r\n", b"*1\r\n", b"*2\r\n$4\r\nECHO\r\n"):
                with running.connect() as liar:
                    liar.sendall(head + b"$%d\r\n" % length + b"x" * 100)
                    if length > 536870912:
                        assert rest(liar) == BULK
                    assert other.call("PING") == b"PONG"
        for count in (2**31 - 1, 2**20, 2**20 + 1):
            with running.connect() as liar:
                liar.sendall(b"*%d\r\n$4\r\nMGET\r\n" % count)
                assert other.call("PING") == b"PONG"
        assert running.process.rss_bytes() - before < 32 * MIB


@pytest.mark.larder_only
def test_05_a_buffer_that_rests_in_the_middle_of_a_request_loses_nothing(build_server):
    """CVE-2023-41056: what an idle client has sent is kept, while the room behind it is given back."""
    values = {length: bytes(at % 251 for at in range(length)) for length in (10, 20_000, 1_000_000)}
    halves = {}
    for length, value in values.items():
        request = resp.command("SET", f"k{length}", value)
        # Of the last, as much comes as of the first.
        for part in {60, length // 2, len(request) - 1}:
            client = resp.Client(build_server.connect())
            client.socket.sendall(request[:part])
            halves[client] = (request[part:], length)
    # A transaction rests too.
    queued = resp.Client(build_server.connect())
    assert queued.call("MULTI") == b"OK" and queued.call("SET", "queued", values[20_000]) == b"QUEUED"
    with resp.Client(build_server.connect()) as other:

        def all_rest():
            lines = [line for line in other.call("CLIENT", "LIST").decode().splitlines() if " name=witness " not in line]
            return sum(int(line.partition(" idle=")[2].split()[0]) >= 2 for line in lines) == len(halves) + 1

        server.eventually("all have rested", all_rest)
        for client, (left, length) in halves.items():
            client.socket.sendall(left[: len(left) // 2])
            client.socket.sendall(left[len(left) // 2 :])
            assert client.reply() == b"OK"
            assert other.call("GET", f"k{length}") == values[length]
            client.close()
        assert queued.call("EXEC") == [b"OK"]
        assert other.call("GET", "queued") == values[20_000]
        queued.close()


SMUGGLED = b"x\r\n+OK\r\n$5\r\nhello\r\n-ERR y\r\n*1\r\n:1\n\r\x00z"


def test_06_line_ends_are_not_smuggled_into_replies(build_server):
    """CVE-2025-67733: whatever a client has said comes back within one reply, so that the next is the next."""
    commands = [[SMUGGLED], [SMUGGLED, "a"], ["CONFIG", SMUGGLED], ["CONFIG", "SET", SMUGGLED, "1"], ["CLIENT", SMUGGLED]]
    commands += [["CONFIG", "SET", "maxmemory", SMUGGLED], ["CONFIG", "SET", "maxmemory-policy", SMUGGLED]]
    commands += [["CLIENT", "SETNAME", SMUGGLED], ["CLIENT", "KILL", SMUGGLED], ["CLIENT", "REPLY", SMUGGLED]]
    commands += [["CLIENT", "LIST", "TYPE", SMUGGLED], ["CLIENT", "KILL", "TYPE", SMUGGLED], ["HELLO", SMUGGLED]]
    commands += [["HELLO", "3", SMUGGLED], ["HELLO", "2", "SETNAME", SMUGGLED], ["AUTH", SMUGGLED], ["AUTH", SMUGGLED, SMUGGLED]]
    commands += [["SET", "k", "v", SMUGGLED], ["SET", "k", "v", "EX", SMUGGLED], ["OBJECT", SMUGGLED, "k"], ["GET", SMUGGLED]]
    commands += [["EXPIRE", "k", SMUGGLED], ["INCRBY", "k", SMUGGLED], ["ECHO", SMUGGLED], ["PING", SMUGGLED], ["SELECT", SMUGGLED]]
    commands += [["ACL", "SETUSER", SMUGGLED], ["ACL", "SETUSER", "u", SMUGGLED], ["ACL", "SETUSER", "u", "+" + "x\r\ny"]]
    commands += [["ACL", "CAT", SMUGGLED], ["ACL", "DRYRUN", SMUGGLED, "get", "k"], ["ACL", SMUGGLED], ["ACL", "GETUSER", SMUGGLED]]
    commands += [["ACL", "DRYRUN", "default", SMUGGLED], ["COMMAND", "DOCS", SMUGGLED], ["COMMAND", "INFO", SMUGGLED]]
    commands += [["COMMAND", "GETKEYS", SMUGGLED], ["COMMAND", "LIST", "FILTERBY", "ACLCAT", SMUGGLED], ["INFO", SMUGGLED]]
    commands += [["RENAME", SMUGGLED, SMUGGLED], ["SORT", "k", SMUGGLED], ["ZADD", "z", SMUGGLED, "a"], ["ZRANGE", "z", SMUGGLED, SMUGGLED]]
    commands += [["BITFIELD", "k", SMUGGLED, "u8", "0"], ["BITFIELD", "k", "GET", SMUGGLED, "0"], ["LPOS", "l", "a", SMUGGLED, "1"]]
    commands += [["SCAN", SMUGGLED], ["SCAN", "0", SMUGGLED, "x"], ["PUBSUB", SMUGGLED], ["SLOWLOG", SMUGGLED], ["MEMORY", SMUGGLED]]
    commands += [["LATENCY", SMUGGLED], ["DEBUG", SMUGGLED], ["CLUSTER", SMUGGLED], ["PUBLISH", SMUGGLED, SMUGGLED], ["LOLWUT", SMUGGLED]]
    with resp.Client(build_server.connect()) as client:
        for number, command in enumerate(commands):
            replies = client.pipeline([command, ["ECHO", f"marker {number}"]])
            assert replies[1] == b"marker %d" % number, (command, replies)
            assert not isinstance(replies[0], (resp.Error, resp.Status)) or not {10, 13} & set(replies[0]), command
            assert client.received == b"", command
        # What a transaction refuses, and the name that nobody could give itself.
        client.call("MULTI")
        assert isinstance(client.call(SMUGGLED), resp.Error)
        assert client.call("EXEC").startswith(b"EXECABORT")
        assert client.call("CLIENT", "GETNAME") in (None, b"")
        listed = client.call("CLIENT", "LIST")
        assert others(client) == 0 and listed.count(b"\n") <= 2


@pytest.mark.larder_only
def test_06_line_ends_are_not_smuggled_to_those_who_watch(start):
    """What a monitor, the slow log, the ACL log and keyspace events tell of others' words."""
    running = start(threads=2, flags=["--slowlog-log-slower-than", "0", "--notify-keyspace-events", "KEA"])
    with resp.Client(running.connect()) as client, resp.Client(running.connect()) as monitor:
        with resp.Client(running.connect()) as listener:
            assert monitor.call("MONITOR") == b"OK"
            assert listener.call("PSUBSCRIBE", "__key*__:*")[0] == b"psubscribe"
            client.call("SET", SMUGGLED, SMUGGLED)
            while b'"SET"' not in (line := monitor.reply()).upper():
                pass
            assert isinstance(line, resp.Status) and b"\\r\\n+OK\\r\\n" in line
            assert listener.reply() == [b"pmessage", b"__key*__:*", b"__keyspace@0__:" + SMUGGLED, b"set"]
            assert listener.reply() == [b"pmessage", b"__key*__:*", b"__keyevent@0__:set", SMUGGLED]
            assert any(SMUGGLED in entry[3] for entry in client.call("SLOWLOG", "GET", 128))
            assert isinstance(client.call("AUTH", SMUGGLED, "x"), resp.Error)
            assert client.call("ACL", "LOG")[0][9] == SMUGGLED
        client.call("CONFIG", "SET", "slowlog-log-slower-than", -1)


def test_07_a_request_cut_at_every_byte(build_server):
    requests = resp.command("SET", "key", "value\r\nwith\r\nlines") + resp.command("GET", "key") + b"PING\r\nECHO 'a b'\r\n"
    requests += resp.command("MGET", "key", "none") + b"*0\r\n" + resp.command("INCR", "n")
    value = b"value\r\nwith\r\nlines"
    with resp.Client(build_server.connect()) as client:
        for at in range(1, len(requests)):
            client.socket.sendall(requests[:at])
            client.socket.sendall(requests[at:])
            replies = [client.reply() for _ in range(6)]
            assert replies == [b"OK", value, b"PONG", b"a b", [value, None], at], at
        for byte in requests:
            client.socket.sendall(bytes([byte]))
        assert [client.reply() for _ in range(6)][:5] == [b"OK", value, b"PONG", b"a b", [value, None]]


def test_07_ten_thousand_requests_in_one_segment(build_server):
    with resp.Client(build_server.connect()) as client:
        commands = [["SET", f"k{number % 50}", number] for number in range(5000)]
        commands += [["GET", f"k{number % 50}"] for number in range(5000)]
        sender = threading.Thread(
            target=client.socket.sendall, args=(b"".join(resp.command(*command) for command in commands),)
        )
        sender.start()
        replies = [client.reply() for _ in commands]
        sender.join()
    assert replies == [b"OK"] * 5000 + [b"%d" % (4950 + number % 50) for number in range(5000)]


def test_07_an_error_between_requests(build_server):
    """Everything before it is answered; after an error of a command so is everything behind it, after one of the protocol nothing."""
    with resp.Client(build_server.connect()) as client:
        middle = [["NOSUCH"], ["GET"], ["INCR", "s"], ["SELECT", "x"], ["LPUSH", "s", "x"], ["SET", "s", "v", "EX", "x"]]
        for bad in middle:
            replies = client.pipeline([["SET", "s", "a"], bad, ["GET", "s"], bad, ["PING"]])
            assert replies[::2] == [b"OK", b"a", b"PONG"], bad
            assert all(isinstance(reply, resp.Error) for reply in replies[1::2]), bad
    with build_server.connect() as client:
        client.sendall(resp.command("SET", "s", "b") + b"*1\r\n!\r\n" + resp.command("SET", "s", "c"))
        assert rest(client) == b"+OK\r\n-ERR Protocol error: expected '$', got '!'\r\n"
    with resp.Client(build_server.connect()) as client:
        assert client.call("GET", "s") == b"b"
