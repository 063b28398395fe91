#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Write a text file as an array of C: embed.py FILE NAME >FILE.c"""
import sys

path, name = sys.argv[1:]
data = open(path, "rb").read() + b"\0"
print(f"/* {name}, made of a file. */")
print(f"extern const char {name}[];")
print(f"const char {name}[] = {{")
for i in range(0, len(data), 20):
    # a char may be signed, or not
    print("    " + " ".join(f"{b}," if b < 128 else f"'\\x{b:02x}',"
                            for b in data[i:i + 20]))
print("};")
