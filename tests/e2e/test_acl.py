"""Users of Redis's protocol and their rights, beside redis-server where it can be compared, and over all cores."""

import base64
import os
import random
import signal
import socket
import subprocess

import pytest

import resp
import server
from test_console import get
from rough import MIB, send_until_closed

pytestmark = pytest.mark.larder_only

# Redis 7.0 puts the rules about commands together anew out of what they allow; larder shows them as they were
# given, as Redis does from 7.2 on. So they are compared by giving larder's to Redis.
COMMANDS = ["get", "set", "del", "mget", "config", "config|get", "config|set", "client|list", "client", "select", "acl"]
COMMANDS += ["select|1", "select|x", "multi", "keys", "lpush", "SADD", "Config|Get", "nosuch", "nosuch|x", "config|no"]
COMMANDS += ["config|get|x", "select|", "object|encoding", "hset", "bitop", "expire", "flushall", "info"]
CATEGORIES = ["read", "write", "string", "hash", "list", "set", "keyspace", "admin", "dangerous", "fast", "slow"]
CATEGORIES += ["connection", "transaction", "bitmap", "blocking", "Pubsub", "nosuch", ""]
PLAIN = ["on", "off", "nopass", "resetpass", "allkeys", "~*", "resetkeys", "allchannels", "&*", "resetchannels", "reset"]
PLAIN += ["allcommands", "+@all", "nocommands", "-@all", "clearselectors", "sanitize-payload", "skip-sanitize-payload"]
PLAIN += ["ON", "", "bogus", ")", "()", "%~a", "%X~a", "%RW", "~a b", "&a\tb", "#" + "0" * 64, "#xyz", "!" + "0" * 64]
PATTERNS = ["a", "a*", "b?", "[ab]", "*", "", "c:*"]
KEYS = ["a", "ab", "b", "b1", "c:1", "d"]
REQUESTS = [
    ["get", "K"], ["set", "K", "1"], ["set", "K", "1", "get"], ["mget", "K", "K"], ["del", "K"], ["copy", "K", "K"],
    ["rename", "K", "K"], ["sunionstore", "K", "K", "K"], ["sintercard", "2", "K", "K"], ["bitop", "or", "K", "K"],
    ["config", "get", "x"], ["config", "set", "x", "y"], ["select", "1"], ["select", "2"], ["object", "encoding", "K"],
    ["exists", "K"], ["strlen", "K"], ["expire", "K", "1"], ["lpush", "K", "1"], ["hget", "K", "f"], ["hset", "K", "f", "v"],
    ["spop", "K"], ["smove", "K", "K", "m"], ["getdel", "K"], ["getex", "K"], ["bitfield", "K", "get", "u8", "0"],
    ["bitfield", "K", "set", "u8", "0", "1"], ["append", "K", "x"], ["lmove", "K", "K", "left", "left"], ["msetnx", "K", "1"],
    ["ping"], ["auth", "x"], ["info"], ["acl", "whoami"], ["acl", "users"], ["client", "list"], ["scan", "0"], ["dbsize"],
    ["get"], ["nosuch"], ["config", "nosuch"], ["touch", "K", "K"], ["type", "K"], ["getset", "K", "v"], ["incr", "K"],
    ["watch", "K"], ["memory", "usage", "K"], ["hdel", "K", "f"], ["srem", "K", "m"], ["linsert", "K", "before", "a", "b"],
]  # fmt: skip


