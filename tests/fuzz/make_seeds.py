#!/usr/bin/env python3
"""Writes small networks of one operator or layer each, as a corpus for the fuzz targets of the TFLite, ncnn and Caffe
readers:  make_seeds.py FOLDER.  README.md tells what becomes of them."""

import os
import struct
import sys

F32, INT32, UINT8, INT8 = 0, 2, 3, 9


class FlatBuffer:
    """Offsets count forward, and every field of a table has 8 bytes."""

    def __init__(self):
        self.data = bytearray(4) + b"TFL3"

    def align(self, rest=0):
        while len(self.data) % 8 != rest:
            self.data.append(0)

    def table(self, n):
        self.align()
        vtable = len(self.data)
        self.data += struct.pack("<HH", 4 + 2 * n, 8 + 8 * n) + bytes(2 * n)
        self.align()
        table = len(self.data)
        self.data += struct.pack("<i", table - vtable) + bytes(4 + 8 * n)
        return table

    def field(self, table, i):
        vtable = table - struct.unpack_from("<i", self.data, table)[0]
        struct.pack_into("<H", self.data, vtable + 4 + 2 * i, 8 + 8 * i)
        return table + 8 + 8 * i

    def number(self, table, i, value):
        form = "<f" if isinstance(value, float) else "<q"
        struct.pack_into(form, self.data, self.field(table, i), value)

    def offset(self, table, i, target):
        at = self.field(table, i)
        struct.pack_into("<I", self.data, at, target - at)

    def vector(self, elements, form):
        self.align(4)
        at = len(self.data)
        self.data += struct.pack(f"<I{len(elements)}{form}", len(elements), *elements)
        return at

    def tables(self, table, i, n, fields):
        """A vector of n new tables as a field of a table."""
        vector = self.vector([0] * n, "I")
        self.offset(table, i, vector)
        made = [self.table(fields) for _ in range(n)]
        for k, target in enumerate(made):
            at = vector + 4 + 4 * k
            struct.pack_into("<I", self.data, at, target - at)
        return made


def constant(values, kind=INT32, shape=None):
    return kind, [len(values)] if shape is None else shape, values


def tflite(code, inputs, options, n_outputs=1, kind=F32):
    """inputs: shapes of the network's inputs, and constants."""
    b = FlatBuffer()
    model = b.table(5)
    struct.pack_into("<I", b.data, 0, model)
    b.number(model, 0, 3)
    opcode = b.tables(model, 1, 1, 4)[0]
    b.number(opcode, 0, min(code, 127))
    b.number(opcode, 3, code)
    graph = b.tables(model, 2, 1, 4)[0]
    n = len(inputs)
    buffers = b.tables(model, 4, n + 1, 1)
    tensors = b.tables(graph, 0, n + n_outputs, 5)
    outputs = list(range(n, n + n_outputs))
    b.offset(graph, 1, b.vector([i for i in range(n) if isinstance(inputs[i], list)], "i"))
    b.offset(graph, 2, b.vector(outputs, "i"))
    operator = b.tables(graph, 3, 1, 5)[0]
    b.offset(operator, 1, b.vector(list(range(n)), "i"))
    b.offset(operator, 2, b.vector(outputs, "i"))
    b.number(operator, 3, 1)
    table = b.table(9)
    b.offset(operator, 4, table)
    for i, value in options.items():
        b.number(table, i, value)
    for i, tensor in enumerate(tensors):
        put = inputs[i] if i < n else []
        if isinstance(put, list):
            tensor_kind, shape = kind, put
        else:
            tensor_kind, shape, values = put
            form = {F32: "f", INT32: "i", UINT8: "B", INT8: "b"}[tensor_kind]
            b.offset(buffers[i + 1], 0, b.vector(struct.pack(f"<{len(values)}{form}", *values), "B"))
            b.number(tensor, 2, i + 1)
        b.offset(tensor, 0, b.vector(shape, "i"))
        b.number(tensor, 1, tensor_kind)
        if kind in (UINT8, INT8):
            quantisation = b.table(7)
            b.offset(tensor, 4, quantisation)
            b.offset(quantisation, 2, b.vector([0.5], "f"))
            b.offset(quantisation, 3, b.vector([1 if kind == UINT8 else 0], "q"))
    return bytes(b.data)


def weights(*shape):
    n = 1
    for side in shape:
        n *= side
    return constant([0.5] * n, F32, list(shape))


