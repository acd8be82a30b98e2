"""Numbers 8 to 12: arguments at and beyond their borders. Replies are redis-server's (`--target peer` shows that), but for
those that it does not survive."""

import shlex

import pytest

import resp
import rough

LEAST, MOST = -(2**63), 2**63 - 1
OUT_OF_RANGE = b"ERR value is not an integer or out of range"
BIT_OFFSET = b"ERR bit offset is not an integer or out of range"
TOO_LONG = b"ERR string exceeds maximum allowed size (proto-max-bulk-len)"
BETWEEN = b"ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
POSITIVE = b"ERR value is out of range, must be positive"
WOULD_OVERFLOW = b"ERR increment or decrement would overflow"
NO_FLOAT = b"ERR value is not a valid float"
INFINITE = b"ERR increment would produce NaN or Infinity"


def lay_out(client):
    """A key of each type."""
    for line in ("SET s abc", "RPUSH l 0 1 2", "SADD st a b c", "HSET h a 1 b 2", "ZADD z 1 a 2 b"):
        client.call(*line.split())


def check(running, table):
    with resp.Client(running.connect()) as client:
        lay_out(client)
        before = running.process.rss_bytes()
        for line, reply in table:
            assert client.call(*shlex.split(line)) == reply, line
            assert client.call("PING") == b"PONG", line
        assert running.process.rss_bytes() - before < 16 * rough.MIB


def test_08_offsets_at_the_ends_of_their_range(build_server):
    """CVE-2022-35977 (SETRANGE, SORT), CVE-2021-32761 (BIT commands)."""
    table = [(f"SETRANGE s {offset} A", TOO_LONG) for offset in (MOST, 2**31 - 1, 2**32 - 1, 2**29)]
    table += [(f"SETRANGE s {offset} A", b"ERR offset is out of range") for offset in (-1, LEAST)]
    table += [("SETRANGE s 18446744073709551615 A", OUT_OF_RANGE), (f"SETRANGE none {MOST} ''", 0)]
    table += [(f"SETBIT s {offset} 1", BIT_OFFSET) for offset in (2**32, MOST, -1, LEAST, "x")]
    table += [(f"GETBIT s {offset}", BIT_OFFSET) for offset in (2**32, MOST, -1)]
    table += [
        ("GETBIT s 4294967295", 0),
        (f"GETRANGE s {LEAST} {MOST}", b"abc"),
        (f"GETRANGE s {MOST} {LEAST}", b""),
        (f"GETRANGE s {MOST - 1} {MOST}", b""),
        (f"SUBSTR s {LEAST} {LEAST}", b"a"),
        (f"BITFIELD s GET u8 {MOST}", BIT_OFFSET),
        (f"BITFIELD s INCRBY u63 0 {MOST + 1}", OUT_OF_RANGE),
        (f"BITFIELD_RO s GET u8 {MOST - 7}", BIT_OFFSET),
        ("BITFIELD s GET u8 4294967288", [0]),
        (f"BITCOUNT s {LEAST} {MOST}", 10),
        (f"BITCOUNT s {MOST} {LEAST} BIT", 0),
        (f"BITPOS s 1 {LEAST} {MOST}", 1),
        (f"BITPOS s 0 {MOST}", -1),
        (f"BITPOS s 1 {LEAST} {MOST} BIT", 1),
        (f"LRANGE l {LEAST} {MOST}", [b"0", b"1", b"2"]),
        (f"LINDEX l {LEAST}", None),
        (f"LSET l {LEAST} x", b"ERR index out of range"),
        (f"LTRIM none {MOST} {LEAST}", b"OK"),
        (f"LREM l {LEAST} none", 0),
        (f"ZRANGE z {LEAST} {MOST}", [b"a", b"b"]),
        (f"ZREMRANGEBYRANK none {LEAST} {MOST}", 0),
        (f"SORT_RO l BY a LIMIT 2 {MOST}", [b"2"]),
        (f"SORT_RO l LIMIT {LEAST} {MOST}", [b"0", b"1", b"2"]),
        (f"SORT_RO l BY a LIMIT {MOST} {MOST}", []),
        ("GET s", b"abc"),
    ]
    kind = b"ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
    table += [(f"BITFIELD s GET {bad} 0", kind) for bad in ("u64", "i65", "u0", "i-1", "u99999999999999999999")]
    check(build_server, table)


