# SPDX-License-Identifier: BSD-2-Clause
"""Data, training with callbacks, stopping and going on, evaluation."""
import os
import signal

import numpy as np
import pytest

import resnet
from conftest import MADE

DATA = "synthetic:3x8x8:4:64"
SMALL = {"net": "resnet8", "batch": 16, "iterations": 4, "report_every": 2,
         "threads": 1}


def stripes(count, layout="hwc"):
    """Grey stripes across or down, in noise, with labels."""
    random = np.random.default_rng(count)
    labels = np.arange(count) % 2
    place = np.arange(16) // 3 % 2 * 128
    pictures = random.integers(0, 128, (count, 16, 16), dtype=np.uint8)
    pictures += np.where(labels[:, None, None] == 1, place[None, None, :],
                         place[None, :, None]).astype(np.uint8)
    return pictures[:, None] if layout == "chw" else pictures, labels


def test_data_of_arrays():
    train, test = stripes(32), stripes(8)
    with resnet.Data.from_arrays(train=train, test=test,
                                 class_names=["across", "down"]) as data:
        assert data.info.count == (32, 0, 8)
        assert (data.info.channels, data.info.classes) == (1, 2)
        assert data.class_names == ["across", "down"]
        pixels, label = data.image("test", 3)
        np.testing.assert_array_equal(pixels[:, :, 0], test[0][3])
        assert label == test[1][3] and data.count("train") == 32
    other = resnet.Data.from_arrays(train=stripes(32, "chw"), test=(
        test[0][:, None], test[1]), layout="chw",
        class_names=["across", "down"])
    assert other.info.checksum == resnet.Data.from_arrays(
        train=train, test=test, class_names=["across", "down"]).info.checksum


def test_arrays_that_are_no_data():
    pictures, labels = stripes(8)
    for given, words in (
            ((pictures.astype(float), labels), "uint8"),
            ((pictures, labels[:7]), "one for each of 8"),
            ((pictures, labels / 2), "whole numbers"),
            ((pictures, labels - 1), "0 and up")):
        with pytest.raises((TypeError, resnet.ArgumentError), match=words):
            resnet.Data.from_arrays(train=given)
    with pytest.raises(resnet.DataError, match="label"):
        resnet.Data.from_arrays(train=(pictures, labels + 5), classes=3)
    with pytest.raises(resnet.ArgumentError, match="before"):
        resnet.Data.from_arrays(train=(pictures, labels),
                                test=(pictures[:, 1:], labels))
    with pytest.raises(resnet.ArgumentError, match="layout"):
        resnet.Data.from_arrays(train=(pictures, labels), layout="cwh")
    with pytest.raises(resnet.ArgumentError, match="names"):
        resnet.Data.from_arrays(train=(pictures, labels), classes=3,
                                class_names=["across", "down"])


def test_data_of_pictures():
    with resnet.Data(MADE / "photos") as data:
        assert data.info.format == "folders" and data.info.count[0] == 20
        pixels, label = data.image(resnet.Part.TRAIN, 0)
        assert pixels.ndim == 3 and label == 0
        with pytest.raises(resnet.ArgumentError, match="index"):
            data.image("train", 20)
    with pytest.raises(resnet.ArgumentError, match="part"):
        resnet.Data(DATA).count("tset")
    assert resnet.Data.from_pictures(MADE / "photos").info.classes == 0
    held = resnet.Data(DATA, validation=10)
    assert held.count("validation") == 10


def test_a_run_and_its_callbacks(tmp_path):
    reports, ticks, messages = [], [], []
    result = resnet.train(DATA, tmp_path / "run", report=reports.append,
                          tick=ticks.append, message=messages.append, **SMALL)
    assert [r.iteration for r in reports] == [2, 4]
    assert [t.iteration for t in ticks] == [1, 2, 3, 4]
    assert result.iterations == 4 and result.loss == reports[-1].loss
    assert reports[-1].tested and reports[-1].measured[0].name == "test_error"
    assert messages and result.test_images > 0
    state = resnet.run_state(tmp_path / "run")
    assert state.finished and state.iterations == 4
    assert not resnet.run_state(tmp_path / "none").iterations
    with resnet.load(tmp_path / "run") as model, resnet.Data(DATA) as data:
        seen = []
        evaluated = model.evaluate(
            data, progress=lambda done, images: seen.append(done))
        assert evaluated.images == result.test_images
        assert evaluated.top1_error == pytest.approx(result.best_error)
        assert evaluated.protocol and seen
        with pytest.raises(resnet.Stopped):
            model.evaluate(data, progress=lambda done, images: True)
    with pytest.raises(resnet.ArgumentError, match="run"):
        resnet.train(DATA, tmp_path / "run", **SMALL)


