"""The networks that peers.py compares runtimes on, and where the file for each runtime comes from.

No checkpoint is fetched: a network's speed does not depend on what it has learnt.  Networks of torchvision and two
others are written in PyTorch with weights of a fixed seed, exported to ONNX for inferd, ONNX Runtime and OpenVINO, and
converted by pnnx for ncnn; their int8 forms are made by ONNX Runtime's quantisation tool.  Those of Keras are converted
to TFLite by TensorFlow for inferd, LiteRT and OpenVINO.  MediaPipe's come out of its package, and the others are files
of a folder of test data.  What is made once is kept.
"""
import dataclasses
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

TOOLS = pathlib.Path(__file__).resolve().parent.parent
SIDE = 224
PICTURES = 16
MEDIAPIPE = "mediapipe==0.10.21"
# Which kinds of file a runtime reads, the one it would rather have first.
READS = {"inferd": ("onnx", "tflite", "ncnn"), "onnxruntime": ("onnx",), "ncnn": ("ncnn",), "litert": ("tflite",),
         "openvino": ("onnx", "tflite"), "openvino-default": ("onnx", "tflite")}
REFERENCES = {"onnx": "onnxruntime", "tflite": "litert", "ncnn": "ncnn"}  # whose answer the others are compared with
INT8_REFERENCE = {"tflite": "litert-reference"}  # where that is exact, as it is not with the kernels that are fast


@dataclasses.dataclass
class Network:
    name: str
    precision: str  # "float" or "int8"
    source: str  # "torch", "quantised", "keras", "mediapipe", "data" or "layer"
    files: dict  # kind of file: path
    width: int = SIDE
    height: int = SIDE
    type: str = "float32"
    channels: int = 3
    lowest: float = -1.0  # of a float input, whose largest is 1
    twin: str = ""  # the same network in float
    macs: int = 0  # multiply-adds, where it is known

    def kind_for(self, runtime):
        return next((kind for kind in READS[runtime] if kind in self.files), None)

    @property
    def reference(self):
        """The runtime whose answer is the right one, and the kind of file that it reads."""
        kind = next(kind for kind in REFERENCES if kind in self.files)
        return (INT8_REFERENCE if self.precision == "int8" else {}).get(kind, REFERENCES[kind]), kind

    def tensor(self, kind):
        """A picture as the input of a file of this kind."""
        pixels = np.resize(picture(0, self.width, self.height), (self.height, self.width, self.channels))
        if self.type == "float32":
            pixels = self.lowest + pixels.astype(np.float32) * np.float32((1 - self.lowest) / 255)
        elif self.type == "int8":
            pixels = (pixels.astype(np.int16) - 128).astype(np.int8)
        order = {"onnx": pixels.transpose(2, 0, 1)[None], "ncnn": pixels.transpose(2, 0, 1), "tflite": pixels[None]}
        return np.ascontiguousarray(order[kind])


def torch_network(name, stem):
    return Network(name, "float", "torch", {"onnx": f"torch/{stem}.onnx", "ncnn": f"torch/{stem}_pnnx.param"})


def quantised_network(name, stem):
    return Network(f"{name} QDQ", "int8", "quantised", {"onnx": f"torch/{stem}_qdq.onnx"}, twin=name)


def keras_network(name, stem):
    return Network(f"{name} TFLite", "float", "keras", {"tflite": f"keras/{stem}_float.tflite"})


def keras_int8_network(name, stem):
    return Network(f"{name} TFLite int8", "int8", "keras", {"tflite": f"keras/{stem}_int8.tflite"}, type="int8",
                   twin=f"{name} TFLite")


def mediapipe_network(name, stem, side):
    return Network(name, "float", "mediapipe", {"tflite": f"mediapipe/{stem}.tflite"}, side, side, lowest=0.0)


def ladder_network(version, width, side):
    stem = f"mobilenet_v{version}_{width}_{side}_quant"
    return Network(f"MobileNetV{version} {width} {side} uint8", "int8", "data",
                   {"tflite": f"models/imagenet-ladder/{stem}.tflite"}, side, side, type="uint8")


RFB = "models/rfb320/rfb320"
NETWORKS = (
    torch_network("MobileNetV1", "mobilenet_v1"),
    torch_network("MobileNetV2", "mobilenet_v2"),
    torch_network("MobileNetV3-large", "mobilenet_v3_large"),
    torch_network("ShuffleNetV2 1.0", "shufflenet_v2_x1_0"),
    torch_network("EfficientNet-B0", "efficientnet_b0"),
    torch_network("EfficientNet-Lite0", "efficientnet_lite0"),
    torch_network("SqueezeNet 1.1", "squeezenet1_1"),
    torch_network("ResNet-18", "resnet18"),
    torch_network("ResNet-50", "resnet50"),
    torch_network("MNASNet 1.0", "mnasnet1_0"),
    keras_network("MobileNetV1", "MobileNet"),
    keras_network("MobileNetV2", "MobileNetV2"),
    keras_network("MobileNetV3-large", "MobileNetV3Large"),
    keras_network("EfficientNet-B0", "EfficientNetB0"),
    keras_network("ResNet-50", "ResNet50"),
    mediapipe_network("face landmarks", "face_landmark", 192),
    mediapipe_network("hand landmarks", "hand_landmark_full", 224),
    Network("NanoDet-m", "float", "data", {"ncnn": "models/ncnn/nanodet_m.param"}, 320, 320),
    Network("RFB-320", "float", "data", {"onnx": f"{RFB}_simplified.onnx", "ncnn": f"{RFB}.param",
                                         "tflite": f"{RFB}_without_postprocessing.tflite"}, 320, 240),
    quantised_network("MobileNetV2", "mobilenet_v2"),
    quantised_network("ResNet-50", "resnet50"),
    keras_int8_network("MobileNetV2", "MobileNetV2"),
    keras_int8_network("ResNet-50", "ResNet50"),
    ladder_network(1, "0.25", 128),
    ladder_network(1, "0.5", 160),
    ladder_network(1, "0.75", 192),
    ladder_network(2, "1.0", 224),
)


