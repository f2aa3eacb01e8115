"""Networks that tell pictures on a screen: EfficientNet-Lite cut after a middle stage, its maps pooled over the middle of the
picture and whitened.  docs/recognition.md says what each step brings.

All of it is in the network's file, the whitening as a last fully connected layer, so that a daemon has nothing to do but
to run it.  The whitening is learned from pictures that nobody labelled and from what a camera makes of them, run through the
network by inferd-model.
"""
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

import camera
import clips

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import convert_efficientnet as efficientnet  # noqa: E402

# Variant name: network, side of its input.
LADDER = {"lite2-160": ("lite2", 160), "lite0-128": ("lite0", 128), "lite0-64": ("lite0", 64)}
STAGES = (3, 4, 5)  # after which maps are pooled; what follows the last is left out
DIMENSIONS = 192
# Of the mean variance, added to each direction's, so that rare ones are not blown up: of what the camera changes, and of
# what tells pictures apart.
WITHIN_SHRINK, BETWEEN_SHRINK = 0.1, 0.3
GLIMPSES = 2  # of each picture that is learned from with a camera
MEAN, SCALE = 127, 1 / 128
SEED = 5
CROPS = 3  # of each picture


class Writer(efficientnet.Writer):
    def look(self, width, depth, side):
        """The pooled stages, side by side.  Their channels are returned."""
        ends = {}
        for i, (stage, count) in enumerate(stage_repeats(depth)):
            ends[sum(c for _, c in stage_repeats(depth)[:i + 1]) - 1] = stage
        x = self.layer("Input", "image", [], f"0={side} 1={side} 2=3")
        x = self.conv("stem", x, "_conv_stem", "_bn0", 32, 3, 2, True)
        side, pooled, channels = (side + 1) // 2, [], []
        for i, block in enumerate(efficientnet.blocks(width, depth)):
            x = self.block(i, x, *block)
            side = -(-side // block[1])
            stage = ends.get(i)
            if stage in STAGES:
                last = stage == STAGES[-1]
                x, end = (None, x) if last else self.layer("Split", f"stage{stage}_split", [x], tops=2)
                pooled.append(self.pool_middle(f"stage{stage}", end, side))
                channels.append(block[4])
                if last:
                    break
        self.features = self.layer("Concat", "features", pooled, "0=0")
        return channels

    def pool_middle(self, name, bottom, side):
        """The mean over the middle half of each direction: what is beside the screen is mostly outside."""
        edge = side // 4
        inner = side - 2 * edge
        middle = self.layer("Crop", f"{name}_middle", [bottom], f"0={edge} 1={edge} 3={inner} 4={inner}")
        return self.layer("Pooling", f"{name}_pool", [middle], "0=1 4=1")

    def project(self, weight, bias):
        self.tagged(weight.ravel().tolist())
        self.raw(bias.tolist())
        self.layer("InnerProduct", "vector", [self.features], f"0={len(bias)} 1=1 2={weight.size}")


def stage_repeats(depth):
    edges = (0, len(efficientnet.STAGES) - 1)
    return [(i, stage[0] if i in edges else int(np.ceil(stage[0] * depth))) for i, stage in enumerate(efficientnet.STAGES)]


def read_crops(folder):
    """Crops of 4:3 of all pictures, of random size and place."""
    draw = np.random.default_rng(SEED)
    crops = []
    for path in sorted(folder.iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        height, width = picture.shape[:2]
        for _ in range(CROPS):
            w = int(min(width, height * 4 / 3) * draw.uniform(0.4, 1))
            h = w * 3 // 4
            x, y = draw.integers(width - w + 1), draw.integers(height - h + 1)
            crops.append(picture[y:y + h, x:x + w])
    return crops


def run(tool, param, crops, side):
    """The network's output for each crop."""
    vectors = []
    with tempfile.TemporaryDirectory() as folder:
        for crop in crops:
            pixels = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)[..., ::-1].astype(np.float32)
            np.save(f"{folder}/in.npy", np.ascontiguousarray(((pixels - MEAN) * SCALE).transpose(2, 0, 1)))
            done = subprocess.run([tool, "run", param, "--threads", "1", "-i", f"{folder}/in.npy", "-o", f"{folder}/out"],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"inferd-model run failed: {done.stderr}")
            (output,) = pathlib.Path(f"{folder}/out").glob("*.npy")
            vectors.append(np.load(output).ravel())
    return np.array(vectors, np.float64)


def look_at(pictures):
    """Each picture as it is and as cameras see it on a screen."""
    seen = []
    for i, picture in enumerate(pictures):
        shots = [camera.Camera([SEED, i, j], camera.FRAME_SIZES[:1]).glimpse(picture) for j in range(GLIMPSES)]
        seen += [picture] + [cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR) for shot in shots]
    return seen


def learn_whitening(seen, others, channels):
    """Weights and bias of the directions in which pictures differ most over what a camera changes, the strongest first, each
    of like variance.  seen: [picture, 1 + GLIMPSES, number], the picture as it is first; others: [picture, number].

    Within-class whitening and then principal components: linear discriminants where each picture is a class (Fukunaga,
    Introduction to Statistical Pattern Recognition, 1990; for looking pictures up Mikolajczyk and Matas, ICCV 2007)."""
    clean = np.concatenate([others, seen[:, 0]])
    parts = np.split(clean, np.cumsum(channels)[:-1], axis=1)
    scale = np.concatenate([np.full(c, 1 / np.linalg.norm(p, axis=1).mean()) for c, p in zip(channels, parts)])
    changes = ((seen - seen.mean(1, keepdims=True)) * scale).reshape(-1, len(scale))
    within = changes.T @ changes / (len(seen) * (seen.shape[1] - 1))
    within += WITHIN_SHRINK * np.trace(within) / len(within) * np.eye(len(within))
    variance, directions = np.linalg.eigh(within)
    steady = directions / np.sqrt(variance) @ directions.T
    mean = (clean * scale).mean(0)
    _, strength, directions = np.linalg.svd((clean * scale - mean) @ steady, full_matrices=False)
    variance = (strength ** 2 / len(clean))[:DIMENSIONS]
    weight = directions[:DIMENSIONS] @ steady / np.sqrt(variance + BETWEEN_SHRINK * variance.mean())[:, None]
    return weight * scale, -weight @ mean


def make(tool, checkpoints, pictures, into):
    """Files of all variants: name -> path.  What is there already is kept.  pictures: the folder of the set `choose`."""
    into.mkdir(parents=True, exist_ok=True)
    crops = seen = None
    for name, (network, side) in LADDER.items():
        if (into / f"{name}.param").exists():
            continue
        crops = crops or read_crops(pictures / "unlabelled")
        seen = seen or look_at(clips.spare_windows(pictures))
        tensors = efficientnet.read_checkpoint(checkpoints / f"efficientnet_{network}.pth")
        width, depth, _ = efficientnet.VARIANTS[network]
        writer = Writer(tensors)
        channels = writer.look(width, depth, side)
        writer.save(into / f"{name}-features.param")
        features = into / f"{name}-features.param"
        vectors = run(tool, features, seen, side)
        writer.project(*learn_whitening(vectors.reshape(-1, 1 + GLIMPSES, vectors.shape[1]),
                                        run(tool, features, crops, side), channels))
        writer.save(into / f"{name}.param")
    return {name: into / f"{name}.param" for name in LADDER}
