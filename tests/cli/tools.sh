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

# Three black pictures of 8x8 pixels for each of the classes photos/a and b.
small_photos() {
    local class i
    for class in a b; do
        mkdir -p photos/$class
        for i in 1 2 3; do
            { printf 'P5 8 8 255\n'; head -c 64 /dev/zero; } > photos/$class/$i.pgm
        done
    done
}

# What must not go on for longer than so many seconds, here and in ../hung, is
# ended; run.sh has the case fail and names it.
bound=${RN_BOUND:-100}
hung=$PWD/../hung

# Processes of resnet in this folder; the program may have begun again, as "exe".
own() {
    cat /proc/[0-9]*/stat 2> /dev/null | awk '$2 ~ /^.(resnet|exe).$/ &&
        $3 != "Z" {print $1}' | while read -r p; do
        [ "$(readlink /proc/$p/cwd)" = "$PWD" ] && echo $p
    done
}

# A command that may hang: with SIGTERM it has a moment to end by itself, then it
# is killed, and so are the processes of resnet that it leaves.
bounded() (
    end=$(($(date +%s) + bound))
    timeout --foreground -k $((bound / 10 + 1)) "$bound" "$@"
    code=$?
    # mpirun ends with 137, too, when a rank was killed
    if [ $code -eq 124 ] || { [ $code -eq 137 ] && [ "$(date +%s)" -ge $end ]; }; then
        echo "'$*' hung and was ended after $bound s, with status $code" >> "$hung"
        kill -9 $(own) 2> /dev/null
    fi
    exit $code
)

# Wait until a command succeeds.
await() {
    await_end=$(($(date +%s) + bound))
    until "$@"; do
        if [ "$(date +%s)" -ge $await_end ]; then
            echo "'$*' was waited for in vain for $bound s" >> "$hung"
            return 1
        fi
        sleep 0.02
    done
}

# The launcher of MPI $1 (ompi, mpich), where the build has its plugin, too.
find_launcher() {
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_MCA_btl_vader_single_copy_mechanism=none
    [ -f "$RN_BUILD/libresnet-$1.so" ] || return
    case $1 in
    ompi) launcher=$(command -v mpirun.openmpi) ;;
    mpich) launcher=$(command -v mpirun.mpich) ;;
    esac
}

# Start so many ranks of a command by it. A launcher may hang when all its ranks
# have ended.
launch() {
    bounded "$launcher" -n "$@"
}
