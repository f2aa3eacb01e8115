#!/usr/bin/env python3
"""Compares networks run by inferd-model with their own runtimes, on the same input tensors made from photographs.

TFLite files are run by ai-edge-litert with its reference kernels, ncnn files by ncnn in float32, and EfficientNet-Lite
by PyTorch through an independent definition (geffnet or efficientnet_lite_pytorch).  Prints a table: the share of
quantised outputs within one quantum, the largest difference over the largest output, agreement of the first class,
and how far two photographs are apart in units of the tolerance.  Exits with 1 where a network is out of tolerance.

    tools/compare/setup.sh build/peers      # once: the runtimes, in an environment of their own
    build/peers/bin/python tools/compare/networks.py --inferd-model build/tools/inferd-model/inferd-model \\
        --images DIR FILE.tflite FILE.param ...
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image

FLOAT_TOLERANCE = 1e-3  # of the largest output
QUANTUM_SHARE = 0.99


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=pathlib.Path)
    parser.add_argument("--inferd-model", default="build/tools/inferd-model/inferd-model")
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--count", type=int, default=20, help="photographs to use (default 20)")
    parser.add_argument("--checkpoint", type=pathlib.Path,
                        help="PyTorch checkpoint of the EfficientNet-Lite0 .param given: compare with PyTorch too")
    parser.add_argument("--goldens", type=pathlib.Path, metavar="DIR",
                        help="write the runtimes' outputs for the middle of two photographs there, and stop")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def photographs(folder, count):
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) < 2:
        sys.exit(f"{folder}: fewer than two photographs")
    return paths[:count]


def pixels(path, width, height):
    return np.asarray(Image.open(path).convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


class LiteRT:
    """A TFLite file in its own runtime, with the kernels that define the format."""

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
        self.interpreter = Interpreter(model_path=str(path),
                                       experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.outputs = self.interpreter.get_output_details()

    def size(self):
        return int(self.input["shape"][1]), int(self.input["shape"][2])

    def tensor(self, rgb):
        rgb = rgb[None]
        dtype = self.input["dtype"]
        if dtype == np.uint8:
            return rgb
        if dtype == np.int8:
            return (rgb.astype(np.int16) - 128).astype(np.int8)
        return (rgb.astype(np.float32) - 127.5) / 127.5

    def run(self, tensor):
        self.interpreter.set_tensor(self.input["index"], tensor)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(o["index"]) for o in self.outputs]


class Ncnn:
    """An ncnn network in float32 throughout."""

    def __init__(self, path, order="bgr", mean=(104.0, 117.0, 123.0), scale=1.0):
        import ncnn
        self.ncnn, self.net = ncnn, ncnn.Net()
        for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage",
                       "use_winograd_convolution", "use_sgemm_convolution"):
            setattr(self.net.opt, option, False)
        self.net.load_param(str(path))
        self.net.load_model(str(path.with_suffix(".bin")))
        first = next(line for line in path.read_text().splitlines()[2:] if line.startswith("Input")).split()
        values = dict(pair.split("=") for pair in first if "=" in pair)
        self.width, self.height = int(values.get("0", 224)), int(values.get("1", 224))
        self.order, self.mean, self.scale = order, np.float32(mean), np.float32(scale)

    def size(self):
        return self.height, self.width

    def tensor(self, rgb):
        pixel = rgb[..., ::-1] if self.order == "bgr" else rgb
        image = (pixel.astype(np.float32) - self.mean) * self.scale
        return np.ascontiguousarray(image.transpose(2, 0, 1))

    def run(self, tensor):
        extractor = self.net.create_extractor()
        extractor.input(self.net.input_names()[0], self.ncnn.Mat(tensor))
        return [np.array(extractor.extract(name)[1]) for name in self.net.output_names()]


class Torch:
    """EfficientNet-Lite0 as others wrote it down, with the checkpoint as it is."""

    def __init__(self, checkpoint):
        import torch
        self.torch = torch
        weights = torch.load(checkpoint, map_location="cpu")
        try:
            from efficientnet_lite_pytorch import EfficientNet
            self.model = EfficientNet.from_name("efficientnet-lite0")
        except ImportError:
            sys.exit("needs the package efficientnet_lite_pytorch")
        self.model.load_state_dict(weights)
        self.model.eval()

    def run(self, tensor):
        with self.torch.no_grad():
            return [self.torch.softmax(self.model(self.torch.from_numpy(tensor[None])), 1)[0].numpy()]


def write_golden(args, network, runtime):
    """Outputs for the middle of photographs, which no one resizes, so that everyone has the same pixels."""
    lines = []
    for path in photographs(args.images, 2):
        image = Image.open(path).convert("RGB")
        height, width = runtime.size()
        left, top = (image.width - width) // 2, (image.height - height) // 2
        if left < 0 or top < 0:
            sys.exit(f"{path}: smaller than {width}x{height}")
        rgb = np.asarray(image.crop((left, top, left + width, top + height)))
        values = runtime.run(runtime.tensor(rgb))[0].ravel()
        lines.append(f"{path.name} {len(values)}")
        lines += [" ".join(f"{v:.5g}" for v in values[i:i + 20]) for i in range(0, len(values), 20)]
    args.goldens.mkdir(parents=True, exist_ok=True)
    (args.goldens / f"{network.stem}.txt").write_text("\n".join(lines) + "\n")


def file_name(output):
    """What inferd-model calls the file of an output."""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", output)
    return "_" + name[1:] if name.startswith(".") else name


def ours(program, network, tensors, folder):
    """Outputs of inferd-model by file name, for one tensor or one for each input name."""
    named = tensors if isinstance(tensors, dict) else {"": tensors}
    out = pathlib.Path(tempfile.mkdtemp(dir=folder))
    command = [program, "run", str(network), "-o", str(out / "out")]
    for number, (name, tensor) in enumerate(named.items()):
        np.save(out / f"{number}.npy", tensor)
        command += ["-i", f"{name}={out}/{number}.npy" if len(named) > 1 else f"{out}/{number}.npy"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    outputs = {f.stem: np.load(f) for f in sorted((out / "out").glob("*.npy"))}
    shutil.rmtree(out)
    return outputs


def match_names(outputs, references):
    """Outputs of ours by the names and in the shapes of the reference."""
    matched, used = {}, {}
    for name, reference in references.items():
        base = file_name(name)
        used[base] = used.get(base, 0) + 1
        got = outputs[base if used[base] == 1 else f"{base}_{used[base]}"]
        if got.size != reference.size:
            raise ValueError(f"{name}: {got.shape} where the runtime has {reference.shape}")
        matched[name] = got.reshape(reference.shape)
    return matched


def match(outputs, references):
    """Outputs of ours in the order of the reference, by their number of elements."""
    left = dict(outputs)
    matched = []
    for reference in references:
        name = next(n for n, value in left.items() if value.size == reference.size)
        matched.append(left.pop(name).reshape(reference.shape))
    return matched


def compare(got, reference):
    quantised = reference.dtype != np.float32
    a, b = got.astype(np.float64).ravel(), reference.astype(np.float64).ravel()
    difference = np.abs(a - b)
    tolerance = 1.0 if quantised else FLOAT_TOLERANCE * np.abs(b).max()
    tie = b.max() - b[a.argmax()] <= (1.0 if quantised else 0.0)
    return {"within": float((difference <= tolerance).mean()), "largest": float(difference.max() / np.abs(b).max()),
            "quanta": float(difference.max()), "top1": bool(a.argmax() == b.argmax()), "tie": bool(tie),
            "tolerance": tolerance, "quantised": quantised}


def check(args, network, runtime, label, folder):
    rows, seen = [], []
    for path in photographs(args.images, args.count):
        height, width = runtime.size()
        tensor = runtime.tensor(pixels(path, width, height))
        references = runtime.run(tensor)
        for got, reference in zip(match(ours(args.inferd_model, network, tensor, folder), references), references):
            rows.append(compare(got, reference))
        seen.append(references[0].astype(np.float64).ravel())
    apart = min(np.abs(a - b).max() for i, a in enumerate(seen) for b in seen[:i]) / rows[0]["tolerance"]
    quantised = rows[0]["quantised"]
    within = min(r["within"] for r in rows)
    top1 = sum(r["top1"] or r["tie"] for r in rows)
    good = within >= (QUANTUM_SHARE if quantised else 1.0) and top1 == len(rows) and apart >= 10
    return {"network": network.name, "runtime": label, "photographs": len(seen), "within_tolerance": within,
            "largest_difference": max(r["quanta"] if quantised else r["largest"] for r in rows),
            "unit": "quanta" if quantised else "of the largest output", "same_first": f"{top1} of {len(rows)}",
            "exactly_same_first": sum(r["top1"] for r in rows), "photographs_apart": apart, "good": bool(good)}


def runtimes(args, network):
    if network.suffix == ".tflite":
        yield LiteRT(network), "LiteRT, reference kernels"
        return
    lite = "lite" in network.name
    ncnn = Ncnn(network, "rgb", (127,) * 3, 1 / 128) if lite else Ncnn(network)
    yield ncnn, "ncnn, float32"
    if lite and args.checkpoint:
        torch = Torch(args.checkpoint)
        torch.size, torch.tensor = ncnn.size, ncnn.tensor
        yield torch, "PyTorch"


def print_markdown(rows):
    print("| network | own runtime | photographs | within tolerance | largest difference | same first class | "
          "two photographs apart (tolerances) |\n|---|---|---|---|---|---|---|")
    for r in rows:
        print(f"| {r['network']} | {r['runtime']} | {r['photographs']} | {100 * r['within_tolerance']:.2f}% | "
              f"{r['largest_difference']:.2g} {r['unit']} | {r['same_first']} | {r['photographs_apart']:.0f} |")


def main():
    args = parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for network in args.networks:
            for runtime, label in runtimes(args, network):
                if args.goldens:
                    write_golden(args, network, runtime)
                    continue
                print(f"{network.name}: {label}", file=sys.stderr)
                rows.append(check(args, network, runtime, label, pathlib.Path(folder)))
    if args.markdown:
        print_markdown(rows)
    else:
        for row in rows:
            print(json.dumps(row))
    sys.exit(0 if all(r["good"] for r in rows) else 1)


if __name__ == "__main__":
    main()
