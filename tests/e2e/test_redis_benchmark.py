"""redis-benchmark, over its string tests, pipelines and numbers of connections."""

import csv
import io
import subprocess

import pytest

TESTS = {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"}


@pytest.mark.parametrize("clients", [1, 50, 1000])
@pytest.mark.parametrize("pipeline", [1, 16])
@pytest.mark.parametrize("threads", [1, 3])
def test_string_tests_run(start, threads, pipeline, clients):
    running = start(threads=threads)
    requests = max(2000, 5 * clients)
    argv = ["redis-benchmark", "-p", str(running.resp_port), "-t", "ping,set,get,incr,mset", "--csv", "-r", "1000"]
    argv += ["-n", str(requests), "-P", str(pipeline), "-c", str(clients)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    # It exits on the first error reply.
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {row["test"]: float(row["rps"]) for row in csv.DictReader(io.StringIO(done.stdout))}
    assert set(rows) == TESTS
    assert all(rate > 0 for rate in rows.values())


def test_large_values_and_threads(start):
    running = start(threads=3)
    argv = ["redis-benchmark", "-p", str(running.resp_port), "-t", "set,get", "-d", "100000", "-n", "2000", "-q"]
    done = subprocess.run([*argv, "--threads", "2", "-3"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.count("requests per second") >= 2, done.stdout + done.stderr
