# SPDX-License-Identifier: BSD-2-Clause
# Pictures of networks, and text for Graphviz.
resnet info resnet8 --dot - | head -n 12
run resnet info resnet8 --graph net.svg --dot net.dot
head -c 38 net.svg
echo
grep -o '>[^<]*conv, [^<]*<' net.svg | sort | uniq -c | tr -s ' '
tail -n 2 net.dot
# Equal blocks of large networks once, or all.
resnet info resnet152 --dot - | grep -o 'label="× [0-9]*"'
resnet info resnet152 --dot - --whole | grep -c 'label='
# A graph of others.
resnet info "$RN_SOURCE/tests/fuzz/corpus/onnx/qlinear" --dot - 2> /dev/null |
    grep -o 'label="[^"]*"'
fails resnet info --graph net.svg
fails resnet info resnet8 --graph net.png
fails resnet info resnet8 --graph net.svg --json
fails resnet info resnet8 --graph net.svg --batch 5
fails resnet info resnet8 --dot - --precision bf16
fails resnet info resnet8 --whole
fails resnet info resnet8 --graph missing/net.svg
fails resnet info resnet8 --dot .
# Parameters of heads that only learn are told apart, and no multiply-adds are.
resnet info dsn --aux-heads --graph heads.svg > out
grep -o '[0-9.]* [a-z]* parameters.*multiply-adds' heads.svg
