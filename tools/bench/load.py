#!/usr/bin/env python3
"""A neighbour that comes and goes: competes for one core in phases of seconds, the same ones for the same seed.

Rest and work alternate, both of exponential length.  While it works, one process or two compute or copy memory,
which of it is drawn anew for every phase.  Ends by itself, or with the process that started it.
"""
import argparse
import dataclasses
import os
import random
import time

PROCESSES_MAX = 2
COPIED_BYTES = 8 << 20  # more than a core's own caches
SHORTEST_S = 0.5


@dataclasses.dataclass
class Phase:
    end_s: float
    kinds: tuple  # of each process that works: "compute" or "memory"


def schedule(seed, seconds, rest_s, work_s):
    """Phases from 0 to `seconds`, the first one at rest."""
    chosen = random.Random(seed)
    phases, end_s = [], 0.0
    while end_s < seconds:
        working = len(phases) % 2 == 1
        end_s += max(SHORTEST_S, chosen.expovariate(1 / (work_s if working else rest_s)))
        n = chosen.randint(1, PROCESSES_MAX) if working else 0
        phases.append(Phase(min(end_s, seconds), tuple(chosen.choice(("compute", "memory")) for _ in range(n))))
    return phases


def compute():
    total = 0
    for i in range(20000):
        total += i * i
    return total


def follow(phases, rank, start):
    """What the process of this rank does in each phase; both look at the clock every few milliseconds."""
    parent = os.getppid()
    source, target = bytes(COPIED_BYTES), bytearray(COPIED_BYTES)
    for phase in phases:
        while (left_s := start + phase.end_s - time.monotonic()) > 0 and os.getppid() == parent:
            if rank >= len(phase.kinds):
                time.sleep(min(left_s, 0.1))
            elif phase.kinds[rank] == "compute":
                compute()
            else:
                target[:] = source


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rest", type=float, default=8, metavar="SECONDS", help="mean length of a phase at rest")
    parser.add_argument("--work", type=float, default=6, metavar="SECONDS", help="mean length of a phase of work")
    return parser.parse_args()


def main():
    args = parse_args()
    os.sched_setaffinity(0, {args.core})
    phases = schedule(args.seed, args.seconds, args.rest, args.work)
    start = time.monotonic()
    starter = os.getppid()
    children = []
    for rank in range(PROCESSES_MAX):
        pid = os.fork()
        if pid == 0:
            follow(phases, rank, start)
            os._exit(0)
        children.append(pid)
    while time.monotonic() < start + args.seconds and os.getppid() == starter:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