IMAGE, MATRIX = [1, 4, 4, 2], [2, 3]
WINDOW = {0: 1, 1: 1, 2: 1, 3: 2, 4: 2}  # of pools: padding, strides, kernel

TFLITE = [
    *[(code, [IMAGE], {}) for code in (8, 14, 19, 20, 21, 25, 28, 47, 50, 59, 66, 73, 75, 76, 92, 101, 104, 108, 111,
                                       116, 117, 150, 158, 77, 110)],
    *[(code, [MATRIX, MATRIX], {0: 1}) for code in (0, 18, 41, 42, 55, 57, 58, 61, 62, 63, 71, 72, 78, 90, 95, 99,
                                                    106)],
    *[(code, [MATRIX, constant([1])], {0: 1}) for code in (40, 74, 81, 82, 89, 56, 79, 128, 105, 70)],
    *[(code, [IMAGE], WINDOW) for code in (1, 17)],
    (2, [MATRIX, MATRIX], {0: 1}),
    (3, [IMAGE, weights(3, 1, 1, 2), weights(3)], {1: 1, 2: 1, 3: 1, 4: 1, 5: 1}),
    (4, [IMAGE, weights(1, 3, 3, 2), weights(2)], {1: 1, 2: 1, 3: 1, 4: 3, 5: 1, 6: 1}),
    (5, [[1, 2, 2, 4]], {0: 2}), (26, [IMAGE], {0: 2}), (11, [MATRIX], {}), (13, [IMAGE], {0: 1, 1: 1.0, 2: 0.5, 3: 0.5}),
    (7, [constant([0, 1]), weights(2, 3)], {}), (9, [MATRIX, weights(2, 3), weights(2)], {}),
    (22, [MATRIX, constant([3, 2])], {}), (23, [IMAGE, constant([8, 8])], {2: 1}), (97, [IMAGE, constant([2, 8])], {}),
    (34, [MATRIX, constant([1, 0, 0, 1], INT32, [2, 2])], {}), (60, [MATRIX, constant([1, 0, 0, 1], INT32, [2, 2]), weights(1)], {}),
    (100, [MATRIX, constant([1, 0, 0, 1], INT32, [2, 2])], {}), (36, [MATRIX, constant([1, 0])], {}),
    (37, [[4, 2, 2, 1], constant([2, 2]), constant([0, 0, 0, 0], INT32, [2, 2])], {}),
    (38, [IMAGE, constant([2, 2]), constant([0, 0, 0, 0], INT32, [2, 2])], {}), (39, [MATRIX, constant([1, 0])], {}),
    (43, [[1, 2, 1]], {}), (45, [MATRIX, constant([0, 0]), constant([2, 2]), constant([1, 1])], {}),
    (48, [MATRIX, constant([2], INT32, [])], {}, 2), (49, [constant([1], INT32, []), IMAGE], {0: 2}, 2),
    (54, [IMAGE, weights(1, 1, 2)], {}), (65, [MATRIX, constant([0, 1]), constant([2, 2])], {}),
    (67, [constant([1, 8, 8, 3]), weights(3, 2, 2, 2), IMAGE], {0: 1, 1: 2, 2: 2}), (69, [MATRIX, constant([2, 1])], {}),
    (83, [MATRIX, MATRIX], {0: 2}), (88, [MATRIX], {0: 2}, 2), (94, [constant([2, 2]), weights()], {}),
    (98, [IMAGE], {0: 0.1}), (102, [IMAGE, constant([1, 1]), constant([3], INT32, [])], {0: 2}, 2),
    (107, [MATRIX, constant([1, 1], INT32, [1, 2])], {}), (112, [MATRIX, constant([1, 2])], {0: 1}),
    (122, [constant([1], INT32, [1, 1]), [1, 3], constant([4, 3])], {}), (126, [[1, 2, 3], [1, 3, 2]], {}),
    (130, [MATRIX, constant([2, 2, 3])], {}), (53, [MATRIX], {0: 0, 1: 2}),
]
QUANTISED = {0, 1, 2, 14, 17, 18, 22, 25, 28, 39, 40, 43, 55, 57, 65, 88, 98, 117}


