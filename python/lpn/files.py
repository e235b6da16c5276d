"""Files of lpn, read and written with NumPy alone.

A prior is a safetensors file: eight bytes of header length (little endian), a header in JSON, the
tensors. The network's description is the entry `lpn.config` of its metadata, in JSON, and
`lpn.sha256` is a checksum of everything else.

A measurement is an .npz archive of the array `y` and a JSON string `operator`.
"""

import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np

CONFIG, CHECKSUM = "lpn.config", "lpn.sha256"
_DTYPES = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}


def find_prior(name):
    """The path of a prior: `name` where that is a file, else NAME.safetensors in the folder
    $LPN_PRIORS, or in assets/priors of the clone that this package or the working folder is in."""
    path = Path(name)
    if path.is_file():
        return path
    if folder := os.environ.get("LPN_PRIORS"):
        folders = [Path(folder)]
    else:
        here = Path.cwd()
        folders = [f / "assets" / "priors" for f in (Path(__file__).parents[2], here, *here.parents)]
    for folder in folders:
        if (path := folder / f"{name}.safetensors").is_file():
            return path
    raise FileNotFoundError(
        f"no prior {name!r}: it is no file, and not in {folders[0]}"
        + (f" nor in assets/priors of {here} or a folder above it" if len(folders) > 1 else " ($LPN_PRIORS)")
    )


def read_prior(path):
    """Read a prior's file: the config (a dict), the weights (float32 arrays by name, filters as
    K x K x Ci x Co) and the other metadata (a dict of strings). A file whose checksum or sizes do not
    fit is a ValueError."""
    data = Path(path).read_bytes()
    try:
        (n,) = struct.unpack_from("<Q", data)
        header = json.loads(data[8 : 8 + n])
        notes = header.pop("__metadata__", None) or {}
        table = sorted(header.items(), key=lambda e: e[1]["data_offsets"])
        body = memoryview(data)[8 + n :]
        weights, at = {}, 0
        for name, e in table:
            lo, hi = e["data_offsets"]
            if lo != at or hi > len(body) or hi < lo:
                raise ValueError(f"tensor {name!r} does not follow the one before it")
            weights[name] = np.frombuffer(body[lo:hi], _DTYPES[e["dtype"]]).reshape(e["shape"]).astype(np.float32)
            at = hi
        if at != len(body):
            raise ValueError("bytes after the last tensor")
    except (struct.error, KeyError, TypeError, AttributeError, ValueError) as e:
        raise ValueError(f"{path}: not a prior's file: {e}") from None
    want = notes.pop(CHECKSUM, None)
    if want is not None and want.lower() != _checksum(table, notes, body):
        raise ValueError(f"{path}: the checksum does not match the content")
    if CONFIG not in notes:
        raise ValueError(f"{path}: no {CONFIG} in the metadata: not a prior made by lpn")
    return json.loads(notes.pop(CONFIG)), weights, notes


def write_prior(path, config, weights, notes=None):
    """Write a prior's file that the Go program reads: float32, with a checksum. The file is there
    whole or not at all. `notes` are more metadata, strings by name."""
    notes = {**(notes or {}), CONFIG: json.dumps(config, separators=(",", ":"))}
    table, blobs, at = [], [], 0
    for name, w in weights.items():
        raw = np.ascontiguousarray(w, "<f4").tobytes()
        table.append((name, {"dtype": "F32", "shape": list(np.shape(w)), "data_offsets": [at, at + len(raw)]}))
        blobs.append(raw)
        at += len(raw)
    body = b"".join(blobs)
    notes[CHECKSUM] = _checksum(table, notes, body)
    head = json.dumps({"__metadata__": notes, **dict(table)}, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        part.write_bytes(struct.pack("<Q", len(head)) + head + body)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _checksum(table, notes, body):
    """The digest of the metadata, the names, types and shapes, and the data."""
    h = hashlib.sha256()
    for key in sorted(notes):
        h.update(f"{_quote(key)}={_quote(notes[key])}\n".encode())
    for name, e in table:
        h.update(f"{_quote(name)} {e['dtype']} [{' '.join(map(str, e['shape']))}]\n".encode())
    h.update(body)
    return h.hexdigest()


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def _quote(s):
    """s as Go's %q writes it."""

    def one(c):
        if c in _ESCAPES:
            return _ESCAPES[c]
        if c.isprintable():
            return c
        k = ord(c)
        return f"\\x{k:02x}" if k < 0x80 else f"\\u{k:04x}" if k < 0x10000 else f"\\U{k:08x}"

    return '"' + "".join(map(one, s)) + '"'


class Measurement:
    """What a camera gave and how: `y` (an array), `spec` (the operator as `lpn` writes it, such as
    "blur:gaussian,sigma=1.6"), `scene` (C, H, W of what is sought), `boundary`, `noise` (a standard
    deviation in the units of y, None if unknown) and `file` (the kernel or mask that the spec names
    by a file, None without)."""

    def __init__(self, y, spec, scene, boundary="symmetric", noise=None, file=None):
        self.y, self.spec, self.scene = y, spec, tuple(scene)
        self.boundary, self.noise, self.file = boundary, noise, file

    def write(self, path):
        """Write the .npz that `lpn restore` takes."""
        about = {"spec": self.spec, "scene": list(self.scene), "boundary": self.boundary}
        if self.noise is not None:
            about["noise"] = float(self.noise)
        arrays = {"y": np.asarray(self.y, np.float32), "operator": np.array(json.dumps(about))}
        if self.file is not None:
            arrays["file"] = np.asarray(self.file, np.float32)
        with open(path, "wb") as out:
            np.savez(out, **arrays)


def read_measurement(path):
    """Read a measurement that `lpn degrade` wrote; see Measurement."""
    with np.load(path, allow_pickle=False) as z:
        if "y" not in z or "operator" not in z:
            raise ValueError(f"{path}: no measurement: want the arrays y and operator, found {', '.join(z.files)}")
        about = json.loads(str(z["operator"][()] if z["operator"].ndim == 0 else z["operator"][0]))
        return Measurement(
            z["y"], about["spec"], about["scene"], about.get("boundary") or "symmetric", about.get("noise"),
            z["file"] if "file" in z else None,
        )
