// A session of memjs, which speaks the binary protocol: node memjs_check.js HOST:PORT [USER PASSWORD]
const assert = require("assert");
const { Client } = require("memjs");

async function main() {
  const [server, username, password] = process.argv.slice(2);
  const client = Client.create(server, { username, password, retries: 1, timeout: 10 });
  const text = async (key) => {
    const { value } = await client.get(key);
    return value && value.toString();
  };

  assert.strictEqual(await client.set("k", "value", { expires: 100 }), true);
  assert.strictEqual(await text("k"), "value");
  assert.strictEqual(await text("none"), null);
  assert.strictEqual(await client.add("k", "other", {}), false);
  assert.strictEqual(await client.replace("none", "other", {}), false);
  assert.strictEqual(await client.replace("k", "new", {}), true);
  assert.strictEqual(await client.append("k", "+"), true);
  assert.strictEqual(await text("k"), "new+");
  assert.strictEqual((await client.increment("n", 5, { initial: 10 })).value, 10);
  assert.strictEqual((await client.increment("n", 5, { initial: 10 })).value, 15);
  assert.strictEqual((await client.decrement("n", 20, {})).value, 0);
  assert.strictEqual(await client.touch("k", 100), true);
  assert.strictEqual(await client.touch("none", 100), false);
  assert.strictEqual(await client.delete("k"), true);
  assert.strictEqual(await client.delete("k"), false);

  const large = "x".repeat(500000);
  await client.set("large", large, {});
  assert.strictEqual(await text("large"), large);
  const keys = Array.from({ length: 200 }, (_, number) => `key${number}`);
  await Promise.all(keys.map((key) => client.set(key, `value of ${key}`, {})));
  const values = await Promise.all(keys.map(text));
  assert.deepStrictEqual(values, keys.map((key) => `value of ${key}`));

  const stats = await new Promise((done, failed) =>
    client.stats((error, _server, found) => (error ? failed(error) : done(found))));
  assert.strictEqual(stats.curr_items, String(keys.length + 2));
  assert.deepStrictEqual(Object.values(await client.flush()), [true]);
  assert.strictEqual(await text("key0"), null);
  client.close();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
