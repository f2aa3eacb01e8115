#!/usr/bin/env python3
"""Boxes and points of the daemon beside MediaPipe's own, for the same pictures and the same network files.

It runs in an environment that has the package mediapipe (0.10.21), whose network files both sides read:

    solutions.py --build FOLDER [--out FOLDER] PICTURE...      FOLDER: where inferd and inferctl were built

Each picture is seen as it is, sampled as MediaPipe samples it (sampling: point), and at the network's own size, where
nothing is scaled and only the decoding counts. Landmark networks see each face, or the largest square in the middle
for hands and bodies; points that MediaPipe calls invisible are left out. A line for each: how many both found, how
many only one, and the largest and the mean distance of corners and points, in percent of the longer side of
MediaPipe's box. The same with area sampling, the daemon's default, is there to be looked at. Exits 1 when another
distance is over 2 %.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import cv2
import mediapipe
import numpy as np
from mediapipe import CalculatorGraph, ImageFormat, packet_creator, packet_getter
from mediapipe.framework.formats import rect_pb2
from mediapipe.python._framework_bindings import resource_util

MODULES = pathlib.Path(mediapipe.__file__).parent / "modules"
resource_util.set_resource_dir(str(MODULES.parent.parent))
ALLOWED = 2.0  # percent of the box
LANDMARKS_FROM = 21  # points; detectors have fewer
SIGNED = "preprocess: {fit: letterbox, sampling: point, mean: 127.5, scale: 0.00784313725}"
POINT = "preprocess: {sampling: point}"
# name, MediaPipe's subgraph, network file, side, configuration
DETECTORS = [
    ("face_short", "FaceDetectionShortRangeCpu", "face_detection/face_detection_short_range.tflite", 128,
     "detector: blazeface, " + SIGNED),
    ("face_full", "FaceDetectionFullRangeCpu", "face_detection/face_detection_full_range_sparse.tflite", 192,
     "detector: blazeface, score_min: 0.6, " + SIGNED),
    ("palm", "PalmDetectionCpu", "palm_detection/palm_detection_full.tflite", 192,
     "detector: palm, preprocess: {fit: letterbox, sampling: point}"),
    ("pose", "PoseDetectionCpu", "pose_detection/pose_detection.tflite", 224, "detector: pose, " + SIGNED),
]
LANDMARKS = [
    ("face_mesh", "FaceLandmarkCpu", "face_landmark/face_landmark.tflite", 192, "landmarks: face, " + POINT),
    ("face_attention", "FaceLandmarkCpu", "face_landmark/face_landmark_with_attention.tflite", 192,
     "landmarks: face, " + POINT),
    ("hand", "HandLandmarkCpu", "hand_landmark/hand_landmark_full.tflite", 224, "landmarks: hand, " + POINT),
    ("body", "PoseLandmarkByRoiCpu", "pose_landmark/pose_landmark_full.tflite", 256, "landmarks: pose, " + POINT),
]


# ---- the daemon ------------------------------------------------------------------------------------------------------
class Daemon:
    def __init__(self, build, folder, served=None):
        self.folder, self.build = folder, build
        self.socket = os.path.join(folder, "socket")
        lines = [f"socket: {self.socket}", "memory_budget_mb: 1024", "models:"]
        for task, models in (("detect", DETECTORS), ("landmarks", LANDMARKS)):
            for name, _, file, _, keys in models:
                for label, used in ((name, keys), (name + "_area", keys.replace("sampling: point", "sampling: area"))):
                    lines.append(f"  - {{name: {label}, task: {task}, {used}, "
                                 f"variants: [{{name: v, file: {MODULES / file}}}]}}")
        if served:  # in place of these, as lines of a configuration
            lines = lines[:3] + [served]
        config = os.path.join(folder, "inferd.yaml")
        pathlib.Path(config).write_text("\n".join(lines) + "\n")
        os.mkdir(os.path.join(folder, "state"))
        self.process = subprocess.Popen(
            [f"{build}/daemon/inferd", "--config", config, "--state-dir", os.path.join(folder, "state")],
            stderr=subprocess.DEVNULL)
        while not os.path.exists(self.socket):
            if self.process.poll() is not None:
                sys.exit("inferd did not start")
            time.sleep(0.05)

    def run(self, model, picture, annotate=None):
        """Items of a picture: a list of (score, [corners and points as x, y])."""
        path = os.path.join(self.folder, "picture.png")
        cv2.imwrite(path, picture)
        command = [f"{self.build}/client-lib/inferctl/inferctl", "--socket", self.socket, "--json", "run", "--full"]
        command += ["--annotate", annotate] if annotate else []
        line = json.loads(subprocess.run(command + [model, path], check=True, capture_output=True, text=True).stdout)
        return [(item["score"], np.array(item["box"]), np.array(item["points"])) for item in line["results"]]

    def stop(self):
        self.process.terminate()
        self.process.wait()


# ---- MediaPipe -------------------------------------------------------------------------------------------------------
def mediapipe_run(subgraph, picture, output, with_roi, attention=None):
    """Packets of one output stream of a subgraph, which sees the whole picture.  attention: of FaceLandmarkCpu."""
    switch = 'input_side_packet: "WITH_ATTENTION:attention"' if attention else ""
    text = f"""
