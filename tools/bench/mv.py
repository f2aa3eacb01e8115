#!/usr/bin/env python3
"""The music video job on the real daemon: phones look at a screen and ask which clip is playing (docs/recognition.md).

Clips of the set `choose`, each once with and once without its name in the gallery, give the thresholds of each variant;
those of the set `report` are enrolled in another gallery and
queried as live streams, several phones at a time, on a device that is weak (scalar kernels and a quota of CPU time) and
becomes hot with what the daemon does.  The policy is put beside the best rung and the cheapest one, pinned by the client.

    build/peers/bin/python tools/bench/mv.py --build build --work build/mv [--json FILE]

The folder `--work` keeps what is fetched and made: packages' pictures, networks, frames.  Measure while nothing else runs.
"""
import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import threading
import time

import cv2
import numpy as np

import camera
import clips
import daemon
import look_networks

HERE = pathlib.Path(__file__).parent
MODEL = "look"
JUDGED_S = 2.0  # the verdict that counts is that of the last frame sent by then
ENROL_FPS = 2
VIEWS = ("whole", "smaller")
SCALE = 0.25  # from maybe to sure, in cosines
LEADS = 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8  # over the second name, in units of SCALE: one of them for all variants
LEAST, MOST = -1, 2  # of the daemon's evidence
TOP = 4  # names of a frame that the daemon's vote takes in
OUT_OF_ORDER = -0.25  # evidence at most for a clip that would have to be elsewhere
NEAR_S = 0.25  # from the part of a clip that a picture stands for
ALIKE, GAP_S = 0.98, 0.5  # cosine and distance of pictures one of which is left out
QUOTA_PERIOD_US = 5000
AMBIENT_C, HEAT_C, HEAT_TAU_S = 30, 60, 15  # of the device: rest, rise at its full CPU time, time constant
HIGH_C, CRITICAL_C = 60, 80


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder with daemon/inferd and client-lib/inferctl")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/mv"), metavar="DIR")
    parser.add_argument("--queries", type=int, default=2, help="of each clip, each with another camera (default 2)")
    parser.add_argument("--phones", type=int, default=3, help="that look at the same time (default 3)")
    parser.add_argument("--deadline", type=int, default=500, metavar="MS")
    parser.add_argument("--mask", default="scalar", help="kernels, as INFERD_CPU_MASK has them (default scalar)")
    parser.add_argument("--quota", type=float, default=0.5, help="CPUs that the daemon may use (default 0.5; 0: no quota)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also one object a contender")
    return parser.parse_args()


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- pictures -----------------------------------------------------------------------------------------


def views(picture):
    """What is enrolled of a frame: itself, and itself as a smaller screen."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, None, fx=0.82, fy=0.82, interpolation=cv2.INTER_AREA)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    framed = cv2.copyMakeBorder(small, y, height - small.shape[0] - y, x, width - small.shape[1] - x,
                                cv2.BORDER_CONSTANT, value=(64, 64, 64))
    return picture, framed


@contextlib.contextmanager
def whole(folder):
    """A folder to fill that has its name only once it is full, so that a run that was ended leaves no part of one."""
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    part.rename(folder)


def write_enrolment(clip, folder):
    """A video of each view, which begins with the clip's first half second."""
    with contextlib.ExitStack() as files:
        videos = [files.enter_context(open(folder / f"{name}.y4m", "wb")) for name in VIEWS]
        for video in videos:
            video.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*clips.SIZE, ENROL_FPS))
        for i in range(int(clip.seconds * ENROL_FPS)):
            for video, view in zip(videos, views(clip.picture_at((i + 0.5) / ENROL_FPS))):
                video.write(b"FRAME\n" + cv2.cvtColor(view, cv2.COLOR_BGR2YUV_I420).tobytes())


def write_query(clip, seed, folder):
    """Frames as files, and the camera's rate."""
    eye = camera.Camera(seed)
    start = random.Random(str(seed)).uniform(0, max(0, clip.seconds - 2 * JUDGED_S))
    for i, shot in enumerate(eye.watch(lambda t: clip.picture_at(start + t), JUDGED_S)):
        (folder / f"{i:03}.jpg").write_bytes(shot.jpeg)
    (folder / "fps").write_text(f"{eye.fps:.4f}")


