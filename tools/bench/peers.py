#!/usr/bin/env python3
"""inferd's engine beside ncnn, ONNX Runtime, LiteRT and OpenVINO: the same networks, inputs and numbers of threads.

Each measurement is a process of its own that loads the network, warms up and runs it many times.  The runtimes take
turns, in another order each round, so that a neighbour on the machine meets all of them; ratios are taken within a
round, and their median over the rounds is told.  Memory is what a process grew by since before it loaded the network.
What each runtime answers is compared.  Prints tables as Markdown; exits with 1 where an answer of inferd's is not that of
its peers.

    tools/bench/peers.py                               all networks on 1 and 2 threads
    tools/bench/peers.py --networks MobileNetV2 --threads 2 --rounds 3
    tools/bench/peers.py --busy                        2 threads beside a process that keeps one core busy
    tools/bench/peers.py --layers                      single convolutions beside ONNX Runtime

The first run installs the runtimes into --venv and makes the networks there; that needs the package registry of Python.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time

import peer_setup

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT_S = 900  # of one measurement


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="these alone (also parts of names)")
    parser.add_argument("--runtimes", nargs="+", metavar="NAME", help="these alone")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=50, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round that would end later than this")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--busy", action="store_true", help="idle on 1 thread, then on 2 with one core kept busy")
    mode.add_argument("--layers", action="store_true", help="single convolutions")
    mode.add_argument("--list", action="store_true", help="print the names of the networks and stop")
    mode.add_argument("--report", type=pathlib.Path, metavar="FILE", help="print the tables of an earlier --json and stop")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write all that was measured there, too")
    parser.add_argument("--venv", type=pathlib.Path, default=peer_setup.ROOT / "build" / "peers")
    parser.add_argument("--data", type=pathlib.Path, help="folder of test data (default: $INFERD_TEST_DATA)",
                        default=os.environ.get("INFERD_TEST_DATA", peer_setup.ROOT.parent / "shared"))
    parser.add_argument("--inferd-model", type=pathlib.Path,
                        default=peer_setup.ROOT / "build" / "tools" / "inferd-model" / "inferd-model")
    args = parser.parse_args()
    args.venv = args.venv.absolute()
    return args


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


# ---- one measurement --------------------------------------------------------------------------------


@dataclasses.dataclass
class Sample:
    network: str
    runtime: str
    threads: int
    busy: bool
    round: int
    file: str = ""
    ms: list = dataclasses.field(default_factory=list)
    cpu_ms: float = 0.0
    load_ms: float = 0.0
    rest_kb: int = 0
    peak_kb: int = 0
    error: str = ""


class Bench:
    """Where inputs and outputs of the processes lie, and how they are called."""

    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        # What is set for a whole session would bind some runtimes and not others.
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "KMP_", "GOMP_", "INFERD_"))}

    def outputs(self, network, runtime):
        return self.folder / re.sub(r"\W", "_", f"{network.name} {runtime}")

    def input(self, network, kind):
        import numpy as np
        path = self.folder / re.sub(r"\W", "_", f"{network.name} {kind}")
        if not path.with_suffix(".npy").exists():
            np.save(path, network.tensor(kind))
        return path.with_suffix(".npy")

    def command(self, network, runtime, kind, threads, runs):
        tail = ["--threads", threads, "--runs", runs]
        paths = self.input(network, kind), self.outputs(network, runtime)
        if runtime == "inferd":
            return [self.args.inferd_model, "run", network.files[kind], "-i", paths[0], "-o", paths[1], *tail]
        return [sys.executable, HERE / "peer.py", runtime, network.files[kind], "--input", paths[0], "--out", paths[1],
                *tail]

    def measure(self, sample, network):
        kind = network.kind_for(sample.runtime)
        sample.file = network.files[kind].name
        try:
            with busy_core() if sample.busy else contextlib.nullcontext():
                done = self.run(self.command(network, sample.runtime, kind, sample.threads, self.args.runs))
            for key, value in json.loads(done.stdout.strip().splitlines()[-1]).items():
                if hasattr(sample, key) and key != "threads":
                    setattr(sample, key, value)
        except subprocess.CalledProcessError as error:
            sample.error = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1][-300:]
        except subprocess.TimeoutExpired:
            sample.error = f"not done after {TIMEOUT_S} s"
        return sample

    def answer_reference(self, network):
        """Outputs of the reference where no measurement has left them."""
        runtime, kind = network.reference
        if not self.outputs(network, runtime).exists():
            self.run(self.command(network, runtime, kind, 1, 1))

    def peak_gflops(self, network, threads):
        """What multiply-adds alone reach at this moment."""
        file = next(iter(network.files.values()))
        done = self.run([self.args.inferd_model, "bench", file, "--threads", threads, "--runs", 1, "--json"])
        return json.loads(done.stdout)["peak_gflops"]

    def run(self, command):
        return subprocess.run([str(word) for word in command], env=self.environment, capture_output=True, text=True,
                              check=True, timeout=TIMEOUT_S)


@contextlib.contextmanager
def busy_core():
    """A process that never rests, on whichever core the kernel puts it."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        time.sleep(0.2)  # until its interpreter has started
        try:
            yield
        finally:
            process.kill()


