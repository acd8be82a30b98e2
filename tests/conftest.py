"""Options and fixtures of the end-to-end tests and of the faults.

`--target peer` runs the tests that have no larder of their own against Debian's redis-server and
memcached: this is how a test is shown to be right before the server is blamed.
"""

import pathlib
import sys

import pytest

# What the tests of both directories use.
sys.path.insert(0, str(pathlib.Path(__file__).parent / "e2e"))

import server as servers  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--target", choices=["larder", "peer"], default="larder", help="what the tests run against")
    parser.addoption("--seed", type=int, default=None, help="seed of the random tests")
    parser.addoption("--commands", type=int, default=100_000, help="random commands per differential test")
    parser.addoption("--listeners", type=int, default=1000, help="clients that listen to one channel, on several cores")
    parser.addoption("--messages", type=int, default=10_000, help="messages that each of them is sent")
    parser.addoption("--shrink-seconds", type=float, default=20, help="how long to look for a smaller failing case")


def pytest_configure(config):
    config.addinivalue_line("markers", "larder_only: has no meaning for the peers")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--target") == "peer":
        chosen = [item for item in items if item.get_closest_marker("larder_only") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
        items[:] = chosen


def pytest_generate_tests(metafunc):
    """`build` is how the server is built: every pair of thread count and driver."""
    if "build" in metafunc.fixturenames:
        if metafunc.config.getoption("--target") == "peer":
            builds = [("peer", "")]
        else:
            drivers = ["uring", "poll"] if servers.io_uring_permitted() else ["poll"]
            builds = [(threads, io) for threads in (1, 3) for io in drivers]
        metafunc.parametrize("build", builds, ids=[f"{threads}-{io}" for threads, io in builds])


@pytest.fixture
def target(request):
    return request.config.getoption("--target")


@pytest.fixture
def build_server(build):
    """One server of this build, fresh for the test."""
    with servers.start_build(build) as running:
        yield running


@pytest.fixture
def start(target):
    """Starts servers of the target with chosen flags; they are stopped, and must end well, after the test."""
    running = []

    def begin(threads=1, io="auto", **options):
        made = servers.peers(options.get("flags", ())) if target == "peer" else servers.larder(threads=threads, io=io, **options)
        running.append(made)
        return made

    failed = True
    try:
        yield begin
        failed = False
    finally:
        for made in running:
            if failed:
                for process in made.processes:
                    process.kill()
            else:
                made.stop()
