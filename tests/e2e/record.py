"""Writes the replies of the real peer into a transcript: `record.py file...`.

Each request that has no reply line yet is sent to Debian's redis-server or memcached, and what comes
back within a moment is written below it. Look at the result before keeping it: patterns for what
varies (`${?name}`) are put in by hand.
"""

import pathlib
import re
import sys

import server
import transcript

QUIET_S = 0.12


def escaped(data):
    out = ""
    for byte in data:
        character = chr(byte)
        if character in '\\$':
            out += "\\" + character
        elif character in "\r\n\t":
            out += {"\r": "\\r", "\n": "\\n", "\t": "\\t"}[character]
        else:
            out += character if 32 <= byte < 127 else f"\\x{byte:02x}"
    return re.sub(r"([^\\{}$*])\1{29,}", lambda run: "${%s*%d}" % (run[1], len(run[0])), out)


def lines(data):
    """One `<` line for each line of the reply."""
    if not data:
        return ["<"]
    return ["< " + escaped(line) for line in re.findall(rb"[^\n]*\n|[^\n]+$", data)]


def answer(connection):
    got, closed = b"", False
    connection.settimeout(QUIET_S)
    try:
        while True:
            more = connection.recv(1 << 20)
            if not more:
                closed = True
                break
            got += more
    except TimeoutError:
        pass
    except ConnectionResetError:
        closed = True
    return got, closed


def record(path, running):
    script = transcript.parse(path, "peer")
    by_line = {exchange.line: exchange for exchange in script.exchanges}
    source = path.read_text().split("\n")
    connections, kept, out, pending = {}, {}, [], None

    def settle():
        nonlocal pending
        if pending is None:
            return
        exchange, pending = pending, None
        connection = connections.setdefault(exchange.connection, None) or running.connect(script.protocol)
        connections[exchange.connection] = connection
        connection.sendall(transcript.fill(exchange.request, kept))
        got, closed = answer(connection)
        if exchange.reply or exchange.closed:
            match = transcript.pattern(exchange.reply, kept)[0].fullmatch(got)
            if not match:
                print(f"{path}:{exchange.line}: the peer says {got!r}")
            else:
                kept.update(match.groupdict())
        elif not getattr(exchange, "answered", False):
            out.extend(lines(got) + (["closed"] if closed else []))
        if closed:
            connections[exchange.connection] = None

    for number, line in enumerate(source, 1):
        starts = number in by_line
        if starts or not line.strip() or line.startswith("connection "):
            settle()
        if starts:
            pending = by_line[number]
        if line.startswith("<") and pending is not None:
            pending.answered = True
        out.append(line)
    settle()
    path.write_text("\n".join(out).rstrip("\n") + "\n")


for name in sys.argv[1:]:
    with server.peers() as running:
        record(pathlib.Path(name), running)