def ncnn(layer, inputs, outputs, keys, n_weights, image):
    names = [f"x{i}" for i in range(inputs)]
    text = f"7767517\n{inputs + 1} {inputs + outputs}\n"
    for name in names:
        text += f"Input {name} 0 1 {name} {image}\n"
    blobs = " ".join(names + [f"y{i}" for i in range(outputs)])
    text += f"{layer} l {inputs} {outputs} {blobs} {keys}\n"
    return text.encode() + b"\0" + bytes(4) + struct.pack("<f", 0.5) * n_weights


CUBE, PLANE = "0=4 1=4 2=2", "0=4 1=3"
NCNN = [
    *[(layer, 1, 1, keys, 8, image) for image in (CUBE, PLANE) for layer, keys in [
        ("AbsVal", ""), ("BNLL", ""), ("CELU", "0=0.5"), ("Clip", "0=-1.0 1=1.0"), ("ELU", ""), ("Erf", ""), ("Exp", ""),
        ("GELU", ""), ("GLU", "0=0"), ("HardSigmoid", ""), ("HardSwish", ""), ("Log", ""), ("Mish", ""), ("Power", "0=2.0"),
        ("ReLU", "0=0.1"), ("SELU", ""), ("Shrink", ""), ("Sigmoid", ""), ("Softplus", ""), ("Swish", ""), ("TanH", ""),
        ("Threshold", ""), ("UnaryOp", "0=2"), ("UnaryOp", "0=5"), ("Softmax", "0=0 1=1"), ("Dropout", "0=0.5"),
        ("Flatten", ""), ("Permute", "0=1"), ("Reshape", "0=-1"), ("Squeeze", "0=1"), ("ExpandDims", "0=1"),
        ("Reduction", "0=0 1=0 -23303=1,0 5=1"), ("Reduction", "0=3"), ("Tile", "-23302=2,2,1"), ("Crop", "0=1 1=1 3=2 4=1"),
        ("Padding", "0=1 1=1 2=1 3=1"), ("Interp", "0=2 1=2.0 2=2.0"), ("ArgMax", "0=1 1=1"), ("MVN", ""),
        ("LayerNorm", "0=4 1=0.001"), ("RMSNorm", "0=4"), ("PReLU", "0=1"), ("Scale", "0=2 1=1"), ("Bias", "0=2"),
        ("BatchNorm", "0=2"), ("Quantize", "0=1"), ("Dequantize", "0=1"), ("Requantize", "0=1 1=1"), ("Noop", ""),
        ("BinaryOp", "0=6 1=1 2=3.0")]],
    *[(layer, 1, 1, keys, 32, CUBE) for layer, keys in [
        ("Convolution", "0=2 1=1 5=1 6=4 9=1"), ("ConvolutionDepthWise", "0=2 1=3 4=1 5=1 6=18 7=2"),
        ("Deconvolution", "0=2 1=2 3=2 6=16"), ("DeconvolutionDepthWise", "0=2 1=2 3=2 6=8 7=2"),
        ("InnerProduct", "0=1 1=0 2=32"), ("Pooling", "0=0 1=2 2=2"), ("Pooling", "0=1 4=1"), ("Pooling", "0=1 7=1 8=2"),
        ("LRN", ""), ("PixelShuffle", "0=1"), ("Reorg", "0=2"), ("ShuffleChannel", "0=2"), ("GroupNorm", "0=1 1=2"),
        ("InstanceNorm", "0=2"), ("Normalize", "0=0 1=0 2=0.001 3=2"), ("YoloDetectionOutput", "0=1 1=1 -23304=2,1.0,1.0"),
        ("Yolov3DetectionOutput", "0=1 1=1 -23304=2,1.0,1.0 -23305=1,0.0 -23306=1,8.0")]],
    *[(layer, 1, 1, keys, 64, PLANE) for layer, keys in [
        ("Convolution1D", "0=2 1=1 6=6"), ("ConvolutionDepthWise1D", "0=3 1=1 6=3 7=3"), ("LSTM", "0=2 1=32 2=0"),
        ("GRU", "0=2 1=24 2=1"), ("RNN", "0=2 1=8"), ("Gemm", "2=0 3=0 5=1 6=1 7=0 8=2 9=4 10=-1")]],
    ("Embed", 1, 1, "0=2 1=4 2=0 3=8", 8, "0=3"), ("Slice", 1, 2, "-23300=2,1,-233", 0, CUBE), ("Split", 1, 2, "", 0, CUBE),
    ("Concat", 2, 1, "0=0", 0, CUBE), ("BinaryOp", 2, 1, "0=0", 0, CUBE), ("Eltwise", 2, 1, "0=1 -23301=2,1.0,0.5", 0, CUBE),
    ("CopyTo", 2, 1, "", 0, CUBE), ("Crop", 2, 1, "", 0, CUBE), ("MatMul", 2, 1, "0=1", 0, PLANE),
    ("GridSample", 2, 1, "0=1 3=1", 0, "0=4 1=4 2=2"),
]


