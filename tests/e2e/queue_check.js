// A queue as BullMQ and its kin build them, without their scripts; prints "ok" or dies. Argument: port.
//
// Jobs are hashes; their numbers go through lists from "wait" to "active" by BLMOVE or BRPOPLPUSH, those that are delayed
// through a sorted set first. What becomes of them is told on a channel.
const assert = require("node:assert");
const Redis = require("ioredis");

const JOBS = 200, DELAYED = 40, WORKERS = 5;
const port = Number(process.argv[2]);
const connect = () => new Redis({ port, host: "127.0.0.1", db: 4, maxRetriesPerRequest: null });

const key = (name) => `{queue}:${name}`;

async function add(client, number, delay) {
  const job = client.multi().hset(key(number), "data", JSON.stringify({ number }), "attempts", 0);
  if (delay) job.zadd(key("delayed"), Date.now() + delay, number);
  else job.lpush(key("wait"), number);
  (await job.exec()).forEach(([error]) => assert.ok(!error));
}

// Moves what is due. Several do so at once: who finds that another was faster looks again.
async function promote(client) {
  for (;;) {
    await client.watch(key("delayed"));
    const due = await client.zrangebyscore(key("delayed"), "-inf", Date.now(), "LIMIT", 0, 10);
    if (!due.length) return client.unwatch();
    const moved = await client.multi().zrem(key("delayed"), ...due).lpush(key("wait"), ...due).exec();
    if (moved) assert.equal(moved[0][1], due.length);
  }
}

async function work(name, done) {
  const blocking = connect(), client = connect();
  while (done.size < JOBS + DELAYED) {
    const number = name % 2 ? await blocking.blmove(key("wait"), key("active"), "RIGHT", "LEFT", 0.05) : await blocking.brpoplpush(key("wait"), key("active"), 1);
    await promote(client);
    if (number === null) continue;
    if (number === "stop") {
      // For all of them.
      await client.multi().lrem(key("active"), 1, number).lpush(key("wait"), number).exec();
      break;
    }
    const { data } = await client.hgetall(key(number));
    assert.equal(JSON.parse(data).number, Number(number));
    // Every tenth fails once and comes again.
    const attempts = await client.hincrby(key(number), "attempts", 1);
    if (number % 10 === 0 && attempts === 1) {
      await client.multi().lrem(key("active"), 1, number).zadd(key("delayed"), Date.now() + 5, number).exec();
      continue;
    }
    const [[, removed]] = await client.multi().lrem(key("active"), 1, number).zadd(key("completed"), Date.now(), number).hset(key(number), "result", number * 2).publish(key("events"), number).exec();
    assert.equal(removed, 1);
  }
  blocking.disconnect();
  await client.quit();
}

async function main() {
  const client = connect(), listener = connect(), done = new Set();
  let all;
  const finished = new Promise((resolve) => (all = resolve));
  listener.on("message", (_, number) => {
    assert.ok(!done.has(number), `${number} is done twice`);
    done.add(number);
    if (done.size === JOBS + DELAYED) all();
  });
  await listener.subscribe(key("events"));
  const workers = Array.from({ length: WORKERS }, (_, name) => work(name, done));
  for (let number = 0; number < JOBS + DELAYED; number++) await add(client, number, number < JOBS ? 0 : 1 + (number % 20));
  await finished;
  await client.lpush(key("wait"), "stop");
  await Promise.all(workers);
  assert.equal(await client.llen(key("active")), 0);
  assert.equal(await client.zcard(key("delayed")), 0);
  assert.equal(await client.zcard(key("completed")), JOBS + DELAYED);
  for (let number = 0; number < JOBS + DELAYED; number++) {
    assert.deepEqual(await client.hmget(key(number), "result", "attempts"), [String(2 * number), number % 10 ? "1" : "2"]);
  }
  await Promise.all([client.quit(), listener.quit()]);
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
