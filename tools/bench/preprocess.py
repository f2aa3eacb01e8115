#!/usr/bin/env python3
"""Preprocessing beside OpenCV: a 1920x1080 picture to a normalised 224x224 tensor, one thread.

Every pixel format, in colour and in gray, to float32, uint8 and int8, stretched, cropped to the centre square and
letterboxed.  OpenCV does the same steps: it cuts the part out, converts the format (for gray it uses the plane or the
conversion that gives luma), resizes with INTER_AREA, which like ours is a mean over all that lies under a pixel, and
makes the tensor by a look-up table, its quickest way.  INTER_LINEAR looks at four pixels only and is shown beside.

Rounds of both are interleaved, and neither allocates what it could keep; times are medians of the thread's time on the
processor.  Before that the tensors of both are compared on a smooth picture.

  cmake --build BUILD --target bench_preprocess
  tools/bench/preprocess.py --build BUILD          (needs numpy and opencv-python-headless)

Measure while nothing else runs.
"""
import argparse
import ctypes
import json
import math
import pathlib
import statistics
import sys
import time

import cv2
import numpy

WIDTH, HEIGHT, SIDE = 1920, 1080, 224
FORMATS = ("nv12", "nv21", "i420", "yuyv", "rgb", "bgr", "rgba", "bgra", "gray8")  # as enum engine_pixels
FITS = ("stretch", "crop", "letterbox")  # as enum engine_fit
TYPES = {"float32": (0, numpy.float32), "uint8": (3, numpy.uint8), "int8": (2, numpy.int8)}  # as enum engine_type
MEAN, SCALE = (123.675, 116.28, 103.53), (0.017125, 0.017507, 0.017429)
QUANT = {"float32": (0.0, 0), "uint8": (0.02, 114), "int8": (0.02, -14)}
# In levels of the picture: filters of different shape differ where the picture bends.
MEAN_TOLERANCE, PEAK_TOLERANCE = 1.0, 6.0


class Request(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("format", "full_range", "width", "height", "input_width",
                                                  "input_height", "channels", "type")]
    _fields_ += [("quant_scale", ctypes.c_float), ("quant_zero", ctypes.c_int), ("fit", ctypes.c_int),
                 ("sampling", ctypes.c_int), ("mean", ctypes.c_float * 3), ("scale", ctypes.c_float * 3)]


class Region(ctypes.Structure):
    _fields_ = [(name, ctypes.c_float) for name in ("x", "y", "width", "height", "angle")]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder with the target bench_preprocess")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--types", nargs="+", choices=list(TYPES), default=list(TYPES))
    parser.add_argument("--json", type=pathlib.Path, help="write all figures to this file")
    return parser.parse_args()


def load(build):
    library = ctypes.CDLL(str(pathlib.Path(build) / "tests/engine/libbench_preprocess.so"))
    library.bench_level.restype = ctypes.c_char_p
    library.bench_create.restype = ctypes.c_void_p
    library.bench_create.argtypes = [ctypes.POINTER(Request)]
    library.bench_destroy.argtypes = [ctypes.c_void_p]
    library.bench_destroy.restype = None
    pointers = [ctypes.c_void_p, ctypes.POINTER(Request), ctypes.c_void_p]
    library.bench_run.argtypes = pointers + [ctypes.c_void_p]
    library.bench_run_region.argtypes = pointers + [ctypes.POINTER(Region), ctypes.c_void_p]
    return library


# ---- the picture ------------------------------------------------------------------------------------


def smooth_picture():
    """Waves of several lengths, none shorter than an output pixel is wide."""
    y, x = numpy.mgrid[0:HEIGHT, 0:WIDTH].astype(numpy.float32)
    waves = [127 + 70 * numpy.sin(x / a + c) + 40 * numpy.cos(y / b - c) for a, b, c in
             ((61, 83, 0), (97, 53, 1), (143, 71, 2))]
    return numpy.clip(numpy.stack(waves, axis=2), 0, 255).astype(numpy.uint8)