def protobuf(field, data):
    return bytes([field << 3 & 0x7f | 0x80 if field > 15 else field << 3 | 2, *([field >> 4] if field > 15 else [])]) + \
        bytes([len(data)]) + data


def caffe(layer, bottoms, tops, parameters, counts):
    text = "".join(f'input: "x{i}" input_shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }}\n' for i in range(bottoms))
    text += f'layer {{ name: "l" type: "{layer}"' + "".join(f' bottom: "x{i}"' for i in range(bottoms))
    text += "".join(f' top: "y{i}"' for i in range(tops)) + f" {parameters} }}\n"
    blobs = protobuf(1, b"l")
    for n in counts:
        blobs += protobuf(7, protobuf(7, b"\x08" + bytes([n])) + protobuf(5, struct.pack("<f", 0.5) * n))
    return text.encode() + b"\0" + (b"\xa2\x06" + bytes([len(blobs) & 0x7f | 0x80, len(blobs) >> 7]) + blobs)


CAFFE = [
    *[(layer, 1, 1, parameters, []) for layer, parameters in [
        ("AbsVal", ""), ("ArgMax", "argmax_param { axis: 1 }"), ("BNLL", ""), ("Clip", "clip_param { min: 0 max: 1 }"),
        ("Dropout", ""), ("ELU", ""), ("Exp", ""), ("Log", ""), ("Flatten", ""), ("LRN", "lrn_param { local_size: 3 }"),
        ("Mish", ""), ("Noop", ""), ("ReLU6", ""), ("Sigmoid", ""), ("Softmax", ""), ("Swish", ""), ("TanH", ""),
        ("Interp", "interp_param { height: 8 width: 8 }"), ("Upsample", "upsample_param { scale: 2 }"),
        ("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        ("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }"),
        ("Pooling", "pooling_param { pool: AVE global_pooling: true }"), ("Power", "power_param { power: 2 shift: 1 }"),
        ("ReLU", "relu_param { negative_slope: 0.1 }"), ("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }"),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }")]],
    ("BatchNorm", 1, 1, "", [2, 2, 1]), ("Bias", 1, 1, "", [2]), ("Scale", 1, 1, "scale_param { bias_term: true }", [2, 2]),
    ("PReLU", 1, 1, "", [2]), ("Normalize", 1, 1, "", [2]), ("Concat", 2, 1, "", []), ("Split", 1, 2, "", []),
    ("Crop", 2, 1, "crop_param { axis: 2 offset: 0 }", []), ("Eltwise", 2, 1, "eltwise_param { operation: MAX }", []),
    ("Slice", 1, 2, "slice_param { axis: 1 slice_point: 1 }", []), ("Scale", 2, 1, "", []),
    ("Convolution", 1, 1, "convolution_param { num_output: 2 kernel_size: 1 }", [4, 2]),
    ("ConvolutionDepthwise", 1, 1, "convolution_param { num_output: 2 kernel_size: 3 pad: 1 }", [18, 2]),
    ("Deconvolution", 1, 1, "convolution_param { num_output: 1 kernel_size: 2 stride: 2 bias_term: false }", [8]),
    ("InnerProduct", 1, 1, "inner_product_param { num_output: 1 bias_term: false }", [30 + 2]),
]


def write(folder, target, seeds):
    os.makedirs(os.path.join(folder, target), exist_ok=True)
    for i, (name, data) in enumerate(seeds):
        with open(os.path.join(folder, target, f"{i:03}_{name}"), "wb") as file:
            file.write(data)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(sys.argv[1], "import_tflite",
          [(code, tflite(code, inputs, options, *more)) for code, inputs, options, *more in TFLITE] +
          [(f"{code}_int8", tflite(code, inputs, options, *(more or [1]), INT8))
           for code, inputs, options, *more in TFLITE if code in QUANTISED])
    write(sys.argv[1], "import_ncnn", [(row[0], ncnn(*row)) for row in NCNN])
    write(sys.argv[1], "import_caffe", [(row[0], caffe(*row)) for row in CAFFE])


if __name__ == "__main__":
    main()
