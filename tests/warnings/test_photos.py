"""Pictures made by an independent library, and what is left of them."""

import io
import random

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from jinghu.grid.errors import DataError
from jinghu.warnings.photos import LARGEST, cleaned
from jinghu.warnings.reports import store_photo


def picture(kind: str, **options) -> bytes:
    image = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    """As a phone writes it: camera, time, position, which side is up."""
    found = Image.Exif()
    found[0x010F], found[0x0112] = "PhoneMaker-SECRET", orientation
    found.get_ifd(0x8825).update({1: "N", 2: (30.0, 1.0, 2.0), 3: "E", 4: (120.0, 5.0, 6.0)})
    return found


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 95, "subsampling": 0}])
@pytest.mark.parametrize("up", [1, 3, 6, 8])
def test_a_jpeg_keeps_its_picture_and_which_side_is_up_alone(options, up):
    data = picture("JPEG", exif=exif(up), comment=b"note-SECRET", icc_profile=b"icc", **options)
    assert b"SECRET" in data
    found, ending = cleaned(data + b"\xff\xd8film behind the picture")
    assert ending == "jpg"
    for hidden in (b"SECRET", b"icc", b"film"):
        assert hidden not in found
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(found))
    assert before.tobytes() == after.tobytes()
    assert dict(after.getexif()) == ({0x0112: up} if up != 1 else {})
    assert cleaned(found)[0] == found


def test_a_png_keeps_its_picture_alone():

    words = PngInfo()
    words.add_text("Comment", "SECRET")
    data = picture("PNG", pnginfo=words, exif=exif())
    found, ending = cleaned(data + b"behind")
    assert ending == "png"
    assert b"SECRET" not in found
    assert b"eXIf" not in found
    assert found.endswith(b"IEND\xaeB`\x82")
    assert Image.open(io.BytesIO(found)).tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "neither"),
        (b"GIF89a", "neither"),
        (b"<svg onload=alert(1)>", "neither"),
        (b"\xff\xd8\xff", "cut short"),
        (b"\xff\xd8\xff\xd9", "no picture"),
        (b"\xff\xd8\xff\xe0\x00\x01", "cut short"),
        (b"\x89PNG\r\n\x1a\n", "cut short"),
        (bytes(LARGEST + 1), "larger than 8 MB"),
    ],
)
def test_what_is_no_picture_is_refused(data, cause):
    with pytest.raises(DataError, match=cause):
        cleaned(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_damage_is_refused_or_harmless(kind):
    """Every cut is refused; a changed byte gives an error by name or a picture, never a crash."""
    data = picture(kind)
    for end in range(0, len(data) - 2, 7):
        with pytest.raises(DataError):
            cleaned(data[:end])
    random.seed(1)
    for _ in range(300):
        broken = bytearray(data)
        broken[random.randrange(len(data))] ^= random.randrange(1, 256)
        try:
            cleaned(bytes(broken))
        except DataError:
            continue


def test_the_same_picture_is_one_file(tmp_path):
    data = picture("JPEG", exif=exif())
    name = store_photo(tmp_path / "photos", data)
    assert store_photo(tmp_path / "photos", data) == name
    assert [p.name for p in (tmp_path / "photos").iterdir()] == [name]