input_stream: "image"
{'input_stream: "roi"' if with_roi else ''} {'input_side_packet: "attention"' if attention else ''}
node {{ calculator: "{subgraph}" input_stream: "IMAGE:image" {'input_stream: "ROI:roi"' if with_roi else ''} {switch}
  output_stream: "{output}:out" }}
"""
    graph, found = CalculatorGraph(graph_config=text), []
    graph.observe_output_stream("out", lambda _, packet: found.append(packet))
    graph.start_run({"attention": packet_creator.create_bool(True)} if attention else {})
    rgb = np.ascontiguousarray(picture[:, :, ::-1])
    if with_roi:
        rect = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1, rotation=0)
        graph.add_packet_to_input_stream("roi", packet_creator.create_proto(rect).at(1))
    graph.add_packet_to_input_stream("image", packet_creator.create_image_frame(
        image_format=ImageFormat.SRGB, data=rgb).at(1))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    return [packet for packet in found if not packet.is_empty()]


def mediapipe_boxes(subgraph, picture, _=False):
    height, width = picture.shape[:2]
    items = []
    for packet in mediapipe_run(subgraph, picture, "DETECTIONS", False):
        for detection in packet_getter.get_proto_list(packet):
            place = detection.location_data
            box = place.relative_bounding_box
            corners = np.array([box.xmin * width, box.ymin * height, (box.xmin + box.width) * width,
                                (box.ymin + box.height) * height])
            points = np.array([[p.x * width, p.y * height] for p in place.relative_keypoints])
            items.append((detection.score[0], corners, points))
    return items


def mediapipe_points(subgraph, picture, attention):
    height, width = picture.shape[:2]
    items = []
    for packet in mediapipe_run(subgraph, picture, "LANDMARKS", True, attention):
        landmarks = packet_getter.get_proto(packet).landmark
        points = np.array([[p.x * width, p.y * height] for p in landmarks])
        box = np.concatenate([points.min(0), points.max(0)])
        # Where the network sees no such part of the body it guesses, and the guess is nobody's to be right about.
        points[[p.HasField("visibility") and p.visibility < 0.5 for p in landmarks]] = np.nan
        items.append((1.0, box, points))
    return items


# ---- comparing -------------------------------------------------------------------------------------------------------
def iou(a, b):
    size = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    common = size[0] * size[1]
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


class Tally:
    def __init__(self):
        self.both, self.ours, self.theirs, self.distances = 0, 0, 0, []

    def add(self, ours, theirs):
        left = list(ours)
        for _, box, points in theirs:
            near = max(left, key=lambda item: iou(item[1], box), default=None)
            if near is None or iou(near[1], box) < 0.3:
                self.theirs += 1
                continue
            left = [item for item in left if item is not near]
            self.both += 1
            side = max(box[2] - box[0], box[3] - box[1])
            mine, other = near[2], points[:len(near[2])]
            if len(other) < LANDMARKS_FROM:  # the box of landmarks is that of their points
                mine, other = np.vstack([mine, near[1].reshape(2, 2)]), np.vstack([other, box.reshape(2, 2)])
            distances = 100 * np.linalg.norm(mine - other, axis=1) / side
            self.distances += list(distances[np.isfinite(distances)])
        self.ours += len(left)

    def line(self, name):
        d = self.distances or [float("nan")]
        return (f"{name:28} both {self.both:3}  only inferd {self.ours:2}  only MediaPipe {self.theirs:2}  "
                f"largest {max(d):6.2f} %  mean {np.mean(d):6.3f} %")

    def good(self):
        return not self.distances or max(self.distances) <= ALLOWED


def letterboxed(picture, side):
    height, width = picture.shape[:2]
    scale = side / max(width, height)
    small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    full = np.zeros((side, side, 3), np.uint8)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    full[top:top + small.shape[0], left:left + small.shape[1]] = small
    return full


def stretched(picture, side):
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def compare(daemon, name, reference, pictures, side, reduce):
    scaled, area, same = Tally(), Tally(), Tally()
    for picture in pictures:
        theirs = reference(picture)
        scaled.add(daemon.run(name, picture), theirs)
        area.add(daemon.run(name + "_area", picture), theirs)
        small = reduce(picture, side)
        same.add(daemon.run(name, small), reference(small))
    print(scaled.line(f"{name}, as it is"))
    print(area.line(f"{name}, area sampling"))
    print(same.line(f"{name}, {side}x{side}"))
    return scaled.good() and same.good()


def draw(daemon, name, pictures, out):
    for i, picture in enumerate(pictures):
        folder = os.path.join(out, f"{name}-{i}")
        os.makedirs(folder, exist_ok=True)
        daemon.run(name, picture, folder)


def faces(pictures):
    """The parts of the pictures that show a face, with a margin as MediaPipe's face mesh takes it."""
    for picture in pictures:
        for _, box, _ in mediapipe_boxes("FaceDetectionShortRangeCpu", picture):
            centre, half = (box[:2] + box[2:]) / 2, 0.75 * max(box[2] - box[0], box[3] - box[1])
            x0, y0 = np.maximum(centre - half, 0).astype(int)
            x1, y1 = (centre + half).astype(int)
            yield picture[y0:y1, x0:x1]


def shown_to(name, pictures):
    if name in ("face_mesh", "face_attention"):
        return list(faces(pictures))
    if name not in ("hand", "body"):
        return pictures
    # The regions that MediaPipe's graphs hand to these networks are squares.
    squares = []
    for picture in pictures:
        side = min(picture.shape[:2])
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        squares.append(picture[top:top + side, left:left + side])
    return squares


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", help="drawings of what was found in the pictures as they are")
    parser.add_argument("pictures", nargs="+")
    arguments = parser.parse_args()
    pictures = [cv2.imread(path) for path in arguments.pictures]
    if any(picture is None for picture in pictures):
        sys.exit("a picture cannot be read")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(arguments.build, folder)
        try:
            for models, reference in ((DETECTORS, mediapipe_boxes), (LANDMARKS, mediapipe_points)):
                for name, subgraph, _, side, _ in models:
                    shown = shown_to(name, pictures)
                    good &= compare(daemon, name, lambda picture: reference(subgraph, picture, name == "face_attention"), shown, side,
                                    letterboxed if models is DETECTORS else stretched)
                    if arguments.out:
                        draw(daemon, name, shown, arguments.out)
        finally:
            daemon.stop()
    sys.exit(not good)


if __name__ == "__main__":
    main()