def in_format(rgb, name):
    """The picture as one flat array of bytes."""
    if name in ("nv12", "nv21", "i420"):
        planar = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420).reshape(-1)
        if name == "i420":
            return planar.copy()
        luma, quarter = WIDTH * HEIGHT, WIDTH * HEIGHT // 4
        u, v = planar[luma:luma + quarter], planar[luma + quarter:]
        return numpy.concatenate([planar[:luma], numpy.stack([u, v] if name == "nv12" else [v, u], axis=1).reshape(-1)])
    codes = {"yuyv": cv2.COLOR_RGB2YUV_YUY2, "bgr": cv2.COLOR_RGB2BGR, "rgba": cv2.COLOR_RGB2RGBA,
             "bgra": cv2.COLOR_RGB2BGRA, "gray8": cv2.COLOR_RGB2GRAY}
    return (cv2.cvtColor(rgb, codes[name]) if name in codes else rgb).reshape(-1).copy()


# ---- OpenCV -----------------------------------------------------------------------------------------

TO_RGB = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21, "i420": cv2.COLOR_YUV2RGB_I420,
          "yuyv": cv2.COLOR_YUV2RGB_YUY2, "bgr": cv2.COLOR_BGR2RGB, "rgba": cv2.COLOR_RGBA2RGB,
          "bgra": cv2.COLOR_BGRA2RGB, "gray8": cv2.COLOR_GRAY2RGB}
TO_GRAY = {"yuyv": cv2.COLOR_YUV2GRAY_YUY2, "rgb": cv2.COLOR_RGB2GRAY, "bgr": cv2.COLOR_BGR2GRAY,
           "rgba": cv2.COLOR_RGBA2GRAY, "bgra": cv2.COLOR_BGRA2GRAY}


