# SPDX-License-Identifier: BSD-2-Clause
# A model goes out as a PyTorch file and comes back; others' files come in.
small_run model
own=model/last.safetensors
resnet convert $own a.pth --verify $small_data:0-3 | sed 's/, the largest.*//'
run resnet convert a.pth b.safetensors
run resnet convert b.safetensors c.pt
cmp a.pth c.pt && echo "the same"
resnet convert a.pth d.pth --verify --json | check_json
resnet convert a.pth e.onnx --verify | sed 's/, the largest.*//'
run resnet convert e.onnx f.pth
cmp a.pth f.pth && echo "the same"
resnet eval a.pth $small_data --json > a.json
resnet eval $own $small_data --json > own.json
[ "$(sed 's/.*"images"//; s/,"seconds.*//' a.json)" = \
    "$(sed 's/.*"images"//; s/,"seconds.*//' own.json)" ] &&
    echo "evaluates the same"

# Caffe: a text and its weights. Two numbers in, two classes.
cat > net.prototxt << 'END'
name: "tiny" input: "data" input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 2
layer {
  name: "fc" type: "InnerProduct" bottom: "data" top: "fc"
  inner_product_param { num_output: 2 }
}
END
{
    printf '\242\006\057\012\002fc'
    printf '\072\030\072\004\012\002\002\002\052\020'
    printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100'
    printf '\072\017\072\003\012\001\002\052\010'
    printf '\0\0\0\0\0\0\200\077'
} > other.caffemodel
fails resnet convert net.prototxt tiny.safetensors
run resnet info net.prototxt
run resnet convert net.prototxt tiny.safetensors --weights other.caffemodel
cp net.prototxt other.prototxt
resnet convert other.caffemodel other.pth --verify | sed 's/, the largest.*//'
fails resnet convert tiny.safetensors e.pth --weights other.caffemodel
fails resnet convert tiny.safetensors e.pth --config a.json
fails resnet convert a.pth e.pth --config a.json
fails resnet convert a.pth e.pth --map missing
fails resnet convert a.pth e.pth --mean 0x1
sed 's/InnerProduct"/Recurrent"/' net.prototxt > other.prototxt
fails resnet convert other.prototxt e.pth

# Darknet, the same.
printf '[net]\nheight=1\nwidth=2\nchannels=1\n[connected]\noutput=2\n' > d.cfg
echo activation=linear >> d.cfg
{
    printf '\0\0\0\0\002\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\0\0\0\0\0\0\200\077'
    printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100'
} > d.weights
resnet convert d.cfg d.pth --verify | sed 's/, the largest.*//'
cp other.caffemodel short.weights
fails resnet convert d.cfg e.pth --weights short.weights
echo '[yolo]' >> d.cfg
fails resnet convert d.weights e.pth

# Class names and preprocessing, by name and in numbers.
printf 'n0001 cat\nn0002 dog\nn0003 cow\nn0004 ant\n' > labels.txt
prepare resnet convert a.pth e.pth --labels labels.txt --preprocess half
prepare resnet predict e.pth $small_data:0 --json
grep -o '"name":"[a-z]*"' prepare.out | sort -u
fails resnet convert a.pth e.pth --labels /dev/null
fails resnet convert a.pth e.pth --preprocess cafe
fails resnet convert a.pth e.pth --preprocess cifar
fails resnet convert a.pth e.pth --mean 0.5,x --std 1
fails resnet convert a.pth e.pth --mean 0.5,1 --std 1
fails resnet convert a.pth e.pth --mean 0.5 --std 0
fails resnet convert a.pth e.pth --shortcut B
fails resnet convert a.pth e.pth --crop 9
fails resnet convert a.pth e.pth $small_data:0
fails resnet convert a.pth e.onxx
fails resnet convert a.pth ./a.pth
fails resnet convert a.pth
fails resnet convert missing.pth e.pth

# Not executed, not even looked for.
printf '\200\002cos\nsystem\n(Vtouch hurt\ntR.' > evil.pth
fails resnet convert evil.pth e.pth
printf '\200\002\212\012\154\374\234\106\371\040\152\250\120\031.' > cut.pth
fails resnet info cut.pth
ls hurt 2> hurt.error || echo "unhurt"
