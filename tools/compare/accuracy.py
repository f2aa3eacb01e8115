#!/usr/bin/env python3
"""Top-1 and cost of every rung on labelled photographs, submitted as JPEG through a daemon, as Markdown tables.

Each network is a model of its own with `fit: stretch`.  The first table compares the daemon with --full to the
network's own runtime fed by Pillow (decode, whole picture to the input size by antialiased bilinear); the second has
every size in colour and gray.  Costs are medians over the photographs, decoding included.

    tools/compare/setup.sh build/peers
    build/peers/bin/python tools/compare/accuracy.py --build build --images DIR FILE.tflite FILE.param ...

DIR holds the photographs and classes.txt, whose lines are "CLASS FILE".
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import chart
import networks
import numpy as np
from PIL import Image

SIZES = (224, 192, 160, 128, 96)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=pathlib.Path)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--svg", type=pathlib.Path, metavar="FILE", help="also draw the second table")
    parser.add_argument("--no-reference", action="store_true", help="leave out the comparison with other runtimes")
    return parser.parse_args()


def read_classes(folder):
    lines = (folder / "classes.txt").read_text().splitlines()
    return {name: int(index) for index, name in (line.split(maxsplit=1) for line in lines if line.strip())}


def preprocess_of(network):
    """What each family was trained on; quantised files say it themselves."""
    if network.suffix == ".tflite":
        return "{fit: stretch}"
    if "lite" in network.name:
        return "{fit: stretch, mean: [127, 127, 127], scale: 0.0078125}"
    return "{fit: stretch, order: bgr, mean: [104, 117, 123], scale: 1}"


class Daemon:
    def __init__(self, args, folder):
        self.ctl = [str(args.build / "client-lib/inferctl/inferctl"), "--socket", f"{folder}/s.sock", "--json"]
        config = [f"socket: {folder}/s.sock", "models:"]
        for network in args.networks:
            config += [f"  - name: {network.stem}", "    task: classify", "    deadline_ms: 5000", "    variants:",
                       f"      - {{name: n, file: {network.resolve()}, accuracy: 0.7}}",
                       f"    preprocess: {preprocess_of(network)}", f"    inputs: {list(SIZES)}", "    gray: true"]
        path = pathlib.Path(folder) / "inferd.yaml"
        path.write_text("\n".join(config) + "\n")
        self.process = subprocess.Popen([args.build / "daemon/inferd", "--config", path])
        while subprocess.run(self.ctl + ["status"], capture_output=True, check=False).returncode != 0:
            if self.process.poll() is not None:
                sys.exit("the daemon did not start")
            time.sleep(0.1)

    def rungs(self):
        models = json.loads(subprocess.run(self.ctl + ["models"], capture_output=True, check=True).stdout)
        return {m["name"]: m["rungs"] for m in models["models"]}

    def run(self, model, how, files):
        done = subprocess.run(self.ctl + ["run", model, "--top", "1"] + how + [str(f) for f in files],
                              capture_output=True, check=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def hits(answers, classes, shift):
    return sum(a["results"][0]["index"] - shift == classes[pathlib.Path(a["file"]).name] for a in answers)


def cost(answers, part):
    return statistics.median(a["us"][part] for a in answers) / 1000


def reference_hits(network, files, classes, shift):
    runtime, label = next(networks.runtimes(argparse.Namespace(checkpoint=None), network))
    height, width = runtime.size()
    right = 0
    for path in files:
        output = runtime.run(runtime.tensor(networks.pixels(path, width, height)))[0]
        right += int(np.asarray(output).ravel().argmax()) - shift == classes[path.name]
    return right, label


def draw(path, table, n_files):
    picture = chart.Chart(f"First class right, of {n_files} photographs", [row[3] + row[4] for row in table],
                          math.ceil(max(row[2] for row in table) / 10) * 10)
    for index, name in enumerate(dict.fromkeys(row[0] for row in table)):
        points = {channels: [(row[3] + row[4], row[2], row[1]["name"]) for row in table
                             if row[0] == name and row[1]["channels"] == channels] for channels in (1, 3)}
        picture.series(index, pathlib.Path(name).stem.removesuffix("_quant"), points[3], points[1])
    picture.write(path)


def main():
    args = parse_args()
    classes = read_classes(args.images)
    files = [args.images / name for name in classes]
    full, table = [], []
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(args, folder)
        try:
            rungs = daemon.rungs()
            for network in args.networks:
                # 1001 classes: the first is "background".
                shift = 1 if network.suffix == ".tflite" else 0
                print(f"{network.name}: {len(rungs[network.stem])} rungs", file=sys.stderr)
                ours = hits(daemon.run(network.stem, ["--full"], files), classes, shift)
                reference = (None, "") if args.no_reference else reference_hits(network, files, classes, shift)
                full.append((network.name, ours, *reference))
                for rung in rungs[network.stem]:
                    answers = daemon.run(network.stem, ["--rung", rung["name"]], files)
                    table.append((network.name, rung, hits(answers, classes, shift), cost(answers, "preprocess"),
                                  cost(answers, "inference")))
        finally:
            daemon.stop()
    print(f"| network | through the daemon, `--full` | own runtime, fed by Pillow | runtime |\n|---|---|---|---|")
    for name, ours, reference, label in full:
        print(f"| {name} | {ours} of {len(files)} | {reference} | {label} |")
    print("\n| network | input | channels | top-1 | preprocessing ms | inference ms |\n|---|---|---|---|---|---|")
    table.sort(key=lambda row: (row[0], -row[1]["width"], -row[1]["channels"]))
    for name, rung, right, preprocess, inference in table:
        print(f"| {name} | {rung['width']}x{rung['height']} | {'colour' if rung['channels'] == 3 else 'gray'} | "
              f"{right} of {len(files)} | {preprocess:.2f} | {inference:.2f} |")
    if args.svg:
        draw(args.svg, table, len(files))
    sys.exit(0 if args.no_reference or all(abs(o - r) <= 3 for _, o, r, _ in full) else 1)


if __name__ == "__main__":
    main()
