#!/usr/bin/env bash
# Installs what the tests need, builds every configuration below build/ and tests it.
#
#   tools/test.sh [PHASE...]     (default: all of lint gcc scalar asan tsan fuzz aarch64)
#
# A phase that fails does not stop those after it.  The logs are build/log/PHASE.log; the last line printed is
# "N passed, N failed, N skipped" over all phases, and the exit status is 0 only where nothing failed.
# INFERD_TEST_DATA names a folder of models and photographs; tests that need an absent one are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/lib.sh

jobs=$(nproc)
logs=build/log
passed=0 failed=0 skipped=0
failures=() skips=()

packages=(build-essential clang clang-format libclang-rt-dev libomp-dev cmake pkg-config git libuv1-dev libmsgpack-dev
	libyaml-dev libturbojpeg0-dev libpng-dev libsqlite3-dev libcriterion-dev libonnx-testdata gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)
arm64_packages=(libuv1 libuv1-dev libyaml-0-2 libyaml-dev libmsgpackc2 libmsgpack-dev libturbojpeg0 libturbojpeg0-dev
	libpng16-16 libpng-dev zlib1g zlib1g-dev libsqlite3-0 libsqlite3-dev)

# Criterion prints skipped tests only from this level on.
export CRITERION_VERBOSITY_LEVEL=1

