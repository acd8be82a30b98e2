"""TLS on either port: clients, certificates and their renewal, and what comes that is no TLS."""

import contextlib
import hashlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import urllib.request

import pymemcache.client.base
import pytest
import redis

import certificates
import server

pytestmark = pytest.mark.larder_only
ALERT, FATAL = 21, 2
START_FAILURE_TIMEOUT_S = 20
LARGE = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return certificates.Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def files(authority):
    """Certificate and key of the server."""
    return authority.issue("server")


class Secured:
    """A larder with TLS on two further ports."""

    def __init__(self, running, ports, authority):
        self.running, self.authority = running, authority
        self.resp_port, self.memcache_port = ports

    def context(self, certificate=None, version=None):
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if certificate:
            context.load_cert_chain(*map(str, certificate))
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def port(self, protocol):
        return {"resp": self.resp_port, "memcache": self.memcache_port}[protocol]

    def dial(self, protocol="resp", **context):
        """A connection whose handshake is over."""
        plain = server.connect(self.port(protocol))
        return self.context(**context).wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)

    def redis(self, **options):
        options = {"ssl_ca_certs": str(self.authority.file), "socket_timeout": 20, **options}
        return redis.Redis(host="localhost", port=self.resp_port, ssl=True, **options)

    def plain(self):
        """A client without TLS, which sees to it."""
        return redis.Redis(port=self.running.resp_port)

    def info(self, name):
        return self.plain().info()[name]


@contextlib.contextmanager
def secured(authority, files, threads=1, io="auto", flags=(), clients="no"):
    def start(ports):
        argv = [server.BINARY, "--port", ports[0], "--memcache_port", ports[1], "--tls-port", ports[2]]
        argv += ["--tls_memcache_port", ports[3], "--threads", threads, "--io", io, "--maxmemory", "256mb"]
        argv += ["--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-auth-clients", clients]
        return server.Process([*argv, *flags], ports[:2])

    ports, process = server.on_free_ports(4, start)
    with server.Server([process], *ports[:2]) as running:
        yield Secured(running, ports[2:], authority)


@pytest.fixture
def tls(build, authority, files):
    with secured(authority, files, *build) as running:
        yield running


@pytest.fixture
def single(authority, files):
    with secured(authority, files) as running:
        yield running


def read_exactly(client, count):
    """Not a byte more than that: what follows is read by itself."""
    received = bytearray()
    while len(received) < count:
        more = client.recv(count - len(received))
        assert more, f"the end after {len(received)} of {count} bytes"
        received += more
    return bytes(received)


def read_to_end(client):
    received = b""
    while more := client.recv(1 << 16):
        received += more
    return received


def test_clients_of_both_protocols_do_not_notice(tls):
    resp = tls.redis()
    memcache = pymemcache.client.base.Client(("localhost", tls.memcache_port), tls_context=tls.context(), timeout=20)
    resp.set("greeting", "hello")
    assert memcache.get("greeting") == b"hello"
    with resp.pipeline(transaction=False) as pipeline:
        for number in range(2000):
            pipeline.set(f"key-{number}", str(number) * 20)
        for number in range(2000):
            pipeline.get(f"key-{number}")
        replies = pipeline.execute()
    assert replies[2000:] == [(str(number) * 20).encode() for number in range(2000)]
    found = memcache.get_many([f"key-{number}" for number in range(500)])
    assert found == {f"key-{number}": (str(number) * 20).encode() for number in range(500)}
    with resp.pipeline(transaction=True) as pipeline:
        pipeline.mset({"a": 1, "b": 2}).mget("a", "b")
        assert pipeline.execute()[1] == [b"1", b"2"]


