#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Install into a folder, then build and run what a user of the library would:
# the example in C, and the header in C++.
set -eu

RN_BUILD=$(cd "${RN_BUILD:-build}" && pwd)
RN_SOURCE=$(cd "${RN_SOURCE:-.}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

meson install -C "$RN_BUILD" --no-rebuild --destdir "$work/root" > log 2>&1 || {
    cat log
    exit 1
}
resnet=$(find root -path '*/bin/resnet')
for file in include/resnet.h man/man1/resnet.1 pkgconfig/resnet.pc \
    recipes/cifar10-resnet20.conf \
    bash-completion/completions/resnet.bash zsh/site-functions/_resnet \
    fish/vendor_completions.d/resnet.fish; do
    if [ -z "$(find root -path "*/$file*")" ]; then
        echo "not installed: $file"
        exit 1
    fi
done

for recipe in "$RN_SOURCE"/recipes/*.conf; do
    if ! cmp "$recipe" \
        "$(find root -path "*/share/resnet/recipes/${recipe##*/}")"; then
        echo "not installed: $recipe"
        exit 1
    fi
done

# The .pc file names the prefix; the sysroot puts DESTDIR before it.
pc=$(find "$work/root" -name resnet.pc)
export PKG_CONFIG_PATH="$(dirname "$pc")" PKG_CONFIG_SYSROOT_DIR="$work/root"
flags=$(pkg-config --cflags --libs resnet)
library=$(dirname "$(find "$work/root" -name 'libresnet.so')")
export LD_LIBRARY_PATH="$library"

# A build with sanitizers needs them in its users, too.
if nm -D "$library/libresnet.so" | grep -q __asan_init; then
    flags="$flags -fsanitize=address,undefined"
fi
for example in "$RN_SOURCE"/examples/*.c; do
    # shellcheck disable=SC2086
    gcc -std=gnu11 -Wall -Wextra -Werror "$example" \
        -o "$(basename "$example" .c)" $flags -pthread
done

# Only what the header declares may be seen, and clang's lock of reductions.
if nm -D --defined-only "$library/libresnet.so" | awk '$2 ~ /[TDBR]/' |
    grep -v ' rn_\| \.gomp_'; then
    echo "these names leak out of the library"
    exit 1
fi

NO_COLOR=1 "$resnet" train synthetic:1x8x8:4:64 --net resnet8 --out run \
    --batch 16 --iterations 3 > log 2>&1 || {
    cat log
    exit 1
}

# An IDX data set of one image: what the program says of it, the example says.
head -c 64 /dev/urandom > pixels
mkdir idx
for part in train t10k; do
    { printf '\0\0\010\003\0\0\0\001\0\0\0\010\0\0\0\010'; cat pixels; } \
        > idx/$part-images-idx3-ubyte
    printf '\0\0\010\001\0\0\0\001\001' > idx/$part-labels-idx1-ubyte
done
program=$("$resnet" predict run/last.safetensors idx:0 --top 1 --json |
    sed 's/.*"index":\([0-9]*\),.*/\1/')
example=$(./classify run/last.safetensors < pixels)
echo "program: class $program; example: $example"
case $example in
"class $program, "*) ;;
*) exit 1 ;;
esac
if ./classify missing.safetensors < pixels 2> log; then
    echo "the example accepts a missing model"
    exit 1
fi

# One that trains on arrays leaves a run, which a second one does not touch.
./arrays striped > log
grep '^best after iteration' log
"$resnet" info striped/best.safetensors > log
if ./arrays striped > log 2>&1; then
    echo "the example trains into a folder that holds a run"
    exit 1
fi

# One that trains gives a model; threads answer as one does.
./train learned.safetensors
"$resnet" info learned.safetensors > log
for i in 1 2 3 4 5; do
    cp "$RN_SOURCE/tests/fuzz/corpus/image/png-rgb16" $i.png
done
NO_COLOR=1 "$resnet" train synthetic:3x8x8:4:64 --net resnet8 --out rgb \
    --batch 16 --iterations 1 > log 2>&1
./threads rgb/last.safetensors 1.png 2.png 3.png 4.png 5.png > answers
if [ "$(sed 's/^[^:]*//' answers | sort -u | wc -l)" -ne 1 ] ||
    [ "$(wc -l < answers)" -ne 5 ]; then
    cat answers
    echo "threads answer differently, or not all"
    exit 1
fi

if command -v g++ > /dev/null; then
    cat > use.cc << 'END'
#include <resnet.h>
#include <cstdio>
int main()
{
    rn_model *model = nullptr;
    rn_error err;
    if (rn_model_create(&model, "resnet20", nullptr, &err) != RN_OK)
        return 1;
    rn_model_destroy(model);
    std::puts(rn_version());
}
END
    # shellcheck disable=SC2086
    g++ -Wall -Wextra -Wpedantic -Werror use.cc -o use $flags
    ./use
else
    echo "no g++: the C++ part is skipped"
fi
