"""Lines of administrators, right and wrong: answered as memcached answers them, but for what `ADMIN` lists."""

import re

import pytest

import server
from memcache_differences import ADMIN

LINES = """
verbosity
verbosity 1
verbosity 99
verbosity x
verbosity 1 noreply
verbosity 1 2 3
verbosity noreply
version x
stats reset
stats reset x
stats sizes
stats sizes
stats detail on
stats detail off
stats detail dump
stats detail bogus
stats detail
stats cachedump
stats cachedump 1
stats cachedump 1 x
stats cachedump x 1
stats cachedump 999 1
stats cachedump 63 1
stats cachedump 64 1
stats cachedump 0 1
stats cachedump 1 0
stats cachedump -1 1
stats extstore
stats proxy
stats proxyfuncs
stats proxybe
stats bogus
stats noreply
cache_memlimit
cache_memlimit 1
cache_memlimit 7
cache_memlimit x
cache_memlimit 64
cache_memlimit 64 noreply
cache_memlimit 99999999999
cache_memlimit 67108864
cache_memlimit -1
cache_memlimit 64 65
slabs
slabs reassign
slabs reassign 1
slabs reassign 1 1
slabs reassign 999 1
slabs reassign 1 999
slabs reassign 0 1
slabs reassign 1 0
slabs reassign x 1
slabs reassign -1 1
slabs reassign 1 2 3
slabs reassign 1 2 noreply
slabs automove
slabs automove 0
slabs automove 1
slabs automove 2
slabs automove 3
slabs automove x
slabs automove -1
slabs automove ratio
slabs automove ratio 0.5
slabs automove ratio x
slabs automove ratio 2
slabs automove freeratio 0.01
slabs automove freeratio x
slabs automove window 30
slabs automove window 2
slabs automove window 1801
slabs automove window x
slabs automove bogus 1
slabs automove 1 noreply
slabs bogus 1
lru
lru tune
lru tune 10 20
lru tune 10 20 0.1 2.0
lru tune 50 50 0.1 2.0
lru tune 10 20 0 2.0
lru tune 10 20 0.1 -2
lru tune x 20 0.1 2
lru tune 10 20 x 2
lru tune 10 20 0.1 2.0 noreply
lru mode
lru mode x
lru mode flat
lru mode segmented
lru mode segmented noreply
lru temp_ttl
lru temp_ttl 61
lru temp_ttl -1
lru temp_ttl x
lru temp_ttl 99999999999
lru bogus 1
lru_crawler
lru_crawler enable
lru_crawler disable
lru_crawler disable
lru_crawler crawl all
lru_crawler metadump all
lru_crawler enable
lru_crawler enable x
lru_crawler sleep
lru_crawler sleep 100
lru_crawler sleep 1000001
lru_crawler sleep -1
lru_crawler sleep x
lru_crawler tocrawl
lru_crawler tocrawl 0
lru_crawler tocrawl 5
lru_crawler tocrawl x
lru_crawler tocrawl 0
lru_crawler crawl
lru_crawler crawl x
lru_crawler crawl 999
lru_crawler crawl 0
lru_crawler crawl 1,x
lru_crawler crawl all
lru_crawler crawl hash
lru_crawler metadump
lru_crawler metadump x
lru_crawler metadump 999
lru_crawler metadump all all
lru_crawler mgdump
lru_crawler bogus
lru_crawler bogus 1
watch bogus
watch fetchers bogus
shutdown
shutdown graceful
shutdown bogus
extstore item_size 1
extstore item_age 1
extstore max_frag 1
extstore free_memchunks 1 1
extstore low_ttl 1
extstore recache_rate 1
extstore compact_under 1
extstore drop_under 1
extstore max_sleep 1
extstore drop_unread 1
extstore bogus 1
extstore item_size
misbehave
debugtime p
debugitem lock a
flush_all
flush_all 0
flush_all x
flush_all -1
flush_all 1 2
flush_all noreply
flush_all 0 noreply
flush_all 99999999999
quit x
""".strip().encode().split(b"\n")


def answer(client, line):
    client.sendall(line + b"\r\nmn\r\n")
    got = b""
    while not got.endswith(b"MN\r\n"):
        more = client.recv(1 << 16)
        if not more:
            return got + b"<closed>"
        got += more
    return re.sub(rb"VERSION \S+", b"VERSION", got.removesuffix(b"MN\r\n"))


def answer_at_leisure(running, line):
    """The answer of a server that is not busy with what the lines before have begun in its threads."""

    # memcached says the second while the crawler that it was told to end still does.
    busy = (b"BUSY", b"ERROR an unknown error") if line == b"lru_crawler crawl all" else b"BUSY"

    def not_busy():
        with running.connect("memcache") as client:
            got = answer(client, line)
        return None if got.startswith(busy) else (got,)

    return server.eventually(f"{line} is not met by other work", not_busy)[0]


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_administrators_are_answered_as_by_memcached(threads, start):
    running = start(threads=threads, maxmemory="64mb")
    with server.memcached() as peer:
        for line in LINES:
            got, expected = answer_at_leisure(running, line), answer_at_leisure(peer, line)
            assert (expected, got) == ADMIN.get(line, (expected, expected)), line
