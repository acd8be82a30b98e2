"""The tasks of `test_workers.py`: what worker processes import. The port of the server is in `WORKERS_PORT`."""

import os

import celery
import redis.exceptions
import redis.lock

URL = f"redis://127.0.0.1:{os.environ.get('WORKERS_PORT', '6379')}"

app = celery.Celery("workers", broker=f"{URL}/1", backend=f"{URL}/2")
app.conf.update(
    broker_connection_retry_on_startup=True,
    # Queues that expire are bound by a script, and only those of remote control and of events do.
    result_expires=3600,
    task_acks_late=True,
)


def release(self, expected_token):
    """Gives a lock back without Lua, which redis-py's own way needs: workers take one to look for tasks that nobody has
    acknowledged."""
    with self.redis.pipeline() as pipeline:
        pipeline.watch(self.name)
        if pipeline.get(self.name) != expected_token:
            raise redis.exceptions.LockNotOwnedError("it is another's")
        pipeline.multi()
        pipeline.delete(self.name)
        pipeline.execute()


redis.lock.Lock.do_release = release


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail(text):
    raise ValueError(text)


@app.task(bind=True, max_retries=3)
def third_time(self):
    """Succeeds when it is tried for the third time."""
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return self.request.retries


def square(number):
    """For RQ."""
    return number * number


def refuse(text):
    """For RQ."""
    raise ValueError(text)
