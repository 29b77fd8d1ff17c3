"""What a template of this machine can do at best. ``python -m latchwork.bench.template_limits MODULE:APP COUNT``.

Prepares the process as ``executor/template.py`` does (imports the app, rehearses, freezes the heap), then forks
children that exit at once. Prints one JSON object: ``fork_exit_per_s`` one after the other, ``fork_exit_abreast_per_s``
with two in flight, ``pipe_round_trip_ms`` between this process and a fork of it.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time

from latchwork.executor import child, template

ABREAST = 2
ROUND_TRIPS = 1_000


def main(target: str, count: int) -> None:
    """Measure and print."""
    template.load(target)
    for _ in range(template.REHEARSALS):
        child.rehearse()
    gc.collect()
    gc.freeze()
    found = {
        "fork_exit_per_s": forks_per_s(count, 1),
        "fork_exit_abreast_per_s": forks_per_s(count, ABREAST),
        "pipe_round_trip_ms": pipe_round_trip_ms(),
    }
    print(json.dumps(found))


def forks_per_s(count: int, abreast: int) -> float:
    """Return how many children a second can be forked, end, and be reaped, ``abreast`` at a time."""
    begin = time.perf_counter()
    running = 0
    for _ in range(count):
        if running == abreast:
            os.wait()
            running -= 1
        if os.fork() == 0:
            os._exit(0)
        running += 1
    for _ in range(running):
        os.wait()
    return count / (time.perf_counter() - begin)


def pipe_round_trip_ms() -> float:
    """Return the median time in which a byte goes to another process and comes back."""
    there, back = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(there[1])
        while os.read(there[0], 1):
            os.write(back[1], b"x")
        os._exit(0)
    took = []
    for _ in range(ROUND_TRIPS):
        begin = time.perf_counter()
        os.write(there[1], b"x")
        os.read(back[0], 1)
        took.append(time.perf_counter() - begin)
    os.close(there[1])
    os.wait()
    return statistics.median(took) * 1e3


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
