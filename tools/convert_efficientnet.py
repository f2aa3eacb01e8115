#!/usr/bin/env python3
"""EfficientNet-Lite: a PyTorch checkpoint to ncnn's .param and .bin, with the standard library alone.

Reads both checkpoint containers (the zip of PyTorch 1.6 and later, and the stream of pickles before it) with an
unpickler that knows only dictionaries, tensors and storages.  Batch normalisation is folded into the convolutions,
ReLU6 becomes their fused activation, and padding is "same" as TensorFlow has it, so that the network runs at any
input size.  The architecture follows the paper and its reference: EfficientNet (arXiv:1905.11946) without
squeeze-and-excite, with ReLU6, stem and head unscaled, first and last stage not repeated more often.  With --features
the network ends before its classifier, with the mean of each of the 1280 channels: a vector that describes the picture.
"""
import argparse
import array
import collections
import io
import math
import pathlib
import pickle
import struct
import sys
import zipfile

# variant: width multiplier, depth multiplier, input side
VARIANTS = {"lite0": (1.0, 1.0, 224), "lite1": (1.0, 1.1, 240), "lite2": (1.1, 1.2, 260)}
# repeats, kernel, stride, expansion, input channels, output channels
STAGES = [(1, 3, 1, 1, 32, 16), (2, 3, 2, 6, 16, 24), (2, 5, 2, 6, 24, 40), (3, 3, 2, 6, 40, 80),
          (3, 5, 1, 6, 80, 112), (4, 5, 2, 6, 112, 192), (1, 3, 1, 6, 192, 320)]
HEAD_CHANNELS = 1280
EPSILON = 1e-3
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    def __init__(self, kind, key, count):
        self.kind, self.key, self.count, self.values = kind, key, count, None


class Tensor:
    def __init__(self, storage, offset, shape, stride):
        self.storage, self.offset, self.shape, self.stride = storage, offset, tuple(shape), tuple(stride)

    def values(self):
        """All elements in row-major order, whatever the order in the storage."""
        places = [self.offset]
        for side, step in zip(self.shape, self.stride):
            places = [place + i * step for place in places for i in range(side)]
        if places and not (0 <= min(places) and max(places) < len(self.storage.values)):
            raise ValueError("a tensor reaches beyond its storage")
        stored = self.storage.values
        return array.array(self.storage.kind, (stored[place] for place in places))


STORAGE_TYPES = {"FloatStorage": "f", "LongStorage": "q", "IntStorage": "i"}


def rebuild_tensor(storage, offset, shape, stride, *_):
    return Tensor(storage, offset, shape, stride)


class Reader(pickle.Unpickler):
    """Nothing but what a state dictionary consists of can be made."""

    def __init__(self, file, storages):
        super().__init__(file, encoding="latin1")
        self.storages = storages

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return rebuild_tensor
        if module == "torch" and name in STORAGE_TYPES:
            return STORAGE_TYPES[name]
        raise pickle.UnpicklingError(f"the checkpoint holds a {module}.{name}, which is no tensor")

    def persistent_load(self, pid):
        kind, key, count = pid[1], pid[2], pid[4]
        return self.storages.setdefault(key, Storage(kind, key, count))


def fill(storage, data):
    values = array.array(storage.kind)
    if len(data) != storage.count * values.itemsize:
        raise ValueError("a storage is cut short")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    storage.values = values


def read_zip(path):
    storages = {}
    with zipfile.ZipFile(path) as archive:
        index = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        tensors = Reader(io.BytesIO(archive.read(index)), storages).load()
        for key, storage in storages.items():
            fill(storage, archive.read(index[:-len("data.pkl")] + "data/" + key))
    return tensors


def read_legacy(path):
    storages = {}
    with open(path, "rb") as file:
        if Reader(file, storages).load() != LEGACY_MAGIC:
            raise ValueError("not a PyTorch checkpoint")
        Reader(file, storages).load()  # protocol version
        Reader(file, storages).load()  # sizes of C types on the machine that wrote it
        tensors = Reader(file, storages).load()
        for key in Reader(file, storages).load():
            storage = storages[key]
            (count,) = struct.unpack("<q", file.read(8))
            if count != storage.count:
                raise ValueError("a storage has another length than announced")
            fill(storage, file.read(count * array.array(storage.kind).itemsize))
    return tensors


def read_checkpoint(path):
    return read_zip(path) if zipfile.is_zipfile(path) else read_legacy(path)


def round_filters(filters, width):
    if width == 1.0:
        return filters
    filters *= width
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def blocks(width, depth):
    """(kernel, stride, expansion, input channels, output channels) of every block."""
    for i, (repeats, kernel, stride, expansion, source, target) in enumerate(STAGES):
        edge = i in (0, len(STAGES) - 1)
        source = source if i == 0 else round_filters(source, width)
        target = round_filters(target, width)
        for _ in range(repeats if edge else math.ceil(repeats * depth)):
            yield kernel, stride, expansion, source, target
            source, stride = target, 1


