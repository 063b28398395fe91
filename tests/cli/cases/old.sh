# SPDX-License-Identifier: BSD-2-Clause
# Runs and models that earlier versions wrote: they load, and go on.
old=$RN_SOURCE/tests/cli/old
cp -R "$RN_SOURCE/tests/golden/made/photos" .
for run in cifar tuned; do
    cp -R "$old/0.1-$run" "$run"
    "$old/assemble" "$run/last.json" "$run/last.safetensors"
    rm "$run/last.json"
    resnet info "$run/last.safetensors" | grep -v "^memory" | tail -n 4
    resnet train --resume "$run" --threads 1 >"$run.out" 2>"$run.err"
    echo "$run: status $?"
    grep -o 'its last bits may differ\|go on at iteration.*\|^[0-9,]* iterations' \
        "$run.err"
    tail -n 1 "$run/log.jsonl" | grep -o '"iteration": [0-9]*'
done
"$old/assemble" "$old/0.1-graph.json" graph.safetensors
resnet info graph.safetensors | grep -v "^memory" | tail -n 4
resnet predict graph.safetensors photos/box/plain.jpg --json --top 1 |
    grep -o "\"index\":[0-9]*"