@pytest.mark.larder_only
def test_08_multiplied_offsets_do_not_wrap(build_server):
    """`#` multiplies by the width of the field."""
    with resp.Client(build_server.connect()) as client:
        for offset in (MOST, 2**57, 2**58, 2**61, 2**62, 2**26):
            for verb in (["GET", "i64", f"#{offset}"], ["SET", "i64", f"#{offset}", 1], ["INCRBY", "i64", f"#{offset}", 1]):
                assert isinstance(client.call("BITFIELD", "s", *verb), resp.Error), verb
        assert client.call("EXISTS", "s") == 0


def test_09_random_elements_with_counts_at_the_ends(build_server):
    """CVE-2023-25155."""
    check(
        build_server,
        [
            (f"SRANDMEMBER st {LEAST}", BETWEEN),
            (f"SRANDMEMBER st {MOST + 1}", OUT_OF_RANGE),
            (f"HRANDFIELD h {LEAST}", BETWEEN),
            ("HRANDFIELD h -9223372036854770000 withvalues", b"ERR value is out of range"),
            ("HRANDFIELD h -4611686018427387905 WITHVALUES", b"ERR value is out of range"),
            (f"HRANDFIELD h {MOST} WITHVALUES", b"ERR value is out of range"),
            (f"ZRANDMEMBER z {LEAST}", BETWEEN),
            ("ZRANDMEMBER z -9223372036854770000 withscores", b"ERR value is out of range"),
            (f"ZRANDMEMBER z {MOST} WITHSCORES", b"ERR value is out of range"),
            (f"SPOP st {LEAST}", POSITIVE),
            ("SPOP st -1", POSITIVE),
            (f"LPOP l {LEAST}", POSITIVE),
            (f"ZPOPMIN z {LEAST}", POSITIVE),
            ("ZPOPMAX z -1", POSITIVE),
            (f"LMPOP 1 l LEFT COUNT {LEAST}", b"ERR count should be greater than 0"),
            ("ZMPOP 1 z MIN COUNT 0", b"ERR count should be greater than 0"),
            (f"LPOS l 2 COUNT {MOST} MAXLEN {MOST}", [2]),
            ("LPOS l 2 COUNT -1", b"ERR COUNT can't be negative"),
        ],
    )


@pytest.mark.larder_only
def test_09_as_many_random_elements_as_nobody_has_memory_for(build_server):
    """What redis-server 7.0 tries to answer until it is killed."""
    with resp.Client(build_server.connect()) as client:
        lay_out(client)
        for command in (["SRANDMEMBER", "st"], ["HRANDFIELD", "h"], ["ZRANDMEMBER", "z"]):
            for count in (-MOST, -(2**40), -(2**31)):
                assert isinstance(client.call(*command, count), resp.Error), (command, count)
            assert len(client.call(*command, MOST)) <= 3
            assert len(client.call(*command, -1000)) == 1000


PATTERNS = ("a*" * 100 + "b", "*a" * 100 + "*b", "?*" * 200 + "b", "[a-z]*" * 100 + "b", "*" * 10_000 + "!")


@pytest.mark.larder_only
def test_10_patterns_do_not_explode(start):
    """CVE-2022-36021 (time), CVE-2024-31228 (depth of recursion: 50,000 stars)."""
    running = start(threads=2)
    deep = "*?" * 50_000
    with resp.Client(running.connect(timeout_s=10)) as client, resp.Client(running.connect(timeout_s=10)) as listener:
        client.call("SET", "a" * 1000, "x")
        client.call("SET", "a" * 50_000, "x")
        for pattern in (*PATTERNS, "*a" * 20_000 + "b", "[" * 20_000, "\\" * 20_001, "[^" + "a-z" * 20_000):
            assert client.call("KEYS", pattern) == []
            assert client.call("SCAN", "0", "MATCH", pattern, "COUNT", "10")[1] == []
            assert client.call("CONFIG", "GET", pattern) == []
            assert client.call("COMMAND", "LIST", "FILTERBY", "PATTERN", pattern) == []
            assert client.call("PUBSUB", "CHANNELS", pattern) == []
        assert client.call("KEYS", deep) == [b"a" * 50_000]
        client.call("HSET", "hash", "a" * 1000, "x")
        client.call("SADD", "set", "a" * 1000)
        client.call("ZADD", "zset", 1, "a" * 1000)
        for pattern in PATTERNS:
            assert client.call("HSCAN", "hash", "0", "MATCH", pattern) == [b"0", []]
            assert client.call("SSCAN", "set", "0", "MATCH", pattern) == [b"0", []]
            assert client.call("ZSCAN", "zset", "0", "MATCH", pattern) == [b"0", []]
            assert listener.call("PSUBSCRIBE", pattern)[0] == b"psubscribe"
            assert client.call("PUBLISH", "a" * 1000, "x") == 0
        assert listener.call("PSUBSCRIBE", deep)[0] == b"psubscribe"
        assert client.call("PUBLISH", "a" * 50_000, "x") == 1
        assert listener.reply()[0] == b"pmessage"
        # Patterns of the access control list are matched before every command of their user.
        assert client.call("ACL", "SETUSER", "patient", "on", "nopass", "+@all", "~" + PATTERNS[0]) == b"OK"
        assert client.call("ACL", "DRYRUN", "patient", "GET", "a" * 1000) != b"OK"
        assert client.call("ACL", "DELUSER", "patient") == 1