# ---- the order of measurements ----------------------------------------------------------------------


def runtimes_for(args, network):
    """OpenVINO at float32 and as it comes; of an int8 network it makes integers either way."""
    import peer_networks
    wanted = args.runtimes or (["inferd", "onnxruntime"] if args.layers else list(peer_networks.READS))
    return [runtime for runtime in wanted if network.kind_for(runtime) and
            not (runtime == "openvino" and network.precision == "int8")]


def schedule(args, networks):
    """Samples to be taken, in their order, each with its network."""
    loads = [(1, False), (2, True)] if args.busy else [(threads, False) for threads in args.threads]
    for number in range(args.rounds):
        for network in networks:
            runtimes = runtimes_for(args, network)
            first = number % max(len(runtimes), 1)
            for threads, busy in loads:
                for runtime in runtimes[first:] + runtimes[:first]:
                    yield Sample(network.name, runtime, threads, busy, number), network


def take_all(args, bench, networks):
    samples, failed = [], set()
    planned, start = list(schedule(args, networks)), time.monotonic()
    for done, (sample, network) in enumerate(planned):
        taken_s = time.monotonic() - start
        if done % (len(planned) // args.rounds) == 0 and sample.round and \
                taken_s * (sample.round + 1) / sample.round > 60 * args.minutes:
            break
        left_s = taken_s / done * (len(planned) - done) if done else 0
        progress(f"{done} of {len(planned)}: round {sample.round + 1}, {sample.network}, {sample.runtime}, "
                 f"{sample.threads} threads" + f"; about {left_s / 60:.0f} min left" * bool(done))
        if (sample.network, sample.runtime) in failed:
            continue
        samples.append(bench.measure(sample, network))
        if sample.error:
            failed.add((sample.network, sample.runtime))
    progress("")
    return samples


# ---- networks and the machine -----------------------------------------------------------------------


def chosen(args):
    """Networks with their files; those of whom there is none are told and left out."""
    import logging
    import warnings
    import peer_layers
    import peer_networks
    warnings.simplefilter("ignore")  # of tracing
    logging.disable(logging.WARNING)  # of the quantisation tool
    folder = args.venv / "networks"
    if args.layers:
        made = peer_layers.networks(folder / "layers")
        return [n for n in made if is_wanted(args, n)]
    peer_networks.prepare_folder(folder)
    networks = []
    for network in filter(lambda n: is_wanted(args, n), peer_networks.NETWORKS):
        progress(f"making {network.name}")
        network = peer_networks.prepare(network, folder, pathlib.Path(args.data), peer_setup.tensorflow(args.venv))
        if not network.files:
            print(f"{network.name}: left out, there is no file of it", file=sys.stderr)
            continue
        networks.append(network)
    return networks


def is_wanted(args, network):
    """A whole name is that network alone, anything else a part of names."""
    import peer_networks
    whole = {other.name.lower() for other in peer_networks.NETWORKS}
    return not args.networks or any(name.lower() == network.name.lower() if name.lower() in whole else
                                    name.lower() in network.name.lower() for name in args.networks)


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", text, re.M)
    wide = [f for f in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
            if flags and f in flags.group(1).split()]
    return {"processor": model.group(1) if model else platform.machine(), "cpus": len(os.sched_getaffinity(0)),
            "features": wide, "runtimes": list(peer_setup.RUNTIMES)}


def main():
    args = parse_args()
    peer_setup.enter(args.venv, with_tensorflow=not (args.layers or args.report or args.list))
    import peer_networks
    import peer_report
    if args.list:
        print("\n".join(network.name for network in peer_networks.NETWORKS))
        return
    if args.report:
        sys.exit(peer_report.print_all(json.loads(args.report.read_text())))
    if not os.access(args.inferd_model, os.X_OK):
        sys.exit(f"{args.inferd_model} is not there: build it, or give --inferd-model")
    networks = chosen(args)
    if not networks:
        sys.exit("no network of these names; see --list")
    with tempfile.TemporaryDirectory(prefix="inferd-peers-") as folder:
        bench = Bench(args, folder)
        samples = take_all(args, bench, networks)
        record = {"machine": machine(), "mode": "busy" if args.busy else "layers" if args.layers else "networks",
                  "rounds": samples[-1].round + 1, "runs": args.runs,
                  "networks": [{"name": n.name, "precision": n.precision, "twin": n.twin, "macs": n.macs} for n in networks],
                  "agreement": [row for n in networks for row in peer_report.agreement(bench, n, runtimes_for(args, n))],
                  "peak_gflops": {t: max(bench.peak_gflops(networks[0], t) for _ in range(args.rounds))
                                  for t in args.threads} if args.layers else {},
                  "samples": [dataclasses.asdict(s) for s in samples]}
    record = json.loads(json.dumps(record))
    if args.json:
        args.json.write_text(json.dumps(record) + "\n")
    sys.exit(peer_report.print_all(record))


if __name__ == "__main__":
    main()
