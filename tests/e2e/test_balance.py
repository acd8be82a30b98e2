"""Connections are dealt out evenly, and cost next to nothing while they are idle."""

import collections
import re
import resource

import pytest

import resp
import server

IDLE = 10_000
PER_CONNECTION_BYTES = 1024


@pytest.mark.larder_only
@pytest.mark.parametrize("io", ["auto", "poll"])
@pytest.mark.parametrize("door", ["resp", "memcache"])
def test_fifty_connections_are_dealt_out_evenly(start, io, door):
    running = start(threads=2, io=io)
    sockets = [running.connect(door) for _ in range(50)]
    for socket in sockets:
        socket.sendall(b"version\r\n")
        assert socket.recv(100)
    with resp.Client(running.connect()) as client:
        listing = client.call("CLIENT", "LIST").decode()
    cores = collections.Counter(re.findall(r"core=(\d+)$", listing, re.M))
    assert sum(cores.values()) == 51, listing
    assert max(cores.values()) <= 0.6 * sum(cores.values()), cores
    for socket in sockets:
        socket.close()


@pytest.mark.larder_only
def test_idle_connections_cost_under_a_kibibyte(build_server):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    process = build_server.process

    def round_trips(sockets):
        for socket in sockets:
            socket.sendall(b"PING\r\n")
        for socket in sockets:
            assert socket.recv(100) == b"+PONG\r\n"

    # What serving takes once is not theirs.
    warm = [build_server.connect() for _ in range(200)]
    round_trips(warm)
    for socket in warm:
        socket.close()
    before = process.rss_bytes()
    sockets = [build_server.connect() for _ in range(IDLE)]
    with resp.Client(build_server.connect()) as client:
        assert client.call("PING") == b"PONG"
        connected = process.rss_bytes()
        round_trips(sockets)
        served = process.rss_bytes()
        assert client.call("SET", "k", "v") == b"OK"
    for socket in sockets:
        socket.close()
    assert (connected - before) / IDLE < PER_CONNECTION_BYTES, "connected and silent"
    assert (served - before) / IDLE < PER_CONNECTION_BYTES, "silent again after a request each"
    with resp.Client(build_server.connect()) as client:
        server.eventually(
            "closed connections are forgotten",
            lambda: client.call("CLIENT", "LIST").count(b"\n") == 1,
        )