class Writer:
    """Layers of a .param, blobs in a .bin, in the same order."""

    def __init__(self, tensors):
        self.tensors, self.layers, self.blobs, self.weights = tensors, [], 0, []

    def layer(self, kind, name, bottoms, parameters="", tops=1):
        made = [f"b{self.blobs + i}" for i in range(tops)]
        self.blobs += tops
        names = " ".join(list(bottoms) + made)
        self.layers.append(f"{kind} {name} {len(bottoms)} {tops} {names} {parameters}".rstrip())
        return made[0] if tops == 1 else made

    def take(self, name):
        try:
            return self.tensors[name].values()
        except KeyError:
            raise ValueError(f"the checkpoint has no {name}") from None

    def tagged(self, values):
        self.weights.append(struct.pack("<I", 0))
        self.raw(values)

    def raw(self, values):
        data = array.array("f", values)
        if sys.byteorder == "big":
            data.byteswap()
        self.weights.append(data.tobytes())

    def conv(self, name, bottom, conv, norm, channels, kernel, stride, relu6, depthwise=False):
        weight = self.take(f"{conv}.weight")
        gamma, beta = self.take(f"{norm}.weight"), self.take(f"{norm}.bias")
        mean, variance = self.take(f"{norm}.running_mean"), self.take(f"{norm}.running_var")
        if len(gamma) != channels or len(weight) % channels:
            raise ValueError(f"{conv} has another shape than this variant's")
        each = len(weight) // channels
        factor = [g / math.sqrt(v + EPSILON) for g, v in zip(gamma, variance)]
        self.tagged(w * factor[i // each] for i, w in enumerate(weight))
        self.raw(b - m * f for b, m, f in zip(beta, mean, factor))
        parameters = f"0={channels} 1={kernel} 3={stride} 4={-233 if kernel > 1 else 0} 5=1 6={len(weight)}"
        if depthwise:
            parameters += f" 7={channels}"
        if relu6:
            parameters += " 9=3 -23310=2,0.0,6.0"
        return self.layer("ConvolutionDepthWise" if depthwise else "Convolution", name, [bottom], parameters)

    def block(self, i, bottom, kernel, stride, expansion, source, target):
        name, prefix, wide = f"block{i}", f"_blocks.{i}.", source * expansion
        residual = stride == 1 and source == target
        skip = bottom
        if residual:
            bottom, skip = self.layer("Split", f"{name}_split", [bottom], tops=2)
        x = bottom
        if expansion != 1:
            x = self.conv(f"{name}_expand", x, prefix + "_expand_conv", prefix + "_bn0", wide, 1, 1, True)
        x = self.conv(f"{name}_depthwise", x, prefix + "_depthwise_conv", prefix + "_bn1", wide, kernel, stride, True,
                      depthwise=True)
        x = self.conv(f"{name}_project", x, prefix + "_project_conv", prefix + "_bn2", target, 1, 1, False)
        return self.layer("BinaryOp", f"{name}_add", [x, skip], "0=0") if residual else x

    def network(self, width, depth, side, features):
        x = self.layer("Input", "image", [], f"0={side} 1={side} 2=3")
        x = self.conv("stem", x, "_conv_stem", "_bn0", 32, 3, 2, True)
        for i, block in enumerate(blocks(width, depth)):
            x = self.block(i, x, *block)
        x = self.conv("head", x, "_conv_head", "_bn1", HEAD_CHANNELS, 1, 1, True)
        x = self.layer("Pooling", "pool", [x], "0=1 4=1")
        if not features:
            self.classifier(x)

    def classifier(self, x):
        weight, bias = self.take("_fc.weight"), self.take("_fc.bias")
        self.tagged(weight)
        self.raw(bias)
        x = self.layer("InnerProduct", "classes", [x], f"0={len(bias)} 1=1 2={len(weight)}")
        self.layers.append(f"Softmax probabilities 1 1 {x} probabilities 0=0 1=1")
        self.blobs += 1

    def save(self, param):
        text = f"7767517\n{len(self.layers)} {self.blobs}\n" + "\n".join(self.layers) + "\n"
        for path, data in ((param, text.encode()), (param.with_suffix(".bin"), b"".join(self.weights))):
            part = path.with_name(path.name + ".part")
            part.write_bytes(data)
            part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("param", type=pathlib.Path, help="output; the weights go beside it with the suffix .bin")
    parser.add_argument("--variant", choices=VARIANTS, required=True)
    parser.add_argument("--features", action="store_true", help="end before the classifier")
    args = parser.parse_args()
    try:
        writer = Writer(read_checkpoint(args.checkpoint))
        writer.network(*VARIANTS[args.variant], args.features)
    except (ValueError, pickle.UnpicklingError, EOFError, OSError, struct.error) as error:
        sys.exit(f"{args.checkpoint}: {error}")
    writer.save(args.param)


if __name__ == "__main__":
    main()
