# SPDX-License-Identifier: MIT
# What dropin.sh lets Python do: objects of many sizes and lifetimes.
# PYTHONMALLOC is as it is, so small objects come from Python's own allocator,
# which takes 256 KiB at a time, and everything else from malloc.
import json
import re


def numbers(n, state=12345):
    for _ in range(n):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state


words = ["w%x" % (x % 40000) for x in numbers(300000)]
count = {}
for w in words:
    count[w] = count.get(w, 0) + 1
print(len(count), max(count.values()))

text = json.dumps([{"name": w, "tags": [w, w[::-1]], "n": c} for w, c in count.items()])
again = json.loads(text)
print(len(text), sum(x["n"] for x in again))

print(len(re.findall(r"w[0-9]+\b", " ".join(words))))
lines = ["%d:%s" % (x % 1000, "x" * (x % 700)) for x in numbers(60000)]
lines.sort()
print(sum(map(len, lines)), lines[len(lines) // 2][:20])

lists = [list(range(x % 3000)) for x in numbers(3000)]
for i in range(0, len(lists), 2):
    lists[i] = bytearray(len(lists[i]) * 8)
print(sum(map(len, lists)))

grown = bytearray()
for x in numbers(200000):
    grown += x.to_bytes(4, "little")
print(len(grown), hash(bytes(grown[:0])))
