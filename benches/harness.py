"""What the measuring scripts share: a server that runs alone on one core, and the load on another."""

import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = "0", "1"
VALUE_BYTES = 256
KEYS = 100_000


def build():
    """The server and the load, as they are run for real."""
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("server and load need a core each, and this process may use only one")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--workspace"], cwd=ROOT, check=True)


def say(line):
    print(line, flush=True)


class Server:
    """One server process on its core."""

    def __init__(self, name, proto, command):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.name, self.proto = name, proto
        argv = ["taskset", "-c", SERVER_CORE] + shlex.split(command.format(port=self.port))
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if self.process.poll() is not None:
                raise SystemExit(f"{name} exited with {self.process.returncode}: {shlex.join(argv)}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit(f"{name} does not listen on {self.port}")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.split("VmRSS:")[1].split()[0])

    def load_argv(self, arguments, value_bytes=VALUE_BYTES, keys=KEYS):
        """The command that loads this server."""
        argv = ["taskset", "-c", LOAD_CORE, str(TARGET / "larder-bench"), "--proto", self.proto, "-p", str(self.port)]
        return argv + ["--json", "--quiet", "--keys", str(keys), "--value-bytes", str(value_bytes)] + shlex.split(arguments)

    def load(self, arguments, value_bytes=VALUE_BYTES, keys=KEYS):
        """Loads the server; the load's own report with the server's CPU time per request."""
        before = self.cpu_seconds()
        done = subprocess.run(self.load_argv(arguments, value_bytes, keys), capture_output=True, text=True)
        used = self.cpu_seconds() - before
        if done.returncode:
            raise SystemExit(f"{self.name}: the load failed: {done.stderr[-400:]}{done.stdout[-400:]}")
        report = json.loads(done.stdout)
        report["cpu_us"] = 1e6 * used / max(1, report["all"]["requests"])
        return report

    def preload(self, value_bytes=VALUE_BYTES, keys=KEYS):
        self.load("--preload --requests 0", value_bytes, keys)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
