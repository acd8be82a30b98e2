"""memcached's statistics: the names that Debian's memcached has, what monitoring reads, and true figures."""

import pytest

import server
from rough import exchange

# What memcached shows and larder leaves out.
LEFT_OUT = set()
# What larder shows besides: memcached shows it in newer versions, or only in some states.
BESIDES = {"stats slabs": {"mem_requested"}, "stats conns": {"protocol"}}

# What prometheus' memcached_exporter reads of `stats` (a missing one is an error to it).
EXPORTER = """
version uptime time rusage_user rusage_system cmd_get cmd_set cmd_touch cmd_flush get_hits get_misses delete_hits delete_misses
incr_hits incr_misses decr_hits decr_misses cas_hits cas_misses cas_badval touch_hits touch_misses curr_connections
max_connections total_connections rejected_connections conn_yields listen_disabled_num bytes limit_maxbytes curr_items total_items
bytes_read bytes_written evictions reclaimed expired_unfetched evicted_unfetched evicted_active crawler_reclaimed
crawler_items_checked lrutail_reflocked lru_crawler_running lru_crawler_starts lru_maintainer_juggles hash_bytes
hash_power_level hash_is_expanding malloc_fails log_worker_dropped log_worker_written log_watcher_skipped log_watcher_sent
moves_to_cold moves_to_warm moves_within_lru direct_reclaims slabs_moved slab_reassign_running accepting_conns threads
store_too_large store_no_memory auth_cmds auth_errors pointer_size pid
""".split()
EXPORTER_ITEMS = """
number age lrutail_reflocked crawler_reclaimed crawler_items_checked direct_reclaims evicted evicted_nonzero evicted_time
evicted_unfetched expired_unfetched outofmemory reclaimed tailrepairs mem_requested moves_to_cold moves_to_warm moves_within_lru
number_hot number_warm number_cold age_hot age_warm hits_to_hot hits_to_warm hits_to_cold hits_to_temp
""".split()
EXPORTER_SLABS = """
chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks free_chunks_end mem_requested
get_hits cmd_set delete_hits incr_hits decr_hits cas_hits cas_badval touch_hits
""".split()
# What phpMemcachedAdmin's pages read besides.
PHP_ADMIN = {
    "stats": ["get_hits", "get_misses", "cmd_get", "cmd_set", "uptime", "time", "evictions", "reclaimed", "curr_items", "threads",
              "rusage_user", "rusage_system", "libevent", "hash_power_level", "hash_bytes", "expired_unfetched", "evicted_unfetched"],
    "stats settings": ["maxbytes", "maxconns", "tcpport", "udpport", "inter", "evictions", "growth_factor", "chunk_size", "num_threads",
                       "detail_enabled", "reqs_per_event", "cas_enabled", "tcp_backlog", "auth_enabled_sasl", "domain_socket", "umask"],
}  # fmt: skip


def stats(client, what="stats"):
    got = exchange(client, what.encode() + b"\r\n", b"END\r\n").decode()
    lines = got.split("\r\n")[:-2]
    assert all(line.startswith("STAT ") for line in lines), got
    return dict(line[len("STAT ") :].split(" ", 1) for line in lines)


def names(figures, what):
    """The names, without the number of a class or a connection."""
    if what == "stats items":
        return {name.split(":", 2)[2] for name in figures}
    if what in ("stats slabs", "stats conns"):
        return {name.split(":", 1)[-1] for name in figures}
    return set(figures)


def number(figures, name):
    return int(figures[name])


def by_class(figures, prefix=""):
    """Class number to its figures."""
    classes = {}
    for name, value in figures.items():
        if name.startswith(prefix) and name[len(prefix) :].split(":")[0].isdigit():
            id, field = name[len(prefix) :].split(":")
            classes.setdefault(int(id), {})[field] = int(value)
    return classes


