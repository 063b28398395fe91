/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are no model we read, by first bytes, names and what lies in
 * them. */
#include "formats/foreign.h"

#include "core/count.h"
#include "core/file.h"
#include "core/locale.h"
#include "core/memory.h"
#include "core/safetensors.h"
#include "core/text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do about frameworks' files. */
#define EXPORT "export it as ONNX (with tf2onnx, say) and give that"
#define UNPACK "unpack it and give the file inside"

/* A file's beginning; with a second part where the first is too short to tell
 * by itself. */
struct magic {
    size_t at;
    const char *bytes;
    size_t size;
    size_t also_at;
    const char *also;
    size_t also_size;
    const char *what, *instead; /* instead: NULL when nothing helps */
};

#define TEXT(text) text, sizeof(text) - 1
#define ONLY(text) TEXT(text), 0, "", 0
#define PICTURE    "give it as an input, after the model"

static const struct magic magics[] = {
    /* clang-format off */
    {0, ONLY("version https://git-lfs"), "a Git LFS pointer to the file, not the file itself", "fetch it with 'git lfs pull'"},
    {0, ONLY("\x89HDF\r\n\x1a\n"), "an HDF5 file, as Keras (.h5) and MATLAB write them", EXPORT},
    {4, ONLY("TFL3"), "a TensorFlow Lite model", "export the network it was made of as ONNX and give that"},
    {0, ONLY("model_checkpoint_path:"), "the list of a TensorFlow checkpoint's files", EXPORT},
    {0, ONLY("GGUF"), "a GGUF file, of language models", NULL},
    {0, ONLY("ggml"), "a GGML file, of language models", NULL},
    {0, ONLY("ftrt"), "a TensorRT engine, compiled for one graphics card", "give the ONNX model it was built from"},
    {0, ONLY("ptrt"), "a TensorRT engine, compiled for one graphics card", "give the ONNX model it was built from"},
    {0, ONLY("7767517\n"), "a network of ncnn's", "give the model it was made of"},
    {0, ONLY("MATLAB 5.0 MAT-file"), "a MATLAB file", "export the network as ONNX and give that"},
    {0, ONLY("\x12\x01\0\0\0\0\0\0"), "parameters of MXNet's", "export the network as ONNX and give that"},
    {4, ONLY("ORTM"), "a model in ONNX Runtime's own format (.ort)", "give the ONNX model it was made of"},
    {0, ONLY("\x93NUMPY"), "a NumPy array (.npy)", "save the network's tensors by name, as PyTorch or safetensors do"},
    {0, ONLY("\x1f\x8b"), "compressed with gzip", UNPACK},
    {0, ONLY("BZh"), "compressed with bzip2", UNPACK},
    {0, ONLY("\xfd" "7zXZ\0"), "compressed with xz", UNPACK},
    {0, ONLY("\x28\xb5\x2f\xfd"), "compressed with zstd", UNPACK},
    {0, ONLY("\x04\x22\x4d\x18"), "compressed with lz4", UNPACK},
    {0, ONLY("7z\xbc\xaf\x27\x1c"), "a 7z archive", UNPACK},
    {0, ONLY("Rar!\x1a\x07"), "a RAR archive", UNPACK},
    {257, ONLY("ustar"), "a tar archive", UNPACK},
    {0, ONLY("\xff\xd8\xff"), "a picture (JPEG)", PICTURE},
    {0, ONLY("\x89PNG\r\n\x1a\n"), "a picture (PNG)", PICTURE},
    {0, ONLY("GIF87a"), "a picture (GIF)", PICTURE},
    {0, ONLY("GIF89a"), "a picture (GIF)", PICTURE},
    {0, TEXT("RIFF"), 8, TEXT("WEBP"), "a picture (WebP)", PICTURE},
    {0, TEXT("BM"), 6, TEXT("\0\0\0\0"), "a picture (BMP)", PICTURE},
    {0, ONLY("II*\0"), "a picture (TIFF)", PICTURE},
    {0, ONLY("MM\0*"), "a picture (TIFF)", PICTURE},
    {0, ONLY("%PDF-"), "a PDF document", NULL},
    {0, ONLY("SQLite format 3"), "an SQLite database", NULL},
    {0, ONLY("\x7f" "ELF"), "a program or library", NULL},
    /* clang-format on */
};

/* How texts of markup begin, blanks before them passed over, in any case. */
static const struct {
    const char *start, *what, *instead;
} markups[] = {
    {"<!doctype html", "a page of the web (HTML), not the file it is about",
     "download the file itself"},
    {"<html", "a page of the web (HTML), not the file it is about",
     "download the file itself"},
    {"<head", "a page of the web (HTML), not the file it is about",
     "download the file itself"},
    {"<?xml", "an XML text, as OpenVINO describes networks with",
     "give the ONNX model it was made of"},
    {"<error>", "a server's message of an error (XML)",
     "download the file itself"},
};

/* Names' ends that tell what protobuf or bare numbers do not. */
static const struct {
    const char *end, *what, *instead;
} endings[] = {
    {"saved_model.pb", "the graph of a TensorFlow SavedModel", EXPORT},
    {".data-00000-of-00001", "the numbers of a TensorFlow checkpoint", EXPORT},
    {".ckpt.index", "the index of a TensorFlow checkpoint", EXPORT},
    {".mlmodel", "a model of Core ML's",
     "export the network it was made of as ONNX and give that"},
    {".pdmodel", "a model of PaddlePaddle's", "export it as ONNX"},
    {".pdparams", "parameters of PaddlePaddle's", "export it as ONNX"},
    {".msgpack", "parameters of Flax's",
     "save them as safetensors under PyTorch's names"},
};

static int refuse(const char *path, const char *what, const char *instead,
                  struct rn_error *err)
{
    return rn_fail(err, RN_ERR_DATA,
                   "cannot read a model from '%.200s': it is %s%s%s", path,
                   what, instead ? "; " : "", instead ? instead : "");
}

static bool has(const uint8_t *bytes, size_t size, size_t at, const char *part,
                size_t length)
{
    return size >= at && size - at >= length &&
           memcmp(bytes + at, part, length) == 0;
}

static bool begins_with_word(const uint8_t *bytes, size_t size,
                             const char *word)
{
    size_t at = has(bytes, size, 0, "\xef\xbb\xbf", 3) ? 3 : 0;
    size_t length = strlen(word);

    while (at < size && rn_is_blank((char)bytes[at]))
        at++;
    return size - at >= length &&
           rn_same_letters((const char *)bytes + at, word, length);
}

/* TensorFlow's graphs (GraphDef) begin with a node: in it its name and what it
 * does, a placeholder or a constant as a rule. */
static bool is_graph_def(const char *path, const uint8_t *bytes, size_t size)
{
    static const char *const ops[] = {"\x12\x0bPlaceholder", "\x12\x05"
                                                             "Const"};

    if (size < 4 || bytes[0] != 0x0a || !rn_ends_with(path, ".pb"))
        return false;
    for (size_t at = 0; at < size; at++)
        for (size_t i = 0; i < COUNT(ops); i++)
            if (has(bytes, size, at, ops[i], strlen(ops[i])))
                return true;
    return false;
}

int rn_foreign_refuse(const char *path, const uint8_t *bytes, size_t size,
                      struct rn_error *err)
{
    if (size == 0)
        return refuse(path, "empty (0 bytes)", NULL, err);
    /* Any length of a safetensors header may be what other files begin with. */
    if (rn_st_begins(bytes, size))
        return RN_OK;
    for (size_t i = 0; i < COUNT(magics); i++) {
        const struct magic *m = &magics[i];

        if (has(bytes, size, m->at, m->bytes, m->size) &&
            has(bytes, size, m->also_at, m->also, m->also_size))
            return refuse(path, m->what, m->instead, err);
    }
    for (size_t i = 0; i < COUNT(markups); i++)
        if (begins_with_word(bytes, size, markups[i].start))
            return refuse(path, markups[i].what, markups[i].instead, err);
    for (size_t i = 0; i < COUNT(endings); i++)
        if (rn_ends_with(path, endings[i].end))
            return refuse(path, endings[i].what, endings[i].instead, err);
    if (is_graph_def(path, bytes, size))
        return refuse(path, "a graph of TensorFlow's", EXPORT, err);
    return RN_OK;
}

int rn_foreign_check(const char *path, struct rn_error *err)
{
    uint8_t bytes[RN_FIRST_BYTES];
    size_t size = 0;
    int rc = rn_first_bytes(path, bytes, &size, err);

    return rc ? rc : rn_foreign_refuse(path, bytes, size, err);
}

/* ----------------------------------------------------------------- zip */

/* Entries that tell whose an archive is. */
static const struct {
    const char *end, *what, *instead;
} entries[] = {
    {"model.weights.h5", "a model of Keras's (.keras)", EXPORT},
    {".npy", "an archive of NumPy arrays (.npz)",
     "save the network's tensors by name, as PyTorch or safetensors do"},
    {"[Content_Types].xml", "an office document", NULL},
    {"META-INF/MANIFEST.MF", "a Java archive", NULL},
    {"saved_model.pb", "a zip of a TensorFlow SavedModel", EXPORT},
    {"Manifest.json", "a zip of a package of Core ML's",
     "export the network it was made of as ONNX and give that"},
    {".params", "a zip of a model of MXNet's", "export it as ONNX"},
};

/* What we read, packed once more: how names end in the table of formats, which
 * lies above this file (a test compares). */
static const char *const packed[] = {
    ".pth", ".pt",       ".th",          ".ckpt",
    ".bin", ".onnx",     ".weights",     ".caffemodel",
    ".cfg", ".prototxt", ".safetensors", ".safetensors.index.json"};

