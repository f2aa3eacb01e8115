#!/usr/bin/env python3
"""What gray, smaller and JPEG-scaled rungs of one network cost and how right they are, as a Markdown table.

The labelled photographs are submitted in three forms: as the JPEG files they are, as JPEG of a camera's size (enlarged to
`--width`), and as pixels of that size.  Each runs on every rung; JPEG also with --full, which decodes every pixel.  All
ways take turns, ten photographs each, so that a neighbour on the machine meets all of them; the ratio is that of CPU
time to the one of the form's first way within the same turn, its median over the turns.

    tools/compare/setup.sh build/peers
    build/peers/bin/python tools/compare/rungs.py --build build --images DIR FILE.tflite

DIR holds the photographs and classes.txt, whose lines are "CLASS FILE".
"""
import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from accuracy import hits, read_classes
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from daemon import Daemon  # noqa: E402

SIZES = (224, 192, 160, 128)
TURN = 10  # photographs
FULL = "--full"
BACKGROUND = 1  # classes before the first of classes.txt


@dataclasses.dataclass
class Way:
    form: str
    rung: str  # or FULL
    answers: list = dataclasses.field(default_factory=list)
    cpu_ms: list = dataclasses.field(default_factory=list)  # a frame, of each turn


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=pathlib.Path, help="a quantised classifier whose first class is 'background'")
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--rounds", type=int, default=3, help="over all photographs")
    return parser.parse_args()


def make_forms(args, classes, folder):
    """Folder of each form; files are named as in classes.txt, so that answers are looked up alike."""
    forms = {"JPEG": args.images, f"JPEG {args.width}": folder / "jpeg", f"pixels {args.width}": folder / "pixels"}
    for form in list(forms.values())[1:]:
        form.mkdir()
    for name in classes:
        picture = Image.open(args.images / name).convert("RGB")
        large = picture.resize((args.width, round(picture.height * args.width / picture.width)), Image.Resampling.LANCZOS)
        large.save(folder / "jpeg" / name, "JPEG", quality=90)
        large.save(folder / "pixels" / name, "BMP")
    return forms


def take_turn(daemon, way, folder, names):
    pin = [FULL] if way.rung == FULL else ["--rung", way.rung]
    before_ns = daemon.cpu_ns()
    done = subprocess.run(daemon.ctl + ["--json", "run", "m", "--top", "1", "--deadline", "60000", *pin, *names], cwd=folder,
                          capture_output=True, text=True, check=True)
    way.cpu_ms.append((daemon.cpu_ns() - before_ns) / 1e6 / len(names))
    way.answers += [json.loads(line) for line in done.stdout.splitlines()]


def median_us(way, part):
    """Over the photographs, of each the quickest round."""
    least = {}
    for answer in way.answers:
        us = answer["us"][part]
        least[answer["file"]] = min(us, least.get(answer["file"], us))
    return statistics.median(least.values())


def print_table(ways, rungs, classes, rounds):
    dearest = {way.form: way for way in reversed(ways)}  # the first of each form
    print("| frame | input | channels | top-1 | preprocessing ms | inference ms | CPU ms | of the first |")
    print("|---|---|---|---|---|---|---|---|")
    for way in ways:
        right = hits(way.answers, classes, BACKGROUND) / rounds
        rung = rungs.get(way.rung)
        name = f"{rung['width']}x{rung['height']} | {'colour' if rung['channels'] == 3 else 'gray'}" if rung else "`--full` | colour"
        ratio = statistics.median(a / b for a, b in zip(way.cpu_ms, dearest[way.form].cpu_ms))
        print(f"| {way.form} | {name} | {right:.0f} of {len(classes)} | {median_us(way, 'preprocess') / 1000:.2f} | "
              f"{median_us(way, 'inference') / 1000:.2f} | {statistics.median(way.cpu_ms):.2f} | {ratio:.2f} |")


def main():
    args = parse_args()
    classes = read_classes(args.images)
    names = list(classes)
    with tempfile.TemporaryDirectory() as folder:
        forms = make_forms(args, classes, pathlib.Path(folder))
        daemon = Daemon(args.build.resolve(), models=(
            "  - name: m\n    task: classify\n    gray: true\n    preprocess: {fit: stretch}\n"
            f"    inputs: {list(SIZES)}\n    variants: [{{name: n, file: {args.network.resolve()}, accuracy: 0.7}}]\n"),
            settings="lanes: [{name: main, cpus: 0, threads: 1}]\n")
        try:
            rungs = {r["name"]: r for r in daemon.query("models")["models"][0]["rungs"]}
            order = sorted(rungs, key=lambda name: (-rungs[name]["width"], -rungs[name]["channels"]))
            # Pixels need no decoding: there --full is the first rung.
            ways = [Way(form, rung) for form in forms for rung in [FULL] * form.startswith("JPEG") + order]
            for turn in range(args.rounds * len(names) // TURN):
                at = turn * TURN % len(names)
                for way in ways:
                    take_turn(daemon, way, forms[way.form], names[at:at + TURN])
        finally:
            daemon.stop()
    print_table(ways, rungs, classes, args.rounds)


if __name__ == "__main__":
    main()