def rule(dice):
    """A rule, which may be wrong."""
    kind = dice.random()
    if kind < 0.3:
        return dice.choice("+-") + dice.choice(COMMANDS)
    if kind < 0.5:
        return dice.choice("+-") + "@" + dice.choice(CATEGORIES)
    if kind < 0.68:
        sign = dice.choice(["~", "~", "%R~", "%W~", "%rw~", "&"])
        # What Redis shows for `%RW~*` it reads as `allkeys`, and refuses patterns behind it; larder's can be read again.
        return sign + dice.choice([glob for glob in PATTERNS if glob != "*" or "%" not in sign])
    if kind < 0.78:
        return dice.choice("><") + dice.choice("pq")
    if kind < 0.86:
        # None within another: Redis forgets what stands before the second bracket, larder refuses it.
        inner = [rule(dice) for _ in range(dice.randrange(4))]
        return "(" + " ".join(text for text in inner if "(" not in text) + ")"
    return dice.choice(PLAIN)


def rules(dice):
    made = [rule(dice) for _ in range(dice.randrange(1, 6))]
    # A selector may come in parts.
    return [part for text in made for part in (text.split(" ") if dice.random() < 0.5 else [text])]


def described(reply):
    fields = dict(zip(reply[::2], reply[1::2]))
    fields.pop(b"commands")
    for selector in fields[b"selectors"]:
        assert selector[0] == b"commands"
        selector[1] = b""
    return fields


def sorted_rules(reply):
    """A user as a map, its rules about commands without their order: which first argument came first means nothing."""
    fields = dict(zip(reply[::2], reply[1::2]))
    fields[b"commands"] = sorted(fields[b"commands"].split())
    fields[b"selectors"] = [sorted(b" ".join(row).split()) for row in fields[b"selectors"]]
    return fields


@pytest.fixture
def both(start):
    """A client of larder and one of redis-server."""
    with server.redis() as redis, resp.Client(start(threads=2).connect()) as ours, resp.Client(redis.connect()) as theirs:
        yield ours, theirs


def test_users_are_made_as_redis_makes_them(both, request):
    ours, theirs = both
    seed = request.config.getoption("--seed")
    seed = random.randrange(1 << 32) if seed is None else seed
    dice = random.Random(seed)
    taken = 0
    for step in range(800):
        name = f"u{step // 6 % 5}"
        line = [b"ACL", b"SETUSER", name, *rules(dice)]
        where = f"--seed {seed}, step {step}: {line}"
        mine, other = ours.call(*line), theirs.call(*line)
        assert mine == other, where
        taken += mine == b"OK"
        if step % 3 == 0:
            if name.encode() not in ours.call("ACL", "USERS"):
                assert theirs.call("ACL", "GETUSER", name) is None, where
                continue
            assert described(ours.call("ACL", "GETUSER", name)) == described(theirs.call("ACL", "GETUSER", name)), where
            # What larder lists makes the same user of Redis as the rules themselves.
            shown = next(row for row in ours.call("ACL", "LIST") if row.startswith(b"user %s " % name.encode()))
            copied = [word for word in shown.split(b" ")[2:]]
            assert theirs.call("ACL", "DELUSER", "copy") in (0, 1)
            assert theirs.call("ACL", "SETUSER", "copy", *copied) == b"OK", where
            shown_of = [sorted_rules(theirs.call("ACL", "GETUSER", user)) for user in (name, "copy")]
            assert shown_of[0] == shown_of[1], f"{where}: {shown}"
        for _ in range(4):
            asked = [dice.choice(KEYS) if word == "K" else word for word in dice.choice(REQUESTS)]
            line = [b"ACL", b"DRYRUN", name, *asked]
            assert ours.call(*line) == theirs.call(*line), f"{where}: {asked}"
    assert taken > 150
    assert ours.call("ACL", "USERS") == [user for user in theirs.call("ACL", "USERS") if user != b"copy"]


