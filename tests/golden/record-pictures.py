#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Record what Pillow makes of pictures, for test_image.c to compare with.

    tests/golden/record-pictures.py [SHARED]      (Pillow 13; ../shared)

Writes pictures.txt beside this file: what each picture decodes to, what
resized ones look like, as width, height and the CRC-32 of the RGB bytes. The
small pictures it decodes are made here, too: the seeds of the fuzz target, in
../fuzz/corpus/image. Those that are there already stay as they are, as other
versions of Pillow write other bytes. Of SHARED/data nothing but these sums is
kept.
"""
import array
import io
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

import PIL
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parent / "fuzz" / "corpus" / "image"
SHARED = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                      else HERE.parent.parent.parent / "shared")
FILTERS = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC,
           "box": Image.BOX}


# ------------------------------------------------------------ made pictures

def value(x, y, c):
    """The picture that both sides make: hard edges over smooth ramps."""
    if (x // 5 + y // 7 + c) % 3 == 0:
        return (37 * x + 91 * y + 53 * c + x * y) % 256
    return (3 * x + 2 * y + 80 * c) % 256


def synthetic(width, height):
    return Image.frombytes("RGB", (width, height), bytes(
        value(x, y, c) for y in range(height) for x in range(width)
        for c in range(3)))


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(name, data, crc=0):
    return (struct.pack(">I", len(data)) + name + data
            + struct.pack(">I", zlib.crc32(name + data) ^ crc))


def png(width, height, depth, colour, sample, channels, interlaced=False,
        extra=b"", crc=0):
    """A PNG file by hand: sample(x, y, c) below 1 << depth."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
              (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b""
    for x0, y0, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        for y in range(y0, height, dy):
            bits = "".join(f"{sample(x, y, c):0{depth}b}"
                           for x in range(x0, width, dx)
                           for c in range(channels))
            if bits:
                bits += "0" * (-len(bits) % 8)
                rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0,
                       interlaced)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra
            + chunk(b"IDAT", zlib.compress(rows, 9), crc)
            + chunk(b"IEND", b""))


def exif(orientation):
    return (b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"
            + bytes([orientation]) + b"\0\0\0\0\0\0")


def xmp(text):
    return f"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22
