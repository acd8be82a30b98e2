"""How the process starts, and the command that ends it. Bad starts and ends by signal are faults (`tests/fault`)."""

import os
import re

import pytest

import resp
import server

pytestmark = pytest.mark.larder_only


def test_configuration_file_is_used_and_flags_win(tmp_path):
    path = tmp_path / "larder.conf"
    path.write_text("# a comment\nthreads 1\nmaxmemory 100mb\nrequirepass fromfile\n")
    ports = [server.free_port(), server.free_port()]
    argv = [server.BINARY, path, "--port", ports[0], "--memcache-port", ports[1], "--requirepass", "fromflag"]
    process = server.Process(argv, ports)
    with resp.Client(server.connect(ports[0])) as client:
        assert client.call("AUTH", "fromflag") == b"OK"
        assert client.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", str(100 << 20).encode()]
    assert process.terminate() == 0


def test_first_lines_of_the_log_say_how_it_runs(start):
    running = start(threads=2, io="poll")
    server.eventually("the log says that it serves", lambda: "ready to serve" in running.process.output(), 10)
    lines = running.process.output()
    assert str(running.resp_port) in lines and str(running.memcache_port) in lines
    assert re.search(r"\b2 threads\b", lines) and "maxmemory" in lines
    assert re.search(r"driver.*(poll|epoll)", lines)


def listening(pid):
    """(address, port) pairs that a process listens on."""
    sockets = {os.readlink(link.path) for link in os.scandir(f"/proc/{pid}/fd") if os.path.islink(link.path)}
    found = set()
    for line in list(open("/proc/net/tcp"))[1:]:
        fields = line.split()
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            address, port = fields[1].split(":")
            found.add((address, int(port, 16)))
    return found


def test_a_port_of_zero_switches_a_door_off():
    for on, off in (("--port", "--memcache_port"), ("--memcache_port", "--port")):
        port = server.free_port()
        process = server.Process([server.BINARY, on, port, off, 0, "--threads", 1, "--maxmemory", "64mb"], [port])
        assert {port} == {open_port for _, open_port in listening(process.pid)}
        assert process.terminate() == 0


def test_bound_to_loopback_unless_told_otherwise(start):
    running = start()
    loopback = "0100007F"
    assert listening(running.process.pid) == {(loopback, running.resp_port), (loopback, running.memcache_port)}


@pytest.mark.parametrize("command", [["SHUTDOWN"], ["SHUTDOWN", "NOSAVE"]])
def test_shutdown_command(build_server, command):
    process = build_server.process
    with resp.Client(build_server.connect()) as client:
        client.send(*command)
        with pytest.raises(ConnectionError):
            raise AssertionError(client.reply())
    assert process.popen.wait(20) == 0, process.output()
    build_server.processes.clear()
