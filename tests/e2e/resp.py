"""The Redis protocol as the tests need it: commands out, replies in."""


def command(*arguments):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in arguments]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Error(bytes):
    """An error reply, without its `-`."""


class Status(bytes):
    """A status reply, without its `+`."""


def parse(data, at=0):
    """The reply that starts at `at`, and where it ends; raises IndexError when it is not whole."""
    end = data.find(b"\r\n", at)
    if end < 0:
        raise IndexError
    kind, line, at = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"+":
        return Status(line), at
    if kind == b"-":
        return Error(line), at
    if kind in b":(":
        return int(line), at
    if kind == b",":
        return float(line), at
    if kind == b"#":
        return line == b"t", at
    if kind == b"_":
        return None, at
    if kind in b"$=!":
        length = int(line)
        if length < 0:
            return None, at
        if len(data) < at + length + 2:
            raise IndexError
        return data[at : at + length], at + length + 2
    if kind in b"*~>":
        count = int(line)
        if count < 0:
            return None, at
        items = []
        for _ in range(count):
            item, at = parse(data, at)
            items.append(item)
        return items, at
    if kind == b"%":
        pairs = []
        for _ in range(int(line)):
            name, at = parse(data, at)
            value, at = parse(data, at)
            pairs.append((name, value))
        return dict(pairs), at
    raise AssertionError(f"no reply starts with {kind!r}: {data[max(0, at - 80):at + 80]!r}")


class Client:
    """One blocking connection; calls return parsed replies."""

    def __init__(self, socket):
        self.socket = socket
        self.received = b""

    def send(self, *arguments):
        self.socket.sendall(command(*arguments))

    def reply(self):
        while True:
            try:
                value, end = parse(self.received)
            except IndexError:
                more = self.socket.recv(1 << 20)
                if not more:
                    raise ConnectionError(f"closed; left over: {self.received!r}") from None
                self.received += more
            else:
                self.received = self.received[end:]
                return value

    def call(self, *arguments):
        self.send(*arguments)
        return self.reply()

    def pipeline(self, commands):
        self.socket.sendall(b"".join(command(*arguments) for arguments in commands))
        return [self.reply() for _ in commands]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