def prepare(args, which):
    """Draws what is not there yet: the set's clips, each with its folders."""
    made = clips.make(args.work / "data" / which, which)
    for number, clip in enumerate(made):
        root = args.work / which / f"{number:02}"
        if clip.enrolled and not (root / "enrolled").exists():
            with whole(root / "enrolled") as folder:
                write_enrolment(clip, folder)
        for q in range(args.queries):
            if not (root / f"query{q}").exists():
                with whole(root / f"query{q}") as folder:
                    write_query(clip, [clips.SEED, list(clips.SETS).index(which), number, q], folder)
        clip.forget()
    return made


Query = collections.namedtuple("Query", "clip enrolled folder fps files")


def read_queries(args, which, made):
    found = []
    for number, clip in enumerate(made):
        for q in range(args.queries):
            folder = args.work / which / f"{number:02}" / f"query{q}"
            files = sorted(path.name for path in folder.glob("*.jpg"))
            found.append(Query(f"{number:02}", clip.enrolled, folder, float((folder / "fps").read_text()), files))
    return found


# ---- the device ---------------------------------------------------------------------------------------


class Device:
    """A daemon below a root of its own with one thermal zone, which follows the CPU time that the daemon takes."""

    def __init__(self, args, networks):
        self.args, self.networks = args, networks
        self.root = args.work / "sysroot"
        self.zone = self.root / "sys/class/thermal/thermal_zone0"
        self.zone.mkdir(parents=True, exist_ok=True)
        (self.zone / "type").write_text("cpu-thermal\n")
        self.share, self.group, self.heater = args.quota or 1, None, None
        self.lead = LEADS[0]
        self._cool()
        self.daemon = daemon.Daemon(args.build, models=self._models({name: (0.5, 0.6) for name in networks}, self._by_rank()),
                                    options=["--sysroot", str(self.root)],
                                    settings=f"lanes: [{{name: main, cpus: 0, threads: 1}}]\n"
                                             f"policy: {{temp_high_c: {HIGH_C}, temp_critical_c: {CRITICAL_C}}}\n")

    def _by_rank(self):
        """The first variant is the most accurate one, and tells pictures that are alike."""
        return {name: 0.9 - i / 10 for i, name in enumerate(self.networks)}

    def _models(self, thresholds, accuracy):
        return (f"  - name: {MODEL}\n    task: embed\n    deadline_ms: {self.args.deadline}\n    variants:\n" +
                "".join(f"      - {{name: {name}, file: {path.resolve()}, accuracy: {accuracy.get(name, 0.5):.3f}, "
                        f"maybe: {thresholds[name][0]:.4f}, sure: {thresholds[name][1]:.4f}}}\n"
                        for name, path in self.networks.items()) +
                f"    gallery: {{maybe_lead: {self.lead}}}\n"
                f"    preprocess: {{fit: stretch, mean: {look_networks.MEAN}, scale: {look_networks.SCALE}}}\n")

    def _cool(self):
        self.temp_c = self.hottest_c = float(AMBIENT_C)
        self._tell()

    def _tell(self):
        (self.zone / "temp").write_text(f"{round(1000 * self.temp_c)}\n")

    def _heat(self):
        then, before_ns = time.monotonic(), self.daemon.cpu_ns()
        while not self.over.wait(0.25):
            now, used_ns = time.monotonic(), self.daemon.cpu_ns()
            load = (used_ns - before_ns) / 1e9 / (now - then) / self.share
            self.temp_c += (now - then) * (load * HEAT_C - (self.temp_c - AMBIENT_C)) / HEAT_TAU_S
            self.hottest_c = max(self.hottest_c, self.temp_c)
            then, before_ns = now, used_ns
            self._tell()

    def weaken(self, thresholds, accuracy):
        """Starts the daemon anew with its galleries and nothing else that it learned: cool, with the slow kernels and the
        quota.  From here on it heats."""
        self._end()
        for path in pathlib.Path(self.daemon.dir).iterdir():
            if not path.name.startswith(("gallery.db", "log")):
                path.unlink()
        self.daemon.configure(self._models(thresholds, accuracy))
        self._cool()
        os.environ["INFERD_CPU_MASK"] = self.args.mask
        self.daemon.start()
        self._limit()
        self.over = threading.Event()
        self.heater = threading.Thread(target=self._heat)
        self.heater.start()

    def _limit(self):
        if not self.args.quota:
            return
        first = pathlib.Path("/sys/fs/cgroup/cpu").exists()  # version 1 of control groups
        self.group = pathlib.Path("/sys/fs/cgroup/cpu" if first else "/sys/fs/cgroup") / f"inferd-bench-{self.daemon.process.pid}"
        self.group.mkdir()
        quota_us = round(self.args.quota * QUOTA_PERIOD_US)
        if first:
            (self.group / "cpu.cfs_period_us").write_text(str(QUOTA_PERIOD_US))
            (self.group / "cpu.cfs_quota_us").write_text(str(quota_us))
        else:
            (self.group / "cpu.max").write_text(f"{quota_us} {QUOTA_PERIOD_US}")
        (self.group / "cgroup.procs").write_text(str(self.daemon.process.pid))

    def _end(self):
        if self.heater:
            self.over.set()
            self.heater.join()
            self.heater = None
        self.daemon.process.terminate()
        self.daemon.process.wait(20)
        if self.group:
            self.group.rmdir()
            self.group = None

    def stop(self):
        self._end()
        shutil.rmtree(self.daemon.dir, ignore_errors=True)


