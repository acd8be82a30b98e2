"""Packets of memcached's binary protocol."""

import dataclasses
import struct

HEAD = struct.Struct(">BBHBBHIIQ")


@dataclasses.dataclass
class Reply:
    opcode: int
    status: int
    extras: bytes
    key: bytes
    value: bytes
    opaque: int
    cas: int


def is_unknown(opcode):
    """memcached serves no such command."""
    return opcode > 0x24 or opcode in (0x1B, 0x1F)


def request(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0):
    body = len(key) + len(extras) + len(value)
    return HEAD.pack(0x80, opcode, len(key), len(extras), 0, 0, body, opaque, cas) + extras + key + value


def replies(data):
    """The whole replies at the start of some bytes, and how many bytes they are."""
    found, at = [], 0
    while len(data) - at >= HEAD.size:
        magic, opcode, key, extras, datatype, status, body, opaque, cas = HEAD.unpack_from(data, at)
        if len(data) - at < HEAD.size + body:
            break
        assert magic == 0x81 and datatype == 0, f"no reply: {bytes(data[at:at + 40])!r}"
        parts = bytes(data[at + HEAD.size : at + HEAD.size + body])
        found.append(Reply(opcode, status, parts[:extras], parts[extras : extras + key], parts[extras + key :], opaque, cas))
        at += HEAD.size + body
    return found, at


class Client:
    """A connection that asks and waits."""

    def __init__(self, connection):
        self.socket = connection
        self.received = bytearray()

    def read(self):
        """The next replies; at least one, or none when the server has closed."""
        while True:
            found, used = replies(self.received)
            del self.received[:used]
            if found:
                return found
            more = self.socket.recv(1 << 16)
            if not more:
                return []
            self.received += more

    def ask(self, *arguments, **fields):
        self.socket.sendall(request(*arguments, **fields))
        (reply,) = self.read()
        return reply

    def closed(self):
        """The server closes, and says nothing more."""
        return self.read() == []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
