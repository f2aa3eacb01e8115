#!/usr/bin/env bash
# Prints how large the stripped engine is: with everything, and trimmed to networks for one level of the CPU.
#
#   tools/bench/engine_size.sh [--level LEVEL] [--formats LIST] [NETWORK...]
#
# Without networks only the first.  A trimmed engine is also measured without what prepares pictures, searches and
# quantises.  LIST is CMake's, as "tflite;onnx"; by default tflite.  What is measured is a shared
# object that needs libc, libm and OpenMP only and in which every function of engine.h and operator.h can be called.
# Builds below build/size.
set -euo pipefail
cd "$(dirname "$0")/../.."

level=avx2 formats=tflite networks=()
while (($#)); do
	case $1 in
	--level) level=$2 && shift 2 ;;
	--formats) formats=$2 && shift 2 ;;
	*) networks+=("$1") && shift ;;
	esac
done

build() { # folder, options of cmake
	cmake -S . -B "build/size/$1" -DCMAKE_BUILD_TYPE=Release -DINFERD_ENGINE_ONLY=ON -DINFERD_TESTS=OFF "${@:2}" >/dev/null
	cmake --build "build/size/$1" -j "$(nproc)" >/dev/null
}

# Public functions are roots; what none of them reaches is dropped, as it is from a program.
measure() { # folder, functions as a regular expression, label
	local archive=build/size/$1/engine/libinferd_engine.a object=build/size/$1/engine.so name
	local roots=() defined
	defined=$(nm "$archive" 2>/dev/null | awk '$2 == "T" { print $3 }')
	for name in $(grep -ohE '\bengine_[a-z0-9_]+\(' engine/engine.h engine/operator.h | tr -d '(' | sort -u); do
		[[ $name =~ ^engine_($2) ]] || continue
		! grep -qx "$name" <<<"$defined" || roots+=("-Wl,-u,$name")
	done
	gcc -shared -s -o "$object" "${roots[@]}" -Wl,--gc-sections,-z,noseparate-code,-z,pack-relative-relocs \
		"$archive" -fopenmp -lm
	printf '%9d bytes  %s\n' "$(stat -c %s "$object")" "$3"
}

build all
measure all . "everything"
if ((${#networks[@]})); then
	build/size/all/tools/inferd-model/inferd-model inspect --ops "${networks[@]}" >build/size/operators.txt
	build trimmed "-DINFERD_OPERATORS=$PWD/build/size/operators.txt" "-DINFERD_FORMATS=$formats" "-DINFERD_CPU_LEVELS=$level" \
		-DINFERD_REGIONS=OFF
	measure trimmed . "trimmed to ${#networks[@]} networks ($formats), $level"
	measure trimmed 'model_|plan_|team_|context_|run$|type_|cpu_' "the same, of a program that only loads and runs networks"
fi
