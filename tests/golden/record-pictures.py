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
import sys
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


def webps():
    photo = synthetic(21, 17)
    alpha = photo.copy()
    alpha.putalpha(synthetic(21, 17).getchannel(1))
    yield "webp", saved(photo, "WEBP", quality=50)
    yield "webp-lossless", saved(photo, "WEBP", lossless=True)
    yield "webp-alpha", saved(alpha, "WEBP", lossless=True)
    yield "webp-alpha-lossy", saved(alpha, "WEBP", quality=50)
    yield "webp-orientation", saved(photo, "WEBP", quality=20, exif=exif(5))


def bad_others():
    webp = saved(synthetic(21, 17), "WEBP")
    yield "webp-truncated", webp[:-30]
    yield "webp-head", webp[:20]
    yield "webp-animated", saved(
        synthetic(8, 8), "WEBP", save_all=True,
        append_images=[synthetic(9, 9).crop((1, 1, 9, 9))])
    yield "gif", saved(synthetic(5, 4), "GIF")
    yield "bmp", saved(synthetic(5, 4), "BMP")
    yield "tiff", saved(synthetic(5, 4), "TIFF")
    yield "ppm", saved(synthetic(5, 4), "PPM")
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
    image = Image.open(path)
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
    for maker in pngs, jpegs, webps, turned:
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
        if kind not in ("JPEG", "PNG", "WEBP", "MPO") or "fails" in line:
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
