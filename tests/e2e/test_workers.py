"""Libraries that give work to other processes through Redis: Celery and RQ with real workers, what Sidekiq's processes say,
and a queue as node's libraries build them, as far as no Lua is needed for it."""

import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest
import redis

import server

HERE = pathlib.Path(__file__).parent
WAIT_S = server.REPLY_TIMEOUT_S


@pytest.fixture
def worker():
    """Starts processes that work for a server until the test has ended."""
    processes = []

    def begin(running, *argv):
        environment = dict(os.environ, WORKERS_PORT=str(running.resp_port), PYTHONPATH=str(HERE), C_FORCE_ROOT="1")
        process = subprocess.Popen([sys.executable, "-m", *argv], cwd=HERE, env=environment, stdin=subprocess.DEVNULL)
        processes.append(process)

    try:
        yield begin
    finally:
        for process in processes:
            process.kill()
            process.wait()


def check(name, running):
    """Runs one of the checks: processes of their own, for these libraries take signals, and talk to the server at their end."""
    command = [sys.executable, HERE / f"{name}_check.py"] if name != "queue" else ["node", HERE / "queue_check.js"]
    environment = dict(os.environ, WORKERS_PORT=str(running.resp_port), NODE_PATH=str(pathlib.Path(sys.prefix) / "node_modules"))
    done = subprocess.run([*command, str(running.resp_port)], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0 and done.stdout == "ok\n", done.stdout + done.stderr


def test_celery_runs_tasks_and_keeps_their_results(start, worker):
    running = start(threads=3)
    worker(running, "celery", "-A", "workers", "worker", "--pool", "solo", "--loglevel", "WARNING", "--without-gossip", "--without-mingle")
    check("celery", running)


def test_rq_runs_jobs_in_processes_of_their_own(start, worker):
    running = start(threads=3)
    worker(running, "rq.cli", "worker", "--url", f"redis://127.0.0.1:{running.resp_port}/3", "--quiet", "later", "last")
    check("rq", running)


class Sidekiq:
    """One of Sidekiq's processes, as far as the server hears of it (launcher.rb, fetch.rb, scheduled.rb and client.rb of 7.x)."""

    QUEUES = ["queue:critical", "queue:default"]

    def __init__(self, port, identity):
        self.client = redis.Redis(port=port, db=5, decode_responses=True)
        self.identity, self.busy = identity, {}

    def push(self, *jobs, queue="default"):
        payloads = [json.dumps(job) for job in jobs]
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.sadd("queues", queue)
            pipeline.lpush(f"queue:{queue}", *payloads)
            return pipeline.execute()[1]

    def push_at(self, at, job):
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.zadd("schedule", {json.dumps(job): at})
            return pipeline.execute()

    def beat(self, processed, failed):
        """What it says every ten seconds: who it is, what it does, and whether it is wanted to stop."""
        work = f"{self.identity}:work"
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.incrby("stat:processed", processed)
            pipeline.incrby("stat:processed:2026-11-25", processed)
            pipeline.expire("stat:processed:2026-11-25", 157680000)
            pipeline.incrby("stat:failed", failed)
            pipeline.incrby("stat:failed:2026-11-25", failed)
            pipeline.expire("stat:failed:2026-11-25", 157680000)
            pipeline.execute()
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.unlink(work)
            if self.busy:
                pipeline.hset(work, mapping=self.busy)
                pipeline.expire(work, 60)
            pipeline.execute()
        assert self.client.ping()
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.sadd("processes", self.identity)
            pipeline.exists(self.identity)
            facts = {"info": "{}", "busy": len(self.busy), "beat": 1764000000.125, "rtt_us": 120, "quiet": "false", "rss": 51200}
            pipeline.hset(self.identity, mapping=facts)
            pipeline.expire(self.identity, 60)
            pipeline.rpop(f"{self.identity}-signals")
            _, known, _, _, signal = pipeline.execute()
        return known, signal

    def fetch(self, timeout_s=2):
        return self.client.brpop(self.QUEUES, timeout_s)

    def requeue(self, jobs):
        with self.client.pipeline(transaction=False) as pipeline:
            for queue, job in jobs:
                pipeline.rpush(queue, job)
            pipeline.execute()

    def leave(self):
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.srem("processes", self.identity)
            pipeline.unlink(f"{self.identity}:work")
            assert pipeline.execute()[0] == 1
        self.client.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_sidekiq_beats_fetches_and_leaves(start, threads):
    running = start(threads=threads)
    one, other = (Sidekiq(running.resp_port, f"host:{number}:abc") for number in range(2))
    watcher = Sidekiq(running.resp_port, "web")
    client = watcher.client
    assert one.beat(0, 0) == (0, None) and other.beat(0, 0) == (0, None) and one.beat(3, 1) == (1, None)
    assert client.smembers("processes") == {one.identity, other.identity}
    assert (client.get("stat:processed"), client.get("stat:failed")) == ("3", "1")
    assert client.ttl("stat:failed:2026-11-25") > 157670000 and 50 < client.ttl(one.identity) <= 60
    # The oldest job of the first queue that has one.
    assert watcher.push(*({"jid": number} for number in range(6))) == 6 and watcher.push({"jid": "now"}, queue="critical") == 1
    assert one.fetch() == ("queue:critical", '{"jid": "now"}')
    queue, job = one.fetch()
    assert (queue, job) == ("queue:default", '{"jid": 0}')
    one.busy = {"tid1": json.dumps({"queue": queue, "payload": job})}
    assert one.beat(0, 0) == (1, None) and client.hgetall("host:0:abc:work") == one.busy and client.hget("host:0:abc", "busy") == "1"
    one.busy = {}
    assert one.beat(1, 0) == (1, None) and client.exists("host:0:abc:work") == 0
    # The web page asks a process to be quiet.
    with client.pipeline(transaction=True) as pipeline:
        pipeline.lpush("host:0:abc-signals", "TSTP")
        pipeline.expire("host:0:abc-signals", 60)
        pipeline.execute()
    assert one.beat(0, 0) == (1, "TSTP") and one.beat(0, 0) == (1, None)
    # What it had taken goes back to where it was taken from.
    taken = [one.fetch() for _ in range(2)]
    one.requeue(taken)
    assert [other.fetch() for _ in range(2)] == [("queue:default", '{"jid": %d}' % number) for number in (2, 1)]
    # Scheduled jobs, and a process that waits while there is nothing.
    assert [json.loads(other.fetch()[1])["jid"] for _ in range(3)] == [3, 4, 5]
    watcher.push_at(1764000000.5, {"jid": "late"})
    got = []
    waiting = threading.Thread(target=lambda: got.append(other.fetch(WAIT_S)))
    waiting.start()
    server.eventually("it waits", lambda: client.info("clients")["blocked_clients"] == 1)
    due = client.zrange("schedule", "-inf", 1764000001, byscore=True, offset=0, num=1)
    assert client.zrem("schedule", due[0]) == 1
    watcher.push(json.loads(due[0]), queue="critical")
    waiting.join(WAIT_S)
    assert got == [("queue:critical", '{"jid": "late"}')]
    assert client.smembers("queues") == {"critical", "default"} and client.llen("queue:default") == 0
    for process in (one, other):
        process.leave()
    assert client.scard("processes") == 0
    client.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_a_queue_in_node_loses_no_job_and_runs_none_twice(start, threads):
    check("queue", start(threads=threads))