@pytest.mark.larder_only
def test_names_are_those_of_memcached(build_server):
    with server.memcached() as peer, build_server.connect("memcache") as ours, peer.connect("memcache") as theirs:
        for client in (ours, theirs):
            exchange(client, b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
        for what in ("stats", "stats settings", "stats items", "stats slabs", "stats conns"):
            here, there = names(stats(ours, what), what), names(stats(theirs, what), what)
            assert there - here == LEFT_OUT, what
            assert here - there == BESIDES.get(what, set()), what


def test_monitoring_finds_what_it_reads(build_server, target):
    with build_server.connect("memcache") as client:
        exchange(client, b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
        assert set(EXPORTER) <= set(stats(client))
        for what, wanted in PHP_ADMIN.items():
            assert set(wanted) <= set(stats(client, what))
        newer = {"mem_requested"} if target == "peer" else set()
        assert set(EXPORTER_ITEMS) <= names(stats(client, "stats items"), "stats items")
        assert set(EXPORTER_SLABS) - newer <= names(stats(client, "stats slabs"), "stats slabs")
        # What it takes for numbers are numbers.
        words = {"version", "rusage_user", "rusage_system"}
        assert all(value.isdigit() for name, value in stats(client).items() if name in EXPORTER and name not in words)


def test_classes_describe_what_is_stored(build_server):
    sizes = {10: 700, 100: 500, 1000: 300, 100_000: 5}
    with build_server.connect("memcache") as client:
        for size, count in sizes.items():
            request = b"".join(b"set %d:%d 0 0 %d noreply\r\n%s\r\n" % (size, i, size, b"v" * size) for i in range(count))
            exchange(client, request + b"version\r\n", b"\r\n")
        general, items, slabs = (stats(client, what) for what in ("stats", "stats items", "stats slabs"))
        assert number(general, "curr_items") == sum(sizes.values())
        classes = by_class(items, "items:")
        assert sum(c["number"] for c in classes.values()) == sum(sizes.values())
        assert sum(c["number_hot"] + c["number_warm"] + c["number_cold"] for c in classes.values()) == sum(sizes.values())
        payload = sum(count * size for size, count in sizes.items())
        requested = sum(c["mem_requested"] for c in classes.values())
        assert payload < requested < payload + sum(sizes.values()) * 80
        pages = by_class(slabs)
        assert number(slabs, "active_slabs") == len(pages)
        for id, figures in pages.items():
            assert figures["total_chunks"] == figures["used_chunks"] + figures["free_chunks"]
            assert figures["total_chunks"] <= figures["total_pages"] * figures["chunks_per_page"] or figures["chunks_per_page"] == 0, id
        assert number(slabs, "total_malloced") >= payload


@pytest.mark.larder_only
@pytest.mark.parametrize("threads", [1, 3])
def test_a_page_goes_from_class_to_class(threads, start):
    running = start(threads=threads, maxmemory="64mb")
    with running.connect("memcache") as client:
        store = b"".join(b"set k%d 0 0 100 noreply\r\n%s\r\n" % (i, b"v" * 100) for i in range(20_000))
        exchange(client, store + b"version\r\n", b"\r\n")
        before = by_class(stats(client, "stats slabs"))
        source = max(before, key=lambda id: before[id]["total_pages"])
        target = source + 3
        assert exchange(client, b"slabs reassign %d %d\r\n" % (source, target), b"\r\n") == b"OK\r\n"
        after = by_class(stats(client, "stats slabs"))
        gone = before[source]["total_pages"] - after[source]["total_pages"]
        came = after[target]["total_pages"] - before.get(target, {"total_pages": 0})["total_pages"]
        assert gone == came == threads
        assert number(stats(client), "slabs_moved") == threads
        # Anything to nowhere, and from nowhere.
        assert exchange(client, b"slabs reassign -1 0\r\n", b"\r\n") == b"OK\r\n"
        for line in (b"slabs reassign 999 1", b"slabs reassign 1 999", b"slabs reassign 1 -1", b"slabs reassign -2 1"):
            assert exchange(client, line + b"\r\n", b"\r\n") == b"BADCLASS invalid src or dst class id\r\n"
        # A page holds hundreds of these: what could not be copied was evicted, and everything else is there.
        held = number(stats(client), "curr_items")
        assert held >= 20_000 - 2 * threads * 1000
        got = exchange(client, b"get " + b" ".join(b"k%d" % i for i in range(20_000)) + b"\r\n", b"END\r\n")
        assert got.count(b"VALUE ") == held


@pytest.mark.larder_only
def test_pages_stay_where_they_are_when_told(start):
    """Small values fill the memory, large ones come then: with automove 0 no page changes its class for them."""
    moves = []
    for level in (b"0", b"1"):
        running = start(maxmemory="8mb")
        with running.connect("memcache") as client:
            exchange(client, b"slabs automove %s\r\n" % level, b"OK\r\n")
            for size, count in ((100, 60_000), (400, 30_000), (100, 3000)):
                store = b"".join(b"set %d:%d 0 0 %d noreply\r\n%s\r\n" % (size, i, size, b"v" * size) for i in range(count))
                exchange(client, store + b"version\r\n", b"\r\n")
            moves.append(number(stats(client), "slabs_moved"))
            assert number(stats(client), "store_no_memory") == 0
    assert moves[0] < moves[1] / 4


@pytest.mark.larder_only
def test_memory_limit_is_changed(build_server):
    with build_server.connect("memcache") as client:
        assert exchange(client, b"cache_memlimit 64\r\n", b"\r\n") == b"OK\r\n"
        assert number(stats(client), "limit_maxbytes") == 64 << 20
        store = b"".join(b"set k%d 0 0 1000 noreply\r\n%s\r\n" % (i, b"v" * 1000) for i in range(50_000))
        exchange(client, store + b"version\r\n", b"\r\n")
        held = number(stats(client), "curr_items")
        assert exchange(client, b"cache_memlimit 16\r\n", b"\r\n") == b"OK\r\n"
        server.eventually("items are evicted to the limit", lambda: number(stats(client), "bytes") < 16 << 20)
        assert 0 < number(stats(client), "curr_items") < held


def test_what_is_set_is_shown(build_server):
    with build_server.connect("memcache") as client:
        for line in (
            b"slabs automove 2",
            b"lru tune 10 30 0.5 3",
            b"lru temp_ttl 40",
            b"lru_crawler sleep 7",
            b"lru_crawler tocrawl 9",
            b"verbosity 1",
            b"stats detail on",
        ):
            assert exchange(client, line + b"\r\n", b"\r\n") == b"OK\r\n"
        shown = stats(client, "stats settings")
        for name, value in {
            "slab_automove": "2",
            "hot_lru_pct": "10",
            "warm_lru_pct": "30",
            "hot_max_factor": "0.50",
            "warm_max_factor": "3.00",
            "temp_lru": "yes",
            "temporary_ttl": "40",
            "lru_crawler": "yes",
            "lru_crawler_sleep": "7",
            "lru_crawler_tocrawl": "9",
            "verbosity": "1",
            "detail_enabled": "yes",
        }.items():
            assert shown[name] == value, name


@pytest.mark.larder_only
def test_dead_items_stay_while_the_crawler_is_off(build_server):
    with build_server.connect("memcache") as client:
        exchange(client, b"lru_crawler disable\r\n", b"OK\r\n")
        exchange(client, b"".join(b"set k%d 0 -1 1 noreply\r\nx\r\n" % i for i in range(50)) + b"set k 0 1 1\r\nx\r\n", b"STORED\r\n")
        held = number(stats(client), "curr_items")
        assert exchange(client, b"lru_crawler crawl all\r\n", b"\r\n") == b"CLIENT_ERROR lru crawler disabled\r\n"
        assert exchange(client, b"lru_crawler enable\r\nlru_crawler crawl all\r\n", b"OK\r\nOK\r\n") == b"OK\r\nOK\r\n"
        assert held >= 1
        server.eventually("they are reclaimed", lambda: number(stats(client), "curr_items") == 0)
        assert number(stats(client), "lru_crawler_starts") == 1
