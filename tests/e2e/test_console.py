"""HTTP on the port for Redis clients: metrics, health, INFO, and the bounds on what a client may send."""

import base64
import http.client
import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server import connect, eventually

pytestmark = pytest.mark.larder_only


def get(server, path, method="GET", headers=None, body=None):
    client = http.client.HTTPConnection("127.0.0.1", server.resp_port, timeout=20)
    try:
        client.request(method, path, body=body, headers=headers or {})
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        client.close()


def scrape(server):
    """Every sample by its name and labels; the parser refuses what Prometheus would."""
    status, headers, body = get(server, "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(body.decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)) and all(name.startswith("larder_") for name in names)
    assert all(family.documentation and family.type != "unknown" for family in families)
    samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in samples
            samples[key] = (sample.value, family.type)
    return samples


def total(samples, name, **labels):
    return sum(
        value for (other, *of), (value, _) in samples.items() if other == name and labels.items() <= dict(of).items()
    )


def raw(server, *pieces):
    """What comes back for these bytes until the server closes, each piece a packet of its own."""
    with server.connect() as client:
        for piece in pieces:
            client.sendall(piece)
        answer = b""
        while chunk := client.recv(65536):
            answer += chunk
        return answer


def command(client, *words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    client.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    return client.recv(65536)


def test_metrics_count_what_clients_do_and_only_grow(build_server):
    server = build_server
    before = scrape(server)
    with server.connect() as client, server.connect("memcache") as other:
        assert command(client, "SET", "k", "v") == b"+OK\r\n"
        for _ in range(50):
            assert command(client, "GET", "k") == b"$1\r\nv\r\n"
        assert command(client, "GET", "none") == b"$-1\r\n"
        assert command(client, "CONFIG", "RESETSTAT") == b"+OK\r\n"
        assert command(client, "INCR", "k").startswith(b"-ERR")
        other.sendall(b"get k\r\n")
        assert other.recv(100) == b"VALUE k 0 1\r\nv\r\nEND\r\n"

        def published():
            """What is published a few times per second only has come: the driver's figures."""
            now = scrape(server)
            driver = dict(next(key for key in now if key[0] == "larder_info")[1:])["driver"]
            counts = driver == "io_uring"
            enters = total(now, "larder_io_enters_total") - total(before, "larder_io_enters_total")
            submissions = total(now, "larder_io_submissions_total") - total(before, "larder_io_submissions_total")
            return now if not counts or (enters > 0 and submissions > 0) else None

        after = eventually("the driver's figures have grown", published)
    for key, (value, kind) in before.items():
        if kind in ("counter", "histogram"):
            assert after[key][0] >= value, key

    def grown(name, **labels):
        return total(after, name, **labels) - total(before, name, **labels)

    assert grown("larder_commands_total", family="string") == 53
    assert grown("larder_command_calls_total", command="get") == 51
    assert grown("larder_hits_total") == 51 and grown("larder_misses_total") == 1
    assert grown("larder_errors_total", code="ERR") == 1
    assert grown("larder_accepted_connections_total") >= 2
    assert total(after, "larder_items") == 1 and total(after, "larder_db_items", db="0") == 1
    assert total(after, "larder_memory_used_bytes") == total(after, "larder_memory_bytes") > 0
    sampled = grown("larder_request_seconds_count", family="string")
    assert 1 <= sampled <= 53
    assert grown("larder_request_seconds_bucket", family="string", le="+Inf") == sampled
    assert grown("larder_turn_seconds_count") >= 1
    assert grown("larder_commands_total", family="memcache") >= 1


def test_hot_and_big_keys_are_found(build_server):
    with build_server.connect() as client:
        assert command(client, "SETRANGE", "big", 99_999, "x") == b":100000\r\n"
        for number in range(300):
            assert command(client, "SET", f"key:{number}", "x") == b"+OK\r\n"
        pipeline = b"".join(b"*2\r\n$3\r\nGET\r\n$3\r\nhot\r\n" for _ in range(40_000))
        client.sendall(pipeline)
        left = 40_000 * len("$-1\r\n")
        while left:
            left -= len(client.recv(65536))
    status, _, body = get(build_server, "/api/hotkeys")
    hottest = json.loads(body)[0]
    assert status == 200 and hottest["key"] == "hot" and 0.5 < hottest["share"] <= 1
    status, _, body = get(build_server, "/api/bigkeys")
    biggest = json.loads(body)[0]
    assert (biggest["key"], biggest["type"]) == ("big", "string") and biggest["bytes"] > 100_000


def test_requests_of_every_form_are_sampled(start):
    """Some of so many are looked at, and each form has its key elsewhere: behind quotes, in a packet's line."""
    server = start()
    with server.connect() as client, server.connect("memcache") as other:
        client.sendall(b'GET "quoted"\r\n' * 2000)
        left = 2000 * len("$-1\r\n")
        while left:
            left -= len(client.recv(65536))
        other.sendall(b"get plain second\r\n" * 2000)
        left = 2000 * len("END\r\n")
        while left:
            left -= len(other.recv(65536))
    keys = {row["key"] for row in json.loads(get(server, "/api/hotkeys")[2])}
    assert {"quoted", "plain"} <= keys


def test_health_and_info(build_server):
    assert get(build_server, "/healthz")[::2] == (200, b"ok\n")
    status, headers, body = get(build_server, "/info")
    info = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert info["server"]["tcp_port"] == build_server.resp_port and info["clients"]["connected_clients"] >= 1
    assert {"memory", "stats", "keyspace", "commandstats", "cpu", "replication"} <= info.keys()
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Date"):
        assert headers[name]
    status, headers, body = get(build_server, "/info", method="HEAD")
    assert status == 200 and body == b"" and int(headers["Content-Length"]) > 1000


def test_a_connection_serves_many_requests_in_order(build_server):
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    every = b"GET /api/clients HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(build_server, one + every + one + every + last)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 5 and answer.count(b"Connection: close") == 1
    assert [m.group() for m in re.finditer(rb"\r\n\r\nok\n|\r\n\r\n\[", answer)] == [b"\r\n\r\nok\n", b"\r\n\r\n["] * 2
    assert answer.endswith(b"\r\n\r\n")
    torn = [bytes([byte]) for byte in one + every + last]
    assert raw(build_server, *torn).count(b"HTTP/1.1 200 OK\r\n") == 3


def test_inline_commands_stay_what_they_are(start):
    server = start()
    with server.connect() as client:
        for request, reply in [(b"SET / HTTP/1.1\r\n", b"+OK\r\n"), (b"GET /\r\n", b"$8\r\nHTTP/1.1\r\n")]:
            client.sendall(request)
            assert client.recv(100) == reply
        # HTTP is told by the first bytes of a connection and by no others.
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(100).startswith(b"-ERR wrong number of arguments for 'get'")
        assert client.recv(100) == b""
    off = start(flags=["--nohttp_admin_console"])
    answer = raw(off, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nPING\r\n")
    assert answer == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert raw(off, b"POST /x HTTP/1.1\r\n\r\nFLUSHALL\r\n") == b""


def test_what_is_no_request_is_refused_and_closed(start):
    server = start()
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    for request, status in [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", b"400"),
        (head + b"no colon\r\n\r\n", b"400"),
        (head + b"Transfer-Encoding: chunked\r\n\r\n", b"411"),
        (head + b"Content-Length: 100000\r\n\r\n", b"413"),
        (head + b"a: b\r\n" * 100 + b"\r\n", b"431"),
        (head + b"a: " + b"b" * 10_000, b"431"),
        (b"GET / HTTP/1.9\r\n\r\n", b"505"),
    ]:
        answer = raw(server, request)
        assert answer.startswith(b"HTTP/1.1 " + status) and b"Connection: close\r\n" in answer, (request[:60], answer)
        assert answer.count(b"HTTP/1.1") == 1
    for path, method, status in [("/x", "GET", 404), ("/metrics", "PUT", 405), ("/", "DELETE", 405)]:
        assert get(server, path, method=method)[0] == status


def test_heads_that_drip_end_their_connection(start):
    """The bound is on the time since the first byte, whatever still comes."""
    server = start()
    with server.connect(timeout_s=30) as slow, server.connect(timeout_s=30) as rest:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        rest.sendall(b"GET /hea")

        def ended(client):
            client.settimeout(0.2)
            try:
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually("the slow head is closed", lambda: ended(slow), 25, 0.1)
        eventually("half a request line is closed", lambda: ended(rest), 25, 0.1)
    assert get(server, "/healthz")[0] == 200


def test_the_password_is_asked_for(start):
    server = start(flags=["--requirepass", "s:ecret"])
    for path in ("/", "/metrics", "/api/clients", "/info"):
        status, headers, _ = get(server, path)
        assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
        with_it = {"Authorization": "Basic " + base64.b64encode(b"me:s:ecret").decode()}
        assert get(server, path, headers=with_it)[0] == 200
        assert get(server, path, headers={"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()})[0] == 401
    assert get(server, "/healthz")[0] == 200


def test_parameters_are_changed_by_the_page_and_nobody_else(start):
    server = start()
    change = "name=slowlog-max-len&value=7"
    assert get(server, "/api/config", "POST", body=change)[0] == 403
    foreign = {"X-Larder-Console": "1", "Origin": "http://evil.example"}
    assert get(server, "/api/config", "POST", foreign, change)[0] == 403
    own = {"X-Larder-Console": "1", "Origin": f"http://127.0.0.1:{server.resp_port}"}
    assert get(server, "/api/config", "POST", own, change)[::2] == (200, b"ok\n")
    parameters = {row["name"]: row for row in json.loads(get(server, "/api/config")[2])}
    assert parameters["slowlog-max-len"]["value"] == "7" and not parameters["port"]["live"]
    status, _, reason = get(server, "/api/config", "POST", own, "name=hz&value=0")
    assert (status, reason) == (422, b"argument must be between 1 and 500 inclusive\n")
    assert get(server, "/api/config", "POST", own, "name=port&value=1")[0] == 422
    with connect(server.resp_port) as client:
        assert command(client, "CONFIG", "GET", "slowlog-max-len").endswith(b"$1\r\n7\r\n")
