# SPDX-License-Identifier: BSD-2-Clause
# What the cases share; read by run.sh.

# Show a command, run it, show its exit status.
run() {
    echo "\$ $*"
    "$@"
    echo "exit $?"
}

# Leave out what the machine, the threads and the folder of the test are, and
# how long a description of this version is.
messages() {
    sed -e 's/header of [0-9]* bytes/header of N bytes/' -e 's/features hold \(inf\|nan\)/features hold inf or nan/' -e '/, oneDNN [0-9]/d' -e '/^[0-9]* threads* (/d' -e "s|$PWD/||g"
}

# The same for what fails: its messages, without its standard output.
fails() {
    echo "\$ $*" >&2
    "$@" > /dev/null 2> ../messages
    code=$?
    messages < ../messages >&2
    echo "exit $code" >&2
}

# The same without a word, for what is only preparation.
prepare() {
    "$@" > prepare.out 2>&1 || {
        echo "failed: $*"
        cat prepare.out
        exit 1
    }
}

# Standard input, where each line must be a JSON object.
check_json() {
    if command -v python3 > /dev/null; then
        python3 -c '
import json, sys
def refuse(word): raise ValueError("not JSON: " + word)
lines = sys.stdin.readlines()
for line in lines:
    assert isinstance(json.loads(line, parse_constant=refuse), dict)
print(len(lines), "valid")'
    else
        echo "$(grep -c '^{.*}$') valid"
    fi
}

# Train resnet8 on 64 made-up images, five iterations, into the folder $1.
small_data=synthetic:1x8x8:4:64
small_run() {
    prepare resnet train $small_data --net resnet8 --out "$1" \
        --batch 16 --iterations 5 --augment none --test-every 5
}

# The launcher of MPI $1 (ompi, mpich), where the build has its plugin, too.
launcher() {
    [ -f "$RN_BUILD/libresnet-$1.so" ] || return
    case $1 in
    ompi) command -v mpirun.openmpi ;;
    mpich) command -v mpirun.mpich ;;
    esac
}
