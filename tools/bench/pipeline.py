#!/usr/bin/env python3
"""What tracking a hand costs beside its landmark network alone, on a clip of 640x480 in which the hand stays in view.

    pipeline.py --build FOLDER --palm FILE --hand FILE --picture FILE --box X0 Y0 X1 Y1 [--runs N]

The clip is made of a photograph, of which box is the hand: the view pans, turns and zooms a little, 120 frames. It is
run as the pipeline and as the landmark network, which sees all of every frame and samples as many pixels of it; the
two take turns, N times (default 7). A line for each with the medians: CPU time of the daemon per frame, all of its
threads and messages included, and time of the lane for the network with its answer, which for the pipeline contains
the computing of the next region. Needs the package opencv-python.
"""
import argparse
import glob
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import cv2
import numpy as np

FRAMES = 120
SIZE = (640, 480)


def write_clip(picture, box, path):
    """Views about the box as a y4m of 4:2:0, of which the box fills about half of the height."""
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    zoom = SIZE[1] / 2.2 / max(box[2] - box[0], box[3] - box[1])
    with open(path, "wb") as file:
        file.write(b"YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg\n")
        for i in range(FRAMES):
            phase = 2 * np.pi * i / FRAMES
            matrix = cv2.getRotationMatrix2D(tuple(centre), 8 * np.sin(phase), zoom * (1 + 0.1 * np.sin(2 * phase)))
            matrix[:, 2] += np.array(SIZE) / 2 - centre + np.array([60 * np.sin(phase), 30 * np.cos(phase) - 30])
            view = cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
            file.write(b"FRAME\n" + cv2.cvtColor(view, cv2.COLOR_BGR2YUV_I420).tobytes())


def start(arguments, folder):
    config = pathlib.Path(folder, "inferd.yaml")
    config.write_text(f"""\
socket: {folder}/socket
models:
  - {{name: palm, task: detect, detector: palm, variants: [{{name: v, file: {os.path.abspath(arguments.palm)}}}],
     preprocess: {{fit: letterbox, sampling: point}}}}
  - {{name: hand, task: landmarks, landmarks: hand, variants: [{{name: v, file: {os.path.abspath(arguments.hand)}}}],
     preprocess: {{sampling: point}}, deadline_ms: 60000}}
  - {{name: hands, pipeline: [palm, hand], deadline_ms: 60000}}
""")
    process = subprocess.Popen([f"{arguments.build}/daemon/inferd", "--config", config, "--state-dir", folder],
                               stderr=subprocess.DEVNULL)
    while not os.path.exists(f"{folder}/socket"):
        if process.poll() is not None:
            sys.exit("inferd did not start")
        time.sleep(0.05)
    return process


def cpu_ms(process):
    """CPU time of all threads so far."""
    threads = glob.glob(f"/proc/{process.pid}/task/*/schedstat")
    return sum(int(pathlib.Path(thread).read_text().split()[0]) for thread in threads) / 1e6


def measure(arguments, process, folder, model, clip):
    """CPU ms a frame, lane's ms of the network, share of frames that were tracked."""
    command = [f"{arguments.build}/client-lib/inferctl/inferctl", "--socket", f"{folder}/socket", "--json", "run",
               model, clip]
    before = cpu_ms(process)
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    spent = cpu_ms(process) - before
    lines = [json.loads(line) for line in text.splitlines()]
    if len(lines) != FRAMES or not all("rung" in line for line in lines):
        sys.exit("frames were lost")
    inference = statistics.median(line["us"]["inference"] for line in lines) / 1000
    tracked = sum(line["rung"]["name"].startswith("tracked") and len(line["results"]) == 1 for line in lines)
    return spent / FRAMES, inference, tracked / FRAMES


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--palm", required=True)
    parser.add_argument("--hand", required=True)
    parser.add_argument("--picture", required=True)
    parser.add_argument("--box", type=float, nargs=4, required=True)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    picture = cv2.imread(arguments.picture)
    if picture is None:
        sys.exit("the picture cannot be read")
    with tempfile.TemporaryDirectory() as folder:
        clip = os.path.join(folder, "clip.y4m")
        write_clip(picture, arguments.box, clip)
        process = start(arguments, folder)
        try:
            runs = {"hand": [], "hands": []}
            for model in list(runs) * (arguments.runs + 1):
                runs[model].append(measure(arguments, process, folder, model, clip))
        finally:
            process.terminate()
            process.wait()
    # The first of each warms caches and clocks.
    cost = {model: [statistics.median(values) for values in zip(*many[1:])] for model, many in runs.items()}
    for model, name in (("hand", "network alone"), ("hands", "pipeline")):
        print(f"{name:14} cpu {cost[model][0]:7.3f} ms a frame  lane {cost[model][1]:7.3f} ms  "
              f"tracked {100 * cost[model][2]:5.1f} %")
    print(f"ratio          cpu {cost['hands'][0] / cost['hand'][0]:7.3f}             "
          f"lane {cost['hands'][1] / cost['hand'][1]:7.3f}")


if __name__ == "__main__":
    main()