def add(device, which, name, folder):
    done = device.daemon.inferctl("gallery", "add", which, name, *(str(folder / f"{view}.y4m") for view in VIEWS),
                                  "--model", MODEL, "--fps", str(ENROL_FPS), "--views")
    if done.returncode != 0:
        sys.exit(f"inferctl gallery add failed: {done.stderr}")


def enrol(device, args, which):
    """Enrols a set in a gallery of its name; all its clips are returned."""
    made = prepare(args, which)
    for number, clip in enumerate(made):
        if clip.enrolled:
            add(device, which, f"{number:02}", args.work / which / f"{number:02}" / "enrolled")
    return made


def run(device, folder, files, *options):
    """The answers to a folder's files, in the order in which they came."""
    done = subprocess.run(device.daemon.ctl + ["--json", "run", MODEL, *options, *files], cwd=folder, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"inferctl run failed: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(device, which, query, *options):
    return run(device, query.folder, query.files, "--gallery", which, "--top", str(TOP), *options)


def look(device, rung, folder, files):
    """A vector of each frame."""
    return np.array([answer["embedding"] for answer in run(device, folder, files, "--rung", rung, "--deadline", "60000")])


# ---- thresholds ---------------------------------------------------------------------------------------


Scores = collections.namedtuple("Scores", "best places")


def leave_out(vectors, times):
    """The numbers of the pictures that the daemon keeps, and the parts of the clip that each stands for."""
    kept, parts = [], []
    for i, time_s in enumerate(times):
        first, last = max(time_s - 0.5 / ENROL_FPS, 0), time_s + 0.5 / ENROL_FPS
        near = [j for j, part in enumerate(parts) if first <= part[1] + GAP_S and part[0] <= last + GAP_S]
        score, alike = max(((vectors[i] @ vectors[kept[j]], j) for j in near), default=(-1, None))
        if score > ALIKE:
            parts[alike] = min(parts[alike][0], first), max(parts[alike][1], last)
        else:
            kept.append(i)
            parts.append((first, last))
    return kept, np.array(parts)


def score_query(vectors, fps, enrolled):
    """How like each clip a query's frames are.  enrolled: clip -> vectors, and the parts that they stand for.
    best: clip -> of each frame.  places: clip -> [place, frame], the best picture from about then, were the clip at this
    place when the query begins."""
    best, places = {}, {}
    times = np.arange(len(vectors)) / fps
    for clip, (pictures, parts) in enrolled.items():
        found = vectors @ pictures.T
        best[clip] = found.max(1)
        first, last = parts[:, 0] - NEAR_S, parts[:, 1] + NEAR_S
        began = np.unique(np.concatenate([first[:, None] - times, last[:, None] - times]))[:, None] + times
        near = (began[..., None] >= first - 1e-6) & (began[..., None] <= last + 1e-6)
        places[clip] = np.where(near, found, -np.inf).max(2)
    return Scores(best, places)


def weigh(scores, maybe, without=None):
    """As the daemon's vote does, with the gallery or with what it would be without a name: the name that it would give from
    this lead on, or none."""
    names = [name for name in scores.best if name != without]
    best = np.array([scores.best[name] for name in names])
    listed = best >= np.sort(best, axis=0)[-TOP]
    ranking = []
    for name, lists in zip(names, listed):
        if lists.any():
            bounded = np.clip((scores.places[name] - maybe) / SCALE, LEAST, MOST)
            elsewhere = np.clip((scores.best[name] - maybe) / SCALE, LEAST, OUT_OF_ORDER)
            ranking.append((np.where(lists, np.maximum(bounded, elsewhere), LEAST).mean(1).max(), name))
    ranking.sort(reverse=True)
    (most, name), second = ranking[0], ranking[1][0] if len(ranking) > 1 else LEAST
    return (name, most - second) if most >= 0 else (None, 0)


def count_right(queries, scores):
    """For each lead and `maybe`: how many queries go right, with the clip's name in the gallery and without; and the first
    of these alone."""
    counts = collections.defaultdict(dict)
    for maybe in (i / 200 for i in range(20, 200)):
        inside = [(query.clip, *weigh(score, maybe)) for query, score in zip(queries, scores)]
        outside = [weigh(score, maybe, query.clip) for query, score in zip(queries, scores)]
        for lead in LEADS:
            named = sum(name == clip and by >= lead for clip, name, by in inside)
            counts[lead][maybe] = named + sum(name is None or by < lead for name, by in outside), named
    return counts


def choose_thresholds(counts, n):
    """The lead with which fewest queries go wrong in all variants together, and the `maybe` of each: the middle of the range
    that has the fewest, since other clips will be a little more or less alike.  And the recall that these give."""
    lead = max(LEADS, key=lambda lead: sum(max(rows[lead].values())[0] for rows in counts.values()))
    thresholds, recall = {}, {}
    for name, rows in counts.items():
        most = max(rows[lead].values())[0]
        best = [maybe for maybe, (right, _) in rows[lead].items() if right == most]
        maybe = best[len(best) // 2]
        thresholds[name] = maybe, maybe + SCALE
        recall[name] = rows[lead][maybe][1] / n
    return lead, thresholds, recall


def calibrate(args, device):
    """The lead, and thresholds and recall of each variant, unhurried, on the set that is not reported."""
    made = prepare(args, "choose")
    queries = read_queries(args, "choose", made)
    counts, kept = {}, {}
    for name, rung in own_rungs(device).items():
        say(f"thresholds of {name}")
        enrolled = {}
        for number in range(len(made)):
            clip = f"{number:02}"
            seen = [look(device, rung, args.work / "choose" / clip / "enrolled", [f"{view}.y4m"]) for view in VIEWS]
            vectors, times = np.concatenate(seen), np.arange(len(seen[0])) / ENROL_FPS
            if clip not in kept:  # the first variant is the most accurate one
                kept[clip] = leave_out(vectors, np.tile(times, len(VIEWS)))
            enrolled[clip] = vectors[kept[clip][0]], kept[clip][1]
        scores = [score_query(look(device, rung, query.folder, query.files), query.fps, enrolled) for query in queries]
        counts[name] = count_right(queries, scores)
    return choose_thresholds(counts, len(queries))


def own_rungs(device):
    """variant -> the rung of its own size."""
    found = {}
    for rung in device.daemon.query("models")["models"][0]["rungs"]:
        found.setdefault(rung["variant"], rung["name"])
    return found


# ---- contenders ---------------------------------------------------------------------------------------


def contend(args, device, thresholds, recall, queries, contender):
    device.weaken(thresholds, recall)
    pin = [] if contender == "policy" else ["--rung", own_rungs(device)[contender]]
    order = queries[:]
    random.Random(clips.SEED).shuffle(order)  # the same for every contender
    before_ns = device.daemon.cpu_ns()
    with concurrent.futures.ThreadPoolExecutor(args.phones) as phones:
        answers = list(phones.map(lambda q: ask(device, "report", q, "--fps", f"{q.fps:.4f}", *pin), order))
    cpu_ns = device.daemon.cpu_ns() - before_ns
    return summarise(args, contender, list(zip(order, answers)), cpu_ns, device.hottest_c)


def verdict_of(answers):
    """What the app shows after JUDGED_S: the last frame's verdict that came."""
    said = [a for a in answers if a.get("verdict")]
    return (said[-1]["verdict"], said[-1].get("name")) if said else ("none", None)


def summarise(args, contender, asked, cpu_ns, hottest_c):
    counts, rungs, missed = collections.Counter(), collections.Counter(), []
    for query, answers in asked:
        verdict, name = verdict_of(answers)
        counts["sent"] += len(query.files)
        counts["late"] += sum(not a.get("dropped") and a["us"]["total"] > 1000 * args.deadline for a in answers)
        counts["dropped"] += len(query.files) - sum(not a.get("dropped") for a in answers)
        rungs.update(a["rung"]["variant"] for a in answers if a.get("rung"))
        named = verdict in ("sure", "maybe")
        kind = "known" if query.enrolled else "other"
        counts[kind] += 1
        if query.enrolled:
            counts["right"] += named and name == query.clip
            counts["right_sure"] += verdict == "sure" and name == query.clip
        else:
            counts["rejected"] += verdict == "not in the gallery"
            counts["wrongly_sure"] += verdict == "sure"
        if (named and name == query.clip) != query.enrolled or (named and not query.enrolled):
            missed.append(f"{query.folder.parent.name}/{query.folder.name}: {verdict} {name or ''}".strip())
    in_time = counts["sent"] - counts["late"] - counts["dropped"]
    return {"contender": contender, **counts, "rate": in_time / counts["sent"],
            "recall": counts["right"] / counts["known"], "rejection": counts["rejected"] / counts["other"],
            "cpu_ms_per_frame": cpu_ns / 1e6 / counts["sent"], "hottest_c": hottest_c, "rungs": dict(rungs), "failed": missed}


def percent(share):
    return f"{100 * share:.1f} %"


def print_table(results):
    print("| contender | frames | in time | late | dropped | named right after 2 s | of these sure | others: not in the gallery | "
          "others: wrongly sure | CPU ms/frame | hottest | variants |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    for r in results:
        ran = sum(r["rungs"].values()) or 1
        print(f"| {r['contender']} | {r['sent']} | {percent(r['rate'])} | {r['late']} | {r['dropped']} | "
              f"{r['right']} of {r['known']}, {percent(r['recall'])} | {r['right_sure']} | {r['rejected']} of {r['other']}, "
              f"{percent(r['rejection'])} | {r['wrongly_sure']} | {r['cpu_ms_per_frame']:.1f} | {r['hottest_c']:.0f} °C | " +
              ", ".join(f"{name} {100 * n / ran:.0f} %" for name, n in r["rungs"].items()) + " |")


def fetch(args):
    checkpoints = sorted({f"sources/efficientnet_{network}.pth" for network, _ in look_networks.LADDER.values()})
    for manifest, into, names in ((HERE / "clips_choose.tsv", args.work / "data/choose", []),
                                  (HERE / "clips_report.tsv", args.work / "data/report", []),
                                  (HERE.parent / "models/manifest.tsv", args.work, checkpoints)):
        subprocess.run([sys.executable, HERE.parent / "fetch.py", "--manifest", manifest, "--into", into, *names], check=True)


def main():
    args = parse_args()
    args.work, args.build = args.work.resolve(), os.path.abspath(args.build)
    fetch(args)
    networks = look_networks.make(daemon.find(args.build, "inferd-model"), args.work / "sources", args.work / "data/choose",
                                  args.work / "networks")
    device = Device(args, networks)
    try:
        device.lead, thresholds, recall = calibrate(args, device)
        print(f"maybe_lead {device.lead}", flush=True)
        for name in networks:
            maybe, sure = thresholds[name]
            print(f"{name}: maybe {maybe:.3f}, sure {sure:.3f}; names {percent(recall[name])} of the set they were chosen on",
                  flush=True)
        queries = read_queries(args, "report", enrol(device, args, "report"))
        results = []
        for contender in ("policy", next(iter(networks)), list(networks)[-1]):
            say(f"{contender}: {len(queries)} queries")
            results.append(contend(args, device, thresholds, recall, queries, contender))
    finally:
        device.stop()
    print_table(results)
    if args.json:
        args.json.write_text("".join(json.dumps(r) + "\n" for r in results))


if __name__ == "__main__":
    main()
