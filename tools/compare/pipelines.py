#!/usr/bin/env python3
"""Whole pipelines of the daemon beside MediaPipe's solutions Hands, FaceMesh and Pose, with the same network files.

It runs in an environment that has the package mediapipe (0.10.21):

    pipelines.py --build FOLDER [--out FOLDER] PICTURE...

Each picture by itself (static_image_mode, and --full, which looks at every frame anew), then what was found first in it as a
clip of 60 frames at 30 a second in which the view pans, turns and zooms, tracked by both; bodies once as they are in each
frame (smooth: false, smooth_landmarks=False) and once smoothed by both. A line for each: how many both found, how many
only one, and the largest and the mean distance of landmarks in percent of the longer side of MediaPipe's box;
landmarks that MediaPipe calls invisible are left out. Below each, MediaPipe beside itself, with noise of one level in
the pixels: how far it can be told at all. Exits 1 when a distance is over 2 %.
"""
import argparse
import contextlib
import ctypes
import json
import os
import subprocess
import sys
import tempfile

import cv2
import mediapipe
import numpy as np

from solutions import MODULES, POINT, SIGNED, Daemon, Tally

STAGES = f"""\
  - {{name: p_palm, task: detect, detector: palm, variants: [{{name: v, file: {MODULES}/palm_detection/palm_detection_full.tflite}}], preprocess: {{fit: letterbox, sampling: point}}}}
  - {{name: p_hand, task: landmarks, landmarks: hand, variants: [{{name: v, file: {MODULES}/hand_landmark/hand_landmark_full.tflite}}], {POINT}}}
  - {{name: p_face, task: detect, detector: blazeface, variants: [{{name: v, file: {MODULES}/face_detection/face_detection_short_range.tflite}}], {SIGNED}}}
  - {{name: p_mesh, task: landmarks, landmarks: face, variants: [{{name: v, file: {MODULES}/face_landmark/face_landmark.tflite}}], {POINT}}}
  - {{name: p_attention, task: landmarks, landmarks: face, variants: [{{name: v, file: {MODULES}/face_landmark/face_landmark_with_attention.tflite}}], {POINT}}}
  - {{name: p_person, task: detect, detector: pose, variants: [{{name: v, file: {MODULES}/pose_detection/pose_detection.tflite}}], {SIGNED}}}
  - {{name: p_body, task: landmarks, landmarks: pose, variants: [{{name: v, file: {MODULES}/pose_landmark/pose_landmark_full.tflite}}], {POINT}}}
  - {{name: hands, pipeline: [p_palm, p_hand], deadline_ms: 60000, max_results: 2}}
  - {{name: mesh, pipeline: [p_face, p_mesh], deadline_ms: 60000, max_results: 4}}
  - {{name: attention, pipeline: [p_face, p_attention], deadline_ms: 60000, max_results: 4}}
  - {{name: pose, pipeline: [p_person, p_body], deadline_ms: 60000}}
  - {{name: hands_one, pipeline: [p_palm, p_hand], deadline_ms: 60000}}
  - {{name: mesh_one, pipeline: [p_face, p_mesh], deadline_ms: 60000}}
  - {{name: attention_one, pipeline: [p_face, p_attention], deadline_ms: 60000}}
  - {{name: pose_one, pipeline: [p_person, p_body], deadline_ms: 60000, smooth: false}}
  - {{name: smooth_one, pipeline: [p_person, p_body], deadline_ms: 60000}}
"""
CLIP_FRAMES = 60
CLIP_FRAME_US = 33333  # from frame to frame, which MediaPipe's solutions take for granted
CLIP_SIZE = (640, 480)


def solution(name, static, many):
    """A MediaPipe solution, and where its result has the lists of landmarks."""
    kinds = mediapipe.solutions
    if name == "hands":
        made = kinds.hands.Hands(static_image_mode=static, max_num_hands=2 if many else 1)
        return made, lambda result: result.multi_hand_landmarks or []
    if name in ("pose", "smooth"):
        made = kinds.pose.Pose(static_image_mode=static, smooth_landmarks=name == "smooth")
        return made, lambda result: [result.pose_landmarks] if result.pose_landmarks else []
    made = kinds.face_mesh.FaceMesh(static_image_mode=static, max_num_faces=4 if many else 1,
                                    refine_landmarks=name == "attention")
    return made, lambda result: result.multi_face_landmarks or []