-rdf-syntax-ns#"><r:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" {text}
</r:Description></r:RDF></x:xmpmeta><?xpacket end="r"?>""".encode()


AS_ATTRIBUTE = xmp('tiff:Orientation="6">')
AS_ELEMENT = xmp(">tiff:Orientation=<tiff:Orientation>8</tiff:Orientation>")
# Pillow knows neither of these.
IN_OTHER_WORDS = [xmp("tiff:Orientation='6'>"), xmp('tiff:Orientation = "6">')]


def international(packet, packed):
    if packed:
        packet = zlib.compress(packet)
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([packed, 0]) + b"\0\0"
                 + packet)


def exif_of(kind, value, count=1):
    """An orientation of that type of value."""
    return (b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"
            + struct.pack(">HI", kind, count) + value + b"\0\0\0\0")


def turned():
    """Which way up: EXIF before XMP, values that make no sense, types."""
    photo = synthetic(7, 4)

    def jpeg(name, packet, block=b""):
        options = {"exif": block} if block else {}
        return f"jpeg-{name}", saved(photo, "JPEG", quality=30, xmp=packet,
                                     **options)
    yield jpeg("xmp-attribute", AS_ATTRIBUTE)
    yield jpeg("xmp-element", AS_ELEMENT)
    yield jpeg("xmp-exif-wins", AS_ATTRIBUTE, exif(3))
    yield jpeg("xmp-exif-is-1", AS_ATTRIBUTE, exif(1))
    yield jpeg("xmp-exif-is-0", AS_ATTRIBUTE, exif(0))
    yield jpeg("xmp-exif-is-bytes", AS_ATTRIBUTE, exif_of(1, b"\3\0\0\0"))
    yield jpeg("xmp-exif-of-no-values", AS_ATTRIBUTE,
               exif_of(3, b"\0\3\0\0", 0))
    yield jpeg("xmp-exif-of-no-type", AS_ATTRIBUTE, exif_of(99, b"\0\3\0\0"))
    yield jpeg("xmp-exif-signed", AS_ATTRIBUTE, exif_of(8, b"\0\3\0\0"))
    yield jpeg("xmp-9", xmp('tiff:Orientation="9" tiff:Orientation="6">'))
    for i, packet in enumerate(IN_OTHER_WORDS):
        yield jpeg(f"xmp-unknown-{i}", packet)
    first, second = (jpeg("", packet)[1] for packet in (AS_ATTRIBUTE,
                                                        AS_ELEMENT))
    at = first.index(b"\xff\xe1")
    size = struct.unpack(">H", first[at + 2:at + 4])[0]
    yield "jpeg-xmp-twice", second[:at] + first[at:at + 2 + size] + second[at:]
    for packed in False, True:
        yield f"png-xmp-{'packed' if packed else 'plain'}", png(
            7, 4, 8, 2, value, 3, False, international(AS_ELEMENT, packed))
    yield "png-xmp-text", png(7, 4, 8, 2, value, 3, False, chunk(
        b"tEXt", b"XML:com.adobe.xmp\0" + AS_ATTRIBUTE))
    yield "png-xmp-exif-wins", png(
        7, 4, 8, 2, value, 3, False, chunk(b"eXIf", exif(8)[6:])
        + international(AS_ATTRIBUTE, False))
    yield "webp-xmp", saved(photo, "WEBP", lossless=True, xmp=AS_ATTRIBUTE)
    yield "webp-xmp-exif-wins", saved(photo, "WEBP", lossless=True,
                                      xmp=AS_ATTRIBUTE, exif=exif(3))


def pngs():
    def deep(bits):
        return lambda x, y, c: value(x, y, c) * 257 >> (16 - bits)

    palette = chunk(b"PLTE", bytes(value(i, 3, c) for i in range(16)
                                   for c in range(3)))
    for bits in 1, 2, 4, 8, 16:
        yield f"png-grey{bits}", png(13, 9, bits, 0, deep(bits), 1)
        yield f"png-grey{bits}-interlaced", png(13, 9, bits, 0, deep(bits), 1,
                                                True)
    for bits in 8, 16:
        yield f"png-rgb{bits}", png(11, 6, bits, 2, deep(bits), 3)
        yield f"png-grey-alpha{bits}", png(11, 6, bits, 4, deep(bits), 2)
        yield f"png-rgba{bits}", png(11, 6, bits, 6, deep(bits), 4, True)
    yield "png-palette4", png(9, 9, 4, 3, deep(4), 1, False, palette)
    yield "png-palette4-alpha", png(9, 9, 4, 3, deep(4), 1, True, palette
                                    + chunk(b"tRNS", b"\0\x40\x80\xff"))
    yield "png-grey8-transparent", png(9, 9, 8, 0, lambda x, y, c: x * y, 1,
                                       False, chunk(b"tRNS", b"\0\x0c"))
    yield "png-orientation", png(7, 4, 8, 2, value, 3, False,
                                 chunk(b"eXIf", exif(8)[6:]))
    yield "png-one-pixel", png(1, 1, 8, 2, value, 3)
    yield "png-animated", saved(synthetic(7, 4), "PNG", save_all=True,
                                append_images=[synthetic(7, 5).crop((0, 1, 7, 5))])


def bad_pngs():
    good = png(11, 6, 8, 2, value, 3)
    yield "png-bad-checksum", png(11, 6, 8, 2, value, 3, False, b"", 1)
    yield "png-truncated", good[:70]
    yield "png-no-end", good[:-6]
    yield "png-short-data", png(4, 1, 8, 2, value, 3)[:33] + chunk(
        b"IDAT", zlib.compress(b"\0abc")) + chunk(b"IEND", b"")
    yield "png-huge", good[:16] + struct.pack(">II", 30000, 30000) + (
        good[24:29] + struct.pack(">I", zlib.crc32(
            b"IHDR" + struct.pack(">II", 30000, 30000) + good[24:29]))
        + good[33:])


def jpegs():
    photo = synthetic(21, 17)
    yield "jpeg", saved(photo, "JPEG", quality=60)
    yield "jpeg-444", saved(photo, "JPEG", quality=90, subsampling=0)
    yield "jpeg-422", saved(photo, "JPEG", quality=80, subsampling=1)
    yield "jpeg-grey", saved(photo.convert("L"), "JPEG", quality=70)
    yield "jpeg-progressive", saved(photo, "JPEG", progressive=True)
    yield "jpeg-cmyk", saved(photo.convert("CMYK"), "JPEG")
    yield "jpeg-one-pixel", saved(synthetic(1, 1), "JPEG")
    for i in range(1, 9):
        yield f"jpeg-orientation-{i}", saved(photo, "JPEG", quality=30,
                                             exif=exif(i))


def bad_jpegs():
    photo = synthetic(21, 17)
    for progressive in False, True:
        data = saved(photo, "JPEG", progressive=progressive)
        name = "jpeg-progressive" if progressive else "jpeg"
        yield f"{name}-truncated", data[:-100]
        yield f"{name}-no-end", data[:-2]
    yield "jpeg-head", data[:40]
    yield "jpeg-12-bit", data.replace(b"\xff\xc2\0\x11\x08",
                                      b"\xff\xc2\0\x11\x0c")


def animated_webp():
    frames = synthetic(8, 8), synthetic(9, 9).crop((1, 1, 9, 9))
    return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:])


def on_canvas(width, height, place, alpha=0):
    """That animation on another canvas, its first frame moved by twice
    `place`."""
    data = bytearray(animated_webp())
    data[20] |= 16 * alpha
    data[24:30] = struct.pack("<HBHB", width - 1, 0, height - 1, 0)
    frame = data.index(b"ANMF") + 8
    data[frame:frame + 6] = struct.pack("<HBHB", place, 0, place, 0)
    return bytes(data)


def webps():
    photo = synthetic(21, 17)
    alpha = photo.copy()
    alpha.putalpha(synthetic(21, 17).getchannel(1))
    yield "webp", saved(photo, "WEBP", quality=50)
    yield "webp-lossless", saved(photo, "WEBP", lossless=True)
    yield "webp-alpha", saved(alpha, "WEBP", lossless=True)
    yield "webp-alpha-lossy", saved(alpha, "WEBP", quality=50)
    yield "webp-orientation", saved(photo, "WEBP", quality=20, exif=exif(5))
    yield "webp-animated", animated_webp()
    yield "webp-animated-alpha", saved(
        alpha, "WEBP", lossless=True, save_all=True,
        append_images=[photo.convert("RGBA")])
    yield "webp-animated-canvas", on_canvas(14, 11, 1)
    yield "webp-animated-canvas-alpha", on_canvas(13, 10, 1, 1)


def rows_of(width, height, bits, sample):
    """Rows of samples (x, y), the first in the upper bits, in whole bytes."""
    for y in range(height):
        text = "".join(f"{sample(x, y):0{bits}b}" for x in range(width))
        text += "0" * (-len(text) % 8)
        yield int(text, 2).to_bytes(len(text) // 8, "big")


def bitmap(width, height, bits, pixels, method=0, masks=b"", colours=b"",
           header=40, count=0):
    """A BMP file of pixels that are packed already."""
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits,
                           method, len(pixels), 0, 0, count, 0) + masks
        head += bytes(max(0, header - len(head)))
    at = 14 + len(head) + len(colours)
    return (b"BM" + struct.pack("<IHHI", at + len(pixels), 0, 0, at) + head
            + colours + pixels)


def padded(rows):
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def bitmaps():
    def colours(count, step=4):
        return b"".join(bytes([value(i, 3, 2), value(i, 3, 1), value(i, 3, 0),
                               0])[:step] for i in range(count))

    def word(x, y):
        return value(x, y, 0) << 8 | value(x, y, 1)

    for bits in 1, 4, 8:
        rows = list(rows_of(11, 6, bits, lambda x, y: value(x, y, 0) >> (
            8 - bits)))
        yield f"bmp-palette{bits}", bitmap(11, 6, bits, padded(rows), 0, b"",
                                           colours(1 << bits))
        yield f"bmp-top-down{bits}", bitmap(11, -6, bits, padded(rows), 0, b"",
                                            colours(1 << bits))
        yield f"bmp-old{bits}", bitmap(11, 6, bits, padded(rows), 0, b"",
                                       colours(1 << bits, 3), 12)
    few = padded(rows_of(11, 6, 8, lambda x, y: (x + y) % 7))
    yield "bmp-few-colours", bitmap(11, 6, 8, few, 0, b"", colours(7), 40, 7)
    grey = b"".join(bytes([i, i, i, 0]) for i in range(256))
    yield "bmp-grey", bitmap(11, 6, 8, padded(rows_of(
        11, 6, 8, lambda x, y: value(x, y, 0))), 0, b"", grey)
    words = padded([b"".join(struct.pack("<H", word(x, y)) for x in range(11))
                    for y in range(6)])
    yield "bmp-16", bitmap(11, 6, 16, words)
    for name, masks in ("565", (0xf800, 0x7e0, 0x1f)), ("555", (
            0x7c00, 0x3e0, 0x1f)):
        yield f"bmp-{name}", bitmap(11, 6, 16, words, 3, struct.pack(
            "<3I", *masks))
    longs = b"".join(bytes([value(x, y, 0), value(x, y, 1), value(x, y, 2),
                            value(y, x, 0)]) for y in range(6)
                     for x in range(11))
    yield "bmp-32", bitmap(11, 6, 32, longs)
    for i, masks in enumerate([(0xff000000, 0xff0000, 0xff00, 0),
                               (0xff000000, 0xff0000, 0xff00, 0xff),
                               (0xff, 0xff00, 0xff0000, 0xff000000),
                               (0xff0000, 0xff00, 0xff, 0xff000000),
                               (0, 0, 0, 0)]):
        yield f"bmp-fields{i}", bitmap(11, 6, 32, longs, 3, struct.pack(
            "<4I", *masks), b"", 124)
    yield "bmp-fields-behind", bitmap(11, 6, 32, longs, 3, struct.pack(
        "<3I", 0xff0000, 0xff00, 0xff))
    yield "bmp-runs8", bitmap(6, 4, 8, bytes(
        [4, 1, 0, 0, 0, 3, 1, 2, 3, 0, 3, 5, 0, 0, 0, 2, 2, 1, 4, 7, 0, 0,
         6, 2, 0, 1]), 1, b"", colours(8), 40, 8)
    yield "bmp-runs4", bitmap(7, 3, 4, bytes(
        [7, 0x12, 0, 0, 0, 5, 0x12, 0x34, 0x50, 0, 2, 0x66, 0, 0, 3, 0x77,
         0, 2, 1, 0, 3, 0x89, 0, 1]), 2, b"", colours(16))
    yield "bmp", saved(synthetic(5, 4), "BMP")
    yield "bmp-alpha", saved(synthetic(5, 4).convert("RGBA"), "BMP")


def bad_bitmaps():
    pixels = bytes(4 * 8)
    yield "bmp-truncated", bitmap(8, 2, 8, bytes(15), 0, b"", bytes(1024))
    yield "bmp-no-colours", bitmap(8, 2, 8, b"", 0, b"", bytes(100))
    yield "bmp-jpeg", bitmap(8, 1, 24, pixels, 4)
    yield "bmp-2-bits", bitmap(8, 1, 2, pixels)
    yield "bmp-huge", bitmap(60000, 60000, 1, pixels, 0, b"", bytes(8))
    yield "bmp-gaps", bitmap(8, 1, 32, pixels, 3, struct.pack(
        "<3I", 0xf0f, 0xf000, 0xff))
    yield "bmp-runs-cut", bitmap(6, 4, 8, b"\6\1\0\0\0\6\1\2", 1, b"",
                                 bytes(1024))
    yield "ppm-cut", b"P6\n3 2\n255\n" + bytes(17)
    yield "ppm-text", b"P3 3 2 255 1 2 3 x"
    yield "ppm-value", b"P2 2 1 9 3 10"
    yield "ppm-huge", b"P5 99999999 1 255 "
    yield "gif-cut", saved(synthetic(5, 4), "GIF")[:-9]
    yield "gif-head", saved(synthetic(5, 4), "GIF")[:11]
    yield "gif-no-frame", b"GIF89a\5\0\4\0\x80\0\0" + bytes(6) + b";"
    yield "tiff-cut", saved(synthetic(50, 40), "TIFF")[:-4000]
    yield "tiff-floats", tiff(4, 1, 32, 1, [bytes(16)], {339: 3})
    yield "tiff-lab", tiff(4, 1, 8, 8, [bytes(12)], {277: 3})
    yield "tiff-huge", tiff(65536, 1, 8, 1, [bytes(9)])
    yield "tiff-tiles-huge", tiff(9, 9, 8, 1, [bytes(9)], {322: 1 << 20, 323: 1 << 20})
    for name in "heic", "avif", "jxl":
        path = CORPUS / name
        if path.exists():
            yield f"{name}-cut", path.read_bytes()[:-60]


def pnms():
    rgb = bytes(value(x, y, c) for y in range(4) for x in range(11)
                for c in range(3))
    wide = struct.pack(">132H", *(v * 255 + 7 for v in rgb))
    bits = b"".join(rows_of(11, 4, 1, lambda x, y: value(x, y, 0) >> 7))
    text = " ".join(map(str, rgb))
    yield "ppm", saved(synthetic(5, 4), "PPM")
    yield "ppm-bits", b"P4 11\t4\n" + bits
    yield "ppm-grey", b"P5\n# a\n11 # b\r 4\n255\n" + rgb[:44]
    yield "ppm-grey-deep", b"P5 11 4 65535\n" + wide[:88]
    yield "ppm-grey-1000", b"P5 11 4 1000\n" + struct.pack(
        ">44H", *(v * 3 for v in rgb[:44]))
    yield "ppm-deep", b"P6 11 4 65535\n" + wide
    yield "ppm-100", b"P6 11 4 100\n" + bytes(v % 120 for v in rgb)
    yield "ppm-text-bits", b"P1\n11 4\n" + b"".join(
        b"01"[v & 1:(v & 1) + 1] for v in rgb[:44])
    yield "ppm-text-grey", b"P2\n11 4 7\n" + " ".join(
        str(v % 8) for v in rgb[:44]).encode()
    yield "ppm-text-colour", b"P3\n11 4\n255\n# c\n" + text.encode()


def gifs():
    photo = synthetic(13, 9).quantize(16)
    whole = saved(photo, "GIF")
    flags, table = whole[10], 13 + 3 * 16
    frame = whole.index(b",", table)
    yield "gif", saved(synthetic(5, 4), "GIF")
    yield "gif-grey", saved(synthetic(13, 9).convert("L"), "GIF")
    yield "gif-interlaced", saved(photo, "GIF", interlace=1)
    yield "gif-transparent", saved(photo, "GIF", transparency=3)
    yield "gif-animated", saved(photo, "GIF", save_all=True, append_images=[
        synthetic(13, 9).transpose(0).quantize(16)])
    larger = whole[:6] + struct.pack("<HH", 20, 15) + whole[10:]
    moved = larger[:frame + 1] + struct.pack("<HH", 4, 2) + larger[frame + 5:]
    yield "gif-on-screen", moved
    yield "gif-past-screen", whole[:6] + struct.pack("<HH", 5, 5) + (
        moved[10:])
    hole = moved.index(b",", table)
    yield "gif-on-nothing", moved[:hole] + b"!\xf9\4\1\0\0\5\0" + moved[hole:]
    own = (whole[:10] + bytes([flags & 0x7f]) + whole[11:13]
           + whole[table:frame + 9] + bytes([0x83]) + whole[13:table]
           + whole[frame + 10:])
    yield "gif-own-colours", own


def tiff(width, height, bits, photometric, blocks, more=(), order="<"):
    """A TIFF file of strips, or tiles where more tells their size."""
    samples = dict(more).get(277, 1)
    tags = {256: width, 257: height, 258: [bits] * samples, 259: 1,
            262: photometric, 277: samples}
    tags.update(more)
    tiled = 322 in tags
    if not tiled:
        tags.setdefault(278, height)
    at, places = 8, []
    for block in blocks:
        places.append(at)
        at += len(block)
    tags[324 if tiled else 273] = places
    tags[325 if tiled else 279] = [len(block) for block in blocks]
    directory, extra = b"", b""
    end = at + at % 2 + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        values = tags[tag]
        if isinstance(values, bytes):
            kind, packed, count = 1, values, len(values)
        else:
            values = values if isinstance(values, list) else [values]
            kind, count = (3, len(values)) if tag in (258, 262, 274, 277, 284,
                                                      320, 338) else (
                4, len(values))
            packed = struct.pack(f"{order}{count}{'H' if kind == 3 else 'I'}",
                                 *values)
        if len(packed) > 4:
            packed, place = struct.pack(f"{order}I", end + len(extra)), packed
            extra += place + bytes(len(place) % 2)
        directory += struct.pack(f"{order}HHI", tag, kind, count) + (
            packed + bytes(4 - len(packed)))
    return ((b"II*\0" if order == "<" else b"MM\0*")
            + struct.pack(f"{order}I", at + at % 2) + b"".join(blocks)
            + bytes(at % 2) + struct.pack(f"{order}H", len(tags)) + directory
            + bytes(4) + extra)


def tiffs():
    photo = synthetic(21, 17)
    alpha = photo.copy()
    alpha.putalpha(photo.getchannel(1))
    grey = photo.convert("L")

    def strips(bits, samples=1, order="<"):
        code = f"{order}H"
        for y in range(6):
            row = [value(x, y, c) * 257 >> (16 - bits) for x in range(11)
                   for c in range(samples)]
            if bits == 16:
                yield b"".join(struct.pack(code, v) for v in row)
            else:
                yield next(rows_of(len(row), 1, bits, lambda x, y: row[x]))

    yield "tiff", saved(synthetic(5, 4), "TIFF")
    for method in "lzw", "adobe_deflate", "packbits":
        yield f"tiff-{method}", saved(photo, "TIFF",
                                      compression=f"tiff_{method}".replace(
                                          "tiff_packbits", "packbits"))
    yield "tiff-jpeg", saved(photo, "TIFF", compression="jpeg")
    yield "tiff-jpeg-grey", saved(grey, "TIFF", compression="jpeg")
    yield "tiff-group4", saved(grey.convert("1"), "TIFF", compression="group4")
    yield "tiff-cmyk", saved(photo.convert("CMYK"), "TIFF")
    yield "tiff-palette", saved(photo.quantize(64), "TIFF")
    yield "tiff-alpha", saved(alpha, "TIFF", compression="tiff_lzw")
    yield "tiff-grey-alpha", saved(alpha.convert("LA"), "TIFF")
    yield "tiff-ycbcr", saved(photo.convert("YCbCr"), "TIFF",
                              compression="tiff_lzw")
    yield "tiff-pages", saved(photo, "TIFF", save_all=True,
                              append_images=[grey])
    for bits in 1, 2, 4, 8, 16:
        yield f"tiff-grey{bits}", tiff(11, 6, bits, 1, [b"".join(strips(bits))])
    for bits in 1, 2, 4, 8:
        yield f"tiff-white{bits}", tiff(11, 6, bits, 0, list(strips(bits)),
                                        {278: 1}, ">")
        yield f"tiff-palette{bits}", tiff(11, 6, bits, 3, list(strips(bits)), {
            278: 1, 320: [value(i, 3, c) * 256 for c in range(3)
                          for i in range(1 << bits)]})
    yield "tiff-grey16-big", tiff(11, 6, 16, 1, [b"".join(
        strips(16, 1, ">"))], {}, ">")
    yield "tiff-rgb16", tiff(11, 6, 16, 2, list(strips(16, 3)),
                             {277: 3, 278: 1})
    yield "tiff-rgb16-big", tiff(11, 6, 16, 2, list(strips(16, 3, ">")),
                                 {277: 3, 278: 1}, ">")
    yield "tiff-cmyk16", tiff(11, 6, 16, 5, list(strips(16, 4)),
                              {277: 4, 278: 1})
    for kind in 0, 1, 2:
        yield f"tiff-fourth{kind}", tiff(11, 6, 8, 2, list(strips(8, 4)),
                                         {277: 4, 278: 1, 338: kind})
    yield "tiff-fourth", tiff(11, 6, 8, 2, list(strips(8, 4)),
                              {277: 4, 278: 1})
    yield "tiff-five", tiff(11, 6, 8, 2, list(strips(8, 5)),
                            {277: 5, 278: 1, 338: [2, 0]})
    plane = [bytes(value(x, y, c) for y in range(6) for x in range(11))
             for c in range(3)]
    yield "tiff-planes", tiff(11, 6, 8, 2, plane, {277: 3, 284: 2})
    tiles = [bytes(value(x, y, c) for y in range(y0, y0 + 16)
                   for x in range(x0, x0 + 16) for c in range(3))
             for y0 in (0, 16) for x0 in (0, 16)]
    yield "tiff-tiles", tiff(21, 17, 8, 2, tiles, {277: 3, 322: 16, 323: 16})
    pixels = b"".join(strips(8, 3))
    for i in 1, 6, 7:
        yield f"tiff-orientation-{i}", tiff(11, 6, 8, 2, [pixels],
                                            {274: i, 277: 3})
    yield "tiff-xmp", tiff(11, 6, 8, 2, [pixels], {277: 3, 700: AS_ATTRIBUTE})
    yield "tiff-xmp-tag-wins", tiff(11, 6, 8, 2, [pixels], {
        274: 3, 277: 3, 700: AS_ATTRIBUTE})


def others_made():
    """By programs that need not be there: cjxl of libjxl-tools, heif-enc of
    libheif-examples; and AVIF by Pillow. Yields the picture that lossless ones
    hold, and whether they are that."""
    def by(program, image, suffix, *options):
        with tempfile.TemporaryDirectory() as folder:
            source, made = f"{folder}/a.png", f"{folder}/a.{suffix}"
            image.save(source)
            subprocess.run([program, *options, source] + (
                ["-o", made] if program == "heif-enc" else [made]), check=True,
                capture_output=True)
            return pathlib.Path(made).read_bytes()

    photo = synthetic(64, 48)
    alpha = photo.copy()
    alpha.putalpha(photo.getchannel(1))
    yield "jxl-lossless", photo, True, lambda: by(
        "cjxl", photo, "jxl", "-d", "0")
    yield "jxl-grey", photo.convert("L"), True, lambda: by(
        "cjxl", photo.convert("L"), "jxl", "-d", "0")
    yield "jxl-alpha", alpha, True, lambda: by(
        "cjxl", alpha, "jxl", "-d", "0")
    yield "jxl-container", photo, True, lambda: by(
        "cjxl", photo, "jxl", "-d", "0", "--container=1")
    smooth = photo.resize((8, 6)).resize((64, 48), Image.BICUBIC)
    turned_one = smooth.transpose(Image.ROTATE_90)
    yield "jxl", smooth, False, lambda: by("cjxl", smooth, "jxl", "-d", "1")
    yield "avif", smooth, False, lambda: saved(smooth, "AVIF", quality=80)
    yield "avif-turned", turned_one, False, lambda: saved(
        smooth, "AVIF", quality=80, exif=exif(8))
    yield "avif-animated", smooth, False, lambda: saved(
        smooth, "AVIF", quality=80, save_all=True, append_images=[turned_one.resize(
            smooth.size)])
    yield "heic", smooth, False, lambda: by("heif-enc", smooth, "heic", "-q",
                                            "80")
    see_through = smooth.copy()
    see_through.putalpha(smooth.getchannel(1))
    yield "heic-alpha", see_through, False, lambda: by(
        "heif-enc", see_through, "heic", "-q", "80")


def bad_others():
    webp = saved(synthetic(21, 17), "WEBP")
    yield "webp-truncated", webp[:-30]
    yield "webp-head", webp[:20]
    yield "webp-frame-outside", on_canvas(7, 8, 0)
    for name, data in bad_bitmaps():
        yield name, data
    yield "jpeg-2000", b"\0\0\0\x0cjP  \r\n\x87\n"
    yield "text", b"not a picture\n"
    yield "empty", b""


# --------------------------------------------------------------- references

def grey16(image):
    """Pillow keeps 16-bit grey; the upper eight bits count here."""
    kind = "H" if image.mode.startswith("I;16") else "i"
    values = array.array(kind, image.tobytes())
    grey = Image.frombytes("L", image.size, bytes(v >> 8 for v in values))
    hole = image.info.get("transparency")
    if hole is None:
        return grey
    mask = bytes(255 * (v != hole) for v in values)
    both = grey.convert("RGBA")
    both.putalpha(Image.frombytes("L", image.size, mask))
    return both


def rgb(path):
    """Turned as EXIF says, over white, 8 bits."""
    image = Image.open(path) if isinstance(path, pathlib.Path) else path
    image.load()
    holes = "transparency" in image.info
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        turned.info = dict(image.info)
        turned = grey16(turned)
    elif holes and turned.mode == "RGB" and max(
            image.info["transparency"]) > 255:
        turned.info["transparency"] = tuple(
            v >> 8 for v in image.info["transparency"])
    if holes or turned.mode in ("RGBA", "LA", "PA", "RGBa"):
        turned = turned.convert("RGBA")
        white = Image.new("RGBA", turned.size, "white")
        turned = Image.alpha_composite(white, turned)
    return turned.convert("RGB")


def corners(image):
    """Mean colour of each quarter."""
    w, h = image.width // 2, image.height // 2
    return " ".join(str(round(sum(
        image.crop((x, y, x + w, y + h)).getchannel(c).tobytes()) / (w * h)))
        for y in (0, h) for x in (0, w) for c in range(3))


def summary(image):
    return f"{image.width} {image.height} {zlib.crc32(image.tobytes()):08x}"


def view(image, resize, height, width, how):
    """torchvision's Resize(resize) and CenterCrop((height, width))."""
    w, h = image.size
    short, long = min(w, h), max(w, h)
    other = int(resize * long / short)
    size = (resize, other) if w <= h else (other, resize)
    image = image.resize(size, how)
    top = int(round((size[1] - height) / 2.0))
    left = int(round((size[0] - width) / 2.0))
    return image.crop((left, top, left + width, top + height))


