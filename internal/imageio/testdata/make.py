"""Writes the files of other/ with other people's programs, whose pixels are
formulas that the Go tests compute again.

pip install numpy tifffile imagecodecs pillow pydicom astropy OpenEXR
(written with numpy 2.4, tifffile 2026.3, pillow 13, pydicom 3.0, astropy 8.0,
OpenEXR 3.5)
"""
import os
import subprocess
import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "other")
os.makedirs(out, exist_ok=True)
H, W = 17, 23


def at(name):
    return os.path.join(out, name)


def base(channels, page=0):
    """H x W x channels of 0..250."""
    y, x, c = np.meshgrid(np.arange(H), np.arange(W), np.arange(channels), indexing="ij")
    return (37 * y + 11 * x + 101 * c + y * x + 50 * page) % 251


def typed(v, kind):
    scale, shift = {"u1": (1, 0), "u2": (257, 0), "u4": (1000003, 0), "i1": (1, -125), "i2": (200, -20000),
                    "i4": (10**7, -10**9), "f2": (1 / 8, -10), "f4": (1 / 32, -2), "f8": (1 / 32, -2)}[kind]
    return (v * scale + shift).astype(kind)


def tiffs():
    def write(name, kind, channels, **kw):
        a = typed(base(channels), kind)
        if channels == 1:
            a = a[..., 0]
        kw.setdefault("photometric", "rgb" if channels == 3 else "minisblack")
        if kw.get("planarconfig") == "separate":
            a = np.moveaxis(a, -1, 0)
        tifffile.imwrite(at(name), a, metadata=None, **kw)

    for kind in ("u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"):
        write(kind + ".tif", kind, 1)
    write("f4-big.tif", "f4", 3, byteorder=">", compression="zlib", predictor=3)
    write("f4-pred.tif", "f4", 3, compression="zlib", predictor=3)
    write("f8-pred.tif", "f8", 1, compression="zlib", predictor=3)
    write("f2-pred.tif", "f2", 1, compression="lzw", predictor=3)
    write("f4-tiled.tif", "f4", 1, tile=(16, 16), compression="zlib")
    write("u1-tiled-planar.tif", "u1", 3, tile=(16, 16), planarconfig="separate", compression="lzw", predictor=2)
    write("u2-planar.tif", "u2", 3, planarconfig="separate", byteorder=">")
    write("u2-pred.tif", "u2", 3, compression="zlib", predictor=2, rowsperstrip=5)
    write("u2-pred-big.tif", "u2", 3, compression="lzw", predictor=2, byteorder=">", bigtiff=True)
    write("i2-packbits.tif", "i2", 1, compression="packbits", rowsperstrip=4)
    write("i4-bigtiff.tif", "i4", 1, bigtiff=True, compression="zlib", predictor=2)
    write("science-rgb.tif", "u2", 3, photometric="minisblack", planarconfig="contig")
    write("white.tif", "u1", 1, photometric="miniswhite")
    a = typed(base(1)[..., 0], "u1")
    tifffile.imwrite(at("u1-alpha.tif"), np.stack([a, 255 - a], -1), photometric="minisblack", extrasamples=["unassalpha"], metadata=None)
    a = typed(base(1)[..., 0], "u2") >> 4
    tifffile.imwrite(at("u2-12bit.tif"), a, bitspersample=12, metadata=None)  # imagecodecs packs it
    tifffile.imwrite(at("c8.tif"), a.astype("c8"), metadata=None)
    tifffile.imwrite(at("zstd.tif"), a, compression="zstd", metadata=None)
    tifffile.imwrite(at("five.tif"), np.zeros((5, 5, 5), "u1"), photometric="minisblack", planarconfig="contig", metadata=None)
    # A stack of three pages, and a pyramid whose second picture is a preview.
    tifffile.imwrite(at("stack.tif"), np.stack([typed(base(1, k)[..., 0], "u2") for k in range(3)]), photometric="minisblack", compression="zlib")
    with tifffile.TiffWriter(at("pyramid.tif")) as t:
        t.write(typed(base(1)[..., 0], "u1"), subifds=0, metadata=None)
        t.write(typed(base(1)[::2, ::2, 0], "u1"), subfiletype=1, metadata=None)
    # No data: GDAL's tag and NaN.
    a = typed(base(1)[..., 0], "f4")
    a[3:5, 2:6] = np.nan
    a[0, 0] = -9999
    tifffile.imwrite(at("nodata.tif"), a, metadata=None, extratags=[(42113, "s", 0, "-9999", True)])
    # JPEG strips and tiles: smooth, for it rounds.
    y, x = np.mgrid[:64, :48]
    rgb = np.stack([2 * x + y, 255 - 3 * y, 4 * x], -1).astype("u1")
    tifffile.imwrite(at("jpeg-ycbcr.tif"), rgb, photometric="rgb", compression="jpeg", compressionargs={"level": 95}, metadata=None)
    tifffile.imwrite(at("jpeg-gray-tiled.tif"), rgb[..., 0], photometric="minisblack", compression="jpeg", tile=(16, 32), compressionargs={"level": 95}, metadata=None)
    Image.fromarray(rgb).save(at("jpeg-pillow.tif"), compression="jpeg", quality=95)
    # Metadata, by Pillow.
    im = Image.fromarray(base(3).astype("u1"))
    ex = Image.Exif()
    ex[0x010F], ex[0x0110], ex[0x0112], ex[0x0132] = "Maker", "Model 7", 6, "2020:01:02 03:04:05"
    ex.get_ifd(0x8769)[0x9003] = "2019:11:12 13:14:15"
    ex.get_ifd(0x8769)[0xA002] = W
    ex.get_ifd(0x8769)[0xA003] = H
    ex.get_ifd(0x8769)[0x829A] = IFDRational(1, 250)  # exposure time
    ex.get_ifd(0x8825)[1] = "N"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF tiff:Orientation=\"6\"/></x:xmpmeta>"
    im.save(at("meta.png"), exif=ex, dpi=(300, 150))
    im.save(at("meta.jpg"), exif=ex, dpi=(300, 150), quality=98, subsampling=0, xmp=xmp)
    im.save(at("meta.webp"), exif=ex, lossless=True, xmp=xmp)
    im.save(at("meta.tif"), exif=ex, dpi=(300, 150), compression="tiff_lzw")


