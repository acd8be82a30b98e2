"""What an application does with RQ; prints "ok" or dies. The port is in `WORKERS_PORT`, and a worker of "later" and "last"
runs."""

import os

import redis
import rq

import server
import workers

client = redis.Redis(port=int(os.environ["WORKERS_PORT"]), db=3)
queue = lambda name: rq.Queue(name, connection=client)

# In this process, until there is nothing left.
high, low = queue("high"), queue("low")
first = [low.enqueue(workers.square, number) for number in range(20)]
depends = high.enqueue(workers.square, 7, depends_on=first[0])
refused = high.enqueue(workers.refuse, "no")
assert low.job_ids == [job.id for job in first] and depends.get_status() == "deferred"
assert rq.SimpleWorker([high, low], connection=client).work(burst=True, logging_level=100)
assert [job.result for job in [*first, depends]] == [number * number for number in [*range(20), 7]]
assert refused.get_status() == "failed" and "ValueError: no" in rq.job.Job.fetch(refused.id, client).exc_info
assert len(high) == len(low) == 0 and len(low.finished_job_registry) == 20 and len(high.failed_job_registry) == 1

# In the process that waits for jobs, and has each run by a child.
server.eventually("the worker is known", lambda: rq.Worker.all(connection=client))
later = [queue(name).enqueue(workers.square, number) for number, name in enumerate(["last", "later", "last"])]
# A job is finished for RQ a moment before its result is there.
server.eventually("the worker has run all", lambda: [job.result for job in later] == [0, 1, 4])
assert all(job.get_status() == "finished" for job in later)
print("ok")
