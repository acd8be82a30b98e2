r"""Wire transcripts: what a client sends and what must come back, byte for byte.

A file is a list of lines:

    protocol resp|memcache    which port (first line that is not a comment)
    # text                    a comment
    > bytes                   bytes to send; several lines in a row are one request, a blank line ends it
    >> word word "w w"        the same words as a RESP array of bulk strings
    < bytes                   bytes that must come back; several lines in a row are one reply; `<` alone: none
    <larder, <peer            where the two differ, with the reason in a comment above
    closed                    the server closes the connection
    flags --name value        how larder is started for this file
    peer-waits                the peer cannot take these requests as one pipeline (reason in a comment)
    connection name           the next lines are of that connection (opened on its first use)
    >b 01 key=a value=x       a packet of memcached's binary protocol: opcode, then fields (see `packet`)
    <b 01 status=2            the same as a reply

Bytes are written as they are, with \r \n \t \\ \" and \xHH for the rest, and

    ${abc*1000}               abc a thousand times
    ${?name}                  in a reply: any run of bytes without blanks; kept under that name
    ${name}                   what was kept
    ${~expression}            in a reply: whatever the regular expression matches
"""

import dataclasses
import re
import struct

TOKEN = re.compile(rb"\$\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|\\x([0-9a-fA-F]{2})|\\(.)", re.S)
PLAIN = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\", b'"': b'"', b"0": b"\0", b"$": b"$"}


@dataclasses.dataclass
class Exchange:
    line: int
    connection: str
    request: list = dataclasses.field(default_factory=list)
    reply: list = dataclasses.field(default_factory=list)
    closed: bool = False


@dataclasses.dataclass
class Transcript:
    protocol: str
    exchanges: list
    flags: list
    one_by_one: bool


class BadTranscript(Exception):
    """The file itself is wrong."""


def pieces(text):
    """The text as a list of bytes, ("keep", name), ("use", name) and ("match", expression)."""
    found, position, literal = [], 0, b""
    for token in TOKEN.finditer(text):
        literal += text[position : token.start()]
        position = token.end()
        special, code, plain = token.groups()
        if code is not None:
            literal += bytes([int(code, 16)])
        elif plain is not None:
            if plain not in PLAIN:
                raise BadTranscript(f"unknown escape {token.group()!r}")
            literal += PLAIN[plain]
        elif special.startswith(b"?"):
            found += [literal, ("keep", special[1:].decode())]
            literal = b""
        elif special.startswith(b"~"):
            found += [literal, ("match", special[1:])]
            literal = b""
        elif b"*" in special:
            unit, _, count = special.rpartition(b"*")
            literal += b"".join(piece for piece in pieces(unit) if piece) * int(count)
        else:
            found += [literal, ("use", special.decode())]
            literal = b""
    return [piece for piece in [*found, literal + text[position:]] if piece]


def words(text):
    """The words of a `>>` line, each a list of pieces."""
    split = re.findall(rb'"(?:\\.|[^"\\])*"|\S+', text)
    return [pieces(word[1:-1] if word.startswith(b'"') else word) for word in split]


FIELD = re.compile(rb'(\w+)=(?:"((?:\\.|[^"\\])*)"|(\S*))')
PACKET_OPAQUE = b"\x01\x02\x03\x04"