def test_categories_have_the_commands_that_they_have_in_redis(both):
    ours, theirs = both
    assert ours.call("ACL", "CAT") == theirs.call("ACL", "CAT")
    known = {name for category in theirs.call("ACL", "CAT") for name in theirs.call("ACL", "CAT", category)}
    # Commands of which `DEBUG` and `LARDER` are containers here are none in Redis.
    wrong = []
    for category in theirs.call("ACL", "CAT"):
        mine, other = set(ours.call("ACL", "CAT", category)), set(theirs.call("ACL", "CAT", category))
        here = {name for any_ in ours.call("ACL", "CAT") for name in ours.call("ACL", "CAT", any_)}
        if mine & known != other & here:
            wrong.append((category, (mine & known) ^ (other & here)))
    assert wrong == []
    for arguments in (["nosuch"], ["read", "more"], ["READ"]):
        mine, other = ours.call("ACL", "CAT", *arguments), theirs.call("ACL", "CAT", *arguments)
        assert mine == other or isinstance(mine, list) and isinstance(other, list)


def described_commands(client):
    """Every command with its subcommands: its categories, and its keys with what is done to each."""
    found, rows = {}, client.call("COMMAND")
    while rows:
        row = rows.pop()
        rows += row[9]
        keys = [dict(zip(spec[::2], spec[1::2])) for spec in row[8]]
        keys = [(sorted(key[b"flags"]), key[b"begin_search"], key[b"find_keys"]) for key in keys]
        found[row[0]] = (sorted(row[6]), keys)
    return found


def test_commands_need_for_their_keys_what_they_need_in_redis(both):
    mine, other = map(described_commands, both)
    known = sorted(mine.keys() & other.keys())
    assert len(known) > 150
    assert {name: mine[name] for name in known} == {name: other[name] for name in known}


def test_other_replies_are_those_of_redis(both):
    ours, theirs = both
    for line in [
        "ACL", "ACL GETUSER", "ACL GETUSER a b", "ACL GETUSER nobody", "ACL SETUSER", "ACL WHOAMI x", "ACL USERS x", "ACL LIST x",
        "ACL DELUSER", "ACL DELUSER default", "ACL DELUSER nobody", "ACL LOG x", "ACL LOG -1", "ACL LOG 1 2", "ACL LOG RESET",
        "ACL LOG 99999999999999999999", "ACL GENPASS 0", "ACL GENPASS -5", "ACL GENPASS 4097", "ACL GENPASS x", "ACL GENPASS 1 2",
        "ACL LOAD", "ACL SAVE", "ACL LOAD x", "ACL DRYRUN", "ACL DRYRUN default", "ACL DRYRUN nobody get x", "ACL DRYRUN default nosuch",
        "ACL DRYRUN default get", "ACL DRYRUN default config", "ACL DRYRUN default config nosuch", "ACL NOSUCH", "AUTH", "AUTH x",
        "AUTH default x", "AUTH nobody x", "AUTH a b c", "HELLO 2 AUTH nobody x", "HELLO 2 AUTH x", "HELLO x", "HELLO 4 AUTH a b",
        "CLIENT KILL USER nobody", "CONFIG SET acl-pubsub-default x", "CONFIG SET acllog-max-len -1", "CONFIG GET acl-pubsub-default",
        "CONFIG GET acllog-max-len", "CONFIG GET protected-mode", "CONFIG SET protected-mode maybe", "CONFIG GET aclfile",
    ]:  # fmt: skip
        assert ours.call(*line.split()) == theirs.call(*line.split()), line
    for bits, digits in ((1, 1), (5, 2), (4096, 1024)):
        assert len(ours.call("ACL", "GENPASS", bits)) == digits


def test_new_users_may_have_all_channels(both):
    for client in both:
        assert client.call("CONFIG", "SET", "acl-pubsub-default", "allchannels") == b"OK"
        assert client.call("ACL", "SETUSER", "a", "(+get ~x)") == b"OK"
        assert client.call("ACL", "LIST")[0] == b"user a off &* -@all (~x &* -@all +get)"


@pytest.fixture
def admin(build_server):
    with resp.Client(build_server.connect()) as client:
        client.server = build_server
        yield client


def logged_in(admin, name="bob", password="pw"):
    client = resp.Client(admin.server.connect())
    assert client.call("AUTH", name, password) == b"OK"
    return client