def theirs(made, lists, picture):
    height, width = picture.shape[:2]
    items = []
    for landmarks in lists(made.process(np.ascontiguousarray(picture[:, :, ::-1]))):
        points = np.array([[p.x * width, p.y * height] for p in landmarks.landmark])
        box = np.concatenate([points.min(0), points.max(0)])
        points[[p.HasField("visibility") and p.visibility < 0.5 for p in landmarks.landmark]] = np.nan
        items.append((1.0, box, points))
    return items


def ours(daemon, model, picture, annotate=None):
    """Items of a picture by itself."""
    path = os.path.join(daemon.folder, "picture.png")
    cv2.imwrite(path, picture)
    command = [f"{daemon.build}/client-lib/inferctl/inferctl", "--socket", daemon.socket, "--json", "run", "--full"]
    command += ["--annotate", annotate] if annotate else []
    line = json.loads(subprocess.run(command + [model, path], check=True, capture_output=True, text=True).stdout)
    return [(item["score"], np.array(item["box"]), np.array(item["points"])) for item in line["results"]]


# ---- a clip through the client library, which can say when a frame was taken ------------------------------------------
def structure(*fields):
    return type("Structure", (ctypes.Structure,), {"_fields_": [(name, kind) for kind, names in fields
                                                                for name in names.split()]})


U32, SIZE, POINTER = ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p
RGB = 4
# As in inferd.h.
Frame = structure((ctypes.c_int, "format"), (ctypes.c_bool, "full_range"), (U32, "width height"),
                  (ctypes.c_char_p, "data"), (SIZE, "bytes"), (U32 * 3, "offset stride"), (U32, "deadline_us"),
                  (ctypes.c_uint64, "captured_us"), (POINTER, "user"), (ctypes.c_float, "angular_speed"),
                  (U32, "exposure_us"), (U32 * 2, "reserved"))
Options = structure((ctypes.c_char_p, "model"), (ctypes.c_int, "mode"), (U32, "n_buffers"), (SIZE, "buffer_bytes"),
                    (U32, "deadline_us top_k"), (ctypes.c_float, "min_fps weight"), (ctypes.c_bool, "full"),
                    (ctypes.c_char_p, "rung"), (POINTER, "on_result user"), (ctypes.c_int, "priority import_fd"),
                    (ctypes.c_char_p, "gallery"), (U32 * 4, "reserved"))
Item = structure((U32, "index"), (ctypes.c_float, "score"), (ctypes.c_char_p, "label"))
Place = structure((ctypes.c_float, "x0 y0 x1 y1"), (ctypes.POINTER(ctypes.c_float), "points"), (SIZE, "n_points"))
Rung = structure((ctypes.c_char_p, "name"))  # its first field
Result = structure((ctypes.c_uint64, "seq"), (POINTER, "user"), (ctypes.c_int, "status"), (ctypes.c_char_p, "text"),
                   (ctypes.POINTER(Item), "items"), (SIZE, "n_items"), (POINTER, "embedding"), (SIZE, "n_embedding"),
                   (ctypes.POINTER(Rung), "rung"), (ctypes.c_char_p, "reason"),
                   (U32, "queue_us wait_us preprocess_us inference_us total_us round_trip_us"), (U32 * 3, "advice"),
                   (ctypes.POINTER(Place), "places"))


def checked(code):
    if code < 0:
        sys.exit(f"pipelines: {os.strerror(-code)}")


def read_item(item, place):
    points = np.ctypeslib.as_array(place.points, (place.n_points, 4)).astype(float)
    return item.score, np.array([place.x0, place.y0, place.x1, place.y1]), points[:, :2]