# ------------------------------------------------------------------ records

def keep(name, data):
    if not (CORPUS / name).exists():
        (CORPUS / name).write_bytes(data)


def record_corpus(out):
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, image, lossless, make in others_made():
        if not (CORPUS / name).exists():
            keep(name, make())
        image = rgb(image)
        if lossless:
            print("decode", f"corpus/{name}", summary(image), file=out)
        else:
            print("near", f"corpus/{name}", image.width, image.height,
                  corners(image), file=out)
    for maker in (pngs, jpegs, webps, turned, bitmaps, pnms, gifs, tiffs):
        for name, data in maker():
            keep(name, data)
            print("decode", f"corpus/{name}", summary(rgb(CORPUS / name)),
                  file=out)
    for maker in bad_pngs, bad_jpegs, bad_others:
        for name, data in maker():
            keep(name, data)
            print("refuse", f"corpus/{name}", file=out)


def record_resizes(out):
    for width, height in (64, 48), (37, 91), (200, 3), (1, 1), (7, 300):
        photo = synthetic(width, height)
        for w, h in ((32, 24), (64, 48), (63, 49), (5, 7), (1, 1), (100, 150),
                     (256, 2), (37, 20)):
            for name, how in FILTERS.items():
                print("resize", name, width, height,
                      summary(photo.resize((w, h), how)), file=out)


