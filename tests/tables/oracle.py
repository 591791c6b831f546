"""The logical digest done by hand, as the docstring of provender.tables.rows says it."""

import hashlib
import json
import math
import struct
from datetime import date
from decimal import Context

import pyarrow as pa

from provender.core import typewords as words
from provender.tables.arrow import schema_of

WIDE = Context(prec=40)
EPOCH_DAY = date(1970, 1, 1)


def digest_by_hand(table: pa.Table) -> str:
    schema = schema_of(table.schema)
    kinds = [words.parse(column.type) for column in schema.columns]
    sums = [0, 0, 0, 0]
    for row in zip(*(column for column in table.columns), strict=True):
        text = "".join(write(kind, value) for kind, value in zip(kinds, row, strict=True))
        hashed = hashlib.sha256(text.encode()).digest()
        for lane, word in enumerate(struct.unpack(">4Q", hashed)):
            sums[lane] += word
    content = {
        "columns": [[column.name, column.type] for column in schema.columns],
        "count": table.num_rows,
        "sums": [str(total) for total in sums],
    }
    plain = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(plain.encode()).hexdigest()


def write(kind: words.Word, scalar: pa.Scalar) -> str:
    if not scalar.is_valid:
        return "~"
    match kind.kind:
        case "bool":
            return "true;" if scalar.as_py() else "false;"
        case "float32" | "float64":
            return write_float(kind.kind, scalar.as_py())
        case "string":
            return f"{len(scalar.as_py().encode())}:{scalar.as_py()}"
        case "binary":
            return f"{len(scalar.as_py())}:{scalar.as_py().hex().upper()}"
        case "date":
            return f"{(scalar.as_py() - EPOCH_DAY).days};"
        case "time" | "timestamp" | "timestamp_ns" | "timestamp_local":
            return f"{scalar.value};"
        case "list":
            items = "".join(write(kind.parts[0][1], item) for item in scalar)
            return f"[{len(scalar)}:{items}]"
        case "map":
            (_, key), (_, value) = kind.parts
            pairs = scalar.values
            texts = (write(key, pair["key"]) + write(value, pair["value"]) for pair in pairs)
            return f"{{{len(pairs)}:{''.join(texts)}}}"
        case "struct":
            return f"({''.join(write(part, scalar[name]) for name, part in kind.parts)})"
        case "decimal":
            return f"{int(scalar.as_py().scaleb(kind.numbers[1], context=WIDE))};"
    return f"{scalar.as_py()};"


def write_float(kind: str, value: float) -> str:
    if math.isnan(value):
        return "nan;"
    if value == 0:
        return "0;"
    packed, unpacked = ("<f", "<i") if kind == "float32" else ("<d", "<q")
    return f"{struct.unpack(unpacked, struct.pack(packed, value))[0]};"
