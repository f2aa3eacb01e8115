"""Networks that tell pictures on a screen: EfficientNet-Lite cut after a middle stage, its maps pooled over the middle of the
picture and whitened.  docs/recognition.md says what each step brings.

All of it is in the network's file, the whitening as a last fully connected layer, so that a daemon has nothing to do but
to run it.  The whitening is learned from pictures that nobody labelled, run through the network by inferd-model.
"""
import pathlib
import subprocess
import sys
import tempfile

import cv2
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import convert_efficientnet as efficientnet  # noqa: E402

# Variant name: network, side of its input.
LADDER = {"lite2-160": ("lite2", 160), "lite0-128": ("lite0", 128), "lite0-64": ("lite0", 64)}
STAGES = (3, 4, 5)  # after which maps are pooled; what follows the last is left out
DIMENSIONS = 192
SHRINK = 0.05  # of the mean variance, added to each direction's, so that rare ones are not blown up
MEAN, SCALE = 127, 1 / 128
SEED = 5
CROPS = 1  # of each picture


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


def learn_whitening(vectors, channels):
    """Weights and bias that make the vectors' directions uncorrelated and of like variance, the strongest first."""
    parts = np.split(vectors, np.cumsum(channels)[:-1], axis=1)
    scale = np.concatenate([np.full(c, 1 / np.linalg.norm(p, axis=1).mean()) for c, p in zip(channels, parts)])
    scaled = vectors * scale
    mean = scaled.mean(0)
    _, strength, directions = np.linalg.svd(scaled - mean, full_matrices=False)
    variance = (strength ** 2 / len(vectors))[:DIMENSIONS]
    weight = directions[:DIMENSIONS] / np.sqrt(variance + SHRINK * variance.mean())[:, None]
    return weight * scale, -weight @ mean


def make(tool, checkpoints, pictures, into):
    """Files of all variants: name -> path.  What is there already is kept."""
    into.mkdir(parents=True, exist_ok=True)
    crops = None
    for name, (network, side) in LADDER.items():
        if (into / f"{name}.param").exists():
            continue
        crops = crops or read_crops(pictures)
        tensors = efficientnet.read_checkpoint(checkpoints / f"efficientnet_{network}.pth")
        width, depth, _ = efficientnet.VARIANTS[network]
        writer = Writer(tensors)
        channels = writer.look(width, depth, side)
        writer.save(into / f"{name}-features.param")
        writer.project(*learn_whitening(run(tool, into / f"{name}-features.param", crops, side), channels))
        writer.save(into / f"{name}.param")
    return {name: into / f"{name}.param" for name in LADDER}
