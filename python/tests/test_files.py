import json
import struct

import numpy as np
import pytest
from conftest import ASSETS, DATA, lpn_command

import lpn
from lpn import files


def test_shipped_priors_are_read():
    for path in sorted(ASSETS.glob("*.safetensors")):
        config, weights, notes = lpn.read_prior(path)  # the checksum agrees
        assert config["sigma"] > 0 and json.loads(notes["lpn.certificate"])["ok"]
        assert all(w.dtype == np.float32 for w in weights.values())


def test_what_is_written_is_read(tmp_path):
    config, weights, notes = lpn.read_prior(ASSETS / "laplace.safetensors")
    notes = {"plan": 'a "quoted"\nline\twith \\ and \u00e9'}
    lpn.write_prior(tmp_path / "p.safetensors", config, weights, notes)
    again = lpn.read_prior(tmp_path / "p.safetensors")
    assert again[0] == config and again[2] == notes
    for name, w in weights.items():
        np.testing.assert_array_equal(again[1][name], w)
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]


def test_go_reads_what_is_written(tmp_path):
    config, weights, _ = lpn.read_prior(ASSETS / "laplace.safetensors")
    lpn.write_prior(tmp_path / "p.safetensors", config, weights, {"plan": 'a "quoted"\nline, \u00e9 and \U0001f600'})
    lpn_command("info", "--json", tmp_path / "p.safetensors")


def test_damaged_priors_are_refused(tmp_path):
    good = (ASSETS / "laplace.safetensors").read_bytes()
    n = struct.unpack_from("<Q", good)[0]
    bad = {
        "empty": b"", "short": good[:100], "cut": good[:-4], "long": good + b"1234", "flipped": good[:-1] + bytes([good[-1] ^ 1]),
        "shape": good.replace(b'"shape":[32]', b'"shape":[23]', 1), "not json": good[:8] + b"x" + good[9:],
        "no config": struct.pack("<Q", 2) + b"{}", "list": struct.pack("<Q", 2) + b"[]", "huge": struct.pack("<Q", 1 << 60) + good[8:],
        "note": good[: 8 + n].replace(b"laplace", b"Laplace", 1) + good[8 + n :],
    }
    for name, data in bad.items():
        path = tmp_path / "bad.safetensors"
        path.write_bytes(data)
        with pytest.raises(ValueError) as e:
            lpn.read_prior(path)
        assert str(path) in str(e.value), name


def test_names():
    assert lpn.find_prior("gray-25") == ASSETS / "gray-25.safetensors"
    with pytest.raises(FileNotFoundError, match="no prior 'gray-26'"):
        lpn.find_prior("gray-26")


def test_names_below_a_clone(tmp_path, monkeypatch):
    # As an installed package finds them: it lies in no clone, the working folder does.
    monkeypatch.setattr(files, "__file__", str(tmp_path / "lib" / "lpn" / "files.py"))
    monkeypatch.delenv("LPN_PRIORS", raising=False)
    prior = tmp_path / "clone" / "assets" / "priors" / "mine.safetensors"
    prior.parent.mkdir(parents=True)
    prior.touch()
    below = tmp_path / "clone" / "python" / "notebooks"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert lpn.find_prior("mine") == prior
    monkeypatch.setenv("LPN_PRIORS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="LPN_PRIORS"):
        lpn.find_prior("mine")


def test_measurements(tmp_path):
    m = files.Measurement(np.ones((3, 8)), "tomo:angles=3,detectors=8", (1, 5, 6), noise=0.1)
    m.write(tmp_path / "y.npz")
    got = lpn.read_measurement(tmp_path / "y.npz")
    assert (got.spec, got.scene, got.boundary, got.noise, got.file) == (m.spec, m.scene, "symmetric", 0.1, None)
    np.testing.assert_array_equal(got.y, m.y)
    with pytest.raises(ValueError, match="no measurement"):
        lpn.read_measurement(DATA / "priors.npz")


def test_measurements_of_go(tmp_path):
    picture = ASSETS.parent / "images" / "still-life.png"
    lpn_command("degrade", picture, "--operator", "tomo:angles=3,detectors=8", "--noise", "0.01", "-o", tmp_path / "y.npz")
    m = lpn.read_measurement(tmp_path / "y.npz")
    assert m.spec.startswith("tomo:") and m.noise == 0.01 and m.y.size == np.prod(m.scene[0]) * 3 * 8
    m.write(tmp_path / "z.npz")
    lpn_command("restore", tmp_path / "z.npz", "--iters", "1", "-o", tmp_path / "z.npy")
