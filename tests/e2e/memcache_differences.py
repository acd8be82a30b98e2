"""Where larder's replies differ from those of Debian's memcached 1.6.18, all in one place.

`SENTENCES` are requests that larder answers as memcached 1.6.45 does, or better; each is sent between two requests
whose replies tell which it is. `alike` takes out of replies what cannot be equal:

- Uniques come from one counter in memcached, from one per shard in larder. What must be equal is when a key's unique
  changes: each is replaced by how many the key has had (meta replies tell a unique together with its key).
- A number that gets shorter is filled with blanks in memcached, but only if no earlier reply that holds the item is
  unsent, which is a matter of chance. larder always fills. Blanks behind a counter are not compared.
- Seconds (`t`, `l`): memcached counts ticks of a clock of its own. A `t` is replaced by the time that was set.
  `l` is the time of the second hit after a store in memcached, of the last use in larder.
- `me` tells sizes and classes of slabs, which are larder's own.

Not sent at random, since they differ by intent:

- Flags and modes that 1.6.18 does not know: E, x, N with append, s with ms; C with mg, which 1.6.18 ignores.
- A key is echoed in the form of the request. memcached echoes the form in which it was stored,
  and bytes as they are if `N` or an append made the item.
- `ma T` on a number that grows, or that an unsent reply holds: 1.6.18 gives the time to the old item.
- Counting of what is not a number of digits and blanks: 1.6.18 reads on behind blanks, into memory that is not the value.
- A number that an unsent reply holds becomes a new item when it is counted: not fetched, not stale.
- `ma N q`: 1.6.18 answers although it is to be quiet.
- `t` of an item that dies in this moment: larder says 0, memcached a number around 2^32.
- What follows the padding of a base64 key: larder refuses it.
- Times beyond 2038 are over for 1.6.18; for larder they are to come.
- A delayed flush_all brings back what an earlier one had flushed in 1.6.18.
- `watch`, `metadump` and `mgdump` may follow other commands of a pipeline, and metadump may be followed by some;
  memcached refuses the one ("cannot pipeline other commands before ...") and drops the other.
- `watch deletions` is 1.6.45's, as is `mgdump`. `rawcmds`, `sysevents` and the proxy's topics are accepted and silent.
- `me` echoes a key in base64 as it was asked for.
- Client flags have 32 bits in larder; Debian's build takes 64.
- An error changes nothing in larder. memcached may have read, touched or counted before it finds an opaque
  token too long.
"""

import re
import time

FORMAT = b"CLIENT_ERROR bad command line format\r\n"
DUPLICATE = b"CLIENT_ERROR duplicate flag\r\n"

