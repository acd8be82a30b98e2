"""What an application does with Celery; prints "ok" or dies. The port is in `WORKERS_PORT`, and a worker runs."""

import os

import celery
import redis

import server
import workers
from workers import add

WAIT_S = server.REPLY_TIMEOUT_S


def client(db):
    return redis.Redis(port=int(os.environ["WORKERS_PORT"]), db=db)


def main():
    assert add.delay(2, 3).get(timeout=WAIT_S) == 5
    results = [add.delay(number, 1) for number in range(50)]
    assert [result.get(timeout=WAIT_S) for result in results] == list(range(1, 51))
    assert celery.group(add.s(number, number) for number in range(10))().get(timeout=WAIT_S) == [2 * number for number in range(10)]
    # The last task of the header has the body run: the tasks count themselves in the backend.
    assert celery.chord([add.s(number, 0) for number in range(10)])(workers.total.s()).get(timeout=WAIT_S) == 45
    assert celery.chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=WAIT_S) == 10
    assert workers.third_time.delay().get(timeout=WAIT_S) == 2
    assert add.apply_async((1, 1), countdown=0.2).get(timeout=WAIT_S) == 2
    failed = workers.fail.delay("no")
    try:
        failed.get(timeout=WAIT_S)
        raise AssertionError("it has failed")
    except ValueError as error:
        assert str(error) == "no" and failed.state == "FAILURE"
    failed.forget()
    assert client(2).exists(f"celery-task-meta-{failed.id}") == 0
    assert client(2).ttl(f"celery-task-meta-{results[0].id}") > 3000
    # The broker's fanout: every worker answers.
    assert [list(answer.values()) for answer in workers.app.control.ping(timeout=WAIT_S, limit=1)] == [[{"ok": "pong"}]]
    broker = client(1)
    left = lambda: broker.hlen("unacked") + broker.zcard("unacked_index") + broker.llen("celery")
    server.eventually("all tasks are acknowledged", lambda: left() == 0)


main()
print("ok", flush=True)
# Results that are given up are told so: not any more.
os._exit(0)
