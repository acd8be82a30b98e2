"""TLS by the kernel, where it has it: nothing but what it costs is different. `tests/vm/run` runs these, and those of
`test_tls`, in a virtual machine whose kernel has it."""

import contextlib
import hashlib
import socket
import ssl
import subprocess

import pymemcache.client.base
import pytest

import server
from test_tls import LARGE, authority, files, read_exactly, read_to_end, secured, single, tls  # noqa: F401

pytestmark = [
    pytest.mark.larder_only,
    pytest.mark.skipif(not server.kernel_has_tls(), reason="this kernel has no TLS (tests/vm/run has one that does)"),
]

TLS_1_2 = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
TLS_1_3 = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
SUITES = [(ssl.TLSVersion.TLSv1_2, name) for name in TLS_1_2] + [(ssl.TLSVersion.TLSv1_3, name) for name in TLS_1_3]


def dial(tls, suite, protocol="resp"):
    """A connection with this suite."""
    version, name = suite
    context = tls.context(version=version)
    if version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(name)
    else:
        tls.plain().config_set("tls-ciphersuites", name)
    plain = server.connect(tls.port(protocol))
    client = context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
    assert client.cipher()[0] == name
    return client


def facts(tls):
    return [line["tls"] for line in tls.plain().client_list() if "tls" in line]


def ping(client):
    client.sendall(b"PING\r\n")
    assert read_exactly(client, 7) == b"+PONG\r\n"


def in_kernel(tls, count=1):
    """So many clients are the kernel's."""
    server.eventually("the kernel has them", lambda: tls.info("tls_kernel_clients") == count)


@pytest.mark.parametrize("suite", SUITES, ids=[name for _, name in SUITES])
def test_each_suite_is_handed_over(tls, suite):
    with dial(tls, suite) as client:
        ping(client)
        in_kernel(tls)
        assert facts(tls) == [f"{suite[0].name.replace('_', '.')}/{suite[1]}+kernel"]
        requests = b"".join(b"SET key-%d %0300d\r\n" % (number, number) for number in range(500))
        client.sendall(requests)
        assert read_exactly(client, 5 * 500) == b"+OK\r\n" * 500
        client.sendall(b"".join(b"GET key-%d\r\n" % number for number in range(500)))
        assert read_exactly(client, 308 * 500) == b"".join(b"$300\r\n%0300d\r\n" % number for number in range(500))
        value = LARGE[: 1 << 20]
        client.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n%s\r\nGET large\r\nSTRLEN large\r\n" % (len(value), value))
        assert read_exactly(client, 5) == b"+OK\r\n"
        told = read_exactly(client, len(value) + 12)
        assert hashlib.sha256(told).digest() == hashlib.sha256(b"$%d\r\n%s\r\n" % (len(value), value)).digest()
        assert read_exactly(client, 10) == b":1048576\r\n"
        client.sendall(b"QUIT\r\n")
        # The end is said, or this would be an error.
        assert read_to_end(client) == b"+OK\r\n"
    server.eventually("nobody is left", lambda: tls.info("tls_connected_clients") == tls.info("tls_kernel_clients") == 0)
    assert tls.info("tls_session_errors") == tls.info("tls_handshake_errors") == 0


def test_memcache_clients_are_handed_over(tls):
    client = pymemcache.client.base.Client(("localhost", tls.memcache_port), tls_context=tls.context(), timeout=20)
    assert client.set("first", b"1", noreply=False)
    in_kernel(tls)
    values = {f"key-{number}": b"%0900d" % number for number in range(300)}
    assert client.set_many(values, noreply=False) == []
    assert client.get_many(list(values)) == values
    client.close()
    with tls.dial("memcache") as binary:
        binary.sendall(bytes([0x80, 0x0A]) + bytes(22))
        assert read_exactly(binary, 24)[:2] == bytes([0x81, 0x0A])
        in_kernel(tls)
        binary.sendall(bytes([0x80, 0x0B]) + bytes(22))
        assert read_exactly(binary, 24)[1] == 0x0B


