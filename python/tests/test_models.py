# SPDX-License-Identifier: BSD-2-Clause
"""Models and plans: answers as PyTorch computed them, whatever form the
pictures have; what is wrong is raised in the library's words; memory, threads
and processes."""
import concurrent.futures
import gc
import multiprocessing
import os
import pathlib
import pickle
import shutil
import signal
import weakref

import numpy as np
import pytest

import resnet
from conftest import CORPUS, MADE, PREPARED

NEAR = 2e-3  # logits; the library's tests of these photos allow for as much


def stacked(photos):
    return np.stack([logits for _, _, logits in photos])


# ----------------------------------------------------------------- answers


def test_answers_are_those_of_pytorch(model, photos):
    files = [file for file, _, _ in photos]
    logits = model.logits(files)
    np.testing.assert_allclose(logits, stacked(photos), atol=NEAR, rtol=NEAR)
    for answer, (file, label, _) in zip(model.predict(files, top=2), photos):
        assert answer.name == str(file)
        assert len(answer.classes) == 2
        first = answer.classes[0]
        assert first.index == int(np.argmax(logits[files.index(file)]))
        assert first.name == model.class_names[first.index]
        assert first.probability >= answer.classes[1].probability


def test_every_form_of_a_picture_has_the_same_bits(small, photos):
    file, model = photos[0][0], small
    pixels = resnet.decode(file)
    want = model.logits(file)
    for form in (str(file), [file], file.read_bytes(),
                 bytearray(file.read_bytes()), pixels, pixels[None], [pixels],
                 pixels[:, ::-1][:, ::-1], model.preprocess(file),
                 model.preprocess(pixels)[None], resnet.Pictures(file)):
        np.testing.assert_array_equal(model.logits(form), want)


def test_a_folder_stands_for_its_pictures(small):
    pictures = resnet.Pictures(MADE / "photos")
    answers = small.predict(MADE / "photos", batch=3)
    assert [a.name for a in answers] == pictures.names
    assert len(answers) == len(pictures) == 20
    assert [a.name for a in small.predict([MADE / "photos" / "box",
                                           pictures])][5:] == pictures.names
    assert pictures[0].dtype == np.uint8 and pictures[-1].ndim == 3


def test_mixed_inputs_keep_their_order(small, photos):
    files = [file for file, _, _ in photos[:4]]
    mixed = [files[0], resnet.decode(files[1]), files[2].read_bytes(), files[3]]
    np.testing.assert_array_equal(small.logits(mixed), small.logits(files))
    assert [a.name for a in small.predict(iter(mixed))] == [
        str(files[0]), None, None, str(files[3])]


def test_probabilities_and_features(model, photos):
    file = photos[0][0]
    p = model.probabilities([file, photos[7][0]])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    pool = model.features(file)
    last = model.features(file, "last")
    assert pool.ndim == 2 and last.ndim == 4
    np.testing.assert_allclose(last.mean(axis=(2, 3)), pool, rtol=1e-4,
                               atol=1e-5)


def test_nothing_gives_nothing(model):
    assert model.predict([]) == []
    assert model.logits([]).shape == (0, 4)
    assert model.features([]).shape[0] == 0
    assert model.logits(
        np.empty((0, *model.input_shape), np.float32)).shape == (0, 4)


def test_answers_that_are_no_numbers_are_refused(small):
    images = np.zeros((3, *small.input_shape), np.float32)
    images[1, 0, 0, 0] = np.nan
    for ask in small.logits, small.probabilities, small.predict:
        with pytest.raises(resnet.DataError, match="input 1: .* not finite"):
            ask(images)
    assert np.isfinite(small.logits(images[::2])).all()


def test_grey_pictures(model):
    grey = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64).astype(np.uint8)
    np.testing.assert_array_equal(
        model.logits(grey), model.logits(np.stack([grey] * 3, axis=2)))


def test_orientation_is_followed_unless_told():
    turned, stored = (resnet.decode(CORPUS / "jpeg-orientation-6",
                                    as_stored=as_stored)
                      for as_stored in (False, True))
    assert turned.shape[:2] == stored.shape[1::-1]


def test_class_activation_map(model, photos):
    painted, index = model.paint(photos[0][0])
    assert painted.shape == resnet.decode(photos[0][0]).shape
    assert index == model.predict(photos[0][0])[0].classes[0].index
    assert model.paint(photos[0][0], 2)[1] == 2