class OpenCV:
    """The same steps, on memory that stays from run to run."""

    def __init__(self, name, channels, kind, fit, pixels, interpolation):
        self.name, self.channels, self.interpolation = name, channels, interpolation
        self.crop = slice((WIDTH - HEIGHT) // 2, (WIDTH + HEIGHT) // 2) if fit == "crop" else slice(0, WIDTH)
        rows = SIDE * HEIGHT // WIDTH if fit == "letterbox" else SIDE
        depth = TYPES[kind][1]
        shape = (SIDE, SIDE) if channels == 1 else (SIDE, SIDE, 3)
        self.table = self.make_table(kind, depth)
        self.tensor = numpy.zeros(shape, depth)
        black = numpy.zeros((SIDE, SIDE, channels) if channels > 1 else (SIDE, SIDE), numpy.uint8)
        # Letterbox: the picture lies in the middle rows; borders are made by a copy of the table's colour.
        self.top = (SIDE - rows) // 2
        self.rows = rows
        self.border = cv2.LUT(black, self.make_table(kind, depth, video=False)) if rows < SIDE else None
        self.views = self.make_views(pixels)
        self.converted = self.small = self.small_rgb = None

    def make_table(self, kind, depth, video=True):
        scale, zero = QUANT[kind]
        level = numpy.arange(256, dtype=numpy.float64)
        if video and self.channels == 1 and self.name in ("nv12", "nv21", "i420", "yuyv"):
            level = numpy.clip((level - 16) * 255 / 219, 0, 255)
        table = numpy.stack([(level - MEAN[c]) * SCALE[c] for c in range(self.channels)], axis=1)
        if kind != "float32":
            low = numpy.iinfo(depth)
            table = numpy.clip(numpy.rint(table / scale + zero), low.min, low.max)
        return numpy.ascontiguousarray(table.astype(depth)).reshape(1, 256, self.channels)

    def make_views(self, pixels):
        """The planes as OpenCV wants them, of the part that is used."""
        luma = WIDTH * HEIGHT
        if self.name in ("nv12", "nv21"):
            half = slice(self.crop.start // 2, self.crop.stop // 2)
            return (pixels[:luma].reshape(HEIGHT, WIDTH)[:, self.crop],
                    pixels[luma:].reshape(HEIGHT // 2, WIDTH // 2, 2)[:, half])
        if self.name == "i420":
            return (pixels[:luma].reshape(HEIGHT, WIDTH)[:, self.crop], pixels.reshape(HEIGHT * 3 // 2, WIDTH))
        samples = pixels.size // luma
        shape = (HEIGHT, WIDTH) if samples == 1 else (HEIGHT, WIDTH, samples)
        return (pixels.reshape(shape)[:, self.crop],)

    def convert(self):
        """The part that is used as RGB or luma; each destination is made once."""
        if self.channels == 1:
            if self.name in TO_GRAY:
                self.converted = cv2.cvtColor(self.views[0], TO_GRAY[self.name], dst=self.converted)
                return self.converted
            return self.views[0]
        if self.name in ("nv12", "nv21"):
            self.converted = cv2.cvtColorTwoPlane(*self.views, TO_RGB[self.name], dst=self.converted)
        elif self.name == "i420":
            self.converted = cv2.cvtColor(self.views[1], TO_RGB[self.name], dst=self.converted)
            return self.converted[:, self.crop]
        elif self.name in ("rgb", "gray8"):
            return self.views[0]  # gray is cheaper to resize than three channels of it
        else:
            self.converted = cv2.cvtColor(self.views[0], TO_RGB[self.name], dst=self.converted)
        return self.converted

    def run(self):
        small = self.small = cv2.resize(self.convert(), (SIDE, self.rows), dst=self.small,
                                        interpolation=self.interpolation)
        if self.name == "gray8" and self.channels == 3:
            small = self.small_rgb = cv2.cvtColor(small, cv2.COLOR_GRAY2RGB, dst=self.small_rgb)
        if self.border is not None:
            self.tensor[:self.top] = self.border[:self.top]
            self.tensor[self.top + self.rows:] = self.border[self.top + self.rows:]
        cv2.LUT(small, self.table, dst=self.tensor[self.top:self.top + self.rows])
        return self.tensor


# ---- ours -------------------------------------------------------------------------------------------


class Ours:
    def __init__(self, library, name, channels, kind, fit, pixels):
        scale, zero = QUANT[kind]
        number, depth = TYPES[kind]
        self.library, self.pixels = library, pixels
        self.request = Request(FORMATS.index(name), 0, WIDTH, HEIGHT, SIDE, SIDE, channels, number, scale, zero,
                               FITS.index(fit), 0, MEAN, SCALE)
        self.tensor = numpy.zeros((SIDE, SIDE) if channels == 1 else (SIDE, SIDE, 3), depth)
        self.handle = library.bench_create(ctypes.byref(self.request))
        if not self.handle:
            raise SystemExit(f"the library refuses {name}")
        self.arguments = (self.handle, ctypes.byref(self.request), pixels.ctypes.data, self.tensor.ctypes.data)

    def run(self):
        if self.library.bench_run(*self.arguments):
            raise SystemExit("a run failed")
        return self.tensor

    def close(self):
        self.library.bench_destroy(self.handle)


def compare(ours, theirs, kind, channels):
    """Mean and largest difference in levels of the picture."""
    step = QUANT[kind][0] or 1
    difference = numpy.abs(ours.astype(numpy.float64) - theirs.astype(numpy.float64)) * step
    difference = difference / (numpy.array(SCALE) if channels == 3 else SCALE[0])
    return float(difference.mean()), float(difference.max())


def time_ms(run):
    start = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - start) / 1e6


def measure(library, name, channels, kind, fit, pixels, rounds):
    ours = Ours(library, name, channels, kind, fit, pixels)
    area = OpenCV(name, channels, kind, fit, pixels, cv2.INTER_AREA)
    linear = OpenCV(name, channels, kind, fit, pixels, cv2.INTER_LINEAR)
    mean, peak = compare(ours.run(), area.run(), kind, channels)
    if mean > MEAN_TOLERANCE or peak > PEAK_TOLERANCE:
        raise SystemExit(f"{name} {channels} {kind} {fit}: off by {mean:.2f} in the mean, {peak:.2f} at most")
    times = {"ours": [], "area": [], "linear": []}
    runs = {"ours": ours.run, "area": area.run, "linear": linear.run}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for key, run in runs.items():
            times[key].append(time_ms(run))
    ours.close()
    row = {key + "_ms": statistics.median(values) for key, values in times.items()}
    row.update(format=name, channels=channels, type=kind, fit=fit, ratio=row["ours_ms"] / row["area_ms"],
               linear_ratio=row["ours_ms"] / row["linear_ms"], mean_difference=mean, peak_difference=peak)
    return row


def measure_regions(library, rounds):
    """A region of 224x224 of a picture of 640x480, turned by 20 degrees, by single samples."""
    rows = []
    for name in FORMATS:
        samples = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4, "yuyv": 2, "gray8": 1}.get(name, 1.5)
        pixels = numpy.random.default_rng(1).integers(0, 256, int(640 * 480 * samples), dtype=numpy.uint8)
        request = Request(FORMATS.index(name), 0, 640, 480, SIDE, SIDE, 3, 0, 0.0, 0, 0, 1, MEAN, SCALE)
        tensor = numpy.zeros((SIDE, SIDE, 3), numpy.float32)
        handle = library.bench_create(ctypes.byref(request))
        region = Region(320, 240, 300, 300, math.radians(20))
        arguments = (handle, ctypes.byref(request), pixels.ctypes.data, ctypes.byref(region), tensor.ctypes.data)
        library.bench_run_region(*arguments)
        rows.append({"format": name, "ms": statistics.median(
            time_ms(lambda: library.bench_run_region(*arguments)) for _ in range(rounds))})
        library.bench_destroy(handle)
    return rows


# ---- tables -----------------------------------------------------------------------------------------


def geometric_mean(values):
    return math.exp(statistics.fmean(math.log(value) for value in values))


def print_table(rows):
    print("| format | channels | tensor | " + " | ".join(f"{fit}: ours, OpenCV, linear ms | ratio" for fit in FITS) +
          " |\n|---|---|---|" + "--:|--:|" * len(FITS))
    cases = {}
    for row in rows:
        cases.setdefault((row["format"], row["channels"], row["type"]), {})[row["fit"]] = row
    for (name, channels, kind), fits in cases.items():
        cells = " | ".join(f"{r['ours_ms']:.2f}, {r['area_ms']:.2f}, {r['linear_ms']:.2f} | {r['ratio']:.2f}"
                           for r in (fits[fit] for fit in FITS))
        print(f"| {name} | {'colour' if channels == 3 else 'gray'} | {kind} | {cells} |")


def main():
    args = parse_args()
    library = load(args.build)
    cv2.setNumThreads(1)
    rgb, rows = smooth_picture(), []
    for name in args.formats:
        pixels = in_format(rgb, name)
        for channels in (3, 1):
            for kind in args.types:
                for fit in FITS:
                    rows.append(measure(library, name, channels, kind, fit, pixels, args.rounds))
    regions = measure_regions(library, args.rounds)
    print_table(rows)
    level = library.bench_level().decode()
    print(f"\nKernels of {level}.  Geometric mean of {len(rows)} ratios to OpenCV {cv2.__version__}: "
          f"{geometric_mean(r['ratio'] for r in rows):.3f} (INTER_AREA), "
          f"{geometric_mean(r['linear_ratio'] for r in rows):.3f} (INTER_LINEAR); "
          f"largest {max(r['ratio'] for r in rows):.2f}.  Tensors differ by at most "
          f"{max(r['mean_difference'] for r in rows):.2f} levels in the mean, "
          f"{max(r['peak_difference'] for r in rows):.2f} in one pixel.")
    print("Regions of 300x300 turned in a picture of 640x480, ms: " + ", ".join(f"{r['format']} {r['ms']:.3f}" for r in regions))
    if args.json:
        figures = {"level": level, "opencv": cv2.__version__, "rows": rows, "regions": regions}
        args.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    sys.exit(main())
