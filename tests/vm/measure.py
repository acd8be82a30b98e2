"""What TLS costs by the kernel and by the process, in the virtual machine of `tests/vm/run measure`.

Its clock counts instructions, so microseconds here are thousands of instructions, and say nothing of how long one takes:
a real processor does AES in a few cycles per block, as it does other instructions. Server and load share one core.
Both kinds of TLS and none are measured in turn, on one server. As nothing depends on time, one round says it all.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import redis  # noqa: E402

import certificates  # noqa: E402
import server  # noqa: E402

ROUNDS, KEYS = 1, 1000
BAR = 0.6
LOADS = [("get p16", 256, 16, 8_000), ("get p1", 256, 1, 2_000), ("get p16", 16_384, 16, 600)]


def cpu_ns(pid):
    """Time that its threads have run."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def load(port, pid, value_bytes, pipeline, requests, trusted=None):
    argv = [server.BINARY.with_name("larder-bench"), "--proto", "resp", "-p", port, "--json", "--quiet", "--keys", KEYS]
    argv += ["--value-bytes", value_bytes, "--gets", 1, "-c", 8, "-P", pipeline]
    argv += ["--tls-ca", trusted] if trusted else []
    costs = []
    # Of two runs the difference, which has no handshakes in it.
    for times in (1, 3):
        before, began = cpu_ns(pid), time.monotonic_ns()
        done = subprocess.run(list(map(str, [*argv, "-n", times * requests])), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout
        made = json.loads(done.stdout)["all"]["requests"]
        costs.append((made, cpu_ns(pid) - before, time.monotonic_ns() - began))
    (few, *less), (many, *more) = costs
    return [(more[at] - less[at]) / (many - few) / 1e3 for at in (0, 1)]


def main():
    authority = certificates.Authority("/tmp/measure", "authority")
    certificate, key = authority.issue("server")
    worst = 1.0
    for io in sys.argv[1:] or ["uring", "poll"]:
        argv = [server.BINARY, "--port", 7000, "--memcache_port", 0, "--tls-port", 7001, "--threads", 1, "--io", io]
        argv += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-auth-clients", "no", "--maxmemory", "256mb"]
        process = server.Process(argv, [7000])
        client = redis.Redis(port=7000)
        print(f"io {io}: {client.info()['tls_by']}", flush=True)
        for name, value_bytes, pipeline, requests in LOADS:
            preload = [server.BINARY.with_name("larder-bench"), "--proto", "resp", "-p", 7000, "--quiet", "--preload"]
            preload += ["--requests", 0, "--keys", KEYS, "--value-bytes", value_bytes]
            subprocess.run(list(map(str, preload)), check=True, capture_output=True)
            costs = {"none": [], "kernel": [], "process": []}
            for _ in range(ROUNDS):
                for kind, rounds in costs.items():
                    client.config_set("tls_kernel", "no" if kind == "process" else "auto")
                    port, trusted = (7000, None) if kind == "none" else (7001, authority.file)
                    rounds.append(load(port, process.pid, value_bytes, pipeline, requests, trusted))
            cpu = {kind: statistics.median(own for own, _ in rounds) for kind, rounds in costs.items()}
            both = {kind: statistics.median(whole for _, whole in rounds) for kind, rounds in costs.items()}
            share = {kind: cpu["none"] / cpu[kind] for kind in cpu}
            print(f"  {name}, {value_bytes} bytes: server's CPU per request, thousands of instructions: "
                  + ", ".join(f"{kind} {cpu[kind]:.2f}" for kind in cpu)
                  + f"; of the throughput without TLS: kernel {share['kernel']:.0%}, process {share['process']:.0%}; "
                  + "with the load: " + ", ".join(f"{kind} {both[kind]:.2f}" for kind in both), flush=True)
            if (value_bytes, pipeline) == (256, 16):
                worst = min(worst, share["kernel"])
        process.terminate()
    print(f"worst: {worst:.0%}; the bar is {BAR:.0%}")
    sys.exit(worst < BAR)


if __name__ == "__main__":
    main()
