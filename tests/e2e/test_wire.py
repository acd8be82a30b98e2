"""Runs the transcripts of tests/wire over every build, whole, byte by byte and as one segment."""

import threading

import pytest

import server
import transcript

FILES = sorted((server.ROOT / "tests/wire").glob("*.txt"))
REPLY_TIMEOUT_S = 5


class Peephole:
    """A connection, and what was received on it beyond the reply that was looked for."""

    def __init__(self, running, protocol):
        self.socket = running.connect(protocol, REPLY_TIMEOUT_S)
        self.received = b""

    def send(self, request, by_bytes):
        try:
            for piece in [bytes([byte]) for byte in request] if by_bytes else [request]:
                self.socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed early: the reply that was expected tells

    def reply(self, expected, fixed_bytes):
        """The match at the start of what comes, or None when it is something else or does not come."""
        while True:
            if fixed_bytes is None or len(self.received) >= fixed_bytes:
                match = expected.match(self.received)
                if match:
                    self.received = self.received[match.end() :]
                if match or fixed_bytes is not None:
                    return match
            if not self._more():
                return None

    def _more(self):
        try:
            more = self.socket.recv(1 << 20)
        except (TimeoutError, ConnectionResetError):
            return False
        self.received += more
        return bool(more)

    def rest(self):
        """What comes until the server closes, or nothing comes any more."""
        while self._more():
            pass
        return self.received


class Wire:
    """The connections of one run, and what the replies taught."""

    def __init__(self, running, protocol, path):
        self.running, self.protocol, self.path = running, protocol, path
        self.connections, self.kept = {}, {}

    def connection(self, name):
        if name not in self.connections:
            self.connections[name] = Peephole(self.running, self.protocol)
        return self.connections[name]

    def check(self, exchange):
        connection = self.connection(exchange.connection)
        where = f"{self.path.name}:{exchange.line}"
        expected, fixed_bytes = transcript.pattern(exchange.reply, self.kept)
        match = connection.reply(expected, fixed_bytes)
        if match is None:
            raise AssertionError(
                f"{where}\n  sent     {shown(transcript.fill(exchange.request, self.kept))}\n"
                f"  expected {shown(transcript.plain(exchange.reply, self.kept))}\n"
                f"  got      {shown(connection.received)}"
            )
        self.kept.update(match.groupdict())
        if exchange.closed:
            rest = connection.rest()
            assert rest == b"", f"{where}: after the last reply came {shown(rest)}"
            connection.socket.close()
            del self.connections[exchange.connection]

    def finish(self):
        """Half-close: the server owes nothing more, and closes too."""
        for name, connection in self.connections.items():
            connection.socket.shutdown(1)
            rest = connection.rest()
            assert rest == b"", f"{self.path.name}: at the end, connection {name} sent {shown(rest)}"

    def close(self):
        for connection in self.connections.values():
            connection.socket.close()


def shown(data):
    text = data if len(data) <= 600 else data[:300] + b" ... " + data[-300:]
    return repr(text)[1:] + f" ({len(data)} bytes)"


def play(wire, exchanges, by_bytes):
    for exchange in exchanges:
        request = transcript.fill(exchange.request, wire.kept)
        wire.connection(exchange.connection).send(request, by_bytes and len(request) < 20_000)
        wire.check(exchange)
    wire.finish()


def play_segments(wire, exchanges):
    """Everything up to a close is sent before the first reply is looked at."""
    while exchanges:
        count = next((i for i, exchange in enumerate(exchanges, 1) if exchange.closed), len(exchanges))
        requests = b"".join(transcript.fill(exchange.request, {}) for exchange in exchanges[:count])
        sender = threading.Thread(target=wire.connection("main").send, args=(requests, False))
        sender.start()
        for exchange in exchanges[:count]:
            wire.check(exchange)
        sender.join()
        exchanges = exchanges[count:]
    wire.finish()


def needs_order(exchange):
    """Whether a request needs what an earlier reply tells, or another connection."""
    parts = exchange.request + exchange.reply
    names = any(part[0] in ("keep", "use") or b"(?P<" in part[1] for part in parts if not isinstance(part, bytes))
    return names or exchange.connection != "main"


@pytest.mark.parametrize("cut", ["whole", "bytes", "segment"])
@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_transcript(path, cut, build, target):
    script = transcript.parse(path, target)
    exchanges = script.exchanges
    if cut == "segment" and (script.one_by_one or any(needs_order(exchange) for exchange in exchanges)):
        pytest.skip("its requests need its replies")
    with server.start_build(build, flags=script.flags) as running:
        wire = Wire(running, script.protocol, path)
        try:
            if cut == "segment":
                play_segments(wire, exchanges)
            else:
                play(wire, exchanges, cut == "bytes")
        finally:
            wire.close()
