"""A hand that can be posed: the skinned mesh of a WebXR controller profile, bent at its joints and drawn.

The package @webxr-input-profiles/assets (MIT) has a left and a right hand as glTF. Its 25 joints lie in one space, the
fingers along -y and the palm towards +x (left) or -x (right), so a joint bends by turning all that hangs on it about
an axis through its place.
"""
import json
import struct

import cv2
import numpy as np

FINGERS = ("thumb", "index-finger", "middle-finger", "ring-finger", "pinky-finger")
SKIN = ((120, 160, 216), (92, 132, 196), (70, 100, 160), (150, 185, 232), (48, 70, 112))  # BGR
SUPER = 2  # samples a pixel and side


def read_glb(data):
    """Vertices, normals, joints and weights of each vertex, triangles, and the joints' names and places."""
    length = struct.unpack_from("<I", data, 12)[0]
    scene, blob = json.loads(data[20:20 + length]), data[28 + length:]

    def accessor(index):
        a = scene["accessors"][index]
        view = scene["bufferViews"][a["bufferView"]]
        dtype = {5121: np.uint8, 5123: np.uint16, 5126: np.float32}[a["componentType"]]
        columns = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[a["type"]]
        offset = view.get("byteOffset", 0) + a.get("byteOffset", 0)
        return np.frombuffer(blob, dtype, a["count"] * columns, offset).reshape(a["count"], columns)

    primitive = scene["meshes"][0]["primitives"][0]
    parts = {name: accessor(index) for name, index in primitive["attributes"].items()}
    nodes = [scene["nodes"][i] for i in scene["skins"][0]["joints"]]
    return (parts["POSITION"].astype(float), parts["NORMAL"].astype(float), parts["JOINTS_0"], parts["WEIGHTS_0"],
            accessor(primitive["indices"]).reshape(-1, 3), {n["name"]: (i, np.array(n["translation"]))
                                                            for i, n in enumerate(nodes)})


def turn(axis, degrees, through):
    """A 4x4 matrix that turns about an axis through a point."""
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    matrix[:3, 3] = through - matrix[:3, :3] @ through
    return matrix


class Hand:
    def __init__(self, data, side):
        self.points, self.normals, self.joints, self.weights, self.triangles, self.places = read_glb(data)
        self.palm = np.array([1.0, 0, 0]) if side == "left" else np.array([-1.0, 0, 0])

    def chain(self, finger):
        names = [f"{finger}-metacarpal", f"{finger}-phalanx-proximal"]
        names += [] if finger == "thumb" else [f"{finger}-phalanx-intermediate"]
        return names + [f"{finger}-phalanx-distal", f"{finger}-tip"]

    def pose(self, bends, spread, thumb):
        """bends: degrees of the three joints of each of four fingers; spread: degrees apart, of neighbours;
        thumb: degrees that it is turned over the palm, towards the fingers, and bent at its two joints."""
        matrices = {i: np.eye(4) for i, _ in self.places.values()}
        across = np.cross(self.palm, self.places["middle-finger-tip"][1] - self.places["wrist"][1])
        for number, finger in enumerate(FINGERS[1:]):
            names = self.chain(finger)
            start, end = self.places[names[1]][1], self.places[names[4]][1]
            axis = np.cross(end - start, self.palm)
            aside = turn(self.palm, (1.5 - number) * spread * self.sign(across), start)
            moved = aside
            for name, degrees in zip(names[1:4], bends[number]):
                moved = moved @ turn(axis, degrees, self.places[name][1])
                matrices[self.places[name][0]] = moved
            matrices[self.places[names[4]][0]] = moved
        names = self.chain("thumb")
        start, end = self.places[names[0]][1], self.places[names[3]][1]
        inwards = self.places["ring-finger-phalanx-proximal"][1] - self.places["index-finger-phalanx-proximal"][1]
        moved = turn(np.cross(end - start, self.palm), thumb[0], start) @ turn(np.cross(end - start, inwards), thumb[1],
                                                                               start)
        matrices[self.places[names[0]][0]] = moved
        bend = np.cross(end - start, inwards - 0.01 * self.palm)
        for name, degrees in zip(names[1:3], thumb[2:]):
            moved = moved @ turn(bend, degrees, self.places[name][1])
            matrices[self.places[name][0]] = moved
        matrices[self.places[names[3]][0]] = moved
        return np.array([matrices[i] for i in range(len(matrices))])

    def sign(self, across):
        return np.sign(across @ (self.places["index-finger-tip"][1] - self.places["pinky-finger-tip"][1]))

    def draw(self, matrices, view, side, skin, background, light=(0.3, 0.6, 0.7)):
        """The posed hand on a square picture, seen from +z of `view`, a rotation, with a moderate perspective."""
        blended = np.einsum("vk,vkij->vij", self.weights, matrices[self.joints])
        points = np.einsum("vij,vj->vi", blended[:, :3, :3], self.points) + blended[:, :3, 3]
        normals = np.einsum("vij,vj->vi", blended[:, :3, :3], self.normals) @ view.T
        points = (points - (points.min(0) + points.max(0)) / 2) @ view.T
        points /= np.abs(points[:, :2]).max() * 1.45
        flat = points[:, :2] / (1 - 0.2 * points[:, 2:])
        pixels = np.round((flat * [1, -1] + 1) * side * SUPER / 2 * 16).astype(np.int32)
        picture = cv2.resize(background, (side * SUPER, side * SUPER))
        towards = np.array(light) / np.linalg.norm(light)
        shade = 0.5 + 0.5 * np.clip(normals[self.triangles].mean(1) @ towards, 0, 1)
        for triangle in np.argsort(points[self.triangles, 2].mean(1)):
            corners = self.triangles[triangle]
            colour = tuple(float(c) * shade[triangle] for c in skin)
            cv2.fillConvexPoly(picture, pixels[corners], colour, shift=4)
        return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def view_of(turned, tilted, rolled, side):
    """The palm towards the viewer and the fingers up, then turned about the upright and tilted axes, in degrees."""
    face = np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]], float) if side == "left" else \
        np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], float)
    origin = np.zeros(3)
    for axis, degrees in ((np.array([0, 1.0, 0]), turned), (np.array([1.0, 0, 0]), tilted), (np.array([0, 0, 1.0]), rolled)):
        face = turn(axis, degrees, origin)[:3, :3] @ face
    return face