def record_views(out):
    for width, height in (64, 48), (37, 91), (201, 30), (30, 30), (9, 2000):
        photo = synthetic(width, height)
        for resize, h, w in (32, 32, 32), (33, 28, 28), (40, 33, 20), (9, 8, 9):
            for name, how in FILTERS.items():
                for grey in "rgb", "grey":
                    seen = photo.convert("L").convert("RGB") if (
                        grey == "grey") else photo
                    print("view", name, grey, width, height, resize,
                          summary(view(seen, resize, h, w, how)), file=out)


def record_shared(out):
    decode = SHARED / "data" / "decode"
    for line in (decode / "MANIFEST.txt").read_text().splitlines():
        path, kind = [field.strip() for field in line.split("|")][:2]
        if kind not in ("JPEG", "PNG", "WEBP", "MPO", "BMP", "GIF", "TIFF",
                        "PPM") or "fails" in line:
            continue
        if path == "pngsuite/corrupt/xcsn0g01.png":
            continue  # Pillow does not see that a checksum is wrong
        try:
            image = rgb(decode / path)
        except Exception as error:
            print(f"{path}: {error}", file=sys.stderr)
            continue
        print("decode", f"shared/decode/{path}", summary(image), file=out)


def record_photos(out):
    photos = SHARED / "data" / "imagenet-sample"
    for line in (photos / "labels.txt").read_text().splitlines():
        name = line.split()[0]
        image = rgb(photos / "images" / name)
        path = f"shared/imagenet-sample/images/{name}"
        print("decode", path, summary(image), file=out)
        print("photo", path, summary(view(image, 256, 224, 224,
                                          Image.BILINEAR)), file=out)


def main():
    """What is resized is as in Pillow up to 11; later ones take the passes over
    tall pictures in another order. There, decoding alone is recorded anew."""
    path, new = HERE / "pictures.txt", io.StringIO()
    anew = int(PIL.__version__.split(".")[0]) < 12
    for record in (record_corpus, record_resizes, record_views, record_shared,
                   record_photos):
        record(new)
    lines = new.getvalue().splitlines()
    if not anew:
        def resized(line):
            return line.split()[0] in ("resize", "view", "photo")
        old = iter([line for line in path.read_text().splitlines()
                    if resized(line)])
        lines = [next(old) if resized(line) else line for line in lines]
    path.write_text("\n".join(lines) + "\n")


main()
