"""ioredis, in node: the session is in ioredis_check.js."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent


@pytest.mark.parametrize("threads", [1, 3])
def test_ioredis_session(start, threads):
    running = start(threads=threads)
    done = subprocess.run(
        ["node", HERE / "ioredis_check.js", str(running.resp_port)],
        capture_output=True,
        text=True,
        timeout=60,
        env=dict(os.environ, NODE_PATH=str(pathlib.Path(sys.prefix) / "node_modules")),
    )
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr
