#!/usr/bin/env python3
"""Outputs of a TFLite file by MediaPipe, whose custom operators LiteRT's package lacks: formats.py calls it.

It runs in an environment of its own, because MediaPipe needs an older protobuf than the other runtimes:

    mediapipe_outputs.py FILE IMAGE.npy OUT.npz N     IMAGE: uint8 RGB; the network sees 0 to 1; N: outputs

Writes the N outputs in the file's order, flat, as arr_0, arr_1, ...
"""
import sys

import numpy as np
from mediapipe import CalculatorGraph, ImageFormat, packet_creator, packet_getter

GRAPH = """
input_stream: "image"
node {{ calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:resolver" }}
node {{ calculator: "TensorConverterCalculator" input_stream: "IMAGE:image" output_stream: "TENSORS:input"
  options {{ [mediapipe.TensorConverterCalculatorOptions.ext] {{ zero_center: false }} }} }}
node {{ calculator: "InferenceCalculator" input_side_packet: "OP_RESOLVER:resolver" input_stream: "TENSORS:input"
  output_stream: "TENSORS:outputs" options {{ [mediapipe.InferenceCalculatorOptions.ext] {{
    model_path: "{path}" delegate {{ tflite {{}} }} }} }} }}
node {{ calculator: "SplitTensorVectorCalculator" input_stream: "outputs" {streams}
  options {{ [mediapipe.SplitVectorCalculatorOptions.ext] {{ {ranges} }} }} }}
"""
EACH = 'node {{ calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:o{i}" output_stream: "FLOATS:f{i}" }}\n'


def main():
    path, image, out, count = sys.argv[1], np.load(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    streams = " ".join(f'output_stream: "o{i}"' for i in range(count))
    ranges = " ".join(f"ranges {{ begin: {i} end: {i + 1} }}" for i in range(count))
    text = GRAPH.format(path=path, streams=streams, ranges=ranges) + "".join(EACH.format(i=i) for i in range(count))
    graph, outputs = CalculatorGraph(graph_config=text), {}
    for i in range(count):
        graph.observe_output_stream(
            f"f{i}", lambda name, packet: outputs.setdefault(name, np.float32(packet_getter.get_float_list(packet))))
    graph.start_run()
    frame = packet_creator.create_image_frame(image_format=ImageFormat.SRGB, data=image)
    graph.add_packet_to_input_stream("image", frame.at(1))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    np.savez(out, *(outputs[f"f{i}"] for i in range(count)))


if __name__ == "__main__":
    main()
