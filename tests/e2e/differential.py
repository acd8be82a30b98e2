"""The same random commands to two servers, whose replies must be equal.

Commands go in batches over a few connections, one batch at a time; a last request with a known
answer shows that a batch is done. Whatever differs is shrunk by replaying before it is reported.
"""

import random
import time

BATCH_MAX = 200


class Difference(Exception):
    """The servers disagreed; says what each replied."""


def dealt(commands, connections, seed):
    """Each command with the connection that sends it: runs of them, of several lengths. It stays with it when others
    are left out."""
    dice = random.Random(seed)
    plan, connection, run = [], 0, 0
    for command in commands:
        if run == 0:
            connection, run = dice.randrange(connections), dice.choice([1, 2, 10, 50, BATCH_MAX])
        plan.append((connection, command))
        run -= 1
    return plan


def batches(plan):
    """Cuts a plan into what one connection sends at once, and says how far that is. A command is a list of requests,
    which stay together."""
    batch, owner = [], None
    for position, (connection, command) in enumerate(plan):
        if batch and (connection != owner or len(batch) >= BATCH_MAX):
            yield owner, batch, position
            batch = []
        owner = connection
        batch = batch + command if batch else list(command)
    if batch:
        yield owner, batch, len(plan)


def replay(open_sides, compare, plan):
    """Runs all of it on fresh connections; raises Difference, which knows how many commands had been sent."""
    sides = open_sides()
    try:
        for connection, run, position in batches(plan):
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


def shrunk(open_sides, compare, plan, seconds):
    """Fewer commands that still differ, and how; None when replaying them does not differ again."""

    def differs(some):
        try:
            replay(open_sides, compare, some)
        except Difference as difference:
            return some[: difference.commands_sent], str(difference)
        return None

    first = differs(plan)
    if first is None:
        return None
    plan, last = first
    deadline = time.monotonic() + seconds
    size = len(plan) // 2
    while size and time.monotonic() < deadline:
        start = 0
        while start < len(plan) and time.monotonic() < deadline:
            fewer = differs(plan[:start] + plan[start + size :])
            if fewer is None:
                start += size
            else:
                plan, last = fewer
        size = min(size, len(plan)) // 2
    return plan, last


def check(open_sides, compare, commands, connections, seed, show, shrink_seconds):
    """Fails with the seed, what differed, and the smallest list of commands found that shows it."""
    plan = dealt(commands, connections, seed)
    try:
        replay(open_sides, compare, plan)
        return
    except Difference as difference:
        told = str(difference)
        plan = plan[: difference.commands_sent]
    try:
        small = shrunk(open_sides, compare, plan, shrink_seconds)
    except (OSError, AssertionError) as failure:
        small, told = None, f"{told}\n(shrinking ended: {failure})"
    if small is None:
        raise AssertionError(f"seed {seed}: {told}\n(did not differ when it was replayed)")
    few, told_small = small
    listing = "\n".join(f"    {connection}: {show(part)}" for connection, command in few[-40:] for part in command)
    raise AssertionError(f"seed {seed}: {told}\nsmallest case, {len(few)} commands:\n{listing}\n{told_small}")
