# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Pictures of every sort come to the same grid, and what is no picture gets a clear answer."""

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from digits_model import images
from PIL import Image, ImageOps

import deepaas

SAMPLES = Path(__file__).parent.parent / "samples"


@pytest.fixture
def five() -> Image.Image:
    """Return a picture of a 5, bright on dark, 160x160, mode "L"."""
    with Image.open(SAMPLES / "5.png") as image:
        return image.copy()


def grid_of(path: Path) -> npt.NDArray[np.float64]:
    """Return the grid that the classifier would get."""
    return images.to_grid(images.load_image(str(path)))


def distance(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Return the mean difference of ink per cell, 0 to 1."""
    return float(np.abs(one - other).mean())


def test_a_grid_has_the_form_of_the_training_images() -> None:
    grid = grid_of(SAMPLES / "5.png")
    assert grid.shape == (8, 8)
    assert grid.dtype == np.float64
    assert grid.min() >= 0
    assert 0.9 < grid.max() <= 1


def test_dark_on_bright_reads_as_bright_on_dark(five: Image.Image, tmp_path: Path) -> None:
    ImageOps.invert(five).save(tmp_path / "dark.png")
    assert distance(grid_of(tmp_path / "dark.png"), grid_of(SAMPLES / "5.png")) < 0.01


def test_a_margin_moves_nothing_by_more_than_part_of_a_cell(
    five: Image.Image, tmp_path: Path
) -> None:
    ImageOps.expand(five, (400, 30, 20, 90)).save(tmp_path / "wide.png")
    assert distance(grid_of(tmp_path / "wide.png"), grid_of(SAMPLES / "5.png")) < 0.1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "RGBA", "LA"])
def test_every_colour_mode_reads_alike(five: Image.Image, tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("five.jpg" if mode == "CMYK" else "five.png")
    five.convert("RGB").convert(mode).save(path)
    assert distance(grid_of(path), grid_of(SAMPLES / "5.png")) < 0.08


def test_sixteen_bits_are_scaled_and_not_clipped(five: Image.Image, tmp_path: Path) -> None:
    Image.fromarray(np.asarray(five).astype(np.uint16) * 257).save(tmp_path / "deep.png")
    assert distance(grid_of(tmp_path / "deep.png"), grid_of(SAMPLES / "5.png")) < 0.01


@pytest.mark.parametrize("stroke", ["black", "white"])
def test_strokes_on_a_transparent_ground_are_found(
    five: Image.Image, tmp_path: Path, stroke: str
) -> None:
    drawing = Image.new("RGBA", five.size, stroke)
    drawing.putalpha(five)
    drawing.save(tmp_path / "drawing.png")
    assert distance(grid_of(tmp_path / "drawing.png"), grid_of(SAMPLES / "5.png")) < 0.05


def test_a_photo_taken_sideways_is_turned_upright(five: Image.Image, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: turn by 90 degrees clockwise to see it upright.
    five.rotate(90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert distance(grid_of(tmp_path / "turned.jpg"), grid_of(SAMPLES / "5.png")) < 0.02


def test_the_smallest_picture_is_the_grid_itself(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[:, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    assert (grid_of(tmp_path / "one.png") == pixels / 255).all()


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_picture_is_refused(tmp_path: Path, grey: int) -> None:
    Image.new("L", (40, 40), grey).save(tmp_path / "blank.png")
    with pytest.raises(deepaas.InvalidInput, match="No digit found"):
        grid_of(tmp_path / "blank.png")


def test_an_invisible_picture_is_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "nothing.png")
    with pytest.raises(deepaas.InvalidInput, match="No digit found"):
        grid_of(tmp_path / "nothing.png")


def test_a_tiny_picture_is_refused(tmp_path: Path) -> None:
    Image.new("L", (40, 7)).save(tmp_path / "tiny.png")
    with pytest.raises(deepaas.InvalidInput, match="too small: 40x7"):
        grid_of(tmp_path / "tiny.png")


@pytest.mark.parametrize("content", [b"", b"7", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n" * 100])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "seven.png").write_bytes(content)
    with pytest.raises(deepaas.InvalidInput, match="neither a PNG nor a JPEG"):
        grid_of(tmp_path / "seven.png")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_kinds_of_picture_are_refused(five: Image.Image, tmp_path: Path, kind: str) -> None:
    five.save(tmp_path / "five.png", format=kind)
    with pytest.raises(deepaas.InvalidInput, match="neither a PNG nor a JPEG"):
        grid_of(tmp_path / "five.png")


@pytest.mark.parametrize("sample", ["5.png", "scan.jpg"])
def test_a_truncated_picture_is_refused(tmp_path: Path, sample: str) -> None:
    content = (SAMPLES / sample).read_bytes()
    (tmp_path / sample).write_bytes(content[: len(content) // 2])
    with pytest.raises(deepaas.InvalidInput, match="damaged"):
        grid_of(tmp_path / sample)


@pytest.mark.parametrize("sample", ["5.png", "scan.jpg"])
def test_damage_anywhere_never_escapes_as_another_error(tmp_path: Path, sample: str) -> None:
    content = (SAMPLES / sample).read_bytes()
    random = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(content)
        for position in random.integers(0, min(len(content), 1500), 3):
            damaged[position] = random.integers(256)
        (tmp_path / sample).write_bytes(damaged)
        with contextlib.suppress(deepaas.InvalidInput):
            grid_of(tmp_path / sample)


# The last has a third more pixels than Pillow allows at all, the middle one makes it warn.
@pytest.mark.parametrize("side", [5001, 10_000, 16_000])
def test_a_decompression_bomb_is_refused_unread(tmp_path: Path, side: int) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b""))
    with pytest.raises(deepaas.InvalidInput, match="too large"):
        grid_of(tmp_path / "bomb.png")


@pytest.mark.parametrize("guarded", [True, False])
def test_a_small_file_of_many_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """A few kilobytes would become 36 MB; without the limit they do."""
    path = tmp_path / "bomb.png"
    Image.new("1", (6000, 6000), 1).save(path)
    assert path.stat().st_size < 20_000
    if guarded:
        with pytest.raises(deepaas.InvalidInput, match="too large"):
            images.load_image(str(path))
    else:
        monkeypatch.setattr(images, "MAX_PIXELS", 10**9)
        assert images.load_image(str(path)).mode == "L"
