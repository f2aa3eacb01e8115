#!/usr/bin/env python3
"""The policy on the real daemon beside every static rung of the Pareto front, with and without a neighbour on its core.

First every rung runs all photographs once, unhurried: that gives its CPU time and its accuracy, with which the daemon is
configured, and the rate, at which the best rung alone would keep its core busy for the share asked for.  Then each
contender gets the same photographs in the same order at that rate, `--seconds` long, alone and beside tools/bench/load.py.
The policy starts cold and with the parameters that the daemon ships with; a static rung is pinned by the client.
Daemon, client and neighbour share one core.

A frame counts as wrong if its answer is late (over the deadline), if it was dropped (or could not be submitted for
want of a buffer), or if it was skipped wrongly (not run, though it shows another photograph than the frame that ran
last).  One that was skipped rightly counts as the answer before it.  (Photographs go as the JPEG files they are, of which
the daemon cannot tell before it decodes them whether they show something new: it should skip none.)

    tools/bench/policy_field.py --models DIR --images DIR --seconds 600 --cores 0,1 --json field.jsonl

DIR of the images holds the photographs and classes.txt, whose lines are "CLASS FILE"; that of the models quantised
classifiers whose first class is "background".  Measure while nothing else runs.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import queue
import random
import subprocess
import sys
import threading
import time

from daemon import Daemon

MODEL = "m"
POLICY = "policy"
ALONE, LOADED = "alone", "loaded"
UNHURRIED_MS = 60000
BACKGROUND = 1  # classes before the first of classes.txt
LOAD_LEAD_S = 1  # between the start of a neighbour and the first frame


@dataclasses.dataclass
class Rung:
    name: str
    variant: str
    ms: float
    accuracy: float


@dataclasses.dataclass
class Plan:
    """What is the same for all contenders."""
    args: argparse.Namespace
    classes: dict  # file -> class
    accuracy: dict  # variant -> share of photographs
    files: list  # in order of submission
    fps: float
    deadline_ms: int


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder with daemon/inferd and client-lib/inferctl")
    parser.add_argument("--models", type=pathlib.Path, required=True, metavar="DIR", help="*_quant.tflite")
    parser.add_argument("--images", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=60, help="of each contender (default 60)")
    parser.add_argument("--conditions", nargs="+", choices=[ALONE, LOADED], default=[ALONE, LOADED])
    parser.add_argument("--contenders", nargs="+", metavar="NAME", help="'policy' and rungs of the front (default all)")
    parser.add_argument("--cores", default="0", metavar="LIST", help="one contender at a time on each (default 0)")
    parser.add_argument("--mask", default="scalar", help="kernels, as INFERD_CPU_MASK has them (default scalar)")
    parser.add_argument("--busy", type=float, default=0.6, help="share of its core the best rung takes (default 0.6)")
    parser.add_argument("--periods", type=float, default=2, help="deadline in periods of the rate (default 2)")
    parser.add_argument("--hold", type=int, default=3, help="frames on which a photograph is seen, on average")
    parser.add_argument("--inputs", default="", metavar="LIST", help="further sizes, e.g. 192,160 (default none)")
    parser.add_argument("--rest", type=float, default=8, help="mean seconds for which the neighbour rests (default 8)")
    parser.add_argument("--work", type=float, default=6, help="mean seconds for which it works (default 6)")
    parser.add_argument("--seed", type=int, default=1, help="of the order of photographs and of the neighbour")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also one object a contender")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    args.cores = [int(core) for core in args.cores.split(",")]
    return args


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()


def read_classes(folder):
    lines = (folder / "classes.txt").read_text().splitlines()
    return {name: int(index) for index, name in (line.split(maxsplit=1) for line in lines if line.strip())}


# ---- daemon and client ------------------------------------------------------------------------------


def networks(args):
    found = {path.stem.removesuffix("_quant"): path for path in sorted(args.models.glob("*_quant.tflite"))}
    return found or sys.exit(f"no *_quant.tflite in {args.models}")


def start_daemon(args, core, deadline_ms, accuracy):
    """What this thread starts from here on has the one core."""
    os.sched_setaffinity(0, {core})
    models = f"  - name: {MODEL}\n    task: classify\n    deadline_ms: {deadline_ms}\n    inputs: [{args.inputs}]\n    variants:\n"
    for name, path in networks(args).items():
        models += f"      - {{name: {name}, file: {path.resolve()}, accuracy: {accuracy.get(name, 0.5)}}}\n"
    return Daemon(args.build, models=models, settings=f"lanes: [{{name: main, cpus: {core}, threads: 1}}]\n")


def run(daemon, images, files, *options):
    """Answers in the order in which they came, and how long it all took."""
    start = time.monotonic()
    done = subprocess.run(daemon.ctl + ["--json", "run", MODEL, "--top", "1", *options, *files], cwd=images,
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"inferctl run failed: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()], time.monotonic() - start


def is_right(answer, classes):
    return answer["results"][0]["index"] - BACKGROUND == classes[answer["file"]]


# ---- what the rungs are -----------------------------------------------------------------------------


def measure_rungs(args, classes):
    """CPU time, which is what an idle core would take, and accuracy of every rung; a variant's own size comes first."""
    daemon = start_daemon(args, args.cores[0], UNHURRIED_MS, {})
    rungs = []
    try:
        listed = daemon.query("models")["models"][0]["rungs"]
        for i, rung in enumerate(listed):
            progress(f"rung {i + 1} of {len(listed)}: {rung['name']}")
            before_ns = daemon.cpu_ns()
            answers, _ = run(daemon, args.images, classes, "--rung", rung["name"])
            right = sum(is_right(a, classes) for a in answers)
            rungs.append(Rung(rung["name"], rung["variant"], (daemon.cpu_ns() - before_ns) / 1e6 / len(answers),
                              right / len(answers)))
    finally:
        daemon.stop()
    progress("")
    return rungs