def test_the_end_that_a_client_says_is_heard_after_its_requests(tls):
    with tls.dial() as client:
        ping(client)
        in_kernel(tls)
        client.sendall(b"SET k v\r\nGET k\r\n")
        assert read_exactly(client, 12) == b"+OK\r\n$1\r\nv\r\n"
        client.unwrap().close()
    # Without a notice, as a process that was killed ends.
    gone = tls.dial()
    ping(gone)
    in_kernel(tls)
    socket.socket(fileno=gone.detach()).close()
    server.eventually("nobody is left", lambda: tls.info("tls_connected_clients") == 0)
    assert tls.info("tls_session_errors") == 0


def test_a_client_that_never_rests_is_handed_over(tls):
    """Large values one behind the other: a receive ends in the middle of a record."""
    with tls.dial() as client:
        for number in range(8):
            client.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(LARGE), LARGE))
        assert read_exactly(client, 5 * 8) == b"+OK\r\n" * 8
        in_kernel(tls)
        client.sendall(b"GET k\r\nPING\r\n")
        told = read_exactly(client, len(LARGE) + 12)
        assert hashlib.sha256(told[10:-2]).digest() == hashlib.sha256(LARGE).digest()
        assert read_exactly(client, 7) == b"+PONG\r\n"


def test_a_damaged_record_ends_its_connection_only(tls):
    with tls.redis() as other, server.connect(tls.resp_port) as plain:
        other.set("a", "b")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = tls.context().wrap_bio(incoming, outgoing, server_hostname="localhost")

        def complete(step):
            while True:
                try:
                    done = step()
                    plain.sendall(outgoing.read())
                    return done
                except ssl.SSLWantReadError:
                    plain.sendall(outgoing.read())
                    incoming.write(plain.recv(1 << 16))

        complete(client.do_handshake)
        complete(lambda: client.write(b"PING\r\n"))
        assert complete(lambda: client.read(7)) == b"+PONG\r\n"
        in_kernel(tls, 2)
        client.write(b"FLUSHALL\r\n")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        plain.sendall(record)
        with contextlib.suppress(ConnectionError):
            read_to_end(plain)
        assert other.get("a") == b"b"
    assert tls.info("tls_session_errors") == 1
    assert "a record that cannot be opened" in tls.running.process.output()


class Cli:
    """`openssl s_client`, which can ask for new keys."""

    def __init__(self, tls):
        argv = ["openssl", "s_client", "-connect", f"localhost:{tls.resp_port}", "-CAfile", tls.authority.file, "-tls1_3"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(list(map(str, argv)), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def say(self, line):
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def read_to(self, word):
        """Up to a line with this word; false where the end comes first."""
        return any(word in line for line in self.process.stdout)

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("kernel", ["auto", "no"])
def test_new_keys_are_taken_by_the_process_and_are_the_end_in_the_kernel(single, kernel):
    single.plain().config_set("tls_kernel", kernel)
    client = Cli(single)
    try:
        client.say(b"PING\n")
        assert client.read_to(b"+PONG")
        in_kernel(single, 1 if kernel == "auto" else 0)
        # Upper case: the server is asked for new keys too.
        client.say(b"K\n")
        assert client.read_to(b"KEYUPDATE")
        with contextlib.suppress(BrokenPipeError):
            client.say(b"PING\n")
        assert client.read_to(b"+PONG") == (kernel == "no")
    finally:
        client.end()
    if kernel == "auto":
        assert "it goes on with new keys, which the kernel is not given" in single.running.process.output()
        assert single.info("tls_session_errors") == 1


def test_whether_the_kernel_is_asked_can_be_changed(authority, files):  # noqa: F811
    with secured(authority, files, flags=["--tls_kernel", "yes"]) as tls:
        assert "TLS records are sealed and opened by the kernel" in tls.running.process.output()
        assert tls.info("tls_by") == "kernel"
        with tls.dial() as first:
            ping(first)
            in_kernel(tls)
            tls.plain().config_set("tls_kernel", "no")
            assert tls.info("tls_by") == "process (as asked for)"
            with tls.dial() as second, tls.dial("memcache") as third:
                ping(second)
                third.sendall(b"stats settings\r\n")
                received = b""
                while not received.endswith(b"END\r\n"):
                    received += third.recv(1 << 16)
                assert b"STAT ssl_kernel_tls no\r\n" in received
                assert tls.info("tls_connected_clients") == 3 and tls.info("tls_kernel_clients") == 1
            # Who was handed over before stays so.
            ping(first)
            assert [line.endswith("+kernel") for line in facts(tls)] == [True]
