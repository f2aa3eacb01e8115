#!/usr/bin/env python3
"""Writes the networks of torchvision as ONNX files, in the opsets and precisions that people export them in.

Weights are random (no checkpoint is fetched), so the batch-norm statistics are taken anew from photographs first:
with those of an untrained network the signal drowns on its way, and everything would agree.  Each network comes at
opsets 11, 13 and 17, with float16 weights, and quantised by ONNX Runtime as QDQ and as QLinear operators, with one
scale for a tensor or for each channel, and with uint8 or int8 activations.  Where the package pnnx is there, each
comes as an ncnn network too, with float32 and with float16 weights.

    build/peers/bin/python tools/compare/exports.py --images DIR build/networks/exports
"""
import argparse
import logging
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch
import torchvision

import networks

NETWORKS = ("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "shufflenet_v2_x1_0", "efficientnet_b0",
            "mnasnet1_0", "squeezenet1_1", "resnet18", "resnet50")
OPSETS = (11, 13, 17)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--only", nargs="*", default=NETWORKS, help="networks to write")
    parser.add_argument("--side", type=int, default=224)
    return parser.parse_args()


def batch(folder, side, count=16):
    pixels = np.stack([networks.pixels(p, side, side) for p in networks.photographs(folder, count)])
    unit = (pixels.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(DEVIATION)
    return torch.from_numpy(np.ascontiguousarray(unit.transpose(0, 3, 1, 2)))


def torchvision_model(name):
    return getattr(torchvision.models, name)(weights=None)


def recalibrated(make, images):
    """A network with weights of a fixed seed, the batch-norm statistics of the photographs, and centred scores."""
    torch.manual_seed(1)
    model = make().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            module.train()
    with torch.no_grad():
        model(images)
        model.eval()
        centre(model, images)
    return model


def centre(model, images):
    """What the last layer answers on average is the same for every picture, and hides how they differ: it goes."""
    last = [m for m in model.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))][-1]
    answers = []
    hook = last.register_forward_hook(lambda module, inputs, output: answers.append(output))
    model(images)
    hook.remove()
    last.bias -= answers[0].mean([d for d in range(answers[0].dim()) if d != 1])


def export(model, side, opset, path):
    torch.onnx.export(model, torch.zeros(1, 3, side, side), str(path), opset_version=opset, input_names=["image"],
                      output_names=["scores"])


def halve(path, out):
    """Float16 throughout, with float32 inputs and outputs, and with casts where the network is float32."""
    from onnxconverter_common import float16
    onnx.save(float16.convert_float_to_float16(onnx.load(str(path)), keep_io_types=True), str(out))


def half_weights(path, out):
    """Weights of float16 that a Cast makes wide again: storage alone."""
    model = onnx.load(str(path))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 64:
            continue
        name = tensor.name
        wide = onnx.numpy_helper.to_array(tensor)
        tensor.CopyFrom(onnx.numpy_helper.from_array(wide.astype(np.float16), name + ".half"))
        casts.append(onnx.helper.make_node("Cast", [name + ".half"], [name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        model.graph.node.insert(0, node)
    onnx.save(model, str(out))


class Calibration:
    """Photographs one at a time, as onnxruntime.quantization reads them."""

    def __init__(self, images):
        self.images = iter(images.numpy()[:, None])

    def get_next(self):
        image = next(self.images, None)
        return None if image is None else {"image": image}


def quantise(path, images, folder):
    """By ONNX Runtime's tool, after the preparation that it asks for."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    prepared = folder / f"{path.stem}_prepared.onnx"
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    for layout, kind in (("qdq", QuantFormat.QDQ), ("qlinear", QuantFormat.QOperator)):
        for channel in (False, True):
            for activation in (QuantType.QUInt8, QuantType.QInt8):
                name = f"{path.stem}_{layout}_{'channel' if channel else 'tensor'}_{activation}.onnx"
                quantize_static(str(prepared), str(folder / name), Calibration(images[:8]), quant_format=kind,
                                per_channel=channel, activation_type=activation, weight_type=QuantType.QInt8)


def to_ncnn(model, name, side, folder, halves=(0, 1)):
    """By way of TorchScript and pnnx, which writes a dozen files beside the one it reads."""
    if not (program := shutil.which("pnnx", path=str(pathlib.Path(sys.executable).parent))):
        return
    for half in halves:
        with tempfile.TemporaryDirectory() as work:
            script = pathlib.Path(work) / "net.pt"
            torch.jit.trace(model, torch.zeros(1, 3, side, side)).save(str(script))
            subprocess.run([program, str(script), f"inputshape=[1,3,{side},{side}]", f"fp16={half}"], cwd=work,
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for kind in ("param", "bin"):
                shutil.copy(pathlib.Path(work) / f"net.ncnn.{kind}", folder / f"{name}_pnnx{'_half' * half}.{kind}")


def main():
    args = parse_args()
    warnings.simplefilter("ignore")  # of weights below float16's least, and of tracing
    logging.disable(logging.WARNING)
    args.folder.mkdir(parents=True, exist_ok=True)
    images = batch(args.images, args.side)
    for name in args.only:
        print(name, file=sys.stderr)
        model = recalibrated(lambda name=name: torchvision_model(name), images)
        paths = {opset: args.folder / f"{name}_{opset}.onnx" for opset in OPSETS}
        for opset, path in paths.items():
            export(model, args.side, opset, path)
        halve(paths[13], args.folder / f"{name}_half.onnx")
        half_weights(paths[17], args.folder / f"{name}_half_weights.onnx")
        quantise(paths[13], images, args.folder)
        to_ncnn(model, name, args.side, args.folder)


if __name__ == "__main__":
    main()