def is_closed(client):
    try:
        return client.socket.recv(1) == b""
    except ConnectionResetError:
        return True


def test_rights_change_for_all_clients_before_the_change_is_answered(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "allkeys", "allchannels") == b"OK"
    clients = [logged_in(admin) for _ in range(12)]
    refusal = b"NOPERM this user has no permissions to run the 'get' command"
    for _ in range(30):
        assert admin.call("ACL", "SETUSER", "bob", "-get") == b"OK"
        for client in clients:
            client.send("GET", "a")
        assert [client.reply() for client in clients] == [refusal] * 12
        assert admin.call("ACL", "SETUSER", "bob", "+@all") == b"OK"
        for client in clients:
            client.send("GET", "a")
        assert [client.reply() for client in clients] == [None] * 12
    for client in clients:
        client.close()


def test_a_pipeline_meets_its_own_change(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "allkeys") == b"OK"
    with logged_in(admin) as bob:
        lines = ["SET a 1", "ACL SETUSER bob -get", "GET a", "ACL SETUSER bob +get", "GET a", "RESET", "ACL WHOAMI"]
        replies = bob.pipeline([line.split() for line in lines])
        refusal = b"NOPERM this user has no permissions to run the 'get' command"
        assert replies == [b"OK", b"OK", refusal, b"OK", b"1", b"RESET", b"default"]
        # Who becomes somebody else within a transaction is that for the rest of it.
        assert admin.call("ACL", "SETUSER", "few", "on", "nopass", "+set", "~a", "+exec") == b"OK"
        lines = ["MULTI", "SET b 1", "AUTH few x", "SET b 2", "SET a 2", "EXEC"]
        replies = bob.pipeline([line.split() for line in lines])
        late = b"NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is "
        late += b"no longer allowed for the following reason: no permission to touch the specified keys"
        assert replies[-1] == [b"OK", b"OK", late, b"OK"]


def test_clients_of_a_deleted_user_are_closed(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "allkeys") == b"OK"
    clients = [logged_in(admin) for _ in range(6)]
    own = logged_in(admin)
    assert own.call("ACL", "DELUSER", "bob") == 1
    assert is_closed(own)
    for client in clients:
        assert is_closed(client)
    # Who bears the name afterwards is somebody else.
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw") == b"OK"
    with logged_in(admin) as bob:
        assert bob.call("GET", "a") == b"NOPERM this user has no permissions to run the 'get' command"


def test_channels_need_rights_and_those_who_lose_them_are_closed(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "resetchannels", "&news:*", "&tea") == b"OK"
    with logged_in(admin) as bob:
        refusal = b"NOPERM this user has no permissions to access one of the channels used as arguments"
        assert bob.call("SUBSCRIBE", "news:1", "coffee") == refusal
        assert bob.call("PSUBSCRIBE", "news:1*") == refusal
        assert bob.call("PUBLISH", "coffee", "x") == refusal
        assert bob.call("SUBSCRIBE", "tea") == [b"subscribe", b"tea", 1]
        assert bob.call("PSUBSCRIBE", "news:*") == [b"psubscribe", b"news:*", 2]
    clients = [logged_in(admin) for _ in range(8)]
    for at, client in enumerate(clients):
        assert client.call(*[("SUBSCRIBE", "tea"), ("PSUBSCRIBE", "news:*")][at % 2])[2] == 1
    # More rights, and fewer of those that nobody uses, leave everybody alone.
    assert admin.call("ACL", "SETUSER", "bob", "&more") == b"OK"
    assert admin.call("PUBLISH", "tea", "hot") == 4
    for client in clients[::2]:
        assert client.reply() == [b"message", b"tea", b"hot"]
    assert admin.call("ACL", "SETUSER", "bob", "resetchannels", "&tea") == b"OK"
    for client in clients[1::2]:
        assert is_closed(client)
    assert admin.call("PUBLISH", "tea", "cold") == 4
    for client in clients[::2]:
        assert client.reply() == [b"message", b"tea", b"cold"]
        client.close()