def test_what_a_model_tells(model):
    info = model.info
    assert (info.classes, model.input_shape[0]) == (4, 3)
    assert model.class_names == (
        MADE / "photos" / "classes.txt").read_text().split()
    assert model.output is resnet.Output.LOGITS
    assert len(model.layers) == info.layers and model.layers[0].name
    assert sum(t.size for t in model.tensors.values()) >= info.params
    assert model.trained is None
    assert ("resnet50" in dict(resnet.networks())
            and resnet.machine().threads >= 1
            and "JPEG" in resnet.picture_formats())


# ------------------------------------------------------------------- files


def test_files_and_bytes(model, photos, tmp_path):
    file = photos[0][0]
    model.save(tmp_path / "m.safetensors")
    model.export(tmp_path / "m.pth")
    want = model.logits(file)
    for again in (resnet.load(tmp_path / "m.safetensors"),
                  resnet.Model.from_bytes(
                      (tmp_path / "m.safetensors").read_bytes())):
        np.testing.assert_array_equal(again.logits(file), want)
        assert again.class_names == model.class_names
    with pytest.raises(resnet.ArgumentError, match="m.bin"):
        model.export(tmp_path / "m.bin")


def test_tensors_are_the_models_own_memory(tmp_path):
    model = resnet.Model.create("resnet8", classes=4, height=8, init=3)
    name, tensor = next(iter(model.tensors.items()))
    tensor[...] = 0.5
    model.save(tmp_path / "m.safetensors")
    again = resnet.load(tmp_path / "m.safetensors").tensors[name]
    np.testing.assert_array_equal(again, tensor)
    model.close()
    del model
    gc.collect()
    assert float(tensor.sum()) == 0.5 * tensor.size  # held by the view


def test_messages(tmp_path):
    said = []
    resnet.load(MADE / "net.onnx", message=said.append)
    assert said and all(isinstance(line, str) for line in said)


# ------------------------------------------------------------------- wrong


def refused(kind, words):
    return pytest.raises(kind, match=words)


def test_errors_are_exceptions_with_the_librarys_words(model, tmp_path):
    with refused(resnet.FileError, "missing.pth"):
        resnet.load(tmp_path / "missing.pth")
    with refused(OSError, "missing.jpg"):
        model.predict(tmp_path / "missing.jpg")
    (tmp_path / "junk").write_bytes(b"junk" * 100)
    with refused(resnet.DataError, "junk"):
        resnet.load(tmp_path / "junk")
    with refused(ValueError, "jpeg-truncated"):
        model.predict(CORPUS / "jpeg-truncated")
    with refused(resnet.DataError, "picture"):
        model.predict(b"no picture")
    with refused(resnet.ArgumentError, "did you mean 'resnet8'"):
        resnet.Model.create("resnet2o")
    with refused(resnet.ArgumentError, "images are prepared"):
        resnet.Model.create("resnet8").predict(CORPUS / "jpeg")
    assert resnet.ArgumentError.code == -1
    with refused(resnet.Error, "batch"):
        model.plan(batch=1 << 20)


def test_a_broken_picture_among_good_ones(model, photos, tmp_path):
    for i in range(3):
        shutil.copy(photos[i][0], tmp_path / f"{i}.jpg")
    shutil.copy(CORPUS / "jpeg-truncated", tmp_path / "1.jpg")
    with refused(resnet.DataError, "1.jpg"):
        model.predict(tmp_path)


def test_arrays_that_are_neither_pictures_nor_images(model):
    for array in (np.zeros((8, 8, 3)), np.zeros((8, 8, 3), np.int32),
                  np.zeros((2, 2), np.float32)):
        with refused(TypeError, "uint8"):
            model.logits(array)
    for array in (np.zeros((1, 3, 8, 9), np.float32),
                  np.zeros((5, 5, 4), np.uint8),
                  np.zeros((0, 5, 3), np.uint8)):
        with refused(resnet.ArgumentError, "shape|sides"):
            model.logits(array)


def test_options_are_checked(model):
    with refused(TypeError, "did you mean 'threads'"):
        model.plan(thread=1)
    for options, words in (({"threads": 2**40}, "threads"),
                           ({"threads": -2}, "threads"),
                           ({"precision": "bf17"}, "fp32"),
                           ({"batch": "two"}, "number"),
                           ({"batch": 1.5}, "batch")):
        with pytest.raises((TypeError, resnet.ArgumentError), match=words):
            model.plan(**options)
    with refused(ValueError, "zero byte"):
        resnet.load("a\0b")
    with refused(ValueError, "top"):
        model.predict(CORPUS / "jpeg", top=0)
    with refused(resnet.ArgumentError, "shortcut"):
        resnet.Model.create("resnet20", shortcut="Amazing")
    with refused(resnet.ArgumentError, "kind"):
        resnet.options("cheese")


