"""Errors that quote what the client sent: byte for byte as redis-server quotes it, whatever the bytes are."""

import random

import pytest

import resp
import server

TEMPLATES = [
    lambda word: [word, b"b", word],
    lambda word: [b"CLIENT", word, b"x"],
    lambda word: [b"CLIENT", b"LIST", b"TYPE", word],
    lambda word: [b"CLIENT", b"KILL", b"TYPE", word],
    lambda word: [b"CLIENT", b"KILL", b"USER", word],
    lambda word: [b"CONFIG", b"SET", word, b"x"],
    lambda word: [b"CONFIG", b"SET", b"TimeOut", word],
    lambda word: [b"DEBUG", word, b"x"],
    lambda word: [b"EXPIRE", b"k", b"10", word],
    lambda word: [b"HELLO", b"3", word],
    lambda word: [b"HELLO", word],
    lambda word: [b"LATENCY", b"GRAPH", word],
    lambda word: [b"OBJECT", word, b"k"],
    lambda word: [b"SET", b"k", b"v", word],
    lambda word: [b"SLOWLOG", b"GET", b"1", word],
]
ALPHABETS = [bytes(range(256)), b"\r\n", b"ab\0\r\n'\"", b"\xc3\xa4\xff\x80", b"abc"]


def words(dice):
    for length in [1, 2, 3, 10, 127, 128, 129, 400]:
        for alphabet in ALPHABETS:
            yield b"#" + bytes(dice.choice(alphabet) for _ in range(length))
            yield bytes(dice.choice(alphabet) for _ in range(length)) + b"#"
            yield b"#" + bytes(dice.choice(alphabet) for _ in range(length)) + b"\r\n"


def reply_line(client, arguments):
    client.sendall(resp.command(*arguments))
    line = b""
    while not line.endswith(b"\r\n"):
        more = client.recv(65536)
        assert more, f"{arguments} ended the connection"
        line += more
    return line


@pytest.mark.parametrize("threads", [1, 3])
def test_quoted_bytes_are_those_of_redis(threads, start):
    dice = random.Random(threads)
    ours = start(threads=threads)
    with server.redis(["--enable-debug-command", "yes"]) as theirs, ours.connect() as here, theirs.connect() as there:
        for word in words(dice):
            for template in TEMPLATES:
                arguments = template(word)
                assert reply_line(here, arguments) == reply_line(there, arguments), arguments
