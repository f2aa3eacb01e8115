#!/usr/bin/env python3
"""How much faster converted networks load than their originals, and whether processes share their pages.

Each network is converted, then both files are loaded in turns by `inferd-model bench` (the median of its loads, from
the page cache).  Then two processes run the converted file at once: what each has resident of it, and its proportional
share (Pss of /proc/PID/smaps), which is half of that where there is one copy.

    tools/bench/converted.py [--inferd-model PROGRAM] [--rounds 5] FILE...
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

FIELDS = ("Rss", "Pss")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    parser.add_argument("--inferd-model", default="build/tools/inferd-model/inferd-model")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def load_ms(program, path):
    made = subprocess.run([program, "bench", path, "--threads", "1", "--runs", "1", "--json"], check=True,
                          capture_output=True, text=True)
    return json.loads(made.stdout)["load_ms"]


def mapped_kb(pid, path):
    """Resident and proportional kilobytes of a file in a process."""
    totals, inside = dict.fromkeys(FIELDS, 0), False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = words[-1] == str(path)
        elif inside and words[0][:-1] in FIELDS:
            totals[words[0][:-1]] += int(words[1])
    return totals


def sharing(program, path):
    """Mapped kilobytes in each of two processes that run the file, once both have it resident."""
    command = [program, "bench", path, "--threads", "1", "--runs", "1000000"]
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        size_kb, deadline = path.stat().st_size / 1024, time.monotonic() + 60
        while True:
            shares = [mapped_kb(process.pid, path) for process in running]
            if min(share["Rss"] for share in shares) > 0.9 * size_kb or time.monotonic() > deadline:
                return shares
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
            process.wait()


def main():
    args = parse_args()
    print("| network | loads in, original | converted | ratio (of the rounds) | resident in each of two | share of each |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for path in args.files:
            converted = pathlib.Path(folder, path.name + ".inferd")
            subprocess.run([args.inferd_model, "convert", path, converted], check=True, capture_output=True)
            rounds = [(load_ms(args.inferd_model, path), load_ms(args.inferd_model, converted))
                      for _ in range(args.rounds)]
            before, after = (statistics.median(values) for values in zip(*rounds))
            ratios = sorted(a / b for a, b in rounds)
            shares = sharing(args.inferd_model, converted)
            resident, share = (max(s[field] for s in shares) / 1024 for field in FIELDS)
            print(f"| {path.name} | {before:.2f} ms | {after:.2f} ms | {statistics.median(ratios):.1f} "
                  f"({ratios[0]:.1f} to {ratios[-1]:.1f}) | {resident:.1f} MB | {share:.1f} MB |", flush=True)


if __name__ == "__main__":
    main()
