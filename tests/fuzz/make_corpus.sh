#!/usr/bin/env bash
# Adds to the corpora of the readers what make_seeds.py and the engine's tests make, and to that of converted files what
# becomes of those:  tests/fuzz/make_corpus.sh TEST_BUILD FUZZ_BUILD.  README.md tells more.
set -euo pipefail
test_build=$(realpath "$1")
fuzz_build=$(realpath "$2")
cd "$(dirname "$0")"
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

python3 make_seeds.py "$made"
mkdir -p "$made"/{kept,packed,import_onnx}
INFERD_KEEP_NETWORKS=$made/kept "$test_build/tests/engine/test_import" >/dev/null 2>&1

# By what a file begins with.
for file in "$made"/kept/*; do
	case $(head -c 8 "$file" | tr -d '\0' | head -n 1) in
	*TFL3*) target=import_tflite ;;
	7767517* | $'\x9d\x86v'*) target=import_ncnn ;;
	infer*) target=packed ;;
	name* | input* | layer*) target=import_caffe ;;
	*) target=import_onnx ;;
	esac
	mv "$file" "$made/$target/"
done

for file in "$made"/import_*/*; do
	name=$(basename "$file")
	from=$file
	case $file in
	*/import_ncnn/* | */import_caffe/*)
		extensions=(param bin)
		[[ $file != */import_caffe/* ]] || extensions=(prototxt caffemodel)
		from=$made/from.${extensions[0]}
		text=$(LC_ALL=C grep -aobm 1 -P '\x00' "$file" | head -n 1 | cut -d : -f 1) || continue
		head -c "$text" "$file" >"$from"
		tail -c "+$((text + 2))" "$file" >"$made/from.${extensions[1]}"
		;;
	esac
	"$test_build/tools/inferd-model/inferd-model" convert "$from" "$made/packed/$name" >/dev/null 2>&1 || true
	"$test_build/tools/inferd-model/inferd-model" convert --portable "$from" "$made/packed/$name.portable" \
		>/dev/null 2>&1 || true
done

# Small files first, and only those that reach something new.
for target in import_onnx import_tflite import_ncnn import_caffe packed; do
	find "$made/$target" -type f -size +4 -delete # blocks of 512 bytes
	"$fuzz_build/tests/engine/fuzz_$target" -merge=1 "corpus/$target" "$made/$target" 2>&1 | tail -n 1
done
