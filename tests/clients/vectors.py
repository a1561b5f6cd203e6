"""Runs the parser that docs/clients.md shows on the decoder's vectors."""

import io
import json
import sys

from by_hand import events, root


def to_bytes(pieces):
    for piece in pieces:
        if isinstance(piece, str):
            yield piece.encode()
        elif "hex" in piece:
            yield bytes.fromhex(piece["hex"])
        else:
            yield piece["repeat"].encode() * piece["times"]


def to_text(value):
    return value if isinstance(value, str) else b"".join(to_bytes(value)).decode()


runs, wrong = 0, 0
for file in sorted((root / "sse-core/tests/vectors").glob("*.json")):
    for vector in json.loads(file.read_text())["vectors"]:
        lines = io.TextIOWrapper(io.BytesIO(b"".join(to_bytes(vector["stream"]))), "utf-8-sig", "replace")
        seen = list(events(lines, vector.get("seed", "")))
        expected = [
            (to_text(item.get("event", "message")), to_text(item["data"]), to_text(item.get("id", "")))
            for item in vector["items"]
            if "data" in item
        ]
        runs += 1
        if seen != expected:
            wrong += 1
            print(f"{file.name}, {vector['name']}: {str(seen)[:300]}, not {str(expected)[:300]}")
print(f"{runs} vectors, {wrong} wrong")
sys.exit(wrong > 0 or runs < 90)
