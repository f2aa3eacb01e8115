#!/usr/bin/env bash
# Checks what a reader of the tree may rely on: formatting, suites that look for leaks, no notes to self, no paths of
# one machine, public headers that compile alone.  Prints what is wrong and exits 1.
set -euo pipefail
cd "$(dirname "$0")/../.."

headers=(config/config.h policy/policy.h policy/sketch.h ipc/ipc.h engine/engine.h client-lib/inferd.h)
wrong=0
complain() {
	printf '%s\n' "$*"
	wrong=1
}

check_format() {
	local files
	mapfile -t files < <(git ls-files '*.c' '*.h')
	clang-format --dry-run -Werror "${files[@]}" || complain "run clang-format -i on the files above"
}

# A suite without TEST_SUITE passes while it leaks.  Every suite a file tests must be declared in that file, or in
# another file of the same folder.
check_suites() {
	local file suite
	while IFS=: read -r file suite; do
		grep -qE "^TEST_SUITE\($suite\)" "${file%/*}"/*.c ||
			complain "$file: no TEST_SUITE($suite), so its leaks would pass"
	done < <(git ls-files 'tests/*.c' | xargs grep -HoE '^Test\([a-z0-9_]+' | sed 's/Test(//' | sort -u)
}

# The words are spelt apart here, because this file is checked too.
check_words() {
	local words="TO""DO|FIX""ME|X""XX|not imple""mented|for n""ow"
	local places="/ho""me/[a-z]|/wo""rk/|/ro""ot/|/tmp/""b-"

	! git grep -nIwE "($words)" -- ':!LICENSE' || complain "notes to self do not belong in the tree"
	! git grep -nIE "(^|[^a-zA-Z0-9_.-])($places)" -- ':!LICENSE' || complain "paths of one machine do not belong in the tree"
}

check_headers() {
	local header
	for header in "${headers[@]}"; do
		[ -e "$header" ] || continue
		printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$header" "$header" |
			gcc -std=c11 -pedantic-errors -Wall -Wextra -Werror -I. -fsyntax-only -x c - ||
			complain "$header does not compile alone as C11"
	done
	printf '#include "client-lib/inferd.h"\nint main() { return 0; }\n' |
		g++ -std=c++11 -pedantic-errors -Wall -Wextra -Werror -I. -fsyntax-only -x c++ - ||
		complain "client-lib/inferd.h does not compile as C++"
}

# The wall clock may be set at any time.
check_clock() {
	! git grep -nE "CLOCK_REALTIME|gettimeofday|[^_a-z](time|localtime|gmtime)\(" -- \
		'daemon/*.[ch]' 'policy/*.[ch]' 'ipc/*.[ch]' 'engine/*.[ch]' 'client-lib/*.[ch]' 'config/*.[ch]' ||
		complain "only CLOCK_MONOTONIC is read"
}

# Scripts parse, and those that are run rather than sourced may be run.
check_scripts() {
	local file
	while read -r file; do
		bash -n "$file" || complain "$file is not a shell script"
		[ -x "$file" ] || ! head -c 2 "$file" | grep -q '#!' || complain "$file is not executable"
	done < <(git ls-files '*.sh' .ci/run)
}

check_format
check_suites
check_words
check_headers
check_clock
check_scripts
exit "$wrong"
