"""redis-py, with both versions of the protocol."""

import threading

import pytest
import redis


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, start):
    running = start(threads=3)
    made = redis.Redis(port=running.resp_port, protocol=request.param, decode_responses=True, client_name="tests")
    yield made
    made.close()


def test_strings_and_numbers(client):
    assert client.ping()
    assert client.set("k", "v", ex=100)
    assert client.get("k") == "v"
    assert 0 < client.ttl("k") <= 100
    assert client.set("k", "w", nx=True) is None
    assert client.set("k", "w", xx=True, get=True) == "v"
    assert client.getdel("k") == "w"
    assert client.get("k") is None
    assert client.incr("n") == 1
    assert client.incrby("n", 41) == 42
    assert client.decr("n") == 41
    assert client.incrbyfloat("f", 0.5) == 0.5
    assert client.append("s", "abc") == 3
    assert client.setrange("s", 1, "XY") == 3
    assert client.getrange("s", 0, -1) == "aXY"
    assert client.mset({"a": "1", "b": "2", "c": "3"})
    assert client.mget("a", "none", "c") == ["1", None, "3"]
    assert client.msetnx({"a": "9", "z": "9"}) is False
    assert client.setbit("bits", 7, 1) == 0
    assert client.bitcount("bits") == 1
    assert client.lcs("s", "s") == "aXY"


def test_hashes_and_sets(client):
    assert client.hset("h", mapping={"a": 1, "b": "two"}) == 2
    assert client.hgetall("h") == {"a": "1", "b": "two"}
    assert client.hmget("h", "a", "none") == ["1", None]
    assert client.hincrby("h", "a", 41) == 42
    assert client.hincrbyfloat("h", "f", 0.5) == 0.5
    assert client.hexpire("h", 100, "a", "none") == [1, -2]
    assert 0 < client.httl("h", "a")[0] <= 100
    assert client.hpersist("h", "a") == [1]
    assert client.hgetex("h", "a", ex=100) == ["42"]
    assert client.hsetex("h", "e", "x", ex=100) == 1
    assert client.hgetdel("h", "e") == ["x"]
    assert dict(client.hscan_iter("h", match="?")) == {"a": "42", "b": "two", "f": "0.5"}
    assert client.hrandfield("h", 9, True) is not None
    assert client.hdel("h", "a", "b", "f") == 3
    members = {f"member:{number}" for number in range(1000)}
    assert client.sadd("s", *members) == 1000
    assert set(client.smembers("s")) == members == set(client.sscan_iter("s", count=50))
    assert client.smismember("s", ["member:1", "none"]) == [1, 0]
    assert client.smove("s", "t", "member:1")
    assert set(client.sunion("s", "t")) == members
    assert client.sinterstore("i", "s", "t") == 0
    assert client.sdiffstore("d", "s", "t") == 999
    assert client.sintercard(2, ["s", "d"], limit=10) == 10
    assert len(client.srandmember("s", 10)) == 10
    assert len(client.spop("s", 10)) == 10
    assert client.scard("s") == 989


def test_keys(client):
    client.mset({f"key:{number}": number for number in range(200)})
    assert sorted(client.scan_iter("key:*", count=10)) == sorted(f"key:{number}" for number in range(200))
    assert len(client.keys("key:1?")) == 10
    assert client.dbsize() == 200
    assert client.exists("key:1", "key:2", "none") == 2
    assert client.rename("key:1", "renamed")
    assert client.type("renamed") == "string"
    assert client.copy("renamed", "copied")
    assert client.delete("renamed", "copied", "none") == 2
    assert client.expire("key:2", 1000) and client.persist("key:2")
    assert client.randomkey().startswith("key:")
    assert client.flushall()
    assert client.dbsize() == 0


def test_pipelines_keep_order(client):
    with client.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set(f"key:{number}", number)
            pipeline.get(f"key:{number}")
        replies = pipeline.execute()
    assert replies[1::2] == [str(number) for number in range(1000)]


def test_transactions(client):
    with client.pipeline(transaction=True) as pipeline:
        pipeline.set("a", 1).incr("a").get("a").mget("a", "none")
        assert pipeline.execute() == [True, 2, "2", ["2", None]]
        pipeline.set("s", "text").incr("s").get("s")
        with pytest.raises(redis.ResponseError, match="not an integer"):
            pipeline.execute()
    assert client.get("s") == "text"


def test_watch_stops_a_transaction_that_was_overtaken(client):
    client.set("k", 1)
    with client.pipeline() as pipeline:
        pipeline.watch("k")
        client.set("k", 2)
        pipeline.multi()
        pipeline.set("k", 3)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.get("k") == "2"


def test_optimistic_counters_lose_nothing(client):
    def increment(pipeline):
        value = int(pipeline.get("counter") or 0)
        pipeline.multi()
        pipeline.set("counter", value + 1)

    threads = [
        threading.Thread(target=lambda: [client.transaction(increment, "counter") for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("counter") == "200"


def test_what_tools_ask(client):
    info = client.info()
    assert info["redis_version"] and info["role"] == "master" and info["uptime_in_seconds"] >= 0
    assert client.info("memory")["used_memory"] > 0
    client.set("k", "v")
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.config_get("maxmemory")["maxmemory"] == str(256 << 20)
    assert [row["name"] for row in client.client_list()].count("tests") >= 1
    assert client.client_getname() == "tests"
    assert client.client_info()["name"] == "tests"
    assert client.time()[0] > 1_600_000_000
    assert client.memory_usage("k") > 0
    assert isinstance(client.slowlog_get(), list)
    assert client.command_count() > 80
    assert client.object("encoding", "k") == "embstr"


def test_errors_reach_the_caller(client):
    client.set("k", "text")
    with pytest.raises(redis.ResponseError, match="not an integer"):
        client.incr("k")
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.execute_command("NOSUCH")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        client.execute_command("GET")
    assert client.ping()