def packet(text, is_reply):
    r"""A packet from its opcode and its fields; those that are not named are empty, 0, or what the others make them.

    key= value=               bytes
    extras= opaque=           hexadecimal digits
    keylen= extlen= bodylen= magic= datatype=   numbers other than the right ones
    status=                   of a reply, hexadecimal
    cas=                      a number; `*`: in a reply any; `?name`: any, kept; `$name`: what was kept
    """
    opcode, _, rest = text.partition(b" ")
    fields = {name: quoted or word for name, quoted, word in FIELD.findall(rest)}
    key, value = pieces(fields.pop(b"key", b"")), pieces(fields.pop(b"value", b""))
    fixed = all(isinstance(piece, bytes) for piece in value)
    extras = bytes.fromhex(fields.pop(b"extras", b"").decode())
    opaque = bytes.fromhex(fields.pop(b"opaque", b"").decode()) or PACKET_OPAQUE
    cas = fields.pop(b"cas", b"0")
    number = lambda name, right: int(fields.pop(name, b"%d" % right), 0)
    head = struct.pack(
        ">BBHBBH",
        number(b"magic", 0x81 if is_reply else 0x80),
        int(opcode, 16),
        number(b"keylen", sum(map(len, key))),
        number(b"extlen", len(extras)),
        number(b"datatype", 0),
        int(fields.pop(b"status", b"0"), 16),
    )
    body = ("match", b".{4}")
    if fixed:
        body = struct.pack(">I", number(b"bodylen", len(extras) + sum(map(len, key + value))))
    if fields:
        raise BadTranscript(f"unknown fields {sorted(fields)}")
    if cas == b"*":
        cas = ("match", b".{8}")
    elif cas.startswith(b"?"):
        cas = ("match", b"(?P<%s>.{8})" % cas[1:])
    elif cas.startswith(b"$"):
        cas = ("use", cas[1:].decode())
    else:
        cas = struct.pack(">Q", int(cas, 0))
    return [part for part in [head, body, opaque, cas, extras, *key, *value] if part]


def fill(parts, kept):
    """Bytes of a request."""
    out = b""
    for part in parts:
        if isinstance(part, bytes):
            out += part
        elif part[0] == "use":
            out += kept[part[1]]
        elif part[0] == "array":
            arguments = [fill(word, kept) for word in part[1]]
            out += b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in arguments)
        else:
            raise BadTranscript("a request cannot hold a pattern")
    return out


def pattern(parts, kept):
    """The expression that a reply must match as a whole; its length where it is fixed, else None."""
    expression, length = b"", 0
    for part in parts:
        if isinstance(part, bytes) or part[0] == "use":
            literal = part if isinstance(part, bytes) else kept[part[1]]
            expression += re.escape(literal)
            length = None if length is None else length + len(literal)
        elif part[0] == "keep":
            expression += b"(?P<%s>[^ \r\n]+)" % part[1].encode()
            length = None
        else:
            expression += b"(?:" + part[1] + b")"
            length = None
    return re.compile(expression, re.S), length


def plain(parts, kept):
    """A reply for people to read, its patterns as they are."""
    return b"".join(
        part if isinstance(part, bytes) else kept[part[1]] if part[0] == "use" else b"${%s}" % str(part[1]).encode()
        for part in parts
    )


def array(text):
    return [("array", words(text))]


def request_packet(text):
    return packet(text, False)


def parse(path, target):
    """Reads a file, with the replies of `target` ("larder" or "peer")."""
    protocol, connection, exchanges, peer_waits, flags = None, "main", [], False, []
    current, replying = None, False
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        line = line.rstrip(b"\r\n")
        kind, _, rest = line.partition(b" ")
        if not line.strip():
            replying = True
        if not line.strip() or line.startswith(b"#"):
            continue
        if kind == b"protocol":
            protocol = rest.decode().strip()
        elif kind == b"flags":
            flags = rest.decode().split()
        elif kind == b"peer-waits":
            peer_waits = target == "peer"
        elif kind == b"connection":
            connection, current = rest.decode().strip(), None
        elif kind in (b">", b">>", b">b"):
            if current is None or replying:
                current = Exchange(number, connection)
                exchanges.append(current)
                replying = False
            current.request += {b">": pieces, b">>": array, b">b": request_packet}[kind](rest)
        elif kind in (b"<", b"<larder", b"<peer", b"<b", b"<larderb", b"<peerb"):
            if current is None:
                raise BadTranscript(f"{path}:{number}: a reply without a request")
            replying = True
            if kind in (b"<b", b"<" + target.encode() + b"b"):
                current.reply += packet(rest, True)
            elif kind in (b"<", b"<" + target.encode()):
                current.reply += pieces(rest)
        elif kind == b"closed":
            current.closed = True
            replying = True
        else:
            raise BadTranscript(f"{path}:{number}: not understood: {line!r}")
    if protocol not in ("resp", "memcache"):
        raise BadTranscript(f"{path}: no protocol line")
    return Transcript(protocol, exchanges, flags, peer_waits)
