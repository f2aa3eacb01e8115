#!/usr/bin/env python3
"""Converts the networks of Keras to TFLite in every precision that the converter has.

Weights are of a fixed seed (no checkpoint is fetched) and the batch-norm statistics are taken anew from photographs, as
in exports.py.  Needs the package tensorflow, which is larger than all else here and so is not installed by setup.sh:

    python3 -m venv build/tensorflow && build/tensorflow/bin/pip install tensorflow-cpu pillow
    build/tensorflow/bin/python tools/compare/keras_nets.py --images DIR build/networks/keras
"""
import argparse
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf

import networks

NETWORKS = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "ResNet50V2")
SIDE = 224


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder of photographs")
    parser.add_argument("--only", nargs="*", default=NETWORKS, help="networks to write")
    parser.add_argument("--precisions", nargs="*", help="of these alone")
    return parser.parse_args()


def recalibrated(name, images):
    tf.keras.utils.set_random_seed(1)
    model = getattr(tf.keras.applications, name)(weights=None, input_shape=(SIDE, SIDE, 3), classifier_activation=None)
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
    last = model.layers[-1]
    if getattr(last, "bias", None) is not None:  # what is the same for every picture hides how they differ
        last.bias.assign_sub(tf.reduce_mean(model(images, training=False), axis=0))
    return model


def converters(model, images):
    """A name and a converter for each precision."""
    def converter(**options):
        made = tf.lite.TFLiteConverter.from_keras_model(model)
        for key, value in options.items():
            setattr(made, key, value)
        return made

    def samples():
        for image in images:
            yield [image[None]]

    lite, ops = [tf.lite.Optimize.DEFAULT], tf.lite.OpsSet
    yield "float", converter()
    half = converter(optimizations=lite)
    half.target_spec.supported_types = [tf.float16]
    yield "half", half
    yield "dynamic", converter(optimizations=lite)
    yield "int8_float_io", converter(optimizations=lite, representative_dataset=samples)
    for name, kind in (("int8", tf.int8), ("uint8", tf.uint8)):
        whole = converter(optimizations=lite, representative_dataset=samples, inference_input_type=kind,
                          inference_output_type=kind)
        whole.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8]
        yield name, whole
    wide = converter(optimizations=lite, representative_dataset=samples)
    wide.target_spec.supported_ops = [ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
    yield "int16x8", wide


def main():
    args = parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([networks.pixels(p, SIDE, SIDE) for p in networks.photographs(args.images, 10)])
    images = pixels.astype(np.float32) / 127.5 - 1
    for name in args.only:
        model = recalibrated(name, images)
        for precision, converter in converters(model, images):
            if args.precisions and precision not in args.precisions:
                continue
            print(name, precision, file=sys.stderr)
            (args.folder / f"{name}_{precision}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
