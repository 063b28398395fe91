#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Run one case and compare what it prints with what is expected:
#
#   RN_BUILD=build RN_SOURCE=. tests/cli/run.sh [--refresh] CASE
#
# CASE is the name of cases/CASE.sh. Beside it stand CASE.stdout and
# CASE.stderr, compared exactly, or CASE.stdout.glob and CASE.stderr.glob,
# whose lines are shell patterns. --refresh rewrites the exact ones. A case
# that ends with 77 is skipped; any other status but 0 is a failure.
set -u

refresh=no
if [ "$1" = --refresh ]; then
    refresh=yes
    shift
fi
case_name=$1
RN_SOURCE=$(cd "${RN_SOURCE:-.}" && pwd)
RN_BUILD=$(cd "${RN_BUILD:-build}" && pwd)
cases=$RN_SOURCE/tests/cli/cases
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

mkdir "$work/bin" "$work/dir"
ln -s "$RN_BUILD/resnet" "$work/bin/resnet"
PATH=$work/bin:$PATH
NO_COLOR=1 TERM=dumb OMP_NUM_THREADS=1 LC_ALL=C
export RN_SOURCE RN_BUILD PATH NO_COLOR TERM OMP_NUM_THREADS LC_ALL

(cd "$work/dir" && . "$RN_SOURCE/tests/cli/tools.sh" &&
    . "$cases/$case_name.sh") \
    > "$work/stdout" 2> "$work/stderr" < /dev/null
status=$?
if [ $status -eq 77 ]; then
    cat "$work/stdout"
    exit 77
fi

# match_glob GOT PATTERNS: line by line
match_glob() {
    number=0
    while IFS= read -r pattern <&4 || [ -n "$pattern" ]; do
        number=$((number + 1))
        if ! IFS= read -r line <&3; then
            echo "line $number is missing, expected: $pattern"
            return 1
        fi
        # shellcheck disable=SC2254
        case $line in
        $pattern) ;;
        *)
            echo "line $number:   $line"
            echo "expected: $pattern"
            return 1
            ;;
        esac
    done 3< "$1" 4< "$2"
    if [ "$(wc -l < "$1")" -ne "$number" ]; then
        echo "there are $(wc -l < "$1") lines, expected $number"
        return 1
    fi
}

failed=0
for stream in stdout stderr; do
    expected=$cases/$case_name.$stream
    if [ -e "$expected.glob" ]; then
        if ! match_glob "$work/$stream" "$expected.glob"; then
            failed=1
            echo "--- $case_name: all of $stream"
            cat "$work/$stream"
        fi
    elif [ $refresh = yes ]; then
        cp "$work/$stream" "$expected"
    elif ! diff -u "$expected" "$work/$stream"; then
        failed=1
    fi
done
if [ $status -ne 0 ]; then
    echo "$case_name.sh ended with $status"
    cat "$work/stderr"
    failed=1
fi
# Whatever the case made of it.
if [ -s "$work/hung" ]; then
    cat "$work/hung"
    failed=1
fi
exit $failed