def pareto(rungs):
    """Best first."""
    front = [r for r in rungs if not any(o is not r and o.ms <= r.ms and o.accuracy >= r.accuracy and
                                         (o.ms, -o.accuracy) != (r.ms, -r.accuracy) for o in rungs)]
    return sorted(front, key=lambda r: -r.accuracy)


def sequence(classes, n, hold, seed):
    """Each photograph equally often, in one random order after the other, for 1 to 2 * hold - 1 frames at a time."""
    chosen = random.Random(seed)
    files = []
    while len(files) < n:
        order = list(classes)
        chosen.shuffle(order)
        for name in order:
            files += [name] * chosen.randint(1, 2 * hold - 1)
    return files[:n]


def make_plan(args, classes, rungs, front):
    own = {}
    for rung in rungs:  # a variant's own size comes first
        own.setdefault(rung.variant, rung.accuracy)
    fps = 1000 * args.busy / front[0].ms
    files = sequence(classes, max(1, round(args.seconds * fps)), args.hold, args.seed)
    return Plan(args, classes, own, files, fps, round(1000 * args.periods / fps))


# ---- one contender ----------------------------------------------------------------------------------


def judge(plan, answers):
    """Counts of what became of the frames."""
    counts = collections.Counter(right=0, late=0, dropped=0, skipped_wrongly=0, skipped_rightly=0)
    shown, last_right = None, False
    for answer in answers:
        why = answer.get("dropped")
        if why == "skipped" and answer["file"] == shown:
            counts["skipped_rightly"] += 1
            counts["right"] += last_right
        elif why == "skipped":
            counts["skipped_wrongly"] += 1
        elif why:
            counts["dropped"] += 1
        else:
            shown, last_right = answer["file"], is_right(answer, plan.classes)
            in_time = answer["us"]["total"] <= 1000 * plan.deadline_ms
            counts["late"] += not in_time
            counts["right"] += in_time and last_right
    return counts


def unsent(plan, answers, took_s):
    """Frames of the camera for which no buffer was free: the client goes on from where it is, and ends later."""
    expected_s = (len(plan.files) - 1) / plan.fps + answers[-1]["us"]["total"] / 1e6
    return max(0, round((took_s - expected_s) * plan.fps))


def summarise(plan, condition, contender, answers, took_s, cpu_ns):
    counts = judge(plan, answers)
    missing = unsent(plan, answers, took_s)
    n = len(answers) + missing
    counts["dropped"] += missing
    ran = [a["rung"]["name"] for a in answers if a["rung"]]
    wrong = counts["late"] + counts["dropped"] + counts["skipped_wrongly"]
    return {"condition": condition, "contender": contender, "frames": n, **counts, "missed_share": wrong / n,
            "accuracy": counts["right"] / n, "rungs": dict(collections.Counter(ran).most_common()),
            "changes_per_min": 60 * sum(a != b for a, b in zip(ran, ran[1:])) / took_s,
            "longest_ms": max(a["us"]["total"] for a in answers) / 1000,
            "cpu_ms_per_frame": cpu_ns / 1e6 / n, "fps": plan.fps, "deadline_ms": plan.deadline_ms}


def start_load(plan, core):
    args = plan.args
    options = {"core": core, "seconds": args.seconds + LOAD_LEAD_S, "seed": args.seed, "rest": args.rest, "work": args.work}
    return subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("load.py")] +
                            [f"--{name}={value}" for name, value in options.items()])


