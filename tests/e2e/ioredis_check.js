// What an application does with ioredis; prints "ok" or dies. Arguments: port, protocol version.
const assert = require("node:assert");
const Redis = require("ioredis");

async function main() {
  const port = Number(process.argv[2]);
  const client = new Redis({ port, host: "127.0.0.1", connectionName: "tests", db: 1, maxRetriesPerRequest: 1 });

  assert.equal(await client.set("k", "v", "EX", 100), "OK");
  assert.equal(await client.get("k"), "v");
  assert.ok((await client.ttl("k")) > 90);
  assert.equal(await client.set("k", "w", "NX"), null);
  assert.equal(await client.incrby("n", 5), 5);
  assert.equal(await client.incrbyfloat("f", 0.25), "0.25");
  assert.deepEqual(await client.mset("a", "1", "b", "2"), "OK");
  assert.deepEqual(await client.mget("a", "none", "b"), ["1", null, "2"]);
  const binary = Buffer.from([0, 255, 13, 10]);
  await client.set("binary", binary);
  assert.deepEqual(await client.getBuffer("binary"), binary);

  const pipeline = client.pipeline();
  for (let i = 0; i < 500; i++) pipeline.set(`key:${i}`, i).get(`key:${i}`);
  const replies = await pipeline.exec();
  replies.forEach(([error, value], i) => assert.ok(!error && value === (i % 2 ? String((i - 1) / 2) : "OK")));

  assert.deepEqual(await client.multi().set("t", 1).incr("t").get("t").exec(), [[null, "OK"], [null, 2], [null, "2"]]);
  await client.watch("t");
  const other = client.duplicate();
  await other.set("t", "changed");
  assert.equal(await client.multi().set("t", "lost").exec(), null);
  assert.equal(await client.get("t"), "changed");

  const seen = new Set();
  for await (const keys of client.scanStream({ match: "key:*", count: 20 })) keys.forEach((key) => seen.add(key));
  assert.equal(seen.size, 500);

  await assert.rejects(client.incr("k"), /not an integer/);
  await assert.rejects(client.call("NOSUCH"), /unknown command/);
  assert.match(await client.info(), /redis_version:/);
  assert.match(await client.client("LIST"), /name=tests/);
  const listener = client.duplicate();
  const heard = [];
  listener.on("message", (channel, message) => heard.push([channel, message]));
  listener.on("pmessage", (pattern, channel, message) => heard.push([pattern, channel, message]));
  assert.equal(await listener.subscribe("news", "other"), 2);
  assert.equal(await listener.psubscribe("n?ws"), 3);
  for (let i = 0; i < 100; i++) assert.equal(await client.publish("news", String(i)), 2);
  while (heard.length < 200) await new Promise((resolve) => setImmediate(resolve));
  heard.forEach((one, i) => assert.deepEqual(one, [...(i % 2 ? ["n?ws"] : []), "news", String(Math.floor(i / 2))]));
  assert.equal(await listener.unsubscribe("news", "other"), 1);
  assert.deepEqual(await client.pubsub("NUMSUB", "news"), ["news", 0]);
  assert.equal(await listener.punsubscribe("n?ws"), 0);
  await Promise.all([client.quit(), other.quit(), listener.quit()]);
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