def test_clients_are_listed_and_killed_by_user(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+@all", "allkeys") == b"OK"
    with logged_in(admin) as bob:
        assert b" user=bob " in bob.call("CLIENT", "INFO")
        lines = admin.call("CLIENT", "LIST").splitlines()
        assert sorted(line.split(b" user=")[1].split()[0] for line in lines) == [b"bob", b"default"]
        assert admin.call("CLIENT", "KILL", "USER", "bob") == 1
        assert is_closed(bob)


def test_refusals_are_counted_in_the_log(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+get", "+multi", "+exec", "~k") == b"OK"
    with logged_in(admin) as bob:
        bob.call("CLIENT", "SETNAME", "x")
        for line in ["SET k 1", "GET other", "GET other", "MULTI", "GET other", "EXEC", "AUTH bob no", "HELLO 3 AUTH no no"]:
            bob.call(*line.split())
    rows = [dict(zip(row[::2], row[1::2])) for row in admin.call("ACL", "LOG")]
    facts = [tuple(row[key] for key in (b"count", b"reason", b"context", b"object", b"username")) for row in rows]
    assert facts == [
        (1, b"auth", b"toplevel", b"HELLO", b"no"),
        (1, b"auth", b"toplevel", b"AUTH", b"bob"),
        (1, b"key", b"multi", b"other", b"bob"),
        (2, b"key", b"toplevel", b"other", b"bob"),
        (1, b"command", b"toplevel", b"set", b"bob"),
        (1, b"command", b"toplevel", b"client|setname", b"bob"),
    ]
    assert all(0 <= float(row[b"age-seconds"]) < 60 for row in rows)
    assert b" cmd=get user=bob " in rows[3][b"client-info"] and rows[0][b"client-info"].startswith(b"id=")
    assert len(admin.call("ACL", "LOG", "2")) == 2
    assert admin.call("CONFIG", "SET", "acllog-max-len", "1") == b"OK"
    assert admin.call("AUTH", "nobody", "x").startswith(b"WRONGPASS")
    assert len(admin.call("ACL", "LOG", "99")) == 1
    assert admin.call("ACL", "LOG", "RESET") == b"OK" and admin.call("ACL", "LOG") == []


def test_refusals_are_bounded(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">pw", "+get", "~k") == b"OK"
    with logged_in(admin) as bob:
        for letter in b"abc":
            assert bob.call("GET", bytes([letter]) * 100_000).startswith(b"NOPERM ")
        objects = [dict(zip(row[::2], row[1::2]))[b"object"] for row in admin.call("ACL", "LOG")]
        assert objects == [letter * 1024 for letter in (b"c", b"b", b"a")]


def test_a_refused_client_that_never_reads_is_capped(start):
    with resp.Client(start(threads=2).connect()) as other:
        assert other.call("ACL", "SETUSER", "default", "-set", "resetkeys", "~k") == b"OK"
        with server.connect(other.socket.getpeername()[1]) as greedy:
            send_until_closed(greedy, resp.command("SET", "k", "x") * 1000, other, 1024 * MIB, held_back=True)
        assert len(other.call("ACL", "LOG", "99")) == 1


def test_secrets_are_shown_to_nobody(admin):
    assert admin.call("CONFIG", "SET", "slowlog-log-slower-than", "0") == b"OK"
    assert admin.call("ACL", "SETUSER", "bob", "on", ">hidden", "+@all") == b"OK"
    assert admin.call("AUTH", "bob", "hidden") == b"OK"
    assert b"hidden" not in repr(admin.call("SLOWLOG", "GET", "99")).encode()
    assert b"hidden" not in b"".join(admin.call("ACL", "LIST"))
    assert "hidden" not in admin.server.process.output()


def test_the_default_user_may_be_off_or_have_few_rights(admin):
    assert admin.call("ACL", "SETUSER", "root", "on", ">pw", "+@all", "allkeys", "allchannels") == b"OK"
    root = logged_in(admin, "root")
    assert root.call("ACL", "SETUSER", "default", "-@all", "+ping") == b"OK"
    with resp.Client(admin.server.connect()) as client:
        assert client.call("PING") == b"PONG"
        assert client.call("GET", "a") == b"NOPERM this user has no permissions to run the 'get' command"
    assert root.call("ACL", "SETUSER", "default", "off") == b"OK"
    with resp.Client(admin.server.connect()) as client:
        assert client.call("PING") == b"NOAUTH Authentication required."
        assert client.call("AUTH", "default", "x").startswith(b"WRONGPASS")
        # Little is read of a stranger.
        client.socket.sendall(b"*1\r\n$16385\r\n")
        assert client.reply() == b"ERR Protocol error: unauthenticated bulk length"
    with resp.Client(admin.server.connect()) as client:
        assert client.call("PING") == b"NOAUTH Authentication required."
        assert root.call("ACL", "SETUSER", "default", "on", "+@all", "allkeys") == b"OK"
        # Who has connected before need not ask any more either.
        assert client.call("GET", "a") is None
        assert client.call("SET", "a", "x" * 20_000) == b"OK"
    root.close()


def test_two_passwords_let_one_be_changed_without_a_break(admin):
    assert admin.call("ACL", "SETUSER", "bob", "on", ">old", "+@all") == b"OK"
    assert admin.call("ACL", "SETUSER", "bob", ">new") == b"OK"
    logged_in(admin, "bob", "old").close()
    assert admin.call("ACL", "SETUSER", "bob", "<old") == b"OK"
    logged_in(admin, "bob", "new").close()
    with resp.Client(admin.server.connect()) as client:
        assert client.call("AUTH", "bob", "old").startswith(b"WRONGPASS")


BAD_FILE = """user default on nopass ~* &* +@all
user a on >x +foo ~* ~a +bar
usr b on
user
user a on
user c (+get
user  d on
user e on  +get\t

user f on "~x
"""


def test_a_file_is_taken_whole_or_not_at_all(start, tmp_path):
    path = tmp_path / "users.acl"
    good = "user default on nopass ~* &* +@all\nuser z on >x +get ~a\n"
    path.write_text(good)
    with server.redis(["--aclfile", path]) as redis, resp.Client(redis.connect()) as theirs:
        running = start(threads=3, flags=["--aclfile", str(path)])
        with resp.Client(running.connect()) as ours:
            listed = ours.call("ACL", "LIST")
            assert listed == theirs.call("ACL", "LIST") and len(listed) == 2
            for text in [BAD_FILE, "user default\nuser default\n", "user a +@nosuch", "user a #x >y !z", "user a\tb on"]:
                path.write_text(text)
                mine = ours.call("ACL", "LOAD")
                assert isinstance(mine, resp.Error) and mine == theirs.call("ACL", "LOAD"), text
                assert ours.call("ACL", "LIST") == listed
            path.unlink()
            assert ours.call("ACL", "LOAD") == theirs.call("ACL", "LOAD")
            # Saved, changed by hand, loaded.
            assert ours.call("ACL", "SAVE") == b"OK"
            assert path.read_bytes() == b"\n".join(listed) + b"\n" and path.stat().st_mode & 0o777 == 0o600
            z, other = resp.Client(running.connect()), resp.Client(running.connect())
            assert z.call("AUTH", "z", "x") == b"OK"
            assert ours.call("ACL", "SETUSER", "gone", "on", "nopass", "+ping") == b"OK"
            assert other.call("AUTH", "gone", "x") == b"OK"
            path.write_text(path.read_text().replace("+get", "+set"))
            assert ours.call("ACL", "LOAD") == b"OK"
            assert is_closed(other)
            assert z.call("GET", "a") == b"NOPERM this user has no permissions to run the 'get' command"
            assert z.call("SET", "a", "1") == b"OK"
            z.close()
            path.unlink()
            path.mkdir()
            assert ours.call("ACL", "SAVE") == theirs.call("ACL", "SAVE")
            path.rmdir()
            assert not list(tmp_path.iterdir())


def refused(*flags):
    """The one line with which a larder with these flags ends."""
    argv = [server.BINARY, "--port", str(server.free_port()), "--memcache_port", "0", *flags]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=server.START_TIMEOUT_S)
    assert ended.returncode == 1, ended
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("larder: "), ended.stderr
    return last.removeprefix("larder: ")


def test_users_that_cannot_be_are_refused_at_start(tmp_path):
    acl, conf = tmp_path / "users.acl", tmp_path / "larder.conf"
    acl.write_text("user a on\nuser b +nosuch\n")
    assert refused("--aclfile", str(acl)) == (
        f"--aclfile: {acl}:2: Error in applying operation '+nosuch': Unknown command or category name in ACL. "
        "WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
    )
    missing = f"--aclfile: Error loading ACLs, opening file '{tmp_path}/none': No such file or directory"
    assert refused("--aclfile", f"{tmp_path}/none") == missing
    for text, line in [
        ("hz 10\nuser a +nosuch\n", f"{conf}:2: user: Error in user declaration 'a': Unknown command or category name in ACL"),
        ("user a\nuser a\n", f"{conf}:2: user: this user is declared already"),
        ("user a 'b\n", f"{conf}:1: a quote is not closed"),
        (f"user a\naclfile {acl}\n", f"{conf}:1: user: with an aclfile users are declared there, and not in the configuration"),
    ]:
        conf.write_text(text)
        assert refused("--flagfile", str(conf)) == line


def test_users_are_kept_in_the_configuration_file(start, tmp_path):
    conf = tmp_path / "larder.conf"
    conf.write_text('# mine\nuser a on ">two words" +@read ~x*\nrequirepass top\nuser b off\n')
    running = start(flags=["--flagfile", str(conf)])
    with resp.Client(running.connect()) as client:
        assert client.call("AUTH", "a", "two words") == b"OK"
        assert client.call("GET", "x1") is None
        assert client.call("AUTH", "top") == b"OK"
        assert client.call("ACL", "DELUSER", "b") == 1
        assert client.call("ACL", "SETUSER", "c", "on", "nopass", "(+get ~y)") == b"OK"
        listed = client.call("ACL", "LIST")
        assert client.call("CONFIG", "REWRITE") == b"OK"
    text = conf.read_text()
    assert text.startswith("# mine\nrequirepass top\n")
    assert [line for line in text.splitlines() if line.startswith("user ")] == [line.decode() for line in listed]
    with resp.Client(start(flags=["--flagfile", str(conf)]).connect()) as client:
        assert client.call("AUTH", "top") == b"OK" and client.call("ACL", "LIST") == listed
        assert client.call("ACL", "DELUSER", "a", "c") == 2
        assert client.call("CONFIG", "REWRITE") == b"OK"
    # The default user as `requirepass` makes it needs no line.
    assert "user " not in conf.read_text()


def own_address():
    """An address of this machine that is no loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only asks which way would be taken.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
        return None if address.startswith("127.") else address


def test_protected_mode_serves_this_machine_only(start, tmp_path):
    address = own_address()
    if address is None:
        pytest.skip("this machine has a loopback only")
    users = tmp_path / "users"
    users.write_text("me:pw\n")
    running = start(flags=["--bind", "127.0.0.1", address])
    redis = server.redis(["--bind", "127.0.0.1", address])

    def told(port, request):
        with socket.create_connection((address, port), 20) as client:
            try:
                client.sendall(request)
                return client.recv(1 << 16)
            except ConnectionError:
                return b""

    ping = resp.command("PING")
    with redis:
        denied = told(running.resp_port, b"")
        assert denied.startswith(b"-DENIED ") and denied == told(redis.resp_port, b"")
    assert told(running.memcache_port, b"") == (
        b"SERVER_ERROR protected-mode is on and there is no memcache_auth_file: only clients of this machine are served\r\n"
    )
    with resp.Client(running.connect()) as client:
        assert client.call("PING") == b"PONG"
        before = client.call("INFO", "stats")
        assert b"rejected_connections:2" in before, before
        assert client.call("CONFIG", "SET", "protected-mode", "no") == b"OK"
        assert told(running.resp_port, ping) == b"+PONG\r\n"
        assert told(running.memcache_port, b"mn\r\n") == b"MN\r\n"
        assert client.call("CONFIG", "SET", "protected-mode", "yes") == b"OK"
        assert told(running.resp_port, b"").startswith(b"-DENIED ")
        assert client.call("CONFIG", "SET", "requirepass", "x") == b"OK"
        assert told(running.resp_port, ping) == b"-NOAUTH Authentication required.\r\n"
    asks = start(flags=["--bind", "127.0.0.1", address, "--memcache_auth_file", str(users)])
    assert told(asks.memcache_port, b"mn\r\n") == b"CLIENT_ERROR unauthenticated\r\n"


def test_memcached_clients_are_no_users(admin):
    assert admin.call("ACL", "SETUSER", "default", "-@all", "+acl", "+client", "+auth") == b"OK"
    with admin.server.connect("memcache") as client:
        client.sendall(b"set a 0 0 1\r\nx\r\n")
        assert client.recv(100) == b"STORED\r\n"
        assert b" user=(memcached) " in admin.call("CLIENT", "LIST")


def test_the_console_asks_for_the_rights_of_commands(start):
    running = start()

    def ask(path, who=None, method="GET", body=None):
        headers = {"X-Larder-Console": "1"}
        if who:
            headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()
        return get(running, path, method, headers, body)[0]

    with resp.Client(running.connect()) as client:
        assert client.call("ACL", "SETUSER", "prom", "on", ">pw", "+info") == b"OK"
        assert client.call("ACL", "SETUSER", "ops", "on", ">pw", "+@admin", "+info", "-config|set") == b"OK"
        # The default user needs no password yet: who names nobody is it.
        assert ask("/api/config") == 200 and ask("/api/config", "me:any") == 200
        assert ask("/metrics", "prom:pw") == 200 and ask("/info", "prom:pw") == 200 and ask("/", "prom:pw") == 200
        assert ask("/metrics", "prom:no") == 401
        for path in ("/api/clients", "/api/config", "/api/slowlog", "/api/hotkeys", "/api/bigkeys"):
            assert (ask(path, "prom:pw"), ask(path)) == (403, 200), path
        assert ask("/api/config", "ops:pw") == 200 and ask("/api/clients", "ops:pw") == 200
        change = "name=slowlog-max-len&value=7"
        assert ask("/api/config", "ops:pw", "POST", change) == 403
        assert ask("/api/config", None, "POST", change) == 200
        assert client.call("ACL", "SETUSER", "default", "-config") == b"OK"
        assert ask("/api/config") == 403 and ask("/api/config", None, "POST", change) == 403
        assert client.call("ACL", "SETUSER", "default", "off") == b"OK"
        assert ask("/metrics") == 401 and ask("/metrics", "prom:pw") == 200 and ask("/healthz") == 200


def test_sighup_leaves_users_alone(start):
    running = start()
    with resp.Client(running.connect()) as client:
        assert client.call("ACL", "SETUSER", "a", "on") == b"OK"
        os.kill(running.process.pid, signal.SIGHUP)
        server.eventually("the signal is logged", lambda: "SIGHUP" in running.process.output())
        assert client.call("ACL", "USERS") == [b"a", b"default"]