def contend(plan, cores, condition, contender):
    core = cores.get()
    daemon = start_daemon(plan.args, core, plan.deadline_ms, plan.accuracy)
    load = None
    try:
        if condition == LOADED:
            load = start_load(plan, core)
            time.sleep(LOAD_LEAD_S)
        pin = [] if contender == POLICY else ["--rung", contender]
        before_ns = daemon.cpu_ns()
        answers, took_s = run(daemon, plan.args.images, plan.files, "--fps", f"{plan.fps:.6f}", *pin)
        return summarise(plan, condition, contender, answers, took_s, daemon.cpu_ns() - before_ns)
    finally:
        if load:
            load.kill()
            load.wait()
        daemon.stop()
        cores.put(core)


# ---- all of them ------------------------------------------------------------------------------------


def show_progress(n, estimate_s, over):
    start = time.monotonic()
    while not over.wait(1):
        left_s = max(0, estimate_s - (time.monotonic() - start))
        progress(f"{n} runs, about {left_s / 60:.1f} min left")


def run_all(plan, contenders):
    cores = queue.Queue()
    for core in plan.args.cores:
        cores.put(core)
    n = len(contenders) * len(plan.args.conditions)
    # Conditions one after the other, so that those alone have no neighbour on the other core either but each other.
    rounds = len(plan.args.conditions) * -(-len(contenders) // len(plan.args.cores))
    estimate_s = rounds * (plan.args.seconds + 3)
    print(f"{n} runs of {plan.args.seconds:g} s, {len(plan.args.cores)} at a time: about {estimate_s / 60:.1f} min",
          file=sys.stderr)
    over = threading.Event()
    ticker = threading.Thread(target=show_progress, args=(n, estimate_s, over))
    ticker.start()
    results = []
    try:
        for condition in plan.args.conditions:
            with concurrent.futures.ThreadPoolExecutor(len(plan.args.cores)) as pool:
                runs = [pool.submit(contend, plan, cores, condition, contender) for contender in contenders]
                try:
                    results += [r.result() for r in runs]
                except BaseException:  # of a run, or an interrupt: those under way end, the others do not begin
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    finally:
        over.set()
        ticker.join()
        progress("")
    return results


def percent(share):
    return f"{100 * share:.2f} %"


def print_table(results):
    print("\n| condition | contender | frames | late | dropped | skipped wrongly | in all | accuracy | changes/min | longest ms | "
          "CPU ms/frame | rungs |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    for r in results:
        ran = sum(r["rungs"].values()) or 1
        rungs = ", ".join(f"{name} {100 * count / ran:.0f} %" for name, count in r["rungs"].items())
        print(f"| {r['condition']} | {r['contender']} | {r['frames']} | {r['late']} | {r['dropped']} | {r['skipped_wrongly']} | "
              f"{percent(r['missed_share'])} | {percent(r['accuracy'])} | {r['changes_per_min']:.1f} | {r['longest_ms']:.0f} | "
              f"{r['cpu_ms_per_frame']:.1f} | {rungs} |")


def print_verdict(results):
    """A static rung beats the policy if it is as punctual and as accurate; all others lose on one of both."""
    print()
    for condition in dict.fromkeys(r["condition"] for r in results):
        own = next(r for r in results if r["condition"] == condition and r["contender"] == POLICY)
        better = [r["contender"] for r in results if r["condition"] == condition and r is not own and
                  r["missed_share"] <= own["missed_share"] and r["accuracy"] >= own["accuracy"]]
        print(f"{condition}: " + (f"as punctual and as accurate as the policy: {', '.join(better)}" if better else
                                  "no static rung is as punctual and as accurate as the policy"))


def main():
    args = parse_args()
    os.environ["INFERD_CPU_MASK"] = args.mask
    classes = read_classes(args.images)
    rungs = measure_rungs(args, classes)
    front = pareto(rungs)
    for rung in rungs:
        print(f"{rung.name}: {rung.ms:.1f} ms of CPU time, {percent(rung.accuracy)}{'' if rung in front else ' (dominated)'}")
    plan = make_plan(args, classes, rungs, front)
    print(f"{plan.fps:.2f} frames/s, deadline {plan.deadline_ms} ms, seed {args.seed}", flush=True)
    contenders = [POLICY] + [rung.name for rung in front]
    unknown = set(args.contenders or []) - set(contenders)
    if unknown:
        sys.exit(f"no such contender: {', '.join(sorted(unknown))}; there are {', '.join(contenders)}")
    results = run_all(plan, [name for name in contenders if name in (args.contenders or contenders)])
    print_table(results)
    print_verdict(results)
    if args.json:
        args.json.write_text("".join(json.dumps(r) + "\n" for r in results))


if __name__ == "__main__":
    main()
