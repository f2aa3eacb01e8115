#!/usr/bin/env python3
"""A camera that shakes and rests by turns: accuracy and CPU time with the policy looking at the scene and without.

Each labelled photograph is seen in `--shaken` frames with motion blur of another direction and extent each, then in
`--still` sharp ones.  They go as pixels to a daemon with all networks given, at a fixed rate with a deadline that every
rung meets, so that only the scene can ask for a lesser one.  Runs with `scene: true` and `scene: false` take turns.

    tools/compare/setup.sh build/peers
    build/peers/bin/python tools/compare/shake.py --build build --images DIR FILE.tflite ...

DIR holds the photographs and classes.txt, whose lines are "CLASS FILE".
"""
import argparse
import collections
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
from accuracy import read_classes
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from daemon import Daemon  # noqa: E402

BACKGROUND = 1  # classes before the first of classes.txt
EXTENT = (1 / 32, 1 / 8)  # of the width, that a point moves while the picture is taken
STEPS = 33


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=pathlib.Path, help="quantised classifiers, first class 'background'")
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--fps", type=float, default=10)
    parser.add_argument("--shaken", type=int, default=4, help="frames")
    parser.add_argument("--still", type=int, default=4, help="frames")
    parser.add_argument("--rounds", type=int, default=1, help="of each, by turns")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def smear(pixels, extent, angle):
    """The mean of the picture along a straight movement, its edges repeated."""
    reach = extent * pixels.shape[1] / 2
    margin = math.ceil(reach)
    padded = np.pad(pixels.astype(np.float32), ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    total = np.zeros(pixels.shape, np.float32)
    for step in np.linspace(-reach, reach, STEPS):
        y, x = margin + round(step * math.sin(angle)), margin + round(step * math.cos(angle))
        total += padded[y:y + pixels.shape[0], x:x + pixels.shape[1]]
    return (total / STEPS + 0.5).astype(np.uint8)


def make_sequence(args, classes, folder):
    """Files in order, with their class and whether they are sharp."""
    chosen = random.Random(args.seed)
    frames = []
    for i, (name, index) in enumerate(classes.items()):
        pixels = np.asarray(Image.open(args.images / name).convert("RGB"))
        Image.fromarray(pixels).save(folder / f"{i}.bmp")
        for k in range(args.shaken):
            blurred = smear(pixels, chosen.uniform(*EXTENT), chosen.uniform(0, math.pi))
            Image.fromarray(blurred).save(folder / f"{i}-{k}.bmp")
            frames.append((f"{i}-{k}.bmp", index, False))
        frames += [(f"{i}.bmp", index, True)] * args.still
    return frames


def own_accuracy(args, network, classes):
    """On the photographs as they are: what the policy is told of the network."""
    daemon = start_daemon(args, [(network, 0.5)], True)
    try:
        answers, _ = play(daemon, args.images, list(classes), "--full")
        return sum(a["results"][0]["index"] - BACKGROUND == classes[a["file"]] for a in answers) / len(answers)
    finally:
        daemon.stop()


def start_daemon(args, networks, scene):
    models = "  - name: m\n    task: classify\n    deadline_ms: 5000\n    variants:\n"
    for path, accuracy in networks:
        models += f"      - {{name: {path.stem}, file: {path.resolve()}, accuracy: {accuracy}}}\n"
    return Daemon(args.build.resolve(), models=models, settings=f"policy: {{scene: {'true' if scene else 'false'}}}\n"
                  "lanes: [{name: main, cpus: 0, threads: 1}]\n")


def play(daemon, folder, files, *options):
    """Answers, and the CPU time of the daemon in milliseconds."""
    before_ns = daemon.cpu_ns()
    done = subprocess.run(daemon.ctl + ["--json", "run", "m", "--top", "1", *options, *files], cwd=folder, capture_output=True,
                          text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()], (daemon.cpu_ns() - before_ns) / 1e6


def tally(frames, answers):
    """Counts of frames, right answers and rungs, of sharp frames and of shaken ones."""
    known = {name: (index, sharp) for name, index, sharp in frames}
    tallies = {True: collections.Counter(), False: collections.Counter()}
    for answer in answers:
        index, sharp = known[answer["file"]]
        tallies[sharp]["frames"] += 1
        if "dropped" not in answer:
            tallies[sharp]["right"] += answer["results"][0]["index"] - BACKGROUND == index
            tallies[sharp][answer["rung"]["variant"]] += 1
    return tallies


def print_row(scene, tallies, cpu_ms, variants):
    frames = tallies[True]["frames"] + tallies[False]["frames"]
    right = tallies[True]["right"] + tallies[False]["right"]
    of_shaken = ", ".join(f"{v} {100 * tallies[False][v] / tallies[False]['frames']:.0f} %" for v in variants if tallies[False][v])
    of_sharp = ", ".join(f"{v} {100 * tallies[True][v] / tallies[True]['frames']:.0f} %" for v in variants if tallies[True][v])
    print(f"| {'on' if scene else 'off'} | {100 * right / frames:.1f} % | "
          f"{100 * tallies[True]['right'] / tallies[True]['frames']:.1f} % | "
          f"{100 * tallies[False]['right'] / tallies[False]['frames']:.1f} % | {cpu_ms / frames:.2f} | "
          f"{1000 * right / cpu_ms:.1f} | {of_sharp} | {of_shaken} |")


def main():
    args = parse_args()
    classes = read_classes(args.images)
    networks = [(path, own_accuracy(args, path, classes)) for path in args.networks]
    tallies = {scene: {True: collections.Counter(), False: collections.Counter()} for scene in (True, False)}
    cpu_ms = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        frames = make_sequence(args, classes, pathlib.Path(folder))
        for _ in range(args.rounds):
            for scene in (True, False):
                daemon = start_daemon(args, networks, scene)
                try:
                    answers, took_ms = play(daemon, folder, [name for name, _, _ in frames], "--fps", str(args.fps))
                finally:
                    daemon.stop()
                cpu_ms[scene] += took_ms
                for sharp, counts in tally(frames, answers).items():
                    tallies[scene][sharp].update(counts)
    print("| scene | right | of sharp frames | of shaken ones | CPU ms/frame | right answers/CPU s | rungs of sharp | rungs of shaken |")
    print("|---|---|---|---|---|---|---|---|")
    for scene in (True, False):
        print_row(scene, tallies[scene], cpu_ms[scene], [path.stem for path, _ in networks])


if __name__ == "__main__":
    main()
