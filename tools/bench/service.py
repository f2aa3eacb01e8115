#!/usr/bin/env python3
"""How the service behaves when many use it, some of them badly, and when it or they die.

  clients   throughput, Jain's index and shares with 1, 4, 16 and 64 clients, and with weights 1:2:4
  flood     a polite client's latency alone and beside floods: frames, garbage, oversized headers, unread answers
  reloads   good, bad and replacing ones under load: frames, memory and descriptors
  restart   kill -9 of the daemon under load: how soon every client has answers again, what became of the frames
  deaths    clients that are killed or stopped and killed at random points: how soon what they held is returned
  unload    resident memory before a model is added, with it, and after it was removed

Measure while nothing else runs.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

from daemon import Daemon

SIZE = ("--size", "320x240")
WARM_RELOADS = 200
ONE_LANE = "lanes: [{name: main, cpus: 0, threads: 1}]\n"
# All of these clients belong to one user.
MANY = "limits: {clients_per_user: 256, messages_per_second: 100000}\nmemory_budget_mb: 1024\n"


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=["clients", "flood", "reloads", "restart", "deaths", "unload"])
    parser.add_argument("--build", default="build", help="build folder with daemon/inferd and client-lib/inferctl")
    parser.add_argument("--network", required=True, help="network file of the model that is served")
    parser.add_argument("--other", help="a network of the same task, which replaces it in reloads")
    parser.add_argument("--seconds", type=float, default=60, help="of each stretch")
    parser.add_argument("--count", type=int, default=1000, help="reloads and deaths")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def percent(value, base):
    return 100 * (value - base) / base


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


# ---- many clients -----------------------------------------------------------------------------------


def measure_clients(args):
    daemon = Daemon(args.build, args.network, settings=MANY)
    single = 0
    for n in (1, 4, 16, 64):
        result = daemon.bench("m", "--clients", n, "--deadline", 60000, "--seconds", args.seconds, *SIZE)
        single = single or result["fps"]
        print(f"{n} clients: {result['fps']:.1f} frames/s ({100 * result['fps'] / single:.1f} % of one client's), "
              f"Jain's index {result['fairness']:.4f}, p50 {result['ms']['p50']:.1f} ms, p99 {result['ms']['p99']:.1f} ms, "
              f"dropped {result['dropped']}")
    for n in (3, 63):
        result = daemon.bench("m", "--clients", n, "--deadline", 60000, "--weights", "1,2,4", "--in-flight", 3, "--seconds", args.seconds,
                              *SIZE)
        sums = [sum(c["fps"] for c in result["by_client"] if c["weight"] == w) for w in (1, 2, 4)]
        unit = sum(sums) / 7
        off = max(abs(percent(client["fps"] * n / 3, unit * client["weight"])) for client in result["by_client"])
        print(f"{n} clients of weights 1, 2 and 4: shares " + " : ".join(f"{s / unit:.3f}" for s in sums) +
              f", the furthest client {off:.1f} % off")
    daemon.stop()


# ---- floods -----------------------------------------------------------------------------------------


MAGIC = int.from_bytes(b"INF\x01", "little")


def dial(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def message(kind, body, length=None):
    return struct.pack("<IHHII", MAGIC, kind, 0, len(body) if length is None else length, 1) + body


HELLO = message(1, bytes([0x82, 1, 1, 2, 0xA5]) + b"flood")
OPEN = message(3, bytes([0x83, 4, 0xA1]) + b"m" + bytes([6, 16, 7, 0xCE]) + struct.pack(">I", 320 * 240))
# Another slot each, gray, 320x240.
FRAMES = b"".join(message(6, bytes([0x87, 14, 1, 16, slot + 1, 17, slot, 18, 8, 20, 0xCD]) + struct.pack(">H", 320) +
                          bytes([21, 240, 23, 0x91, 0xCD]) + struct.pack(">H", 320)) for slot in range(16))


def flood(path, how):
    """Never ends by itself; a new connection whenever the daemon has had enough."""
    noise = random.Random(1).randbytes(1 << 16)
    while True:
        try:
            connection = dial(path)
            if how == "garbage":
                connection.sendall(noise)
            elif how == "oversized":
                connection.sendall(HELLO + message(6, b"", 0xFFFFFFFF) + noise)
            else:
                connection.sendall(HELLO + OPEN)
                while True:
                    connection.sendall(FRAMES)
                    if how == "frames":
                        connection.recv(1 << 20, socket.MSG_DONTWAIT)
        except (OSError, BlockingIOError):
            pass


def start_flood(path, how):
    pid = os.fork()
    if pid == 0:
        if os.getuid() == 0:
            os.setuid(65534)  # owners are free to flood themselves
        # What is measured is what the daemon makes of it, not two processes on one core.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        flood(path, how)
    return pid


def polite(daemon, seconds):
    return daemon.bench("m", "--fps", 5, "--seconds", seconds, "--deadline", 150, *SIZE)


def measure_flood(args):
    daemon = Daemon(args.build, args.network, settings=ONE_LANE + "access: {mode: 0666}\n")
    os.chmod(daemon.dir, 0o755)
    inference = daemon.bench("m", "--seconds", 3, *SIZE)["service_ms"]["p50"]
    print(f"one frame takes {inference:.2f} ms, the lane has core 0, the flood another")
    alone = polite(daemon, args.seconds)
    for how in ("frames", "unread", "garbage", "oversized"):
        pid = start_flood(daemon.socket, how)
        beside = polite(daemon, args.seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        again = polite(daemon, args.seconds)
        base = statistics.mean((alone["ms"]["p99"], again["ms"]["p99"]))
        allowed = 1.1 * base + inference
        print(f"{how}: p50 {alone['ms']['p50']:.2f} -> {beside['ms']['p50']:.2f} ms, p99 {base:.2f} -> "
              f"{beside['ms']['p99']:.2f} ms (10 % and one inference: {allowed:.2f}), late or dropped "
              f"{alone['late'] + alone['dropped']} -> {beside['late'] + beside['dropped']} of {beside['sent']}")
        alone = again
    daemon.stop()


# ---- reloads ----------------------------------------------------------------------------------------


def measure_reloads(args):
    networks = [os.path.abspath(args.network), os.path.abspath(args.other or args.network)]
    other = ("  - {name: n, task: classify, deadline_ms: 60000, "
             f"variants: [{{name: only, file: {networks[0]}, accuracy: 0.7}}]}}\n")

    def models(top_k, network):
        return (f"  - name: m\n    task: classify\n    deadline_ms: 60000\n    top_k: {top_k}\n"
                f"    variants: [{{name: only, file: {network}, accuracy: 0.7}}]\n" + other)

    daemon = Daemon(args.build, models=models(5, networks[0]), settings=MANY)
    chosen = random.Random(args.seed)
    print(f"seed {args.seed}")
    load = daemon.start_bench("m", "n", "--clients", 4, "--fps", 20, "--seconds", 86000, *SIZE)

    while daemon.query("status")["streams"] < 4:
        time.sleep(0.1)

    def settled():
        """Memory and descriptors with the configuration of the start; under load, so the median of several looks."""
        looks = []
        for _ in range(15):
            daemon.configure(models(5, networks[0]))
            if daemon.inferctl("reload").returncode != 0:
                sys.exit("a good reload failed")
            daemon.query("status")
            looks.append((daemon.own_kb(), daemon.fds()))
        return sorted(looks)[len(looks) // 2]

    counts = {"good": 0, "bad": 0, "replacing": 0}
    top_k, network = 5, networks[0]

    def reload():
        nonlocal top_k, network
        kind = chosen.choice(list(counts))
        counts[kind] += 1
        if kind == "good":
            top_k = 1 + top_k % 9
        if kind == "replacing":
            network = networks[network == networks[0]]
        daemon.configure("  - {name: m, task: classify, top_kk: 1}\n" if kind == "bad" else models(top_k, network))
        if (daemon.inferctl("reload").returncode == 0) != (kind != "bad"):
            sys.exit(f"a {kind} reload did not end as it must")

    # What grows once is not what grows with each.
    looks = [settled()]
    start = time.monotonic()
    for i in range(args.count + WARM_RELOADS):
        progress(f"reload {i} of {args.count + WARM_RELOADS}")
        reload()
        if i + 1 == WARM_RELOADS:
            looks.append(settled())
    took = time.monotonic() - start
    progress("")
    looks.append(settled())
    load.send_signal(signal.SIGTERM)
    load.wait()
    stats = daemon.query("stats")
    totals = {m["name"]: {k: v for k, v in m.items() if isinstance(v, int)} for m in stats["models"]}
    print(f"{args.count + WARM_RELOADS} reloads ({counts}) in {took:.0f} s: resident without pools {looks[0][0]} kB before, "
          f"{looks[1][0]} after {WARM_RELOADS}, {looks[2][0]} after all ({percent(looks[2][0], looks[1][0]):+.2f} %), "
          f"descriptors {looks[0][1]}, {looks[1][1]}, {looks[2][1]}")
    print(f"frames by model and outcome: {json.dumps(totals)}")
    daemon.stop()


# ---- deaths -----------------------------------------------------------------------------------------


def measure_restart(args):
    daemon = Daemon(args.build, args.network, settings=MANY)
    n = 8
    seconds = max(args.seconds, 20)
    load = daemon.start_bench("m", "--clients", n, "--fps", 20, "--seconds", seconds, *SIZE)
    times = []
    time.sleep(2)
    for _ in range(10):
        daemon.kill()
        time.sleep(0.3)
        start = time.monotonic()
        daemon.spawn()
        while True:
            out = daemon.inferctl("--json", "stats")
            if out.returncode == 0:
                streams = json.loads(out.stdout.strip().splitlines()[-1])["streams"]
                if len(streams) == n and all(stream["answered"] for stream in streams):
                    break
            if time.monotonic() - start > 10:
                sys.exit("the clients were not served again")
        times.append(time.monotonic() - start)
        time.sleep(0.5)
    result = daemon.end_bench(load)
    print(f"{len(times)} restarts after kill -9 with {n} clients at 20 frames/s: every client answered again after "
          f"{1e3 * statistics.median(times):.0f} ms in the median, {1e3 * max(times):.0f} ms at most")
    print(f"{result['sent']} frames: {result['answered']} answered, {result['drops']['lost']} reported lost, "
          f"{result['drops']['away']} not sent while the daemon was away, {result['dropped']} not answered in all; "
          f"sum {result['answered'] + result['dropped']}")
    daemon.stop()


def measure_deaths(args):
    daemon = Daemon(args.build, args.network, settings=MANY)
    chosen = random.Random(args.seed)
    print(f"seed {args.seed}")
    load = daemon.start_bench("m", "--fps", 20, "--seconds", 86000, *SIZE)

    def wait_baseline():
        time.sleep(1)
        return daemon.fds(), daemon.pools()

    def one(stop):
        client = subprocess.Popen(daemon.ctl + ["bench", "m", "--streams", "2", "--in-flight", "3", *SIZE],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chosen.uniform(0, 0.08))
        if stop:
            client.send_signal(signal.SIGSTOP)
            time.sleep(chosen.uniform(0, 0.02))
        client.kill()
        client.wait()
        start = time.monotonic()
        while (daemon.fds(), daemon.pools()) != baseline:
            if time.monotonic() - start > 5:
                sys.exit(f"not returned: {daemon.fds()} descriptors and {daemon.pools()} pools, {baseline} before")
        return time.monotonic() - start

    baseline = wait_baseline()
    for i in range(50):
        one(i % 2)
    before = daemon.rss_kb()
    times = []
    for i in range(args.count):
        progress(f"death {i} of {args.count}")
        times.append(one(i % 2))
    progress("")
    times.sort()
    after = daemon.rss_kb()
    late = sum(t > 0.01 for t in times)
    print(f"{args.count} deaths, half of them of stopped clients: descriptors and pools returned after "
          f"{1e3 * times[len(times) // 2]:.2f} ms in the median, p99 {1e3 * times[int(len(times) * 0.99)]:.2f} ms, "
          f"at most {1e3 * times[-1]:.2f} ms, {late} over 10 ms; resident {before} -> {after} kB "
          f"({percent(after, before):+.2f} %)")
    load.kill()
    load.wait()
    daemon.stop()


def measure_unload(args):
    small = ("  - {name: small, task: classify, "
             f"variants: [{{name: only, file: {os.path.abspath(args.other or args.network)}, accuracy: 0.5}}]}}\n")
    daemon = Daemon(args.build, models=small, settings=MANY)
    extra = f"{daemon.dir}/extra.yaml"
    pathlib.Path(extra).write_text("models:\n  - {name: m, task: classify, "
                                   f"variants: [{{name: only, file: {os.path.abspath(args.network)}, accuracy: 0.7}}]}}\n")
    daemon.bench("small", "--seconds", 1, *SIZE)
    before = daemon.rss_kb()
    peaks, rests = [], []
    for i in range(50):
        progress(f"cycle {i} of 50")
        if daemon.inferctl("models", "add", extra).returncode != 0:
            sys.exit("the model was not added")
        daemon.bench("m", "--seconds", 0.2, *SIZE)
        peaks.append(daemon.rss_kb())
        daemon.inferctl("models", "remove", "m")
        daemon.query("status")
        rests.append(daemon.rss_kb())
    progress("")
    print(f"resident: {before} kB, {peaks[0]} with a second model, {rests[0]} when it was removed; after 25 such cycles "
          f"{rests[24]}, after 50 {rests[49]} ({percent(rests[49], rests[24]):+.1f} %)")
    daemon.stop()


def main():
    args = parse_args()
    for what in args.what:
        print(f"== {what}", flush=True)
        globals()[f"measure_{what}"](args)


if __name__ == "__main__":
    main()
