#!/usr/bin/env bash
# Builds an engine trimmed to a tiny network, runs the network with it, and asks it for what was left out.
#
#   tests/tools/trimmed.sh INFERD_MODEL C_COMPILER FOLDER
#
# INFERD_MODEL is that of a build with everything.
set -euo pipefail
whole=$1 compiler=$2 folder=$3
source=$(cd "$(dirname "$0")/../.." && pwd)

fail() {
	echo "trimmed.sh: $*" >&2
	exit 1
}

# A network of ncnn without weights: an average, and another layer on it.
network() { # name, layer with its blobs and parameters
	printf '7767517\n3 3\nInput data 0 1 data 0=4 1=4 2=3\nPooling pool 1 1 data pool 0=1 4=1\n%s\n' "$2" >"$1.param"
	printf 0000 >"$1.bin"
}

refuses() { # file, words of the error
	local said
	! said=$("$small" inspect "$1" 2>&1) || fail "$1 was taken, though the build leaves out what it needs"
	grep -qF "$2" <<<"$said" || fail "$1: not '$2', but: $said"
}

mkdir -p "$folder"
cd "$folder"
network wanted 'Softmax last 1 1 pool last 0=0'
network other 'Sigmoid last 1 1 pool last'
network general 'YoloDetectionOutput last 1 1 data last 0=20 1=5 2=0.25 3=0.45 -23304=10,1,1,1,1,1,1,1,1,1,1'
printf 'name: "other"\nlayer { name: "data" type: "Input" top: "data" }\n' >other.prototxt
printf 0000 >other.caffemodel

"$whole" inspect --ops wanted.param >operators.txt
[ "$(tr '\n' ' ' <operators.txt)" = "avgpool reshape softmax type.float32 " ] || fail "inspect --ops says: $(cat operators.txt)"
"$whole" inspect --ops wanted.param other.param | grep -qx sigmoid || fail "inspect --ops looks at the first file only"

cmake -S "$source" -B build -DCMAKE_C_COMPILER="$compiler" -DCMAKE_BUILD_TYPE=MinSizeRel -DINFERD_ENGINE_ONLY=ON \
	-DINFERD_TESTS=OFF -DINFERD_WERROR=ON -DINFERD_OPERATORS="$PWD/operators.txt" -DINFERD_FORMATS=ncnn \
	-DINFERD_CPU_LEVELS=scalar
cmake --build build -j 2 --target inferd-model
small=build/tools/inferd-model/inferd-model

"$small" inspect wanted.param >inspected.txt
grep -q 'kernels scalar' inspected.txt || fail "a build for portable C uses other kernels"
symbols=$(nm "$small")
! grep -E 'operator_LSTM|import_onnx|step_resize|igemm.*avx2|igemm_s8_|mapping_beside' <<<"$symbols" ||
	fail "what was left out is in the program"
refuses other.param "needs the operator sigmoid, which is left out of this build (INFERD_OPERATORS)"
refuses general.param "is left out of this build (INFERD_OPERATORS)"
refuses other.prototxt "the format caffe is left out of this build (INFERD_FORMATS)"

# The same numbers in, the same numbers out.
printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4, 4), }" >in.npy
head -c 192 "$whole" | tr '\200-\377' '@' >>in.npy
mkdir -p of_whole of_small
INFERD_CPU_MASK=scalar "$whole" run wanted.param --input in.npy --out of_whole
"$small" run wanted.param --input in.npy --out of_small
diff -r of_whole of_small || fail "the trimmed build answers otherwise"