int rn_foreign_zip(const char *path, const struct rn_zip *zip,
                   struct rn_error *err)
{
    for (size_t i = 0; i < zip->count; i++)
        for (size_t k = 0; k < COUNT(entries); k++)
            if (rn_ends_with(zip->entries[i].name, entries[k].end))
                return refuse(path, entries[k].what, entries[k].instead, err);
    for (size_t i = 0; i < zip->count; i++)
        for (size_t k = 0; k < COUNT(packed); k++)
            if (rn_ends_with(zip->entries[i].name, packed[k]))
                return rn_fail(err, RN_ERR_DATA,
                               "cannot read a model from '%.200s': it is a "
                               "zip with '%.100s' in it; unpack it and give "
                               "that",
                               path, zip->entries[i].name);
    return rn_fail(err, RN_ERR_DATA,
                   "cannot read a model from '%.200s': it is a zip file, but "
                   "not one of PyTorch's, which have an entry data.pkl; the "
                   "first of its %zu entries is '%.60s'",
                   path, zip->count,
                   zip->count ? zip->entries[0].name : "nothing");
}

/* -------------------------------------------------------------- unknown */

static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] < ' ' && !rn_is_blank((char)bytes[i]))
            return false;
    return true;
}

int rn_foreign_unknown(const char *path, const uint8_t *bytes, size_t size,
                       const char *expected, struct rn_error *err)
{
    char start[25] = "";
    size_t line = 0;

    if (rn_text_encoding(bytes, size))
        return rn_text_fail_encoding(err, path, rn_text_encoding(bytes, size));
    if (is_text(bytes, size)) {
        while (line < size && line < 60 && bytes[line] != '\n' &&
               bytes[line] != '\r')
            line++;
        return rn_fail(err, RN_ERR_DATA,
                       "cannot read a model from '%.200s': it is a text that "
                       "begins '%.*s'; expected %s",
                       path, (int)line, (const char *)bytes, expected);
    }
    for (size_t i = 0; i < 8 && i < size; i++)
        snprintf(start + 3 * i, sizeof(start) - 3 * i, "%02x%s", bytes[i],
                 i + 1 < 8 && i + 1 < size ? " " : "");
    return rn_fail(err, RN_ERR_DATA,
                   "cannot read a model from '%.200s': its first bytes, %s, "
                   "are of no kind known here; expected %s",
                   path, start, expected);
}

/* --------------------------------------------------------------- folders */

/* What folders of models hold that is to be given instead. */
static const struct {
    const char *name;
    bool read; /* by us */
    const char *what;
} members[] = {
    {"model.safetensors", true, ""},
    {"model.safetensors.index.json", true, ""},
    {"pytorch_model.bin", true, ""},
    {"model.onnx", true, ""},
    {"saved_model.pb", false, "a TensorFlow SavedModel"},
    {"checkpoint", false, "a TensorFlow checkpoint"},
    {"Manifest.json", false, "a package of Core ML's"},
    {"data.pkl", false, "an unpacked PyTorch file: zip it again, stored"},
};

int rn_foreign_folder(const char *path, struct rn_error *err)
{
    for (size_t i = 0; i < COUNT(members); i++) {
        char *file = rn_path_join(path, members[i].name);
        bool there = file && rn_is_file(file);

        rn_free(file);
        if (there && members[i].read)
            return rn_fail(err, RN_ERR_DATA,
                           "'%.200s' is a folder, expected a model's file: "
                           "give '%s' in it",
                           path, members[i].name);
        if (there)
            return rn_fail(err, RN_ERR_DATA,
                           "'%.200s' is a folder (%s), expected a model's file",
                           path, members[i].what);
    }
    return rn_fail(err, RN_ERR_DATA,
                   "'%.200s' is a folder without run.json, so no run's: "
                   "expected a model file or a run's folder",
                   path);
}

/* ----------------------------------------------------------- first bytes */

int rn_first_bytes(const char *path, uint8_t bytes[RN_FIRST_BYTES],
                   size_t *size, struct rn_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = RN_OK;
    struct stat st;

    if (fd < 0)
        return rn_fail_errno(err, "open", path);
    if (fstat(fd, &st) != 0) {
        rc = rn_fail_errno(err, "read", path);
    } else if (S_ISDIR(st.st_mode)) {
        rc = rn_foreign_folder(path, err);
    } else if (!S_ISREG(st.st_mode)) {
        rc = rn_fail(err, RN_ERR_IO, "cannot read '%s': not a regular file",
                     path);
    } else {
        ssize_t got = read(fd, bytes, RN_FIRST_BYTES);

        *size = got > 0 ? (size_t)got : 0;
        if (got < 0)
            rc = rn_fail_errno(err, "read", path);
    }
    close(fd);
    return rc;
}
