"""Random commands on sorted sets, a part of `redis_commands.Generator`."""

SORTED = [b"z1", b"z2", b"z3", b"{t}z", b"{t}Z"]
# All scores are equal in these, as ranges of members demand: what others would answer is not promised.
EQUAL = [b"e1", b"e2", b"{t}e"]
SCORES = [b"0", b"1", b"2", b"3", b"-1", b"2.5", b"-3.75", b"0.1", b"1e17", b"-1e300", b"inf", b"-inf", b"+5", b"0x1p3", b"1700000000"]
BAD_SCORES = [b"nan", b"x", b"", b" 1", b"1e400", b"1 "]
LIMITS = [*SCORES, b"(1", b"(2.5", b"(-inf", b"(inf", b"(", b"", b" 1", b"1e400", b"(nan", b"x", b"(x", b"1\x00x"]
LIMITS += [b"0", b"1", b"3", b"-inf", b"+inf", b"inf", b"1000"] * 2
ENDS = [b"-", b"+", b"[", b"(", b"[f1", b"(f1", b"[m100", b"(m7", b"[1", b"(m999", b"[\xff", b"x", b"", b"-x", b"[x"]
ENDS += [b"-", b"+", b"[m", b"(f", b"[m5"] * 2


class SortedSets:
    def sorted(self):
        return self.dice.choice(SORTED) if self.dice.random() < 0.93 else self.key()

    def score(self):
        chance = self.dice.random()
        if chance < 0.6:
            return b"%d" % self.dice.randrange(-5, 30)
        return self.dice.choice(SCORES if chance < 0.99 else BAD_SCORES)

    def pairs(self):
        if self.dice.random() < 0.05:
            start, step = self.dice.randrange(1000), self.dice.choice([0, 1, -1])
            numbers = range(start, start + self.dice.choice([60, 200, 600]))
            return [word for number in numbers for word in (b"%d" % (number * step), b"m%d" % number)]
        return [word for member in self.members() for word in (self.score(), member)]

    def make_zadd(self):
        options = self.some([b"NX"], [b"XX"], [b"GT"], [b"lt"], [b"CH"], [b"INCR"]) if self.dice.random() < 0.5 else []
        pairs = self.pairs()
        if b"INCR" in options and self.dice.random() < 0.9:
            pairs = pairs[:2]
        if self.dice.random() < 0.02:
            pairs.pop()
        return [b"ZADD", self.sorted(), *options, *pairs]

    def make_zadd_more(self):
        return [b"ZADD", self.sorted(), *self.pairs()]

    def make_zincrby(self):
        return [b"ZINCRBY", self.sorted(), self.score(), self.member()]

    def make_zrem(self):
        return [self.dice.choice([b"ZREM", b"ZREM", b"ZMSCORE"]), self.sorted(), *self.members()]

    def make_zscore(self):
        return [self.dice.choice([b"ZSCORE", b"ZRANK", b"ZREVRANK"]), self.sorted(), self.member()]

    def make_zcard(self):
        return self.dice.choice([[b"ZCARD", self.sorted()], [b"ZCOUNT", self.sorted(), *self.limits()]])

    def limits(self):
        return [self.dice.choice(LIMITS), self.dice.choice(LIMITS)]

    def ends(self):
        return [self.dice.choice(ENDS), self.dice.choice(ENDS)]

    def places(self):
        return [self.dice.choice(self.indexes), self.dice.choice(self.indexes)]

    def limit(self):
        return [b"LIMIT", self.dice.choice(self.indexes), self.dice.choice(self.indexes)]

    def make_zrange(self):
        name = self.dice.choice([[b"ZRANGE", self.sorted()], [b"ZREVRANGE", self.sorted()], [b"ZRANGESTORE", self.sorted(), self.sorted()]])
        return [*name, *self.places(), *self.some([b"WITHSCORES"], [b"REV"])]

    def make_zrange_by_score(self):
        name = self.dice.choice([[b"ZRANGE", self.sorted()], [b"ZRANGE", self.sorted()], [b"ZRANGESTORE", self.sorted(), self.sorted()]])
        return [*name, *self.limits(), b"BYSCORE", *self.some([b"WITHSCORES"], [b"rev"], self.limit(), [b"x"])]

    def make_zrangebyscore(self):
        name = self.dice.choice([b"ZRANGEBYSCORE", b"ZREVRANGEBYSCORE"])
        return [name, self.sorted(), *self.limits(), *self.some([b"WITHSCORES"], self.limit())]

    def make_zremrange(self):
        name, ends = self.dice.choice([(b"ZREMRANGEBYSCORE", self.limits()), (b"ZREMRANGEBYRANK", self.places())])
        return [name, self.sorted(), *ends]

    def make_zpop(self):
        tail = [self.dice.choice(self.counts)] if self.dice.random() < 0.4 else []
        return [self.dice.choice([b"ZPOPMIN", b"ZPOPMAX"]), self.sorted(), *tail]

    def counted(self, name, keys):
        return [name, self.dice.choice([b"%d" % len(keys)] * 8 + [b"0", b"-1", b"1", b"9", b"x"]), *keys]

    def make_zmpop(self):
        keys = [self.sorted() for _ in range(self.dice.randint(1, 3))]
        end = self.dice.choice([b"MIN", b"MAX", b"min", b"Max"] * 4 + [b"up"])
        return [*self.counted(b"ZMPOP", keys), end, *self.some([b"COUNT", self.dice.choice(self.counts)])]

    def make_zrandmember(self):
        tail = [self.dice.choice(self.counts), *self.some([b"WITHSCORES"], [b"x"])] if self.dice.random() < 0.8 else []
        return [b"ZRANDMEMBER", self.sorted(), *tail]

    def make_zscan(self):
        options = self.some([b"MATCH", b"m*"], [b"COUNT", self.dice.choice(self.counts)], [b"TYPE", b"x"])
        return [b"ZSCAN", self.sorted(), self.dice.choice([b"0", b"0", b"5", b"x", b"", b"-1"]), *options]

    def inputs(self):
        return [self.sorted() if self.dice.random() < 0.8 else self.set() for _ in range(self.dice.randint(1, 4))]

    def make_zcombine(self):
        keys = self.inputs()
        weights = [self.score() for _ in range(len(keys) - (self.dice.random() < 0.03))]
        options = self.some([b"WEIGHTS", *weights], [b"AGGREGATE", self.dice.choice([b"SUM", b"min", b"MAX", b"MIN", b"avg"])])
        name = self.dice.choice([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE"])
        if b"DIFF" in name and self.dice.random() < 0.9:
            options = []
        destination = [self.sorted()] if name.endswith(b"STORE") else []
        if not destination or self.dice.random() < 0.03:
            options += self.some([b"WITHSCORES"])
        return [name, *destination, *self.counted(b"", keys)[1:], *options]

    def make_zintercard(self):
        return [*self.counted(b"ZINTERCARD", self.inputs()), *self.some([b"LIMIT", self.dice.choice(self.counts)])]

    def make_zequal(self):
        key = self.dice.choice(EQUAL)
        chance = self.dice.random()
        if chance < 0.3:
            return [b"ZADD", key, *[word for member in self.members() for word in (b"0", member)]]
        if chance < 0.4:
            return [b"ZREM", key, *self.members()]
        if chance < 0.5:
            return [self.dice.choice([b"ZLEXCOUNT", b"ZREMRANGEBYLEX"]), key, *self.ends()]
        if chance < 0.75:
            return [b"ZRANGE", key, *self.ends(), b"BYLEX", *self.some([b"REV"], self.limit(), [b"WITHSCORES"])]
        return [self.dice.choice([b"ZRANGEBYLEX", b"ZREVRANGEBYLEX"]), key, *self.ends(), *self.some(self.limit())]

    def make_sorted_key(self):
        """Whole sets that move, are forgotten, or make place for something else."""
        return self.dice.choice(
            [
                [b"RENAME", self.sorted(), self.sorted()],
                [b"COPY", self.sorted(), self.sorted(), *self.some([b"REPLACE"])],
                [b"DEL", self.sorted()],
                [b"UNLINK", self.dice.choice(EQUAL)],
                [self.dice.choice([b"LPUSH", b"SADD", b"HGET", b"APPEND"]), self.dice.choice(SORTED + EQUAL), b"x"],
                [b"TYPE", self.sorted()],
                [b"EXPIRE", self.sorted(), b"100000"],
            ]
        )