def test_11_numbers_at_the_edges(build_server):
    """CVE-2023-28425 (MSETNX); 64 bits; NaN and infinity."""
    check(
        build_server,
        [
            ("MSETNX x1 xxx x1 yyy", 1),
            ("GET x1", b"yyy"),
            ("MSETNX x1 xxx x1 zzz", 0),
            ("MSET x2 a x2 b", b"OK"),
            ("GET x2", b"b"),
            (f"SET n {MOST}", b"OK"),
            ("INCR n", WOULD_OVERFLOW),
            ("INCRBY n 1", WOULD_OVERFLOW),
            (f"DECRBY n {LEAST}", b"ERR decrement would overflow"),
            (f"SET n {LEAST}", b"OK"),
            ("DECR n", WOULD_OVERFLOW),
            (f"DECRBY n {MOST}", WOULD_OVERFLOW),
            (f"DECRBY n {MOST + 1}", OUT_OF_RANGE),
            ("INCRBY n -1", WOULD_OVERFLOW),
            (f"INCRBY n {MOST + 1}", OUT_OF_RANGE),
            ("GET n", str(LEAST).encode()),
            (f"SET n {MOST + 1}", b"OK"),
            ("INCR n", OUT_OF_RANGE),
            ("SET n ' 1'", b"OK"),
            ("INCR n", OUT_OF_RANGE),
            ("SET f 1.7e308", b"OK"),
            ("INCRBYFLOAT f nan", NO_FLOAT),
            ("INCRBYFLOAT f inf", INFINITE),
            ("INCRBYFLOAT f -inf", INFINITE),
            ("SET f 1e4932", b"OK"),
            ("INCRBYFLOAT f 1e4932", INFINITE),
            ("SET f inf", b"OK"),
            ("INCRBYFLOAT f 1", INFINITE),
            ("SET f nan", b"OK"),
            ("INCRBYFLOAT f 1", NO_FLOAT),
            (f"HSET h n {MOST}", 1),
            ("HINCRBY h n 1", WOULD_OVERFLOW),
            (f"HINCRBY h n {MOST + 1}", OUT_OF_RANGE),
            ("HINCRBYFLOAT h n nan", NO_FLOAT),
            ("HINCRBYFLOAT h n inf", b"ERR value is NaN or Infinity"),
            ("ZINCRBY z nan a", NO_FLOAT),
            ("ZADD z nan q", NO_FLOAT),
            ("ZADD z inf p", 1),
            ("ZINCRBY z -inf p", b"ERR resulting score is not a number (NaN)"),
            ("ZADD z INCR nan a", NO_FLOAT),
            ("ZRANGEBYSCORE z nan 1", b"ERR min or max is not a float"),
        ],
    )


