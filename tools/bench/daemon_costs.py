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
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time


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


def find(build, name):
    found = [p for p in pathlib.Path(build).rglob(name) if p.is_file() and os.access(p, os.X_OK)]
    if not found:
        sys.exit(f"{name} is not below {build}: build it first")
    return str(found[0])


class Daemon:
    def __init__(self, args):
        self.dir = tempfile.mkdtemp(prefix="inferd-costs-")
        self.socket = f"{self.dir}/inferd.sock"
        self.ctl = [find(args.build, "inferctl"), "--socket", self.socket]
        config = f"{self.dir}/inferd.yaml"
        network = os.path.abspath(args.network)
        pathlib.Path(config).write_text(
            f"socket: {self.socket}\nmodels:\n  - name: m\n    task: classify\n    deadline_ms: 1000\n"
            f"    variants:\n      - {{name: only, file: {network}, accuracy: 0.7}}\n")
        self.process = subprocess.Popen(
            [find(args.build, "inferd"), "--config", config, "--state-dir", self.dir],
            stderr=open(f"{self.dir}/log", "wb"))
        deadline = time.monotonic() + 30
        while subprocess.run(self.ctl + ["status"], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit("the daemon did not come up:\n" + pathlib.Path(f"{self.dir}/log").read_text())
            time.sleep(0.05)

    def stat(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        tick = os.sysconf("SC_CLK_TCK")
        return {"minflt": int(fields[7]), "majflt": int(fields[9]),
                "cpu_ms": (int(fields[11]) + int(fields[12])) * 1000 / tick}

    def cpu_ns(self):
        """Run time of all threads from schedstat: nanoseconds, where ticks would be 10 ms."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def rss_kb(self):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1])

    def fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def bench(self, args, seconds):
        out = subprocess.run(self.ctl + ["--json", "bench", "m", "--seconds", str(seconds), "--size", args.size,
                                         "--format", args.format], capture_output=True, text=True, check=True)
        return json.loads(out.stdout.strip().splitlines()[-1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)
        return code


CALLS = ("mmap", "munmap", "mremap", "brk", "memfd_create", "madvise")


def count_calls(daemon, args):
    """System calls that allocate, in a stretch of frames long after the stream was opened."""
    log = f"{daemon.dir}/strace"
    bench = subprocess.Popen(daemon.ctl + ["--json", "bench", "m", "--seconds", str(args.seconds), "--size", args.size,
                                           "--format", args.format], stdout=subprocess.PIPE, text=True)
    time.sleep(args.seconds / 3)
    before = daemon.stat()
    trace = subprocess.Popen(["strace", "-f", "-q", "-e", "trace=" + ",".join(CALLS) + ",recvmsg", "-o", log,
                              "-p", str(daemon.process.pid)], stderr=subprocess.DEVNULL)
    time.sleep(args.seconds / 3)
    trace.send_signal(signal.SIGINT)
    trace.wait()
    after = daemon.stat()
    bench.communicate()
    text = pathlib.Path(log).read_text()
    counts = {call: len(re.findall(rf"\b{call}\(", text)) for call in CALLS}
    counts["descriptors"] = text.count("SCM_RIGHTS")
    counts["messages"] = len(re.findall(r"recvmsg\(.*\) = [1-9]", text))
    counts["faults"] = after["minflt"] + after["majflt"] - before["minflt"] - before["majflt"]
    return counts


def main():
    args = parse_args()
    daemon = Daemon(args)
    print(f"resident with the model loaded: {daemon.rss_kb() / 1024:.1f} MB")
    cpu = daemon.cpu_ns()
    time.sleep(args.idle_seconds)
    print(f"idle: {(daemon.cpu_ns() - cpu) / 1e6:.2f} ms of CPU in {args.idle_seconds:g} s")

    ratios = []
    for i in range(args.rounds):
        fds = daemon.fds()
        result = daemon.bench(args, args.seconds)
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
