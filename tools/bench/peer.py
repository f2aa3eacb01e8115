#!/usr/bin/env python3
"""Runs one network in one runtime and prints what that cost, as `inferd-model run --runs` does for inferd's own.

A process of its own for each measurement.  The input is in the runtime's memory before a run is timed, and outputs are
copied out after the last one, so that the time is that of the runtime alone.  Memory counts from after the runtime's
libraries are loaded and before the network is.  Prints one object on a line: "ms" of each run, "cpu_ms" of a run (all
threads, user and system), "load_ms", "rest_kb" and "peak_kb" of resident memory, "threads" of the process.

    peer.py RUNTIME FILE --input X.npy --out DIR --threads N --runs R
"""
import argparse
import functools
import json
import os
import pathlib
import re
import time

import numpy as np

WARM_UP_RUNS = 5  # as MEASURE_WARM_UP_RUNS of tools/inferd-model/measure.h


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=RUNTIMES)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--input", type=pathlib.Path, required=True, help="the network's one input, as .npy")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for outputs, as .npy")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--runs", type=int, required=True)
    return parser.parse_args()


class OnnxRuntime:
    """Input and outputs are bound once, so that a run copies nothing."""

    def __init__(self, threads):
        import onnxruntime
        self.onnxruntime = onnxruntime
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 3

    def load(self, path):
        self.session = self.onnxruntime.InferenceSession(str(path), self.options, ["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        self.binding = self.session.io_binding()

    def prepare(self, tensor):
        self.binding.bind_cpu_input(self.session.get_inputs()[0].name, tensor)
        for name in self.names:
            self.binding.bind_output(name)

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return dict(zip(self.names, self.binding.copy_outputs_to_cpu()))


class Ncnn:
    """All options as they come, but for the number of threads."""

    def __init__(self, threads):
        import ncnn
        self.ncnn = ncnn
        ncnn.set_omp_num_threads(threads)
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads

    def load(self, path):
        if self.net.load_param(str(path)) or self.net.load_model(str(path.with_suffix(".bin"))):
            raise RuntimeError(f"ncnn does not read {path}")
        self.names = self.net.output_names()

    def prepare(self, tensor):
        self.tensor = tensor
        self.input = (self.net.input_names()[0], self.ncnn.Mat(tensor))

    def run(self):
        extractor = self.net.create_extractor()
        extractor.input(*self.input)
        self.results = [extractor.extract(name)[1] for name in self.names]

    def outputs(self):
        return {name: np.array(result) for name, result in zip(self.names, self.results)}


class LiteRT:
    """With XNNPACK, which is this interpreter's default."""

    def __init__(self, threads):
        from ai_edge_litert.interpreter import Interpreter
        self.make, self.threads = Interpreter, threads

    def load(self, path):
        self.interpreter = self.make(model_path=str(path), num_threads=self.threads)
        self.interpreter.allocate_tensors()

    def prepare(self, tensor):
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], tensor)

    def run(self):
        self.interpreter.invoke()

    def outputs(self):
        return {o["name"]: self.interpreter.get_tensor(o["index"]) for o in self.interpreter.get_output_details()}


class LiteRTReference(LiteRT):
    """The kernels that define the format, for what they answer and not for how long they take."""

    warm_up_runs = 0

    def __init__(self, threads):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
        super().__init__(threads)
        self.make = functools.partial(Interpreter, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)


class OpenVINO:
    """Set for latency, in the precision that it chooses itself."""

    precision = {}

    def __init__(self, threads):
        import openvino
        self.openvino, self.core = openvino, openvino.Core()
        self.options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                        **self.precision}

    def load(self, path):
        self.network = self.core.compile_model(str(path), "CPU", self.options)
        self.request = self.network.create_infer_request()

    def prepare(self, tensor):
        self.tensor = tensor
        self.request.set_input_tensor(self.openvino.Tensor(tensor, shared_memory=True))

    def run(self):
        self.request.infer(share_inputs=True, share_outputs=True)

    def outputs(self):
        return {output.get_any_name(): np.array(self.request.get_tensor(output).data)
                for output in self.network.outputs}


class OpenVINOFloat32(OpenVINO):
    """At float32, where it would choose bfloat16 on a processor that has it."""

    precision = {"INFERENCE_PRECISION_HINT": "f32"}


RUNTIMES = {"onnxruntime": OnnxRuntime, "ncnn": Ncnn, "litert": LiteRT,
            "litert-reference": LiteRTReference, "openvino": OpenVINOFloat32, "openvino-default": OpenVINO}


def status(key):
    return int(re.search(rf"^{key}:\s*(\d+)", pathlib.Path("/proc/self/status").read_text(), re.M).group(1))


def forget_peak():
    try:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass  # the peak is that of the whole process then


def measure(runtime, path, tensor, runs):
    forget_peak()
    before_kb, start = status("VmRSS"), time.perf_counter()
    runtime.load(path)
    runtime.prepare(tensor)
    loaded = time.perf_counter()
    for _ in range(getattr(runtime, "warm_up_runs", WARM_UP_RUNS)):
        runtime.prepare(tensor)
        runtime.run()
    ms, cpu = [], time.process_time()
    for _ in range(runs):
        runtime.prepare(tensor)
        begin = time.perf_counter()
        runtime.run()
        ms.append((time.perf_counter() - begin) * 1e3)
    cpu_ms = (time.process_time() - cpu) * 1e3 / runs
    return {"ms": ms, "cpu_ms": cpu_ms, "load_ms": (loaded - start) * 1e3, "rest_kb": status("VmRSS") - before_kb,
            "peak_kb": status("VmHWM") - before_kb, "threads": status("Threads")}


def main():
    args = parse_args()
    tensor = np.load(args.input)
    runtime = RUNTIMES[args.runtime](args.threads)
    result = measure(runtime, args.file, tensor, args.runs)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, value in runtime.outputs().items():
        np.save(args.out / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.npy", value)
    print(json.dumps(result), flush=True)
    # Some runtimes take long to end, or crash in it; all that was measured is told.
    os._exit(0)


if __name__ == "__main__":
    main()