# Request, what memcached 1.6.18 answers, what larder answers.
SENTENCES = [
    # Too few words are bad format in 1.6.45.
    *[
        (line + b"\r\n", b"ERROR\r\n", FORMAT)
        for line in [b"", b" ", b"x", b"get", b"get ", b"gets", b"gat", b"gats 0 "[:4], b"set", b"set a", b"set a 0 0"]
        + [b"cas a 0 0", b"delete", b"incr a", b"decr a", b"touch a", b"verbosity", b"mg", b"ms", b"md", b"ma"]
    ],
    (b"gat 0\r\n", b"END\r\n", FORMAT),
    # The data block of a line that is refused belongs to it.
    *[
        (line + b"\r\nbogus\r\n", FORMAT + b"ERROR\r\n", FORMAT)
        for line in [b"set a x 0 5", b"add a -1 0 5", b"set a 0 x 5", b"append a x x 5", b"set " + b"k" * 251 + b" 0 0 5"]
        + [b"cas a 0 0 5 x", b"cas a 0 0 5 -1", b"ms " + b"k" * 251 + b" 5"]
    ],
    (b"cas a 0 0 5\r\nbogus\r\n", b"ERROR\r\nERROR\r\n", FORMAT),
    (b"ms a 5 O1 k c t f v h l u q P L I N1 R1 T1 F1 C1 D1\r\nbogus\r\n", b"CLIENT_ERROR options flags too long\r\nERROR\r\n", b"CLIENT_ERROR options flags are too long\r\n"),
    (b"md a O1 k c t f v h l u q P L I N1 R1 T1 F1 C1 D1\r\n", b"CLIENT_ERROR options flags too long\r\n", b"CLIENT_ERROR options flags are too long\r\n"),
    (b"ma a O1 k c t f v h l u q P L I N1 R1 T1 F1 C1 D1\r\n", b"CLIENT_ERROR options flags too long\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n"),
    # A rest that is an empty line, behind a block of another length.
    (b"set wrong 0 0 2\r\nabc\r\n", b"CLIENT_ERROR bad data chunk\r\nERROR\r\n", b"CLIENT_ERROR bad data chunk\r\n" + FORMAT),
    # md tells what is wrong.
    (b"md a v v\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n", DUPLICATE),
    (b"md a S\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n", b"CLIENT_ERROR invalid flag\r\n"),
    (b"md a Tx\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n", b"CLIENT_ERROR bad token in command line format\r\n"),
    # What is no letter is no flag.
    (b"mg a !\r\n", b"CLIENT_ERROR invalid flag\r\n", FORMAT),
    (b"ms a 1 v 1\r\nx\r\n", b"CLIENT_ERROR invalid flag\r\n", FORMAT),
    # Only the first letter of a mode counts.
    (b"ms a 1 M\r\nx\r\n", b"CLIENT_ERROR incorrect length for M token\r\n", b"CLIENT_ERROR invalid mode for ms M token\r\n"),
    (b"ma n1 M\r\n", b"CLIENT_ERROR invalid or duplicate flag\r\n", b"CLIENT_ERROR invalid mode for ma M token\r\n"),
    (b"mg nothere b\r\n", b"CLIENT_ERROR error decoding key\r\n", b"CLIENT_ERROR error decoding key\r\n"),
    (b"shutdown\r\n", b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n"),
]


# Lines of administrators that are answered otherwise: what memcached 1.6.18 answers, what larder answers, and why.
ADMIN = {
    # Too few words, as in 1.6.45.
    b"verbosity": (b"ERROR\r\n", FORMAT),
    # 1.6.45 reads these; 1.6.18 takes the first word for a number.
    b"slabs automove freeratio 0.01": (FORMAT, b"OK\r\n"),
    b"slabs automove freeratio x": (FORMAT, b"ERROR\r\n"),
    b"slabs automove window 30": (FORMAT, b"OK\r\n"),
    b"slabs automove window 2": (FORMAT, b"CLIENT_ERROR automove window too low or too high\r\n"),
    b"slabs automove window 1801": (FORMAT, b"CLIENT_ERROR automove window too low or too high\r\n"),
    b"slabs automove window x": (FORMAT, b"ERROR\r\n"),
    # As 1.6.45 has it.
    b"shutdown": (b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n"),
    b"shutdown graceful": (b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n"),
    b"shutdown bogus": (b"ERROR: shutdown not enabled\r\n", b"SERVER_ERROR: shutdown not enabled\r\n"),
    # larder has more classes than memcached's 63.
    b"stats cachedump 64 1": (b"CLIENT_ERROR Illegal slab id\r\n", b"END\r\n"),
    # 64 TiB are more than larder can reserve.
    b"cache_memlimit 67108864": (b"OK\r\n", b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"),
    # There is no external store, and nothing to be set of one.
    **{
        b"extstore %s 1" % name: (b"OK\r\n", b"ERROR\r\n")
        for name in b"item_size item_age low_ttl recache_rate compact_under drop_under max_sleep max_frag drop_unread".split()
    },
    b"extstore free_memchunks 1 1": (b"OK\r\n", b"ERROR\r\n"),
}

VALUE_UNIQUE = re.compile(rb"VALUE (\S+) (\d+) (\d+) (\d+)\r\n")
NUMBER_VALUE = re.compile(rb"VALUE (n\d) (\d+) \d+((?: \d+)?)\r\n(\d+) *\r\n")
META_LINE = re.compile(rb"^(?:HD|NS|EX|NF|EN|VA \d+)(?: [^\r\n]*)?\r\n", re.M)
META_WORD = re.compile(rb" ([ctlk])(\S*)")
DEBUG_LINE = re.compile(rb"^ME (\S+) exp=-?\d+ la=\d+ cas=\d+ fetch=(\w+) cls=\d+ size=\d+\r\n", re.M)

TTLS = [b"0", b"0", b"100000", b"200000", b"2592000", b"2000000000"]


def fenced(dice):
    """Some sentence, between two requests by whose replies it is known."""
    number = dice.randrange(len(SENTENCES))
    return b"md fence%d k\r\n%smn\r\n" % (number, SENTENCES[number][0])


class Alike:
    """Makes the replies of one server comparable. Knows the uniques that keys have had."""

    def __init__(self):
        self.uniques = {}

    def __call__(self, replies, is_peer):
        for number, (_, peer, larder) in enumerate(SENTENCES):
            text = peer if is_peer else larder
            replies = replies.replace(b"NF kfence%d\r\n%sMN\r\n" % (number, text), b"<sentence %d>\r\n" % number)
        replies = VALUE_UNIQUE.sub(self.value_line, replies)
        replies = NUMBER_VALUE.sub(rb"VALUE \1 \2 *\3\r\n\4\r\n", replies)
        replies = META_LINE.sub(self.meta_line, replies)
        return DEBUG_LINE.sub(rb"ME \1 fetch=\2\r\n", replies)

    def last(self, key):
        seen = self.uniques.get(key)
        # One that is newer than any.
        return seen[-1] if seen else b"18446744073709551000"

    def count(self, key, unique):
        seen = self.uniques.setdefault(key, [])
        if not seen or seen[-1] != unique:
            seen.append(unique)
        return b"%d" % len(seen)

    def value_line(self, match):
        key, flags, length, unique = match.groups()
        return b"VALUE %s %s %s %s\r\n" % (key, flags, length, self.count(key, unique))

    def meta_line(self, match):
        line = match.group()
        words = dict(META_WORD.findall(line))
        return META_WORD.sub(lambda word: self.meta_word(word, words.get(b"k")), line)

    def meta_word(self, match, key):
        letter, token = match.groups()
        if letter == b"c" and key is not None and token.isdigit() and token != b"0":
            token = self.count(key, token)
        elif letter == b"l":
            token = b"*"
        elif letter == b"t":
            token = time_set(token)
        return b" " + letter + token


def time_set(token):
    """The time to live that an item was given, a while ago."""
    for ttl in TTLS:
        left = int(ttl) - (time.time() if int(ttl) > 2592000 else 0)
        if ttl != b"0" and abs(left - int(token)) < 3600:
            return ttl
    return token