def test_12_databases_deadlines_cursors_and_limits(build_server):
    database = b"ERR DB index is out of range"
    wide = b"ERR value is out of range, value must between -2147483648 and 2147483647"

    def invalid(command):
        return b"ERR invalid expire time in '%s' command" % command

    check(
        build_server,
        [
            ("SELECT -1", database),
            ("SELECT 16", database),
            ("SELECT 99999999999999999999", OUT_OF_RANGE),
            ("SELECT x", OUT_OF_RANGE),
            ("SELECT 4294967296", wide),
            ("MOVE s -1", database),
            ("MOVE s 4294967296", wide),
            ("COPY s s2 DB 99999999999", wide),
            ("SWAPDB 0 4294967296", b"ERR invalid second DB index"),
            (f"EXPIRE s {MOST}", invalid(b"expire")),
            (f"EXPIRE s {MOST // 1000}", invalid(b"expire")),
            (f"PEXPIRE s {MOST}", invalid(b"pexpire")),
            (f"EXPIREAT s {MOST}", invalid(b"expireat")),
            ("EXPIRE s 99999999999999999999", OUT_OF_RANGE),
            ("EXPIRE s x", OUT_OF_RANGE),
            (f"EXPIRE s {LEAST}", invalid(b"expire")),
            (f"SET s v EX {MOST}", invalid(b"set")),
            (f"SET s v EX {MOST // 1000}", invalid(b"set")),
            (f"SET s v PX {MOST}", invalid(b"set")),
            ("SET s v EX 0", invalid(b"set")),
            ("SET s v EX -1", invalid(b"set")),
            (f"SETEX s {LEAST} v", invalid(b"setex")),
            (f"PSETEX s {MOST} v", invalid(b"psetex")),
            (f"GETEX s EX {MOST}", invalid(b"getex")),
            ("GETEX s PX -1", invalid(b"getex")),
            ("TTL s", -1),
            ("GET s", b"abc"),
            ("SCAN 18446744073709551616", b"ERR invalid cursor"),
            ("SCAN x", b"ERR invalid cursor"),
            ("SCAN 0 COUNT 0", b"ERR syntax error"),
            (f"SCAN 0 COUNT {LEAST}", b"ERR syntax error"),
            (f"SCAN 0 COUNT {MOST + 1}", OUT_OF_RANGE),
            ("HSCAN h 99999999999999999999", b"ERR invalid cursor"),
            (f"ZSCAN z 0 COUNT {MOST + 1}", OUT_OF_RANGE),
            (f"ZRANGEBYSCORE z -inf +inf LIMIT {MOST} {LEAST}", []),
            (f"ZRANGEBYSCORE z -inf +inf LIMIT {LEAST} 1", []),
            (f"ZRANGEBYSCORE z -inf +inf LIMIT 0 {MOST}", [b"a", b"b"]),
            ("ZRANGEBYSCORE z -inf +inf LIMIT 0 x", OUT_OF_RANGE),
            (f"ZREVRANGEBYLEX z + - LIMIT {MOST} 1", []),
            ("SORT l LIMIT a b", OUT_OF_RANGE),
            (f"SORT l LIMIT {MOST + 1} 0", OUT_OF_RANGE),
            ("BLPOP none -1", b"ERR timeout is negative"),
            ("BLPOP none nan", b"ERR timeout is not a float or out of range"),
            (f"LMPOP {LEAST} l LEFT", b"ERR numkeys should be greater than 0"),
            (f"ZUNION {MOST} z", b"ERR syntax error"),
            ("ZUNION -1 z", b"ERR at least 1 input key is needed for 'zunion' command"),
            (f"SINTERCARD {MOST} st", b"ERR Number of keys can't be greater than number of args"),
            ("SINTERCARD 1 st LIMIT -1", b"ERR LIMIT can't be negative"),
            (f"SINTERCARD 1 st LIMIT {MOST}", 3),
            ("LPOS l 2 MAXLEN -1", b"ERR MAXLEN can't be negative"),
            ("CLIENT KILL ID -1", b"ERR client-id should be greater than 0"),
            ("CLIENT PAUSE -1", b"ERR timeout is negative"),
            (f"CLIENT UNBLOCK {MOST}", 0),
            (f"LCS s s IDX MINMATCHLEN {MOST}", [b"matches", [], b"len", 3]),
        ],
    )


@pytest.mark.larder_only
def test_12_cursors_that_were_never_given_and_deadlines_past_all_time(build_server):
    with resp.Client(build_server.connect()) as client:
        lay_out(client)
        for cursor in (1, 2**32, 2**63, 2**64 - 1):
            # Whatever it leads to, the scan comes to an end.
            for command in (["SCAN"], ["HSCAN", "h"], ["SSCAN", "st"], ["ZSCAN", "z"]):
                steps, at = 0, cursor
                while True:
                    reply = client.call(*command, at)
                    steps += 1
                    if isinstance(reply, resp.Error) or reply[0] == b"0":
                        break
                    at = reply[0].decode()
                    assert steps < 1000, (command, cursor)
        for command in (["PEXPIRE", "s", MOST - 10**15], ["PEXPIREAT", "s", MOST]):
            reply = client.call(*command)
            assert reply == 1 or isinstance(reply, resp.Error), command
            assert client.call("GET", "s") == b"abc", "it has not come to pass by wrapping around"
        for timeout in ("1e400", MOST, "1e18"):
            assert isinstance(client.call("BLPOP", "none", timeout), resp.Error), timeout
