"""Single convolutions as networks of their own, for `peers.py --layers`.

A convolution with as many outputs as inputs and without a stride comes eight times in a row: ONNX Runtime turns tensors
into blocks of channels at the start of a network and back at its end, and in a row of one that would be most of the time.
"""
import dataclasses

import numpy as np

from peer_networks import Network

IN_A_ROW = 8


@dataclasses.dataclass(frozen=True)
class Layer:
    name: str
    channels: int
    outputs: int
    side: int  # of the input
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def in_a_row(self):
        return IN_A_ROW if self.channels == self.outputs and self.stride == 1 else 1

    @property
    def macs(self):
        """Multiply-adds of all in the row."""
        side = -(-self.side // self.stride)
        return self.in_a_row * side * side * self.outputs * self.kernel ** 2 * (self.channels // self.groups)


def depthwise(channels, side, kernel, stride=1):
    return Layer(f"depthwise {kernel}x{kernel} {channels}, {side}" + f" stride {stride}" * (stride > 1), channels, channels,
                 side, kernel, stride, channels)


def dense(channels, outputs, side, kernel, stride=1):
    return Layer(f"{kernel}x{kernel} {channels} to {outputs}, {side}" + f" stride {stride}" * (stride > 1), channels,
                 outputs, side, kernel, stride)


LAYERS = (
    dense(3, 32, 224, 3, 2), dense(3, 64, 224, 7, 2),
    dense(16, 96, 112, 1), dense(32, 64, 112, 1), dense(64, 64, 56, 1), dense(128, 128, 28, 1), dense(96, 576, 14, 1),
    dense(576, 96, 14, 1), dense(512, 512, 14, 1), dense(1024, 1024, 7, 1), dense(256, 1024, 14, 1),
    dense(64, 64, 56, 3), dense(128, 128, 28, 3), dense(256, 256, 14, 3), dense(512, 512, 7, 3), dense(128, 128, 56, 3, 2),
    depthwise(32, 112, 3), depthwise(96, 112, 3, 2), depthwise(144, 56, 3), depthwise(512, 14, 3), depthwise(960, 7, 3),
    depthwise(72, 56, 5, 2), depthwise(120, 28, 5), depthwise(672, 14, 5),
)


def write(layer, path):
    import onnx
    from onnx import helper
    random = np.random.default_rng(1)
    inputs = layer.channels // layer.groups
    scale = (inputs * layer.kernel ** 2) ** -0.5  # keeps what goes through a row of them in range
    side = -(-layer.side // layer.stride)
    nodes, weights, value = [], [], "x"
    for number in range(layer.in_a_row):
        out = "y" if number == layer.in_a_row - 1 else f"t{number}"
        weight = random.standard_normal((layer.outputs, inputs, layer.kernel, layer.kernel)).astype(np.float32) * scale
        bias = random.standard_normal(layer.outputs).astype(np.float32) * np.float32(0.1)
        weights += [onnx.numpy_helper.from_array(weight, f"w{number}"), onnx.numpy_helper.from_array(bias, f"b{number}")]
        nodes.append(helper.make_node("Conv", [value, f"w{number}", f"b{number}"], [out], group=layer.groups,
                                      kernel_shape=[layer.kernel] * 2, strides=[layer.stride] * 2,
                                      pads=[(layer.kernel - 1) // 2] * 4))
        value = out
    described = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, channels, length, length])
                 for name, channels, length in (("x", layer.channels, layer.side), ("y", layer.outputs, side))]
    graph = helper.make_graph(nodes, "layer", described[:1], described[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))


def networks(folder):
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, layer in enumerate(LAYERS):
        path = folder / f"{number:02}.onnx"
        write(layer, path)
        made.append(Network(layer.name, "float", "layer", {"onnx": path}, layer.side, layer.side,
                            channels=layer.channels, macs=layer.macs))
    return made
