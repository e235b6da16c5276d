"""Writes dtypes.npz: one small array in every type, byte order, memory order and
version of the format that NumPy writes. Run it in this folder."""
import io, zipfile
import numpy as np
from numpy.lib import format

x = np.array([[[0, 1, 2, 100], [3, -5, 7, 11], [64, 0.5, 90, 127]],
              [[13, 17, 19, 23], [29, 31, -37, 41], [43, 47, 53, 59]]])
with zipfile.ZipFile("dtypes.npz", "w", zipfile.ZIP_DEFLATED) as z:
    for t in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 c8 c16".split():
        for o in "<>":
            for order in "CF":
                for version in (1, 2, 3):
                    a = np.abs(x) if t[0] == "u" else x
                    a = a + 1j * a[::-1] if t[0] == "c" else a
                    a = np.asarray(a.astype(o + t), order=order)
                    f = io.BytesIO()
                    format.write_array(f, a, (version, 0))
                    name = "%s %s %s %d" % (t, "little" if o == "<" else "big", order, version)
                    z.writestr(zipfile.ZipInfo(name), f.getvalue(), zipfile.ZIP_DEFLATED)
