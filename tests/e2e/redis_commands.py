"""Random Redis commands over few keys, with arguments at their edges."""

import itertools

import redis_sorted

KEYS = [b"a", b"b", b"c", b"d", b"e", b"f", b"{t}1", b"{t}2", b"n1", b"n2", b"", b"\x00\xff\r\n", b"k" * 300]
NUMBERS = [b"0", b"1", b"-1", b"10", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808"]
NUMBERS += [b"", b"x", b" 1", b"1 ", b"01", b"+1", b"-0", b"1.5", b"99999999999999999999999"]
NUMBERS += [b"1", b"-1", b"100", b"7"] * 3
INDEXES = [b"0", b"1", b"2", b"5", b"30", b"-1", b"-2", b"-5", b"-100", b"100", *NUMBERS]
FLOATS = [b"0.1", b"-1.5", b"3", b"1e5", b"1e-7", b"nan", b"inf", b"-inf", b"1e400", b"x", b"", b"0x1p3", b" 1", b"1.0e10"]
VALUES = [b"", b"0", b"1", b"-7", b"41", b"9223372036854775807", b"-9223372036854775808", b"abc", b"foobar", b"3.25"]
VALUES += [b"1e3", b" 5", b"x" * 44, b"y" * 45, b"\xff\x00\xf0", b"\xff" * 9, b"ohmytext", b"z" * 1000]
BITS = [b"0", b"1", b"7", b"8", b"100", b"5000", b"-1", b"4294967296", b"x", b"9223372036854775807"]
RANGES = [b"0", b"1", b"3", b"10", b"2000", b"-1", b"536870912", b"9223372036854775807", b"x"]
TYPES = [b"u8", b"i8", b"u1", b"i1", b"u63", b"i64", b"u5", b"i17", b"u64", b"i65", b"u0", b"x", b""]
FIELD_OFFSETS = [b"0", b"1", b"#0", b"#1", b"#7", b"100", b"-1", b"#-1", b"x", b"#", b"4294967296"]
HASHES = [b"h1", b"h2", b"{t}h"]
LISTS = [b"l1", b"l2", b"{t}l"]
SETS = [b"s1", b"s2", b"s3", b"{t}s", b"{t}S"]
MEMBERS = [b"f1", b"f2", b"f3", b"", b"1", b"2", b"-7", b"300", b"70000", b"-5000000000", b"007", b"\xff\x00\r\n"]
MEMBERS += [b"x" * 64, b"y" * 65, b"z" * 300, b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808"]
COUNTS = [b"0", b"1", b"-1", b"3", b"-3", b"5", b"1000", b"-1000", b"-9223372036854775808", b"x", b"", b"1.5"]
# None beyond all time: Redis 7.0 takes some of those for negative ones.
TIMEOUTS = [b"-1", b"-0.001", b"x", b"", b"nan", b" 1"]
PATTERNS = [b"*", b"?", b"[a-c]", b"[^a]", b"n*", b"\\a", b"{t}?", b"", b"[", b"[a", b"a\\", b"*****1", b"[c-a]"]


class Generator(redis_sorted.SortedSets):
    """Each call makes one command, or a transaction: a list of argument lists that stay together."""

    def __init__(self, dice, other_types=False):
        self.dice = dice
        self.other_types = other_types
        self.indexes, self.counts = INDEXES, COUNTS
        # No two relative times are alike, so no comparison of expiries hangs on a millisecond.
        self.seconds = (1000 + (7919 * i) % 999983 for i in itertools.count(1))
        self.makers = [getattr(self, name) for name in dir(self) if name.startswith("make_")]

    def __call__(self):
        if self.dice.random() < 0.02:
            return self.transaction()
        if self.dice.random() < 0.02:
            return [self.dice.choice([[b"WATCH", *self.keys(1, 3)], [b"UNWATCH"], [b"EXEC"], [b"DISCARD"]])]
        if self.dice.random() < 0.02:
            return self.at_once()
        return [self.one()]

    def one(self):
        arguments = self.dice.choice(self.makers)()
        chance = self.dice.random()
        if chance < 0.01:
            # Not the name: what follows it may be another command's. Without its count SPOP takes what chance wants.
            if len(arguments) > 1 and arguments[0] != b"SPOP":
                del arguments[self.dice.randrange(1, len(arguments))]
        elif chance < 0.02 and arguments[0] not in (b"ZRANK", b"ZREVRANK", b"LPOS"):
            # The first two take one argument more since Redis 7.2; 7.0 takes the least number as a RANK, and is wrong.
            arguments.insert(self.dice.randrange(1, len(arguments) + 1), self.dice.choice(NUMBERS))
        elif chance < 0.04:
            arguments[0] = bytes(self.dice.choice([byte, byte | 0x20]) for byte in arguments[0])
        return arguments

    def transaction(self):
        body = [self.one() for _ in range(self.dice.randrange(8))]
        if self.dice.random() < 0.3:
            # Nothing waits in here.
            body.insert(self.dice.randrange(len(body) + 1), self.waiting(self.list(), self.sorted()))
        if self.dice.random() < 0.1:
            body.append([self.dice.choice([b"NOSUCH", b"MULTI", b"WATCH"]), b"a"])
        return [[b"MULTI"], *body, [self.dice.choice([b"EXEC", b"EXEC", b"EXEC", b"DISCARD"])]]

    def at_once(self):
        """A blocking command that does not wait: there is something for it, or it is refused."""
        listed, sorted_ = self.list(), self.sorted()
        there = [[b"RPUSH", listed, b"1", self.dice.choice(MEMBERS)], [b"ZADD", sorted_, b"1", b"m1", b"2", self.dice.choice(MEMBERS)]]
        return [*there, self.waiting(listed, sorted_)]

    def waiting(self, listed, sorted_):
        """A blocking command that waits for one of these, among others."""
        timeout = self.dice.choice([b"0", b"0.01", b"0x1p-3", b"1e-3", *TIMEOUTS])
        end, least = self.end(), self.dice.choice([b"MIN", b"max", b"MAX", b"min", b"up"])
        lists = [self.list() for _ in range(self.dice.randrange(3))] + [listed]
        sorted_sets = [self.sorted() for _ in range(self.dice.randrange(3))] + [sorted_]
        count = self.some([b"COUNT", self.dice.choice(COUNTS)])
        return self.dice.choice(
            [
                [self.dice.choice([b"BLPOP", b"BRPOP", b"blpop"]), *lists, timeout],
                [b"BLMOVE", listed, self.list(), self.end(), end, timeout],
                [b"BRPOPLPUSH", listed, self.list(), timeout],
                [b"BLMPOP", timeout, b"%d" % len(lists), *lists, end, *count],
                [self.dice.choice([b"BZPOPMIN", b"BZPOPMAX"]), *sorted_sets, timeout],
                [b"BZMPOP", timeout, b"%d" % len(sorted_sets), *sorted_sets, least, *count],
            ]
        )

    def key(self):
        return self.dice.choice(KEYS) if self.dice.random() < 0.9 else self.dice.choice(HASHES + SETS + LISTS)

    def hash(self):
        return self.dice.choice(HASHES) if self.dice.random() < 0.9 else self.key()

    def set(self):
        return self.dice.choice(SETS) if self.dice.random() < 0.9 else self.key()

    def member(self):
        """One of a few, or one of many."""
        if self.dice.random() < 0.7:
            return self.dice.choice(MEMBERS)
        return b"%s%d" % (self.dice.choice([b"", b"", b"m", b"-"]), self.dice.randrange(1500))

    def members(self):
        """Some, and at times so many that a collection grows."""
        if self.dice.random() < 0.04:
            start, prefix = self.dice.randrange(1000), self.dice.choice([b"", b"m"])
            return [b"%s%d" % (prefix, number) for number in range(start, start + self.dice.choice([60, 200, 600]))]
        return [self.member() for _ in range(self.dice.choice([1, 1, 1, 2, 3, 8]))]

    def keys(self, least, most):
        return [self.key() for _ in range(self.dice.randint(least, most))]

    def value(self):
        return self.dice.choice(VALUES)

    def some(self, *options):
        """Each option with a small chance, in any order."""
        chosen = [option for option in options if self.dice.random() < 0.3]
        self.dice.shuffle(chosen)
        return [word for option in chosen for word in option]

    def expiry(self):
        """An option and a time that is far off, or refused."""
        seconds = next(self.seconds)
        return self.dice.choice(
            [
                [b"EX", b"%d" % seconds],
                [b"PX", b"%d000" % seconds],
                [b"EXAT", b"%d" % (33_000_000_000 + seconds)],
                [b"PXAT", b"%d000" % (33_000_000_000 + seconds)],
                [b"EX", self.dice.choice([b"0", b"-1", b"x", b"", b"9223372036854775807"])],
                [b"PX", self.dice.choice([b"0", b"-1", b"x", b"9223372036854775807", b"9223372036854775808"])],
                [b"EX"],
            ]
        )

    def make_set(self):
        return [b"SET", self.key(), self.value(), *self.some([b"NX"], [b"xx"], [b"GET"], [b"KEEPTTL"], self.expiry())]

    def make_set_plain(self):
        return [b"SET", self.key(), self.value()]

    def make_set_number(self):
        return [b"SET", self.dice.choice([b"n1", b"n2"]), self.dice.choice(NUMBERS)]

    def make_get(self):
        return [self.dice.choice([b"GET", b"GET", b"STRLEN", b"GETDEL", b"EXISTS", b"TYPE"]), self.key()]

    def make_getset(self):
        return [self.dice.choice([b"GETSET", b"SETNX", b"APPEND"]), self.key(), self.value()]

    def make_other_type(self):
        """A key that is no string, where the server has such."""
        if not self.other_types:
            return self.make_set_plain()
        return [self.dice.choice([b"LPUSH", b"SADD"]), self.key(), self.value()]

    def make_hset(self):
        words = [word for field in self.members() for word in (field, self.value())]
        if self.dice.random() < 0.03:
            words.pop()
        return [self.dice.choice([b"HSET", b"HSET", b"HMSET"]), self.hash(), *words]

    def make_hset_more(self):
        return self.make_hset()

    def make_hsetnx(self):
        return [b"HSETNX", self.hash(), self.member(), self.value()]

    def make_hget(self):
        return [self.dice.choice([b"HGET", b"HSTRLEN", b"HEXISTS"]), self.hash(), self.member()]

    def make_hmget(self):
        return [self.dice.choice([b"HMGET", b"HDEL", b"HDEL"]), self.hash(), *self.members()]

    def make_hgetall(self):
        return [self.dice.choice([b"HGETALL", b"HKEYS", b"HVALS", b"HLEN", b"HLEN"]), self.hash()]

    def make_hincrby(self):
        return [b"HINCRBY", self.hash(), self.member(), self.dice.choice(NUMBERS)]

    def make_hincrbyfloat(self):
        return [b"HINCRBYFLOAT", self.hash(), self.member(), self.dice.choice(FLOATS)]

    def make_hrandfield(self):
        tail = [self.dice.choice(COUNTS), *self.some([b"WITHVALUES"], [b"x"])] if self.dice.random() < 0.8 else []
        return [b"HRANDFIELD", self.hash(), *tail]

    def make_collection_scan(self):
        name, key = self.dice.choice([(b"HSCAN", self.hash()), (b"SSCAN", self.set())])
        options = self.some([b"MATCH", self.dice.choice(PATTERNS)], [b"COUNT", self.dice.choice(COUNTS)], [b"TYPE", b"x"])
        return [name, key, self.dice.choice([b"0", b"0", b"5", b"x", b"", b"-1"]), *options]

    def list(self):
        return self.dice.choice(LISTS) if self.dice.random() < 0.9 else self.key()

    def end(self):
        return self.dice.choice([b"LEFT", b"RIGHT", b"left", b"Right"] * 4 + [b"up"])

    def make_push(self):
        return [self.dice.choice([b"LPUSH", b"RPUSH", b"LPUSH", b"RPUSH", b"LPUSHX", b"RPUSHX"]), self.list(), *self.members()]

    def make_push_more(self):
        return self.make_push()

    def make_pop(self):
        tail = [self.dice.choice(COUNTS)] if self.dice.random() < 0.4 else []
        return [self.dice.choice([b"LPOP", b"RPOP"]), self.list(), *tail]

    def make_lrange(self):
        name = self.dice.choice([b"LRANGE", b"LRANGE", b"LRANGE", b"LTRIM"])
        return [name, self.list(), self.dice.choice(INDEXES), self.dice.choice(INDEXES)]

    def make_lindex(self):
        return self.dice.choice([[b"LINDEX", self.list(), self.dice.choice(INDEXES)], [b"LLEN", self.list()]])

    def make_lset(self):
        return [b"LSET", self.list(), self.dice.choice(INDEXES), self.member()]

    def make_lrem(self):
        return [b"LREM", self.list(), self.dice.choice(COUNTS), self.member()]

    def make_linsert(self):
        where = self.dice.choice([b"BEFORE", b"AFTER", b"before", b"x"])
        return [b"LINSERT", self.list(), where, self.member(), self.member()]

    def make_lpos(self):
        # Redis 7.0 negates the least rank, which stays negative; later ones refuse it, as larder does.
        counts = [count for count in COUNTS if count != b"-9223372036854775808"]
        options = [[name, self.dice.choice(counts)] for name in (b"RANK", b"COUNT", b"MAXLEN")]
        return [b"LPOS", self.list(), self.member(), *self.some(*options, [b"x"])]

    def make_lmove(self):
        if self.dice.random() < 0.3:
            return [b"RPOPLPUSH", self.list(), self.list()]
        return [b"LMOVE", self.list(), self.list(), self.end(), self.end()]

    def make_lmpop(self):
        keys = [self.list() for _ in range(self.dice.randint(1, 3))]
        count = self.dice.choice([b"%d" % len(keys)] * 6 + [b"0", b"-1", b"1", b"9", b"x"])
        return [b"LMPOP", count, *keys, self.end(), *self.some([b"COUNT", self.dice.choice(COUNTS)])]

    def make_sadd(self):
        return [b"SADD", self.set(), *self.members()]

    def make_sadd_more(self):
        return self.make_sadd()

    def make_srem(self):
        return [self.dice.choice([b"SREM", b"SMISMEMBER"]), self.set(), *self.members()]

    def make_sismember(self):
        return [b"SISMEMBER", self.set(), self.member()]

    def make_smembers(self):
        return [self.dice.choice([b"SMEMBERS", b"SCARD", b"SCARD"]), self.set()]

    def make_srandmember(self):
        # Which members are popped is not known, so only all of them are.
        tail = [self.dice.choice(COUNTS)] if self.dice.random() < 0.8 else []
        pops = [b"SPOP", self.set(), self.dice.choice([b"0", b"100000", b"-1", b"x", b"", b"-9223372036854775808"])]
        return self.dice.choice([[b"SRANDMEMBER", self.set(), *tail], pops])

    def make_smove(self):
        return [b"SMOVE", self.set(), self.set(), self.member()]

    def sets(self, least, most):
        return [self.set() for _ in range(self.dice.randint(least, most))]

    def make_combine(self):
        return [self.dice.choice([b"SINTER", b"SUNION", b"SDIFF"]), *self.sets(1, 4)]

    def make_combine_store(self):
        return [self.dice.choice([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), *self.sets(2, 4)]

    def make_sintercard(self):
        keys = self.sets(1, 3)
        count = self.dice.choice([b"%d" % len(keys)] * 6 + [b"0", b"-1", b"1", b"9", b"x"])
        return [b"SINTERCARD", count, *keys, *self.some([b"LIMIT", self.dice.choice(COUNTS)])]

    def make_forget(self):
        return [self.dice.choice([b"DEL", b"UNLINK"]), self.dice.choice(HASHES + SETS + LISTS)]

    def make_setex(self):
        name = self.dice.choice([b"SETEX", b"PSETEX"])
        time = self.dice.choice([b"%d000" % next(self.seconds), b"0", b"-1", b"x", b"9223372036854775807"])
        return [name, self.key(), time, self.value()]

    def make_getex(self):
        return [b"GETEX", self.key(), *self.some([b"PERSIST"], self.expiry())]

    def make_many(self):
        name = self.dice.choice([b"MGET", b"DEL", b"UNLINK", b"EXISTS", b"TOUCH", b"MGET"])
        return [name, *self.keys(1, 9)]

    def make_mset(self):
        pairs = [word for key in self.keys(1, 6) for word in (key, self.value())]
        return [self.dice.choice([b"MSET", b"MSET", b"MSETNX"]), *pairs]

    def make_range(self):
        name = self.dice.choice([b"GETRANGE", b"SUBSTR"])
        return [name, self.key(), self.dice.choice(INDEXES), self.dice.choice(INDEXES)]

    def make_setrange(self):
        return [b"SETRANGE", self.key(), self.dice.choice(RANGES), self.dice.choice([b"", b"Q", b"hello"])]

    def make_incr(self):
        return [self.dice.choice([b"INCR", b"DECR"]), self.key()]

    def make_incrby(self):
        return [self.dice.choice([b"INCRBY", b"DECRBY"]), self.key(), self.dice.choice(NUMBERS)]

    def make_incrbyfloat(self):
        return [b"INCRBYFLOAT", self.key(), self.dice.choice(FLOATS)]

    def make_lcs(self):
        options = self.some([b"LEN"], [b"IDX"], [b"MINMATCHLEN", self.dice.choice(INDEXES)], [b"WITHMATCHLEN"])
        return [b"LCS", *self.keys(2, 2), *options]

    def make_bit(self):
        if self.dice.random() < 0.5:
            return [b"GETBIT", self.key(), self.dice.choice(BITS)]
        return [b"SETBIT", self.key(), self.dice.choice(BITS), self.dice.choice([b"0", b"1", b"1", b"2", b"x"])]

    def make_bitcount(self):
        ends = [self.dice.choice(INDEXES), self.dice.choice(INDEXES)][: self.dice.choice([0, 2, 2, 2, 1])]
        unit = [self.dice.choice([b"BIT", b"byte", b"x"])] if len(ends) == 2 and self.dice.random() < 0.5 else []
        return [b"BITCOUNT", self.key(), *ends, *unit]

    def make_bitpos(self):
        ends = [self.dice.choice(INDEXES), self.dice.choice(INDEXES)][: self.dice.choice([0, 1, 2])]
        unit = [self.dice.choice([b"bit", b"BYTE", b"x"])] if len(ends) == 2 and self.dice.random() < 0.5 else []
        return [b"BITPOS", self.key(), self.dice.choice([b"0", b"1", b"2", b"x"]), *ends, *unit]

    def make_bitop(self):
        return [b"BITOP", self.dice.choice([b"AND", b"or", b"XOR", b"NOT", b"x"]), *self.keys(2, 5)]

    def make_bitfield(self):
        words = [b"BITFIELD", self.key()]
        for _ in range(self.dice.randrange(4)):
            field = [self.dice.choice(TYPES), self.dice.choice(FIELD_OFFSETS)]
            words += self.dice.choice(
                [
                    [b"GET", *field],
                    [b"SET", *field, self.dice.choice(NUMBERS)],
                    [b"INCRBY", *field, self.dice.choice(NUMBERS)],
                    [b"OVERFLOW", self.dice.choice([b"WRAP", b"sat", b"FAIL", b"x"])],
                ]
            )
        return words

    def make_bitfield_ro(self):
        return [b"BITFIELD_RO", self.key(), b"GET", self.dice.choice(TYPES), self.dice.choice(FIELD_OFFSETS)]

    def make_rename(self):
        return [self.dice.choice([b"RENAME", b"RENAMENX"]), *self.keys(2, 2)]

    def make_copy(self):
        return [b"COPY", *self.keys(2, 2), *self.some([b"REPLACE"], [b"DB", self.database()], [b"x"])]

    def make_move(self):
        return [b"MOVE", self.key(), self.database()]

    def database(self):
        return self.dice.choice([b"0", b"0", b"0", b"1", b"1", b"2", b"15", b"16", b"-1", b"x"])

    def make_select(self):
        return [b"SELECT", self.database()]

    def make_expire(self):
        seconds = next(self.seconds)
        name, time = self.dice.choice(
            [
                (b"EXPIRE", b"%d" % seconds),
                (b"PEXPIRE", b"%d000" % seconds),
                (b"EXPIREAT", b"%d" % (33_000_000_000 + seconds)),
                (b"PEXPIREAT", b"%d000" % (33_000_000_000 + seconds)),
                (b"EXPIRE", self.dice.choice([b"0", b"-1", b"x", b"", b"9223372036854775807", b"-9223372036854775808"])),
                (b"PEXPIREAT", self.dice.choice([b"1", b"-1", b"0", b"9223372036854775808"])),
            ]
        )
        return [name, self.key(), time, *self.some([b"NX"], [b"xx"], [b"GT"], [b"LT"])]

    def make_ttl(self):
        names = [b"TTL", b"PTTL", b"EXPIRETIME", b"PEXPIRETIME", b"PERSIST"]
        return [self.dice.choice(names), self.key()]

    def make_keyspace(self):
        return self.dice.choice(
            [
                [b"DBSIZE"],
                [b"RANDOMKEY"],
                [b"KEYS", self.dice.choice(PATTERNS)],
                [b"SCAN", self.dice.choice([b"0", b"0", b"x", b"-1x"]), *self.some([b"COUNT", self.dice.choice(INDEXES)])],
                [b"OBJECT", self.dice.choice([b"ENCODING", b"REFCOUNT", b"IDLETIME", b"x"]), self.key()],
                [b"SWAPDB", self.database(), self.database()],
            ]
        )

    def make_rare(self):
        if self.dice.random() < 0.9:
            return self.make_get()
        return self.dice.choice([[b"FLUSHDB"], [b"FLUSHALL"], [b"FLUSHDB", b"SYNC"], [b"FLUSHALL", b"x"]])

    def make_connection(self):
        return self.dice.choice(
            [
                [b"PING"],
                [b"PING", self.value()],
                [b"ECHO", self.value()],
                [b"CLIENT", b"GETNAME"],
                [b"CLIENT", b"SETNAME", self.dice.choice([b"me", b"", b"a b", b"\x01"])],
                [b"CLIENT", b"NO-EVICT", self.dice.choice([b"on", b"OFF", b"x"])],
                [b"AUTH", self.value()],
                [b"AUTH", self.dice.choice([b"default", b"x"]), self.value()],
                [b"HELLO", self.dice.choice([b"1", b"4", b"x", b"-3"])],
                [b"NOSUCH", self.value(), self.key()],
            ]
        )
