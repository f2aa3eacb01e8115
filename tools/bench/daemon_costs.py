#!/usr/bin/env python3
"""What the daemon itself costs: memory, idle CPU, and per-frame overhead, faults, mappings and descriptors.

Starts a daemon of its own with one model, then measures
  memory    resident set with the model loaded and no client
  idle      CPU time over a stretch without a stream
  overhead  submit to reply less waiting, preprocessing and inference, against a bare ping-pong (inferctl bench)
  faults    page faults per frame once warm, from /proc/PID/stat
  calls     mmap, munmap, brk, memfd_create and passed descriptors per frame once warm, counted with strace if there
"""
import argparse
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import time

from daemon import Daemon


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder with daemon/inferd and client-lib/inferctl")
    parser.add_argument("--network", required=True, help="network file of the model measured")
    parser.add_argument("--idle-seconds", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=10, help="of each benchmark")
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--format", default="nv12")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


CALLS = ("mmap", "munmap", "mremap", "brk", "memfd_create", "madvise")


def count_calls(daemon, args):
    """System calls that allocate, in a stretch of frames long after the stream was opened."""
    log = f"{daemon.dir}/strace"
    bench = daemon.start_bench("m", "--seconds", args.seconds, "--size", args.size, "--format", args.format)
    time.sleep(args.seconds / 3)
    before = daemon.stat()
    trace = subprocess.Popen(["strace", "-f", "-q", "-e", "trace=" + ",".join(CALLS) + ",recvmsg", "-o", log,
                              "-p", str(daemon.process.pid)], stderr=subprocess.DEVNULL)
    time.sleep(args.seconds / 3)
    trace.send_signal(signal.SIGINT)
    trace.wait()
    after = daemon.stat()
    daemon.end_bench(bench)
    text = pathlib.Path(log).read_text()
    counts = {call: len(re.findall(rf"\b{call}\(", text)) for call in CALLS}
    counts["descriptors"] = text.count("SCM_RIGHTS")
    counts["messages"] = len(re.findall(r"recvmsg\(.*\) = [1-9]", text))
    counts["faults"] = after["minflt"] + after["majflt"] - before["minflt"] - before["majflt"]
    return counts


def main():
    args = parse_args()
    daemon = Daemon(args.build, args.network)
    print(f"resident with the model loaded: {daemon.rss_kb() / 1024:.1f} MB")
    cpu = daemon.cpu_ns()
    time.sleep(args.idle_seconds)
    print(f"idle: {(daemon.cpu_ns() - cpu) / 1e6:.2f} ms of CPU in {args.idle_seconds:g} s")

    ratios = []
    for i in range(args.rounds):
        fds = daemon.fds()
        result = daemon.bench("m", "--seconds", args.seconds, "--size", args.size, "--format", args.format)
        ratio = result["overhead_us"]["p50"] / result["pingpong_us"]
        ratios.append(ratio)
        print(f"round {i + 1}: {result['fps']:.1f} fps, overhead p50 {result['overhead_us']['p50']:.1f} us, "
              f"p99 {result['overhead_us']['p99']:.1f} us, ping-pong {result['pingpong_us']:.1f} us, ratio {ratio:.2f}, "
              f"descriptors {daemon.fds() - fds:+d}")
    print(f"overhead / ping-pong, median of {args.rounds}: {statistics.median(ratios):.2f}")

    if shutil.which("strace"):
        counts = count_calls(daemon, args)
        print("while warm, " + ", ".join(f"{value} {name}" for name, value in counts.items()))
    else:
        print("calls not counted: strace is not installed")
    print(f"resident after: {daemon.rss_kb() / 1024:.1f} MB; exit status {daemon.stop()}")


if __name__ == "__main__":
    main()