def test_words_and_numbers_of_options(model, photos):
    file = photos[0][0]
    want = model.logits(file)
    np.testing.assert_array_equal(
        model.logits(file, precision="fp32", threads=1), want)
    np.testing.assert_array_equal(
        model.logits(file, precision=resnet.Precision.FP32), want)
    assert resnet.Model.create("resnet20", shortcut="A-split",
                               stride_v1=None).info.shortcut == "a"
    named = {o.name: o for o in resnet.options("train")}
    assert named["momentum"].zero and named["momentum"].default == "0.9"
    assert "lr" in named and named["loss"].words[0] == "cross-entropy"


# --------------------------------------- memory, threads, processes, signals


def test_closed_is_closed(model, photos):
    other = resnet.load(MADE / "net.onnx", message=lambda line: None)
    plan = other.plan()
    other.close()
    other.close()
    assert other.closed
    with refused(ValueError, "Model is closed"):
        other.info
    plan.logits(model.preprocess(photos[0][0]))  # holds what it needs
    with plan:
        pass
    with refused(ValueError, "Plan is closed"):
        plan.logits(model.preprocess(photos[0][0]))


def test_handles_are_freed(monkeypatch):
    from resnet import _library
    freed = []

    class Counted(_library.Handle):
        def __del__(self):
            freed.append(1)
            super().__del__()

    monkeypatch.setattr(_library, "Handle", Counted)
    model = resnet.Model.create("resnet8", height=8)
    plan = model.plan()
    gone = weakref.ref(plan)
    del model
    gc.collect()
    assert not freed
    del plan
    gc.collect()
    assert gone() is None and len(freed) == 2


def test_memory_does_not_grow(small, photos):
    def resident():
        return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4

    file = photos[0][0]
    for _ in range(5):
        small.predict(file, threads=1)
    before = resident()
    for _ in range(100):
        small.predict([file, resnet.decode(file)], threads=1)
    assert resident() - before < 8 * 1024


def test_threads_share_models_and_plans(small, photos):
    images = np.stack([small.preprocess(file) for file, _, _ in photos])
    with small.plan(threads=1) as plan, \
            concurrent.futures.ThreadPoolExecutor(4) as pool:
        want = plan.logits(images)
        shared = [pool.submit(plan.logits, images) for _ in range(8)]
        own = [pool.submit(plan.clone(batch).logits, images)
               for batch in (0, 2, 3, 7)]
        once = [pool.submit(small.logits, images, threads=1) for _ in range(4)]
        for future in shared + own + once:
            np.testing.assert_array_equal(future.result(), want)


def test_closing_while_another_thread_computes():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            other = resnet.Model.create("resnet8", classes=4, height=32)
            plan = other.plan(batch=4, threads=1)
            x = np.zeros((8, 3, 32, 32), np.float32)
            future = pool.submit(plan.logits, x)
            plan.close()
            other.close()
            try:
                assert future.result().shape == (8, 4)
            except ValueError as e:
                assert "closed" in str(e)


def child(file, pipe):
    global forked
    with resnet.load(MADE / "net.onnx", message=lambda line: None,
                     **PREPARED) as model:
        pipe.send((forked[0].logits(file) if forked else None,
                   model.logits(file)))


forked = None


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_processes(model, photos, way):
    global forked
    file = photos[0][0]
    plan = model.plan(threads=2)
    want = plan.logits(file)
    forked = (plan,) if way == "fork" else None
    context = multiprocessing.get_context(way)
    here, there = context.Pipe()
    process = context.Process(target=child, args=(file, there))
    process.start()
    there.close()
    assert here.poll(60)
    held, own = here.recv()
    process.join(60)
    forked = None
    assert process.exitcode == 0
    np.testing.assert_array_equal(own, want)
    if held is not None:
        np.testing.assert_array_equal(held, want)


def test_handles_are_not_pickled(model):
    with refused(TypeError, "each process opens its own"):
        pickle.dumps(model)


def test_a_feed_is_left_alone_in_a_forked_child(model):
    plan = model.plan(batch=2)
    batches = plan._batches(MADE / "photos")
    next(batches)
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        batches.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    batches.close()