# ---- pictures ----------------------------------------------------------------------------------------


def picture(seed, width, height):
    """Random shapes of several sizes, which calibrate a network better than noise: pixels of [height][width][3]."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (4, 9, 30):
        noise = Image.fromarray(random.integers(0, 256, (cells, cells, 3), np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    low, high = total.min(), total.max()
    return ((total - low) * (255 / (high - low))).astype(np.uint8)


def write_pictures(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(PICTURES):
        Image.fromarray(picture(seed, SIDE, SIDE)).save(folder / f"{seed:02}.png")


# ---- networks by PyTorch -----------------------------------------------------------------------------


def mobilenet_v1():
    """As published, of width 1; torchvision has none."""
    import torch
    from torch import nn
    channels, layers = 32, [nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()]
    for wide, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)):
        layers += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), nn.BatchNorm2d(channels),
                   nn.ReLU6(), nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()]
        channels = wide
    for layer in layers:
        if isinstance(layer, torch.nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def efficientnet_lite0():
    from efficientnet_lite_pytorch import EfficientNet
    return EfficientNet.from_name("efficientnet-lite0")


def make_torch(network, folder):
    import exports
    stem = pathlib.Path(network.files["onnx"]).stem
    images = exports.batch(folder / "pictures", SIDE)
    own = {"mobilenet_v1": mobilenet_v1, "efficientnet_lite0": efficientnet_lite0}
    model = exports.recalibrated(own.get(stem, lambda: exports.torchvision_model(stem)), images)
    exports.export(model, SIDE, 13, folder / network.files["onnx"])
    exports.to_ncnn(model, stem, SIDE, folder / "torch", halves=(0,))


def make_quantised(network, folder):
    """Activations of uint8 and weights of int8 with a scale for each channel, as ONNX Runtime advises for x86."""
    import exports
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process
    out = folder / network.files["onnx"]
    original, prepared = out.with_name(out.name.replace("_qdq", "")), out.with_suffix(".prepared")
    if not original.exists():
        make_torch(find(network.twin), folder)
    quant_pre_process(str(original), str(prepared), skip_symbolic_shape=True)
    quantize_static(str(prepared), str(out), exports.Calibration(exports.batch(folder / "pictures", SIDE)[:8]),
                    quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8)
    prepared.unlink()


# ---- others ------------------------------------------------------------------------------------------


def make_keras(network, folder, tensorflow):
    stem, precision = pathlib.Path(network.files["tflite"]).stem.split("_")
    subprocess.run([tensorflow, TOOLS / "compare" / "keras_nets.py", "--images", folder / "pictures", "--only", stem,
                    "--precisions", precision, "--", folder / "keras"], check=True, capture_output=True)


def make_mediapipe(folder):
    import packages
    for name, data in packages.of_wheel(MEDIAPIPE):
        if name.endswith(".tflite"):
            (folder / "mediapipe" / pathlib.PurePosixPath(name).name).write_bytes(data)


def make(network, folder, tensorflow):
    if network.source == "torch":
        make_torch(network, folder)
    elif network.source == "quantised":
        make_quantised(network, folder)
    elif network.source == "keras":
        make_keras(network, folder, tensorflow)
    elif network.source == "mediapipe":
        make_mediapipe(folder)


def find(name):
    return next(network for network in NETWORKS if network.name == name)


def prepare(network, folder, data, tensorflow):
    """The network with the files that there are, made where they are absent; with none it cannot be measured."""
    base = data if network.source == "data" else folder
    if not all((base / path).exists() for path in network.files.values()):
        try:
            make(network, folder, tensorflow)
        except (subprocess.CalledProcessError, ImportError, OSError, RuntimeError) as error:
            detail = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip()
            print(f"{network.name}: not made: {detail[-300:] or error}", file=sys.stderr)
    files = {kind: (base / path).resolve() for kind, path in network.files.items() if (base / path).exists()}
    return dataclasses.replace(network, files=files)


def prepare_folder(folder):
    sys.path.insert(0, str(TOOLS / "compare"))
    for name in ("torch", "keras", "mediapipe"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    write_pictures(folder / "pictures")