def test_large_values_pass_both_ways(tls):
    resp = tls.redis()
    for number in range(3):
        resp.set(f"large-{number}", LARGE)
    assert resp.mget([f"large-{number}" for number in range(3)]) == [LARGE] * 3
    # Many of them are asked for before one is read, and the item goes before it has been sent.
    with tls.dial() as client:
        client.sendall(b"GET large-1\r\n" * 20 + b"DEL large-1\r\nPING\r\n")
        digest = hashlib.sha256()
        for _ in range(20):
            assert read_exactly(client, 10) == b"$%d\r\n" % len(LARGE)
            for _ in range(len(LARGE) // 50_000):
                digest.update(read_exactly(client, 50_000))
            digest.update(read_exactly(client, len(LARGE) % 50_000))
            assert read_exactly(client, 2) == b"\r\n"
        assert digest.hexdigest() == hashlib.sha256(LARGE * 20).hexdigest()
        assert read_exactly(client, 11) == b":1\r\n+PONG\r\n"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_handshake_may_come_byte_by_byte(tls, version):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = tls.context(version=version).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with server.connect(tls.memcache_port) as plain:

        def flush():
            for byte in outgoing.read():
                plain.sendall(bytes([byte]))

        def complete(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    flush()
                    more = plain.recv(7)
                    assert more
                    incoming.write(more)

        complete(client.do_handshake)
        client.write(b"set a 0 0 1\r\nx\r\nget a\r\n")
        wanted, received = b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n", b""
        flush()
        while len(received) < len(wanted):
            received += complete(lambda: client.read(100))
        assert received == wanted


def test_ends_are_said_and_understood(tls):
    # The server's: after QUIT, and when a client has ended its side and is owed nothing.
    for protocol, last, reply in [("resp", b"QUIT\r\n", b"+OK\r\n"), ("memcache", b"quit\r\n", b"")]:
        with tls.dial(protocol) as client:
            client.sendall(last)
            assert read_to_end(client) == reply
    # The client's: what it asked for before still comes.
    with tls.dial() as client:
        client.sendall(b"SET k v\r\nGET k\r\n")
        assert read_exactly(client, 12) == b"+OK\r\n$1\r\nv\r\n"
        client.unwrap().close()
    # Without a notice, as a process that was killed ends.
    gone = tls.dial()
    gone.sendall(b"GET k\r\n")
    socket.socket(fileno=gone.detach()).close()
    server.eventually("nobody is left", lambda: tls.info("tls_connected_clients") == 0)


def test_redis_cli_speaks_tls(single, files):
    words = ["redis-cli", "-h", "localhost", "-p", single.resp_port, "--tls", "--cacert", single.authority.file]
    done = subprocess.run([*map(str, words), "set", "from", "cli"], capture_output=True, text=True, timeout=20)
    assert done.stdout == "OK\n", done.stderr
    piped = subprocess.run(list(map(str, words)), input="get from\nping\n", capture_output=True, text=True, timeout=20)
    assert piped.stdout.split() == ["cli", "PONG"]


@pytest.mark.parametrize("clients", ["yes", "optional"])
def test_clients_show_certificates(authority, files, tmp_path, clients):
    own = authority.issue("client")
    stranger = certificates.Authority(tmp_path, "strangers").issue("stranger")
    flags = ["--tls-ca-cert-file", authority.file]
    with secured(authority, files, flags=flags, clients=clients) as tls:
        shown = dict(ssl_certfile=str(own[0]), ssl_keyfile=str(own[1]))
        assert tls.redis(**shown).ping()
        memcache = ("localhost", tls.memcache_port)
        client = pymemcache.client.base.Client(memcache, tls_context=tls.context(own), timeout=20)
        assert client.set("a", "b", noreply=False)
        assert "+certificate" in tls.redis(**shown).client_list()[-1]["tls"]
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            with tls.dial(certificate=stranger) as refused:
                refused.sendall(b"PING\r\n")
                refused.recv(100)
        if clients == "optional":
            assert tls.redis().ping()
        else:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                with tls.dial() as refused:
                    refused.sendall(b"PING\r\n")
                    refused.recv(100)
        assert tls.info("tls_handshake_errors") == (1 if clients == "optional" else 2)


def test_sessions_are_taken_up_again(single):
    context = single.context(version=ssl.TLSVersion.TLSv1_2)
    session = None
    for _ in range(2):
        plain = server.connect(single.resp_port)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as client:
            client.sendall(b"PING\r\n")
            assert read_exactly(client, 7) == b"+PONG\r\n"
            resumed, session = client.session_reused, client.session
    assert resumed
    assert single.info("tls_resumed_sessions") == 1


def test_the_console_is_served_over_https(single):
    https = urllib.request.HTTPSHandler(context=single.context())
    opener = urllib.request.build_opener(https)
    with single.dial() as client:
        # In TLS 1.3 the client is through with its handshake before the server is.
        client.sendall(b"PING\r\n")
        assert read_exactly(client, 7) == b"+PONG\r\n"
        page = opener.open(f"https://localhost:{single.resp_port}/metrics", timeout=20).read().decode()
    assert 'larder_tls_connections{core="0"} 2' in page
    end = next(line for line in page.splitlines() if line.startswith("larder_tls_certificate_end_seconds "))
    assert float(end.split()[1]) == single.info("tls_cert_not_after")
    assert b"<html" in opener.open(f"https://localhost:{single.resp_port}/", timeout=20).read()


def test_administrators_see_it(single, files):
    with single.dial("memcache") as client:
        client.sendall(b"stats settings\r\nstats\r\nmn\r\n")
        received = b""
        while not received.endswith(b"MN\r\n"):
            received += client.recv(1 << 16)
    lines = dict(line.split(" ", 2)[1:] for line in received.decode().splitlines() if line.startswith("STAT "))
    assert lines["ssl_enabled"] == "yes" and lines["ssl_verify_mode"] == "0"
    assert (lines["ssl_chain_cert"], lines["ssl_key"]) == (str(files[0]), str(files[1]))
    assert lines["ssl_handshake_errors"] == "0" and lines["ssl_new_sessions"] == "1"
    assert 0 <= int(lines["time_since_server_cert_refresh"]) < 60
    with single.redis() as client:
        assert client.client_list()[-1]["tls"].startswith("TLSv1.3/TLS_")
        assert client.info()["tls_port"] == single.resp_port
    # Nobody else is said to speak it.
    only_plain = lambda: all("tls" not in line for line in single.plain().client_list())
    server.eventually("the plain client is alone", only_plain)


NO_TLS = [
    b"*1\r\n$4\r\nPING\r\n",
    b"set a 0 0 1\r\nx\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\xff\xff\x01",
    b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    bytes(100_000),
]


def test_who_does_not_speak_tls_is_told_and_closed(tls):
    for garbage in NO_TLS:
        for protocol in ("resp", "memcache"):
            with server.connect(tls.port(protocol)) as client:
                try:
                    client.sendall(garbage)
                    told = read_to_end(client)
                except ConnectionError:
                    continue
                assert told[0] == ALERT and told[5] == FATAL, told
    assert tls.redis().ping()
    assert tls.info("tls_handshake_errors") == 2 * len(NO_TLS)


@pytest.mark.parametrize("protocol", ["resp", "memcache"])
def test_tls_on_a_port_without_it_fails_at_once(single, protocol):
    plain = server.connect(single.running.port(protocol))
    with pytest.raises(ssl.SSLError, match="alert internal error"):
        single.context().wrap_socket(plain, server_hostname="localhost")


def test_a_damaged_record_ends_its_session_only(single):
    with single.redis() as other, server.connect(single.resp_port) as plain:
        other.set("a", "b")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = single.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(1 << 16))
        client.write(b"FLUSHALL\r\n")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        plain.sendall(record)
        with contextlib.suppress(ConnectionError):
            read_to_end(plain)
        assert other.get("a") == b"b"
    assert single.info("tls_session_errors") == 1


def test_a_storm_of_handshakes_leaves_room_for_others(tls):
    stop, served = threading.Event(), []

    def ask():
        with tls.running.connect() as client:
            while not stop.is_set() or not served:
                client.sendall(b"PING\r\n" * 16)
                served.append(len(read_exactly(client, 7 * 16)))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        # Some say nothing, some half of it, some rubbish, and some mean it.
        silent = [server.connect(tls.resp_port) for _ in range(50)]
        for number, client in enumerate(silent):
            client.sendall([b"", b"\x16\x03\x01", b"rubbish " * 100][number % 3])
        for _ in range(40):
            with tls.dial() as client:
                client.sendall(b"PING\r\n")
                assert read_exactly(client, 7) == b"+PONG\r\n"
    finally:
        stop.set()
        asking.join()
        for client in silent:
            client.close()
    assert len(served) > 1 and tls.info("tls_handshakes") == 40


def test_a_client_too_many_is_told_in_tls(authority, files):
    with secured(authority, files, flags=["--maxclients", 1]) as tls:
        with tls.dial() as only:
            plain = server.connect(tls.resp_port)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                tls.context().wrap_socket(plain, server_hostname="localhost")
            only.sendall(b"PING\r\n")
            assert read_exactly(only, 7) == b"+PONG\r\n"


def test_the_main_ports_may_speak_tls(authority, files):
    def start(ports):
        argv = [server.BINARY, "--port", ports[0], "--memcache_port", ports[1], "--tls", "--threads", 1]
        argv += ["--ssl_chain_cert", files[0], "--ssl_key", files[1], "--tls-auth-clients", "no", "--maxmemory", "64mb"]
        # Any line is answered, with an alert.
        return server.Process(argv, ports)

    ports, process = server.on_free_ports(2, start)
    with server.Server([process], *ports):
        tls = Secured(None, ports, authority)
        for protocol, request, reply in [("resp", b"PING\r\n", b"+PONG\r\n"), ("memcache", b"mn\r\n", b"MN\r\n")]:
            with tls.dial(protocol) as client:
                client.sendall(request)
                assert read_exactly(client, len(reply)) == reply


def serial(tls):
    with tls.dial() as client:
        return client.getpeercert()["serialNumber"]


def test_certificates_are_renewed_while_clients_are_served(authority, tmp_path):
    in_use = tmp_path / "server.crt", tmp_path / "server.key"
    fresh = [authority.issue(f"fresh-{number}") for number in range(4)]
    for source, target in zip(fresh[0], in_use):
        shutil.copy(source, target)
    half = tmp_path / "half.crt"
    half.write_bytes(fresh[1][0].read_bytes()[:300])
    with secured(authority, in_use) as tls, tls.redis() as client, tls.redis() as stays:
        assert stays.ping()
        serials = [serial(tls)]
        # CONFIG SET: what cannot be taken is refused, and nothing has changed.
        bad = [{"tls-cert-file": str(half)}, {"tls-cert-file": str(fresh[1][0])}, {"tls-protocols": "SSLv3"}]
        bad.append({"tls-auth-clients": "yes"})
        bad.append({"tls-cert-file": str(authority.issue("expired", ended=True)[0])})
        for setting in bad:
            with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration. Check server logs."):
                client.execute_command("CONFIG", "SET", *[word for pair in setting.items() for word in pair])
            assert client.config_get(next(iter(setting))) != setting
        assert serial(tls) == serials[0]
        for why in ["half.crt: no certificate", "is not that of the certificate", "expired.crt: it expired"]:
            assert why in tls.running.process.output()
        set_both = lambda pair: client.execute_command(
            "CONFIG", "SET", "tls-cert-file", str(pair[0]), "tls-key-file", str(pair[1])
        )
        set_both(fresh[1])
        serials.append(serial(tls))
        set_both(in_use)
        assert serial(tls) == serials[0]
        # SIGHUP: the files themselves are new.
        for source, target in zip(fresh[2], in_use):
            shutil.copy(source, target)
        assert serial(tls) == serials[0]
        tls.running.process.popen.send_signal(signal.SIGHUP)
        server.eventually("the new certificate is shown", lambda: serial(tls) != serials[0])
        serials.append(serial(tls))
        # memcached's own way; then with a key that does not match.
        for source, target in zip(fresh[3], in_use):
            shutil.copy(source, target)
        with tls.dial("memcache") as memcache:
            memcache.sendall(b"refresh_certs\r\n")
            assert read_exactly(memcache, 4) == b"OK\r\n"
            serials.append(serial(tls))
            shutil.copy(fresh[0][1], in_use[1])
            memcache.sendall(b"refresh_certs\r\n")
            assert read_exactly(memcache, 6) == b"Error "
        tls.running.process.popen.send_signal(signal.SIGHUP)
        refused = f"SIGHUP: --tls-key-file {in_use[1]}: the private key is not that of the certificate"
        server.eventually("the log says why", lambda: refused in tls.running.process.output())
        assert serial(tls) == serials[-1] and len(set(serials)) == 4
        assert stays.ping()


def test_files_that_are_no_good_are_refused_at_start(authority, files, tmp_path):
    half, expired = tmp_path / "half.crt", authority.issue("expired", ended=True)
    half.write_bytes(files[0].read_bytes()[:300])
    other = authority.issue("other")[1]
    base = ["--tls-port", str(server.free_port()), "--tls-auth-clients", "no"]
    for flags, words in [
        (["--tls-cert-file", half, "--tls-key-file", files[1]], f"--tls-cert-file {half}: no certificate"),
        (["--tls-cert-file", expired[0], "--tls-key-file", expired[1]], f"--tls-cert-file {expired[0]}: it expired"),
        (["--tls-cert-file", files[0], "--tls-key-file", other], f"--tls-key-file {other}: the private key is not"),
        (["--tls-cert-file", files[0]], f"--tls-cert-file {files[0]}: no private key"),
        ([], "TLS needs a certificate: --tls-cert-file is empty"),
    ]:
        argv = [server.BINARY, "--port", server.free_port(), "--memcache_port", 0, "--maxmemory", "64mb", *base, *flags]
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=START_FAILURE_TIMEOUT_S)
        assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(f"larder: {words}"), done.stderr


