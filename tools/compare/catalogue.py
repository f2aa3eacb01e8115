#!/usr/bin/env python3
"""Every model of tools/models.sh in a daemon, each on a photograph whose right answer is known.

    tools/models.sh --into build/models && tools/fetch.py --into build/models photos people
    apt-get download opencv-doc && dpkg -x opencv-doc_*.deb build/opencv-doc      # has a photograph of a hand
    tools/compare/catalogue.py --build build --models build/models --opencv-doc build/opencv-doc [--out FOLDER]

It needs Pillow.  The configuration that was written is read as it is; --out takes the photographs with the answers drawn
on them.  A line for each model: what it found; exits 1 when one is not what the photograph shows.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from PIL import Image

FACE = (225, 110)  # the middle of the astronaut's face, in pixels
HAND = "usr/share/doc/opencv-doc/opencv4/html/handSrc.jpg"


# ---- what is right ---------------------------------------------------------------------------------------------------
def within(box, point):
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def one_at(point, most, n_points=None):
    """One thing is found about a point, no larger than `most` pixels, with so many points."""
    def judge(answer, *_):
        items = answer["results"]
        box = items[0]["box"] if len(items) == 1 else (0, 0, 0, 0)
        good = within(box, point) and max(box[2] - box[0], box[3] - box[1]) <= most
        return good and (n_points is None or len(items[0]["points"]) == n_points), [item["box"] for item in items]
    return judge


def labelled(*words):
    def judge(answer, *_):
        labels = [item["label"] for item in answer["results"]]
        return bool(labels) and labels[0] in words, labels[:2]
    return judge


def covers(answer, picture, drawn):
    """The mask is drawn over the astronaut's face, and not over the space beside."""
    before, after = (Image.open(path).convert("RGB") for path in (picture, drawn))
    changed = [before.getpixel(point) != after.getpixel(point) for point in (FACE, (330, 100))]
    return changed == [True, False], answer["mask"]


def is_unit(answer, *_):
    vector = answer["embedding"]
    return len(vector) == 1280 and abs(sum(v * v for v in vector) - 1) < 1e-3, f"{len(vector)} numbers"


CATS = ("Egyptian cat", "tiger cat", "tabby")
# model: the photograph and what it shows
EXPECTED = {
    "face": ("astronaut", one_at(FACE, 130, 6)),
    "face_far": ("astronaut", one_at(FACE, 130, 6)),
    "face_mesh": ("face", one_at((100, 100), 220, 468)),
    "face_mesh_attention": ("face", one_at((100, 100), 220, 478)),
    "faces": ("astronaut", one_at(FACE, 130, 468)),
    "palm": ("hand", one_at((200, 260), 400, 7)),
    "hand_landmark": ("hand", one_at((300, 260), 500, 21)),
    "hands": ("hand", one_at((300, 260), 560, 21)),
    "pose_detector": ("astronaut", one_at((225, 180), 300, 4)),
    "pose_landmark": ("astronaut", one_at((200, 200), 512, 33)),
    "body": ("astronaut", one_at((200, 200), 1000, 33)),  # down to the feet, which are not in the picture
    "selfie": ("astronaut", covers),
    "selfie_wide": ("astronaut", covers),
    "objects": ("cat", labelled("Cat")),
    "imagenet": ("cat", labelled(*CATS)),
    "imagenet_int8": ("cat", labelled(*CATS)),
    "vector": ("cat", is_unit),
    "vector_lite1": ("cat", is_unit),
    "vector_lite2": ("cat", is_unit),
}


# ---- running ---------------------------------------------------------------------------------------------------------
class Daemon:
    def __init__(self, build, conf, folder):
        self.ctl, self.socket = build / "client-lib/inferctl/inferctl", folder / "socket"
        (folder / "inferd.yaml").write_text(f"socket: {self.socket}\nmemory_budget_mb: 1024\n")
        (folder / "conf.d").symlink_to(conf.resolve())
        (folder / "state").mkdir()
        command = [build / "daemon/inferd", "--config", folder / "inferd.yaml"]
        subprocess.run(command + ["--check-config"], check=True)
        self.process = subprocess.Popen(command + ["--state-dir", folder / "state"], stderr=subprocess.DEVNULL)
        while not self.socket.exists():
            if self.process.poll() is not None:
                sys.exit("inferd did not start")
            time.sleep(0.05)

    def call(self, *words):
        command = [self.ctl, "--socket", self.socket, "--json", *words]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def cut_face(source, target):
    """The face mesh sees a face that fills the picture."""
    Image.open(source).convert("RGB").crop((125, 10, 325, 210)).save(target)


def models_of(conf):
    """Names in the order of the files."""
    for path in sorted(conf.glob("*.yaml")):
        for line in path.read_text().splitlines():
            if line.startswith("  - name: "):
                yield line.removeprefix("  - name: ")


def compare(daemon, conf, pictures, out):
    good = True
    for model in models_of(conf):
        picture, judge = EXPECTED[model]
        answer = daemon.call("run", "--full", model, pictures[picture], "--annotate", out / model)[0]
        right, found = judge(answer, pictures[picture], out / model / f"{pictures[picture].name}.png")
        print(f"{model:20} {picture:10} {'right' if right else 'WRONG'}  {found}")
        good &= right
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True, help="--into of tools/models.sh")
    parser.add_argument("--opencv-doc", type=pathlib.Path, required=True, help="where Debian's package was unpacked")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        pictures = {"astronaut": args.models / "people/astronaut.png", "cat": args.models / "photos/chelsea.png",
                    "hand": args.opencv_doc / HAND, "face": folder / "face.png"}
        cut_face(pictures["astronaut"], pictures["face"])
        out = args.out or folder
        out.mkdir(parents=True, exist_ok=True)
        daemon = Daemon(args.build, args.models / "conf.d", folder)
        try:
            good = compare(daemon, args.models / "conf.d", pictures, out)
        finally:
            daemon.stop()
    sys.exit(not good)


if __name__ == "__main__":
    main()