def follow(daemon, model, pictures):
    """Items of each picture of a clip, and how many were tracked."""
    library = ctypes.CDLL(f"{daemon.build}/client-lib/libinferd.so")
    client, stream, result = POINTER(), POINTER(), ctypes.POINTER(Result)()
    items, tracked = [], 0
    checked(library.inferd_connect(daemon.socket.encode(), b"pipelines", ctypes.byref(client)))
    options = Options(model=model.encode(), buffer_bytes=pictures[0].size)
    checked(library.inferd_stream_open(client, ctypes.byref(options), ctypes.byref(stream)))
    for i, picture in enumerate(pictures):
        frame = Frame(format=RGB, width=picture.shape[1], height=picture.shape[0], bytes=picture.size,
                      data=picture[:, :, ::-1].tobytes(), captured_us=1 + i * CLIP_FRAME_US)
        checked(library.inferd_run(stream, ctypes.byref(frame), -1, ctypes.byref(result)))
        answer = result.contents
        if answer.status != 0:
            sys.exit("pipelines: a frame was not run")
        tracked += answer.rung.contents.name.startswith(b"tracked")
        items.append([read_item(answer.items[k], answer.places[k]) for k in range(answer.n_items)])
    library.inferd_close(client)
    return items, tracked


def clip(picture, box):
    """Views of 640x480 that stay about a box, pan and zoom by a fifth and turn by ten degrees."""
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    zoom = CLIP_SIZE[1] / 2.5 / max(box[2] - box[0], box[3] - box[1])
    for i in range(CLIP_FRAMES):
        phase = 2 * np.pi * i / CLIP_FRAMES
        matrix = cv2.getRotationMatrix2D(tuple(centre), 10 * np.sin(phase), zoom * (1 + 0.2 * np.sin(2 * phase)))
        matrix[:, 2] += np.array(CLIP_SIZE) / 2 - centre + np.array([80 * np.sin(phase), 50 * np.cos(phase) - 50])
        yield cv2.warpAffine(picture, matrix, CLIP_SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def noisy(picture):
    """The picture with every value moved by at most one level, which nobody sees."""
    noise = np.random.default_rng(1).integers(-1, 2, picture.shape)
    return np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8)


def compare_pictures(daemon, name, pictures, out):
    tally, itself = Tally(), Tally()
    for i, picture in enumerate(pictures):
        annotate = os.path.join(out, f"{name}-{i}") if out else None
        if annotate:
            os.makedirs(annotate, exist_ok=True)
        made, lists = solution(name, True, True)
        with contextlib.closing(made):
            reference = theirs(made, lists, picture)
            tally.add(ours(daemon, name, picture, annotate), reference)
            itself.add(theirs(made, lists, noisy(picture)), reference)
    print(tally.line(f"{name}, pictures"))
    print(itself.line("    MediaPipe, with noise"))
    return tally.good()


def compare_clips(daemon, name, pictures):
    good = True
    for picture in pictures:
        made, lists = solution(name, True, False)
        with contextlib.closing(made):
            found = theirs(made, lists, picture)
        if not found:
            continue
        frames, tally, itself = list(clip(picture, found[0][1])), Tally(), Tally()
        made, lists = solution(name, False, False)
        other, _ = solution(name, False, False)
        items, tracked = follow(daemon, name + "_one", frames)
        with contextlib.closing(made), contextlib.closing(other):
            for mine, frame in zip(items, frames):
                reference = theirs(made, lists, frame)
                tally.add(mine, reference)
                itself.add(theirs(other, lists, noisy(frame)), reference)
        print(tally.line(f"{name}, clip, {tracked} of {len(frames)} tracked"))
        print(itself.line("    MediaPipe, with noise"))
        good &= tally.good()
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--out", help="drawings of what was found in the pictures")
    parser.add_argument("pictures", nargs="+")
    arguments = parser.parse_args()
    pictures = [cv2.imread(path) for path in arguments.pictures]
    if any(picture is None for picture in pictures):
        sys.exit("a picture cannot be read")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(arguments.build, folder, STAGES)
        try:
            for name in ("hands", "mesh", "attention", "pose"):
                good &= compare_pictures(daemon, name, pictures, arguments.out)
                good &= compare_clips(daemon, name, pictures)
            good &= compare_clips(daemon, "smooth", pictures)
        finally:
            daemon.stop()
    sys.exit(not good)


if __name__ == "__main__":
    main()
