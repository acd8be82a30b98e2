"""The same random commands to two servers, whose replies must be equal.

Commands go in batches over a few connections, one batch at a time; a last request with a known
answer shows that a batch is done. Whatever differs is shrunk by replaying before it is reported.
"""

import random
import time

BATCH_MAX = 200
SHRINK_S = 20


class Difference(Exception):
    """The servers disagreed; says what each replied."""


def batches(commands, connections, seed):
    """Cuts a list of commands into runs for one connection each. A run is a list; it never ends inside of what
    must stay together (a command that is itself a list)."""
    dice = random.Random(seed)
    position = 0
    while position < len(commands):
        count = dice.choice([1, 2, 10, 50, BATCH_MAX])
        run = commands[position : position + count]
        position += count
        yield dice.randrange(connections), [part for command in run for part in command], position


def replay(open_sides, compare, commands, connections, seed):
    """Runs all of it on fresh connections; raises Difference, which knows how many commands had been sent."""
    sides = open_sides()
    try:
        for connection, run, position in batches(commands, connections, seed):
            for side in sides:
                side.send(connection, run)
            try:
                compare(run, *[side.receive(connection) for side in sides])
            except Difference as difference:
                difference.commands_sent = position
                raise
    finally:
        for side in sides:
            side.close()


def shrunk(open_sides, compare, commands, connections, seed):
    """Fewer commands that still differ, and how; None when replaying them does not differ again."""

    def differs(some):
        try:
            replay(open_sides, compare, some, connections, seed)
        except Difference as difference:
            return some[: difference.commands_sent], str(difference)
        return None

    first = differs(commands)
    if first is None:
        return None
    commands, last = first
    deadline = time.monotonic() + SHRINK_S
    size = len(commands) // 2
    while size and time.monotonic() < deadline:
        start = 0
        while start < len(commands) and time.monotonic() < deadline:
            fewer = differs(commands[:start] + commands[start + size :])
            if fewer is None:
                start += size
            else:
                commands, last = fewer
        size = min(size, len(commands)) // 2
    return commands, last


def check(open_sides, compare, commands, connections, seed, show):
    """Fails with the seed, what differed, and the smallest list of commands found that shows it."""
    try:
        replay(open_sides, compare, commands, connections, seed)
        return
    except Difference as difference:
        told = str(difference)
        commands = commands[: difference.commands_sent]
    try:
        small = shrunk(open_sides, compare, commands, connections, seed)
    except (OSError, AssertionError) as failure:
        small, told = None, f"{told}\n(shrinking ended: {failure})"
    if small is None:
        raise AssertionError(f"seed {seed}: {told}\n(did not differ when it was replayed)")
    few, told_small = small
    listing = "\n".join("    " + show(part) for command in few[-40:] for part in command)
    raise AssertionError(f"seed {seed}: {told}\nsmallest case, {len(few)} commands:\n{listing}\n{told_small}")
