#!/usr/bin/env python3
"""Reads TensorBoard's event files with nothing of Spikeloom, and prints what is in them as JSON.

read_event_files.py FOLDER: all files with "tfevents" in their names, in the order of their names, as TensorBoard reads
them: a SessionLog START of a step drops what was read of that step and later. Each length and each record is checked
against its masked CRC-32C. Exits with 1 and a line on standard error if a file is damaged or cut.
"""
import json
import pathlib
import struct
import sys

DOUBLE, BYTES, FLOAT = 1, 2, 5  # wire types, 0: varint


def crc32c(data):
    """Bit by bit, from RFC 3720's polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    data = path.read_bytes()
    at = 0
    while at < len(data):
        if len(data) - at < 12:
            sys.exit(f"{path.name}: cut off in the head of a record at byte {at}")
        length, check = struct.unpack_from("<QI", data, at)
        if masked(data[at:at + 8]) != check:
            sys.exit(f"{path.name}: wrong checksum of a length at byte {at}")
        if len(data) - at < 16 + length:
            sys.exit(f"{path.name}: cut off in a record at byte {at}")
        record = data[at + 12:at + 12 + length]
        if masked(record) != struct.unpack_from("<I", data, at + 12 + length)[0]:
            sys.exit(f"{path.name}: wrong checksum of a record at byte {at}")
        yield record
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def message(data):
    """Field number to the list of its values."""
    fields, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
            value = value - (1 << 64) if value >> 63 else value
        elif kind == DOUBLE:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif kind == FLOAT:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        elif kind == BYTES:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            sys.exit(f"wire type {kind}")
        fields.setdefault(key >> 3, []).append(value)
    return fields


def one(fields, number, otherwise=None):
    return fields.get(number, [otherwise])[-1]


def doubles(fields, number):
    return list(struct.unpack(f"<{len(one(fields, number, b'')) // 8}d", one(fields, number, b"")))


def hparams(content, into):
    data = message(content)
    if 2 in data:
        experiment = message(one(data, 2))
        into["types"] = {one(message(info), 1).decode(): one(message(info), 4) for info in experiment.get(4, [])}
        into["metrics"] = [one(message(one(message(info), 1)), 2).decode() for info in experiment.get(5, [])]
    if 3 in data:
        into["values"] = {}
        for entry in message(one(data, 3)).get(1, []):
            pair = message(entry)
            value = message(one(pair, 2, b""))
            into["values"][one(pair, 1).decode()] = (
                one(value, 3).decode() if 3 in value else bool(one(value, 4)) if 4 in value else one(value, 2, 0.0))
    if 4 in data:
        into["status"] = one(message(one(data, 4)), 1)


def read(folder):
    found = {"files": [], "starts": [], "scalars": {}, "histograms": {}, "images": {}, "hparams": {}}
    for path in sorted(folder.glob("*tfevents*")):
        found["files"].append(path.name)
        for number, record in enumerate(records(path)):
            event = message(record)
            step = one(event, 2, 0)
            if number == 0:
                if one(event, 3) != b"brain.Event:2" or 1 not in event:
                    sys.exit(f"{path.name}: does not begin with a version")
            if 7 in event and one(message(one(event, 7)), 1) == 1:
                found["starts"].append(step)
                for kind in ("scalars", "histograms", "images"):
                    for tag in found[kind]:
                        found[kind][tag] = [entry for entry in found[kind][tag] if entry[0] < step]
            for raw in message(one(event, 5, b"")).get(1, []):
                value = message(raw)
                tag = one(value, 1).decode()
                if 2 in value:
                    found["scalars"].setdefault(tag, []).append([step, one(value, 2)])
                elif 5 in value:
                    histogram = message(one(value, 5))
                    limits, counts = doubles(histogram, 6), doubles(histogram, 7)
                    if len(limits) != len(counts) or sum(counts) != one(histogram, 3) or limits != sorted(limits):
                        sys.exit(f"{path.name}: buckets of {tag} do not add up")
                    found["histograms"].setdefault(tag, []).append(
                        [step, one(histogram, 3), one(histogram, 1, 0.0), one(histogram, 2, 0.0)])
                elif 4 in value:
                    image = message(one(value, 4))
                    png = one(image, 4)
                    size = struct.unpack(">II", png[16:24]) if png[:8] == b"\x89PNG\r\n\x1a\n" else None
                    if size != (one(image, 2), one(image, 1)):
                        sys.exit(f"{path.name}: {tag} is no PNG of the size that is said")
                    found["images"].setdefault(tag, []).append([step, *size])
                elif one(message(one(message(one(value, 9, b"")), 1, b"")), 1) == b"hparams":
                    hparams(one(message(one(message(one(value, 9)), 1)), 2), found["hparams"])
                else:
                    sys.exit(f"{path.name}: {tag} has no value")
    return found


if __name__ == "__main__":
    print(json.dumps(read(pathlib.Path(sys.argv[1]))))
