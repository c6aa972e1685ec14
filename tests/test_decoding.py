"""Image files: what is taken as it is, what is well defined, and what is refused by name."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.pictures import encoded, noise, picture, save
from vggc.base.errors import ProductError
from vggc.data.images.decoding import image_files, read_pixels, read_size

RGB = picture(noise(6, 9, 3))
GREY = picture(noise(6, 9, 1))


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("image", [RGB, GREY], ids=["rgb", "grey"])
def test_lossless_formats_come_back_exactly(format: str, image: Image.Image, tmp_path: Path) -> None:
    found = read_pixels(encoded(image, format), "x")
    assert found.dtype == np.uint8
    assert np.array_equal(found, np.asarray(image).reshape(6, 9, -1))
    path = tmp_path / f"image.{format.lower()}"
    path.write_bytes(encoded(image, format))
    assert np.array_equal(read_pixels(path, "x"), found)
    assert read_size(path, "x") == (6, 9)


def test_jpeg_is_what_pillow_makes_of_it() -> None:
    data = encoded(RGB, "JPEG", quality=80)
    with Image.open(BytesIO(data)) as image:
        assert np.array_equal(read_pixels(data, "x"), np.asarray(image))


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(RGB, format, exif=exif, **({"lossless": True} if format == "WEBP" else {}))
    with Image.open(BytesIO(encoded(RGB, format))) as plain:
        plain.load()
    plain.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(plain))
    if format != "WEBP":
        assert np.array_equal(read_pixels(data, "x"), upright)
    assert read_pixels(data, "x").shape[:2] == read_size(data, "x") == upright.shape[:2]
    assert read_size(data, "x") == ((9, 6) if orientation >= 5 else (6, 9))


def test_palettes_become_rgb_and_bitmaps_grey() -> None:
    palette = RGB.quantize(8)
    assert np.array_equal(read_pixels(encoded(palette), "x"), np.asarray(palette.convert("RGB")))
    bitmap = GREY.convert("1")
    assert np.array_equal(read_pixels(encoded(bitmap), "x")[..., 0], np.asarray(bitmap) * np.uint8(255))


@pytest.mark.parametrize(("image", "mode"), [(RGB, "RGBA"), (GREY, "LA")], ids=["rgb", "grey"])
def test_an_opaque_alpha_channel_says_nothing(image: Image.Image, mode: str) -> None:
    assert np.array_equal(read_pixels(encoded(image.convert(mode)), "x"), np.asarray(image).reshape(6, 9, -1))


def transparent() -> list[bytes]:
    half = RGB.convert("RGBA")
    half.putpixel((3, 2), (1, 2, 3, 254))
    grey = GREY.convert("LA")
    grey.putpixel((0, 0), (7, 0))
    return [
        encoded(half),
        encoded(grey),
        encoded(RGB.quantize(4), transparency=0),
        encoded(RGB, transparency=RGB.getpixel((0, 0))),
        encoded(RGB.quantize(4), "GIF", transparency=1),
    ]


@pytest.mark.parametrize("data", transparent(), ids=["RGBA", "LA", "palette", "colour", "GIF"])
def test_transparent_pixels_are_refused(data: bytes) -> None:
    with pytest.raises(ProductError, match="photo has transparent pixels; put it on a background first"):
        read_pixels(data, "photo")


def rgb_of_16_bits() -> bytes:
    """A PNG with 16 bits a channel, which Pillow itself neither writes nor tells from one with 8."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(2 * 3 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.fromarray(np.zeros((4, 4), np.uint16))),
        encoded(Image.fromarray(np.zeros((4, 4), np.int32)), "TIFF"),
        encoded(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"),
        rgb_of_16_bits(),
    ],
    ids=["grey16", "grey32", "float", "rgb16"],
)
def test_more_than_8_bits_are_refused(data: bytes) -> None:
    with pytest.raises(ProductError, match="scan has more than 8 bits a channel; convert it to 8 bits"):
        read_pixels(data, "scan")


def test_other_colours_are_refused() -> None:
    with pytest.raises(ProductError, match="print is CMYK; convert it to RGB or grey"):
        read_pixels(encoded(RGB.convert("CMYK"), "JPEG"), "print")


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [picture(noise(6, 9, 1, seed=seed)) for seed in (1, 2)]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert np.array_equal(read_pixels(data, "x")[..., 0], np.asarray(frames[0]))


@pytest.mark.parametrize("read", [read_pixels, read_size])
def test_what_is_no_image_is_named(read: object, tmp_path: Path) -> None:
    assert callable(read)
    for content, message in ((b"", "x.png is not an image"), (b"hello", "x.png is not an image")):
        with pytest.raises(ProductError, match=message):
            read(content, "x.png")
    with pytest.raises(ProductError, match=r"there is no image .*nowhere\.png"):
        read(tmp_path / "nowhere.png", str(tmp_path / "nowhere.png"))
    with pytest.raises(ProductError, match="folder cannot be read: is a directory"):
        read(tmp_path, "folder")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "TIFF", "BMP"])
def test_a_truncated_file_is_named(format: str) -> None:
    data = encoded(picture(noise(64, 64, 3)), format)
    with pytest.raises(ProductError, match=r"photo (cannot be read: .|is not an image)"):
        read_pixels(data[: len(data) // 2], "photo")


@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it overlooks in damaged files
def test_no_damage_ends_in_anything_but_an_error_of_ours() -> None:
    random = np.random.default_rng(0)
    for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"):
        whole = np.frombuffer(encoded(RGB, format), np.uint8)
        for _ in range(100):
            damaged = whole[: random.integers(1, len(whole) + 1)].copy()
            places = random.integers(0, min(len(damaged), 80), 4)
            damaged[places] = random.integers(0, 256, 4)
            for read in (read_pixels, read_size):
                try:
                    read(damaged.tobytes(), "x")
                except ProductError as error:
                    assert str(error).startswith("x ")


# --- files in folders ---


def test_files_are_found_in_order_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "deep/er/c.webp", ".hidden.png", ".cache/d.png", "deep/._b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["a.JPG", "b.png", "deep/er/c.webp"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "far.png", noise(2, 2, 3))
    save(tmp_path / "here" / "near.png", noise(2, 2, 3))
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "up").symlink_to(tmp_path / "here")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "here")
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path / "here")]
    assert found == ["here/linked/far.png", "here/near.png"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProductError, match="nowhere cannot be read: no such file or directory"):
        image_files(tmp_path / "nowhere")