def weights(run):
    with resnet.load(run / "last.safetensors") as model:
        return {name: t.copy() for name, t in model.tensors.items()}


def test_stopping_and_going_on(run, tmp_path):
    def stops():
        yield from (False, True)

    asked = stops()
    with pytest.raises(resnet.Stopped):
        resnet.train(DATA, tmp_path / "run", stop=lambda: next(asked), **SMALL)
    assert resnet.run_state(tmp_path / "run").saved
    resnet.resume(tmp_path / "run", threads=1)
    for name, tensor in weights(run).items():
        np.testing.assert_array_equal(weights(tmp_path / "run")[name], tensor)


def test_exceptions_and_signals_go_through(tmp_path):
    def fails(report):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        resnet.train(DATA, tmp_path / "a", tick=fails, **SMALL)
    with pytest.raises(KeyError, match="mine"):
        resnet.load(MADE / "net.onnx", message=fails)
    ticks = []

    def interrupts(report):
        ticks.append(report)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        resnet.train(DATA, tmp_path / "b", tick=interrupts, **SMALL)
    assert len(ticks) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resnet.resume(tmp_path / "b", threads=1).iterations == 4


def test_ctrl_c_while_the_library_computes(tmp_path):
    # No Python runs before the first callback: the signal waits for it.
    os.kill(os.getpid(), 0)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    old = signal.signal(signal.SIGALRM,
                        lambda *a: os.kill(os.getpid(), signal.SIGINT))
    try:
        with pytest.raises(KeyboardInterrupt):
            resnet.train(DATA, tmp_path / "run",
                         **{**SMALL, "iterations": 100000})
    finally:
        signal.signal(signal.SIGALRM, old)
    assert resnet.run_state(tmp_path / "run").saved


def test_zero_is_zero_and_none_is_the_default(tmp_path):
    import json
    resnet.train(DATA, tmp_path / "run", momentum=0, weight_decay=0.0,
                 warmup=None, seed=0, precision="fp32", **SMALL)
    options = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert (options["momentum"], options["weight_decay"],
            options["seed"]) == (0, 0, 0)
    with pytest.raises(resnet.ArgumentError, match="momentum"):
        resnet.train(DATA, tmp_path / "other", momentum=-1, **SMALL)
    with pytest.raises(TypeError, match="did you mean 'momentum'"):
        resnet.train(DATA, tmp_path / "other", momentun=0.9, **SMALL)
    assert not (tmp_path / "other").exists()


def test_training_on_arrays(tmp_path):
    with resnet.Data.from_arrays(train=stripes(64), test=stripes(16)) as data:
        resnet.train(data, tmp_path / "run", augment="none",
                     **{**SMALL, "iterations": 24})
        with resnet.load(tmp_path / "run") as model:
            assert model.evaluate(data, "test").top1_error < 30
            assert model.predict(stripes(2)[0][0])[0].classes
            assert model.trained


def test_a_loop_of_ones_own(tmp_path):
    model = resnet.Model.create("resnet8", classes=2, channels=1, height=16)
    pictures, labels = stripes(16)
    images = pictures[:, None].astype(np.float32) / 64 - 2
    with resnet.Learner(model, batch=16, threads=1, momentum=0.9) as learner:
        losses = []
        for _ in range(30):
            losses.append(learner.learn(images, labels)[0])
            learner.update(0.05)
        assert losses[-1] < 0.5 * losses[0]
        before = model.logits(images, threads=1)
        learner.store()
        learned = model.logits(images, threads=1)
        np.testing.assert_allclose(learned, learner.logits(images), rtol=1e-3,
                                   atol=1e-3)
        assert not np.allclose(learned, before)
        assert (learned.argmax(axis=1) == labels).mean() > 0.9
        with pytest.raises(resnet.ArgumentError, match="shape"):
            learner.learn(images[:8], labels[:8])
        with pytest.raises(resnet.ArgumentError, match="2 classes"):
            learner.learn(images, labels + 1)
        with pytest.raises(resnet.ArgumentError, match="learn"):
            learner.update(0.05)
    with pytest.raises(resnet.ArgumentError, match="mixup"):
        resnet.Learner(model, mixup=0.2)


def test_quantising(run):
    with resnet.load(run) as model, resnet.Data(DATA) as data:
        said = []
        with pytest.raises(resnet.Stopped):
            model.quantize(data, threads=1, progress=lambda *a: True)
        assert not model.info.quantized
        result = model.quantize(data, threads=1, max_drop=100,
                                progress=lambda *a: said.append(a))
        assert result.quantized == model.info.quantized > 0 and said
        assert model.plan(threads=1).precision is resnet.Precision.INT8