def test_the_kernel_is_asked_for_or_not(authority, files):
    argv = [server.BINARY, "--port", 0, "--memcache_port", 0, "--tls-port", server.free_port(), "--tls_kernel", "yes"]
    argv += ["--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-auth-clients", "no", "--maxmemory", "64mb"]
    if not server.kernel_has_tls():
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=START_FAILURE_TIMEOUT_S)
        words = "larder: --tls_kernel yes: the kernel has no TLS or its module tls is not loaded"
        assert done.returncode == 1 and done.stderr.splitlines()[-1] == words
    for asked in ["auto", "no"]:
        with secured(authority, files, flags=["--tls_kernel", asked]) as tls:
            by = tls.info("tls_by")
            assert f"TLS records are sealed and opened by the {by}" in tls.running.process.output()
            if asked == "no":
                assert by == "process (as asked for)"
            elif not server.kernel_has_tls():
                assert by == "process (the kernel has no TLS or its module tls is not loaded)"
                with pytest.raises(redis.ResponseError, match="Unable to update TLS configuration"):
                    tls.plain().config_set("tls_kernel", "yes")
            with tls.redis() as client:
                assert client.ping()


def test_a_port_is_given_once():
    argv = [server.BINARY, "--port", 7, "--tls-port", 7]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=START_FAILURE_TIMEOUT_S)
    assert (done.returncode, done.stderr) == (1, "larder: port and tls-port are both 7: they must differ\n")