def animations():
    def colour(k):
        v = base(1, k)[..., 0].astype("u1")
        return Image.fromarray(np.stack([v, 255 - v, v // 2], -1))

    pages = [colour(k) for k in range(3)]
    # A page that differs from the one before in a corner only.
    part = np.asarray(pages[2]).copy()
    part[3:7, 5:9] = np.asarray(pages[0])[3:7, 5:9]
    pages.append(Image.fromarray(part))
    kw = dict(save_all=True, append_images=pages[1:], duration=[100, 200, 300, 400], loop=0)
    pages[0].save(at("anim.png"), **kw)
    pages[0].save(at("anim.webp"), lossless=True, **kw)
    pages[0].convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    pages[0].save(at("anim.gif"), **kw)
    pages[0].save(at("pages.tif"), save_all=True, append_images=pages[1:])
    gray = [Image.fromarray(base(1, k)[..., 0].astype("u1")) for k in range(2)]
    gray[0].save(at("anim-gray.png"), save_all=True, append_images=gray[1:])
    # Frames with transparency drawn over each other: what Pillow shows.
    shapes = []
    for k in range(3):
        a = np.zeros((H, W, 4), "u1")
        a[2 + 3 * k:9 + 3 * k, 3:15] = (80 * k + 40, 200 - 60 * k, 90, 255)
        shapes.append(Image.fromarray(a))
    for dispose in range(2):  # of the third, what was before, Pillow has another idea than the format
        name = "over-%d.png" % dispose
        shapes[0].save(at(name), save_all=True, append_images=shapes[1:], disposal=dispose, blend=1)
        shown = Image.open(at(name))
        frames = []
        for k in range(shown.n_frames):
            shown.seek(k)
            frames.append(np.asarray(shown.convert("RGBA")))
        np.save(at("over-%d.npy" % dispose), np.concatenate(frames).reshape(-1, W * 4))
    shapes[0].save(at("over-2.png"), save_all=True, append_images=shapes[1:], disposal=2, blend=1)
    shapes[0].save(at("over.webp"), save_all=True, append_images=shapes[1:], lossless=True, background=(0, 0, 0, 0))
    shown = Image.open(at("over.webp"))
    frames = []
    for k in range(shown.n_frames):
        shown.seek(k)
        frames.append(np.asarray(shown.convert("RGBA")))
    np.save(at("over-webp.npy"), np.concatenate(frames).reshape(-1, W * 4))


def arrays():
    for kind in ("i1", "i2", "i4", "u4", "f2"):
        np.save(at(kind + ".npy"), typed(base(1)[..., 0], kind))
    np.save(at("i8be.npy"), base(1)[..., 0].astype(">i8") - 125)
    stack = np.stack([base(1, k)[..., 0] for k in range(4)]).astype("u1")
    np.save(at("stack.npy"), stack)
    np.save(at("stack-fortran.npy"), np.asfortranarray(stack))
    rgb = np.stack([base(3, k) for k in range(2)]).astype("u2")
    np.save(at("stack-nhwc.npy"), rgb)
    np.save(at("stack-nchw.npy"), np.ascontiguousarray(np.moveaxis(rgb, -1, 1)))
    for h, w in ((34, 46), (25, 60), (9, 11)):
        im = Image.fromarray(base(1)[..., 0].astype("f4")).resize((w, h), Image.BICUBIC)
        np.save(at("bicubic-%d.npy" % h), np.asarray(im))
    np.save(at("rgba.npy"), np.concatenate([base(3), 255 - base(1)], -1).astype("u1"))


def fits():
    from astropy.io import fits as F

    def hdu(kind, page=None):
        a = base(1, page or 0)[..., 0]
        return typed(a, kind)

    kw = dict(overwrite=True, output_verify="exception")
    for kind in ("u1", "i2", "i4", "f4", "f8"):
        F.PrimaryHDU(hdu(kind)).writeto(at(kind + ".fits"), **kw)
    F.PrimaryHDU(base(1)[..., 0].astype("i8") * 10**9).writeto(at("i8.fits"), **kw)
    F.PrimaryHDU(hdu("u2")).writeto(at("u2.fits"), **kw)  # BZERO 32768
    # Scaled, with a number for none, in an extension behind a table.
    h = F.ImageHDU(hdu("i2"))
    h.header["BSCALE"], h.header["BZERO"] = 0.5, 100.25
    h.header["BLANK"] = int(hdu("i2")[2, 3])
    t = F.BinTableHDU.from_columns([F.Column("a", "J", array=np.arange(7))])
    raw = F.HDUList([F.PrimaryHDU(), t, h])
    raw.writeto(at("scaled.fits"), **kw)
    cube = np.stack([hdu("f4", k) for k in range(3)])
    cube[1, 4, 5] = np.nan
    p = F.PrimaryHDU(cube)
    p.header["OBJECT"], p.header["CRPIX1"] = "M 31's halo", 12.5
    p.writeto(at("cube.fits"), **kw)
    F.HDUList([F.PrimaryHDU(), F.CompImageHDU(hdu("i2"))]).writeto(at("packed.fits"), **kw)


def dicoms():
    import imagecodecs
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.sequence import Sequence
    from pydicom import uid

    def dataset(a, syntax, **kw):
        d = Dataset()
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = syntax
        d.file_meta.MediaStorageSOPClassUID = uid.CTImageStorage
        d.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
        d.SOPClassUID, d.SOPInstanceUID = uid.CTImageStorage, "1.2.3.4"
        d.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        d.PatientName, d.Modality = "Nobody^Made", "CT"
        d.ReferencedImageSequence = Sequence([Dataset()])
        d.ReferencedImageSequence[0].ReferencedSOPInstanceUID = "1.2.3.9"
        d.PixelSpacing = ["0.5", "0.25"]
        d.Rows, d.Columns = H, W
        d.SamplesPerPixel = 3 if a.shape[-1] == 3 else 1
        d.PhotometricInterpretation = "RGB" if a.shape[-1] == 3 else "MONOCHROME2"
        if a.shape[-1] == 3:
            d.PlanarConfiguration = 0
        d.BitsAllocated = d.BitsStored = 8 * a.dtype.itemsize
        d.HighBit = d.BitsStored - 1
        d.PixelRepresentation = int(a.dtype.kind == "i")
        for k, v in kw.items():
            setattr(d, k, v)
        return d

    def write(name, a, syntax, pixels=None, **kw):
        d = dataset(a, syntax, **kw)
        d.PixelData = pixels if pixels is not None else (a.tobytes() + b"\0" * (a.nbytes % 2))
        d["PixelData"].VR = "OB" if a.dtype.itemsize == 1 else "OW"
        if pixels is not None:
            d["PixelData"].is_undefined_length = True
        pydicom.dcmwrite(at(name), d, enforce_file_format=True)

    hu = typed(base(1)[..., 0], "i2") // 16  # -1250..1875
    stored = (hu + 1024).clip(0, 4095).astype("u2")
    ct = dict(RescaleSlope="1", RescaleIntercept="-1024", BitsStored=12, HighBit=11, WindowCenter="40", WindowWidth="400")
    write("ct-explicit.dcm", stored, uid.ExplicitVRLittleEndian, **ct)
    write("ct-implicit.dcm", stored, uid.ImplicitVRLittleEndian, **ct)
    write("ct-deflated.dcm", stored, uid.DeflatedExplicitVRLittleEndian, **ct)
    big = dataset(stored, uid.ExplicitVRBigEndian, **ct)
    big.PixelData = stored.astype(">u2").tobytes()
    big["PixelData"].VR = "OW"
    pydicom.dcmwrite(at("ct-big.dcm"), big, enforce_file_format=True)
    rle = dataset(stored, uid.ExplicitVRLittleEndian, **ct)
    rle.PixelData = stored.tobytes()
    rle["PixelData"].VR = "OW"
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    pydicom.dcmwrite(at("ct-rle.dcm"), rle, enforce_file_format=True)
    rgb = base(3).astype("u1")
    rle = dataset(rgb, uid.ExplicitVRLittleEndian)
    rle.PixelData = rgb.tobytes() + b"\0"
    rle["PixelData"].VR = "OB"
    rle.compress(uid.RLELossless, generate_instance_uid=False)
    pydicom.dcmwrite(at("rgb-rle.dcm"), rle, enforce_file_format=True)
    planar = dataset(rgb, uid.ExplicitVRLittleEndian, PlanarConfiguration=1)
    planar.PixelData = np.ascontiguousarray(np.moveaxis(rgb, -1, 0)).tobytes() + b"\0"
    planar["PixelData"].VR = "OB"
    pydicom.dcmwrite(at("rgb-planar.dcm"), planar, enforce_file_format=True)
    write("ct-ljpeg.dcm", stored, uid.JPEGLosslessSV1, pixels=encapsulate([imagecodecs.ljpeg_encode(stored, bitspersample=12)]), **ct)
    write("ct-jpegls.dcm", stored, uid.JPEGLSLossless, pixels=encapsulate([imagecodecs.jpegls_encode(stored)]), **ct)
    write("signed.dcm", typed(base(1)[..., 0], "i2"), uid.ExplicitVRLittleEndian, RescaleSlope="0.5", RescaleIntercept="10", PixelPaddingValue=int(typed(base(1)[..., 0], "i2")[1, 1]))
    stack = np.stack([typed(base(1, k)[..., 0], "u2") for k in range(3)])
    frames = Sequence()
    for k in range(3):
        t, g = Dataset(), Dataset()
        t.RescaleSlope, t.RescaleIntercept = str(k + 1), str(-10 * k)
        g.PixelValueTransformationSequence = Sequence([t])
        frames.append(g)
    write("enhanced.dcm", stack, uid.ExplicitVRLittleEndian, NumberOfFrames="3", PerFrameFunctionalGroupsSequence=frames)
    write("enhanced-implicit.dcm", stack, uid.ImplicitVRLittleEndian, NumberOfFrames="3", PerFrameFunctionalGroupsSequence=frames)
    # Every predictor of lossless JPEG.
    for k in range(1, 8):
        v = imagecodecs.jpeg_encode(stored, lossless=True, predictor=k, bitspersample=12)
        open(at("predictor%d.jpg" % k), "wb").write(v)


def exrs():
    import OpenEXR as exr

    methods = {"none": exr.NO_COMPRESSION, "rle": exr.RLE_COMPRESSION, "zips": exr.ZIPS_COMPRESSION, "zip": exr.ZIP_COMPRESSION,
               "piz": exr.PIZ_COMPRESSION, "pxr24": exr.PXR24_COMPRESSION, "b44": exr.B44_COMPRESSION, "dwaa": exr.DWAA_COMPRESSION,
               "htj2k": exr.HTJ2K32_COMPRESSION}

    def write(name, channels, method="zip", **header):
        header = dict({"compression": methods[method], "type": exr.scanlineimage}, **header)
        exr.File(header, {k: v if isinstance(v, exr.Channel) else np.ascontiguousarray(v) for k, v in channels.items()}).write(at(name + ".exr"))

    def rgb(kind):
        v = typed(base(3), kind)
        return {"R": v[..., 0], "G": v[..., 1], "B": v[..., 2]}

    def gray(kind):
        return typed(base(1), kind)[..., 0]

    for method in ("none", "rle", "zips", "zip", "piz"):
        write("half-" + method, rgb("f2"), method)
        write("float-" + method, {"Y": gray("f4")}, method)
        write("coarse-" + method, {"Y": gray("u1").astype("f4") // 64}, method)
    write("uint", {"id": gray("u4")}, "piz")
    write("mixed", {"R": rgb("f2")["R"], "G": rgb("f4")["G"], "B": rgb("f2")["B"]}, "piz")
    write("upwards", rgb("f2"), "zip", lineOrder=exr.DECREASING_Y)
    tiles = dict(type=exr.tiledimage, tiles=exr.TileDescription())
    tiles["tiles"].xSize, tiles["tiles"].ySize = 16, 12
    for method in ("none", "rle", "zip", "piz"):
        write("tiles-" + method, {k: (v + 2) // 2 for k, v in rgb("f4").items()}, method, **tiles)
    # A crop of a larger picture, with what a camera says. The opacity is 1/5, 1 or 0.
    opacity = np.array([0.2, 1, 0], "f4")[np.arange(W) % 3] + 0 * gray("f4")
    over = {k: v * np.where(opacity == 0, 1, opacity) for k, v in rgb("f4").items()}
    write("window", dict(over, A=opacity), "zip", dataWindow=(np.array([-3, 5], "i4"), np.array([W - 4, H + 4], "i4")),
          displayWindow=(np.array([0, 0], "i4"), np.array([39, 29], "i4")), comments="a crop", xDensity=300.0, pixelAspectRatio=0.5,
          aNameThatIsLongerThanThirtyOneLetters=np.array([1, 2, 3], "f4"))
    missing = gray("f4").copy()
    missing[3:5, 2:6] = np.nan
    write("nan", {"Y": missing}, "zip")
    # More than 2^14 different words in a block.
    k = np.arange(32 * 600).reshape(32, 600)
    write("many", {"Y": (0x3F800000 + 3 * k + k % 7).astype("u4").view("f4")}, "piz")
    for method in ("pxr24", "b44", "dwaa", "htj2k"):
        write("not-" + method, rgb("f2"), method)
    write("not-depth", dict(rgb("f2"), Z=gray("f4")))
    # Only the library's older interface writes channels of lower resolution.
    import Imath
    header = exr.Header(22, 16)
    kind = Imath.PixelType(Imath.PixelType.HALF)
    header["channels"] = {k: Imath.Channel(kind, step, step) for k, step in (("Y", 1), ("RY", 2), ("BY", 2))}
    luminance = gray("f2")[:16, :22]
    chroma = luminance[::2, ::2].tobytes()
    exr.OutputFile(at("not-chroma.exr"), header).writePixels({"Y": luminance.tobytes(), "RY": chroma, "BY": chroma})
    parts = [exr.Part({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, {"Y": gray("f2")}, name) for name in "ab"]
    exr.File(parts).write(at("not-parts.exr"))


def avifs():
    """With what libavif makes of the files, beside them: lossy, they are no formula."""
    import imagecodecs
    from PIL import ImageCms, features

    assert features.check("avif")
    y, x = np.mgrid[0:H, 0:W]
    photo = np.stack([10 * x, 14 * y, 5 * (x + y)], -1).astype("u1")

    def write(name, a, gold=True, **kw):
        Image.fromarray(a).save(at(name + ".avif"), **dict(dict(quality=90, subsampling="4:4:4"), **kw))
        if gold:
            np.save(at(name + ".avif.npy"), np.asarray(Image.open(at(name + ".avif"))))

    for sampling in ("4:4:4", "4:2:2", "4:2:0"):
        write("yuv" + sampling.replace(":", ""), photo, subsampling=sampling)
        write("studio" + sampling.replace(":", ""), photo, subsampling=sampling, range="limited")
    write("luma", photo[..., 0], subsampling="4:0:0")
    write("odd", photo[:5, :3], subsampling="4:2:0")
    opacity = (255 - 11 * x).astype("u1")
    write("opaque", np.dstack([photo, opacity]))
    write("premultiplied", np.dstack([photo, np.maximum(opacity, 100)]), alpha_premultiplied=True)
    for bits in (10, 12):
        deep = (photo.astype("u2") * 257) >> (16 - bits)
        open(at("deep%d.avif" % bits), "wb").write(imagecodecs.avif_encode(deep, level=90, bitspersample=bits, pixelformat="420"))
        np.save(at("deep%d.avif.npy" % bits), imagecodecs.avif_decode(open(at("deep%d.avif" % bits), "rb").read()))
    exact = typed(base(3), "u1")
    open(at("exact.avif"), "wb").write(imagecodecs.avif_encode(exact, level=100, pixelformat="444", matrix=0))
    assert (imagecodecs.avif_decode(open(at("exact.avif"), "rb").read()) == exact).all()
    open(at("gray10.avif"), "wb").write(imagecodecs.avif_encode(typed(base(1), "u2")[..., 0] >> 6, level=100, bitspersample=10, pixelformat="400"))
    open(at("not-pq.avif"), "wb").write(imagecodecs.avif_encode(exact, level=50, primaries=9, transfer=16, matrix=9))
    open(at("not-wide.avif"), "wb").write(imagecodecs.avif_encode(exact, level=50, primaries=12, transfer=13, matrix=6))
    write("frames", photo, gold=False, save_all=True, append_images=[Image.fromarray(photo[::-1])], duration=100)
    # Four tiles. Of the pixels every seventh is kept.
    y, x = np.mgrid[0:136, 0:152]
    Image.fromarray(np.stack([x + y % 50, 255 - y, 2 * abs(75 - x)], -1).astype("u1")).save("/tmp/tiles.png")
    subprocess.run(["avifenc", "--grid", "2x2", "-y", "420", "--min", "0", "--max", "20", "/tmp/tiles.png", at("tiles.avif")], check=True)
    np.save(at("tiles.avif.npy"), np.asarray(Image.open(at("tiles.avif")))[::7, ::7])
    exif = Image.Exif()
    exif[271], exif[282], exif[283], exif[296] = "A maker", IFDRational(300), IFDRational(150), 2
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    open(at("avif.icc"), "wb").write(profile)
    for k in range(1, 9):
        exif[274] = k
        write("turned%d" % k, photo, gold=False, quality=95, exif=exif, icc_profile=profile,
              xmp=b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="%d"/>' % k)


if __name__ == "__main__":
    tiffs()
    avifs()
    exrs()
    animations()
    arrays()
    fits()
    dicoms()