build() { # folder, options of cmake and targets behind --
	local folder=$1 options=() targets=()
	shift
	while (($#)) && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	(($# < 2)) || targets=(--target "${@:2}")
	cmake -S . -B "$folder" -DINFERD_WERROR=ON "${options[@]}"
	cmake --build "$folder" -j "$jobs" "${targets[@]}"
}

run() { # folder, options of ctest
	(cd "$1" && ctest -V -j "$jobs" "${@:2}")
}

phase_lint() {
	local script status=0
	for script in tests/lint/*.sh; do
		if "$script"; then
			echo "[LINT] ${script##*/}: passed"
		else
			echo "[LINT] ${script##*/}: failed"
			status=1
		fi
	done
	return $status
}

phase_gcc() {
	build build/test -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release
	run build/test
}

# The portable kernels and those of lesser processors, which faster ones hide on this machine.
phase_scalar() {
	build build/test -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=Release
	INFERD_CPU_MASK=scalar run build/test -L 'engine|kernels'
	for level in avx2 avxvnni avx512; do
		INFERD_CPU_MASK=$level run build/test -L engine
	done
}

# With assertions, which Release leaves out.
phase_asan() {
	build build/asan -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo '-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g' \
		-DINFERD_SANITIZE=address,undefined
	run build/asan
}

# ThreadSanitizer needs its part of the address space, which a randomised layout may take.
phase_tsan() {
	local fixed=()
	build build/tsan -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo '-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g' \
		-DINFERD_SANITIZE=thread -- test_team test_ipc test_daemon test_e2e
	! setarch -R true 2>/dev/null || fixed=(setarch -R)
	(cd build/tsan && "${fixed[@]}" ctest -V -j "$jobs" -R '^(team|ipc|daemon|e2e)$')
}

phase_fuzz() {
	local targets
	cmake -S . -B build/fuzz -DINFERD_WERROR=ON -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=RelWithDebInfo \
		'-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O1 -g' -DINFERD_FUZZ=ON -DINFERD_TESTS=OFF -DINFERD_SANITIZE=address,undefined
	targets=$(cmake --build build/fuzz --target help | sed -nE 's/^\.\.\. (fuzz_[a-z0-9_]+)( .*)?$/\1/p')
	# shellcheck disable=SC2086 # one word for each target
	cmake --build build/fuzz -j "$jobs" --target $targets
	run build/fuzz -L fuzz
}

# Everything is built for 64-bit Arm; what must be the same there, the engine and the policy, is tested on an emulated one
# that has all levels, and networks on those of lesser processors too.
phase_aarch64() {
	unpack_arm64 build/arm64-packages "${arm64_packages[@]}"
	build build/aarch64 -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake -DINFERD_SYSROOT="$PWD/build/arm64-packages" \
		-DCMAKE_BUILD_TYPE=Release
	run build/aarch64 -L 'engine|kernels|policy'
	for level in neon dotprod; do
		INFERD_CPU_MASK=$level run build/aarch64 -R '^(engine|goldens)$'
	done
}

# Reads a log of `ctest -V` and of the lints; prints "passed failed skipped".  Each line of a test program starts with
# the number of its CTest entry.  An entry without Criterion's summary counts as one test.  A test that crashes in its
# teardown, as one that leaks does, is among those that Criterion calls passing.
count() { # log
	awk '
		/^\[LINT\]/ { if ($3 == "passed") passed++; else failed++ }
		/^[0-9]+: .*\[SKIP\]/ { skipped++ }
		/^[0-9]+: .*crashed during its setup or teardown/ { teardown[$1 + 0]++ }
		/^[0-9]+: .*\[====\] Synthesis:/ {
			tested[$1 + 0] += number_after("Tested:")
			failing[$1 + 0] += number_after("Failing:")
		}
		/^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ {
			match($0, /#[0-9]+/)
			id = substr($0, RSTART + 1, RLENGTH - 1) + 0
			all = id in tested ? tested[id] : 1
			if ($0 ~ / Passed +[0-9]/) {
				passed += all
			} else if ($0 ~ /\*\*\*Skipped/) {
				skipped++
			} else {
				bad = failing[id] + teardown[id]
				bad = bad ? bad : 1
				failed += bad
				passed += all > bad ? all - bad : 0
			}
		}
		function number_after(word) { return substr($0, index($0, word) + length(word)) + 0 }
		END { print passed + 0, failed + 0, skipped + 0 }
	' "$1"
}

# What a reader of a failed phase wants to see first: its errors, but not what tests that passed say.
excerpt() { # log
	awk '
		NR == FNR {
			if ($0 ~ /^ *[0-9]+\/[0-9]+ Test +#[0-9]+:/ && $0 ~ / Passed +[0-9]/) {
				match($0, /#[0-9]+/)
				fine[substr($0, RSTART + 1, RLENGTH - 1)]
			}
			next
		}
		/^[0-9]+: / && (substr($0, 1, index($0, ":") - 1) in fine) { next }
		/error:|CMake Error|\[FAIL\]|\[----\]|ERROR:|SUMMARY:|runtime error|\*\*\*|undefined reference|: failed/ { print }
	' "$1" "$1" | grep -v 'Criterion v' | head -n 80 || true
	echo "..."
	tail -n 15 "$1"
}

phase() { # name, what it does
	local log=$logs/$1.log status=0 start=$SECONDS good bad left line
	say "$1: $2"
	set +e
	(
		set -e
		"phase_$1"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	grep -E '^ *[0-9]+/[0-9]+ Test +#|^\[LINT\]' "$log" || true
	read -r good bad left < <(count "$log")
	# A build that breaks, or a phase that finds no test, is one failure.
	if ((status && !bad)) || ((good + bad == 0)); then
		bad=$((bad + 1))
	fi
	passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
	while IFS= read -r line; do
		skips+=("$1: $line")
	done < <(sed -nE 's/^[0-9]+: .*\[SKIP\] (.*)$/\1/p' "$log")
	if ((bad)); then
		failures+=("$1 ($log)")
		excerpt "$log"
	fi
	echo "$1: $good passed, $bad failed, $left skipped in $((SECONDS - start)) s"
}

declare -A about=(
	[lint]="includes, formatting, suites, headers"
	[gcc]="gcc, Release, all tests"
	[scalar]="the same build, portable kernels and those of lesser processors"
	[asan]="clang, AddressSanitizer and UndefinedBehaviorSanitizer, all tests"
	[tsan]="gcc, ThreadSanitizer, the team's barrier, the daemon and its lanes"
	[fuzz]="clang, fuzz targets over their corpus and a bounded number of runs"
	[aarch64]="all built for 64-bit Arm, engine, kernels and policy tested under qemu"
)
phases=(lint gcc scalar asan tsan fuzz aarch64)
(($#)) && phases=("$@")
for name in "${phases[@]}"; do
	[ -n "${about[$name]-}" ] || die "no phase '$name'; there are: ${!about[*]}"
done

install_missing "${packages[@]}"
# Tests run in other folders.
[ -z "${INFERD_TEST_DATA-}" ] || INFERD_TEST_DATA=$(realpath "$INFERD_TEST_DATA")
mkdir -p "$logs"
for name in "${phases[@]}"; do
	phase "$name" "${about[$name]}"
done

say "Summary, $SECONDS s"
((${#skips[@]} == 0)) || printf 'skipped: %s\n' "${skips[@]}"
((${#failures[@]} == 0)) || printf 'failed: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
