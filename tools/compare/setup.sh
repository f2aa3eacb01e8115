#!/usr/bin/env bash
# Makes a Python environment with the runtimes that formats.py, networks.py and accuracy.py compare with.  PyTorch comes from
# Debian, the others from PyPI; none of them is needed to build, test or run inferd.
#
#   tools/compare/setup.sh [FOLDER]     (default: build/peers)
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/lib.sh
folder=${1:-build/peers}

install_missing python3-venv python3-pip python3-torch python3-torchvision
[ -x "$folder/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$folder"
# Debian's PyTorch belongs to Debian's Python and was built for the first NumPy.
"$folder/bin/pip" install --quiet --disable-pip-version-check 'numpy<2' pillow ai-edge-litert ncnn \
	'onnx>=1.16' onnxruntime onnxconverter-common pnnx sympy 'opencv-python-headless<4.12'
"$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps efficientnet_lite_pytorch
# MediaPipe needs another protobuf than the others.
[ -x "$folder/mediapipe/bin/python" ] || /usr/bin/python3 -m venv "$folder/mediapipe"
"$folder/mediapipe/bin/pip" install --quiet --disable-pip-version-check mediapipe==0.10.21
"$folder/bin/python" -c 'import ai_edge_litert, cv2, ncnn, onnxruntime, torch, torchvision, efficientnet_lite_pytorch'
echo "$folder/bin/python runs the comparisons."
