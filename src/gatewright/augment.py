"""Training images warped at random: the native core where it is built, else NumPy.

The warps of one image make one map from its pixels to places in the source, which is sampled once.
Every random number is a hash of (seed, number of the sample, number of the draw), so any part of a
run can be repeated. The NumPy functions are the specification; the native core does the same
floating-point operations in the same order and gives the same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gatewright import native
from gatewright.errors import InputError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

#: Images that NumPy warps at a time, so that what is in between stays small.
SLICE_IMAGES = 128

#: Pixels a side: float32 holds every place in such an image to 1/1000 of a pixel.
MAX_SIDE = 4096

#: The draws of a sample; the elastic offsets start at ELASTIC.
ROTATE, SHEAR, SCALE_X, SCALE_Y, SHIFT_X, SHIFT_Y, CROP_X, CROP_Y, FLIP, GAIN = range(10)
ELASTIC = 16

#: Terms of the series of sine and cosine: exact in float64 up to 180 degrees.
SERIES = 12

#: Root mean square displacement, over a cell, of a cubic B-spline through offsets of unit variance:
#: in one dimension the squared weights have the mean 151/315, in two the square of that.
SPLINE_GAIN = 151 / 315

#: Standard deviation of the sum of four uniform numbers of 16 bits, which an elastic offset is.
SUM_DEVIATION = math.sqrt(4 * (2**32 - 1) / 12)
SUM_MEAN = 2 * (2**16 - 1)


@dataclass(frozen=True)
class Augment:
    """Random warps, each off by default. `augment(images, rows, seed, first)` applies them.

    Attributes:
        rotate: greatest angle, in degrees, either way.
        shear: greatest horizontal shift of a row by its distance from the centre, a ratio.
        scale: greatest relative change of each side's length, on its own.
        shift: greatest shift along each axis, in pixels; fractions too.
        elastic: standard deviation of the displacement along each axis, in pixels (Simard et al.,
            2003, with offsets on a grid and cubic B-splines between them as the smooth field).
        elastic_grid: distance of the grid's points, in pixels.
        crop: greatest shift along each axis in whole pixels: a crop of the image with that border.
        flip: whether half of the images are mirrored, left to right.
        gain: greatest relative change of all of an image's values, which end at 255.
    """

    rotate: float = 0.0
    shear: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    elastic_grid: int = 7
    crop: int = 0
    flip: bool = False
    gain: float = 0.0

    def __post_init__(self) -> None:
        limits = {"rotate": 180.0, "shear": 1.0, "scale": 0.9, "gain": 1.0}
        for field in fields(self):
            value = getattr(self, field.name)
            least, limit = int(field.name == "elastic_grid"), limits.get(field.name, MAX_SIDE)
            if not least <= value <= limit or (field.type == "int" and value != int(value)):
                raise InputError(
                    f"Augment: {field.name} is {value}; give {field.type} in {least}..{limit:g}"
                )

    def __call__(
        self,
        images: Images,
        rows: npt.ArrayLike,
        seed: int,
        first: int = 0,
        threads: int | None = None,
    ) -> Images:
        """Images uint8[N, H, W] or [N, H, W, C], row numbers int[M] -> uint8[M, H, W(, C)].

        Item j is image rows[j], warped by random numbers that depend on `seed` and `first` + j
        alone: `first` counts the samples of the run so far. Values between pixels are linear, what
        lies outside the image is 0. The result does not depend on `threads` (default: all cores).
        """
        images, chosen = _check(images, rows, seed, first)
        if len(chosen) == 0:
            return np.empty((0, *images.shape[1:]), np.uint8)
        module = native.load()
        if module is None:
            return augment_numpy(self, images, chosen, seed, first)
        height, width = images.shape[1:3]
        result = module.augment(
            images=np.ascontiguousarray(images.reshape(len(images), height, width, -1)),
            rows=chosen,
            seed=seed,
            first=first,
            rotate=math.radians(self.rotate),
            shear=self.shear,
            scale=self.scale,
            shift=self.shift,
            gain=self.gain,
            crop=self.crop,
            flip=self.flip,
            elastic=_amplitude(self),
            elastic_grid=self.elastic_grid,
            basis_y=_basis(height, self.elastic_grid),
            basis_x=_basis(width, self.elastic_grid),
            threads=threads or native.num_processors(),
        )
        return result.reshape(len(chosen), *images.shape[1:])


#: The digits of MNIST: affine and elastic.
MNIST = Augment(rotate=10, shear=0.1, scale=0.1, shift=1.5, elastic=1.0)
#: Fashion-MNIST: mirrored, moved and resized a little.
FASHION_MNIST = Augment(scale=0.05, shift=1.0, flip=True)
#: CIFAR-10: cropped and mirrored (He et al., 2016, section 4.2).
CIFAR10 = Augment(crop=4, flip=True)


def augment_numpy(
    augment: Augment, images: Images, rows: npt.ArrayLike, seed: int, first: int = 0
) -> Images:
    """Do what `augment(...)` does, in NumPy."""
    images, chosen = _check(images, rows, seed, first)
    result = np.empty((len(chosen), *images.shape[1:]), np.uint8)
    for start in range(0, len(chosen), SLICE_IMAGES):
        part = chosen[start : start + SLICE_IMAGES]
        keys = sample_keys(seed, first + start, len(part))
        x, y = _places(augment, keys, images.shape[1], images.shape[2])
        gain = 1.0 + augment.gain * _uniform(draw(keys, np.array([GAIN], np.uint64))[:, 0])
        result[start : start + len(part)] = _sample(images[part], x, y, gain.astype(np.float32))
    return result


def sample_keys(seed: int, first: int, count: int) -> Words:
    """uint64[count]: the keys of the samples from number `first` on."""
    numbers = np.uint64(first) + np.arange(count, dtype=np.uint64)
    return _mix(_mix(np.array([seed], np.uint64)) + numbers * GOLDEN)


def draw(keys: Words, numbers: Words) -> Words:
    """uint64[M, len(numbers)]: the draws of these numbers, of each of M samples."""
    return _mix(keys[:, None] + (numbers + np.uint64(1)) * GOLDEN)


GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


def _mix(z: Words) -> Words:
    """The output function of SplitMix64 (Steele, Lea and Flood, 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return z ^ (z >> np.uint64(31))


def _uniform(words: Words) -> Doubles:
    """Numbers in [-1, 1), from the upper 24 bits."""
    return (words >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def _places(augment: Augment, keys: Words, height: int, width: int) -> tuple[Floats, Floats]:
    """Where each pixel of M images is taken from: columns and rows, float32[M, H, W] each.

    Both count from 1, as the source has a border of one pixel.
    """
    draws = draw(keys, np.arange(FLIP + 1, dtype=np.uint64))
    uniform = _uniform(draws)
    sine, cosine = _sine_cosine(math.radians(augment.rotate) * uniform[:, ROTATE])
    shear = augment.shear * uniform[:, SHEAR]
    scale_x = 1.0 + augment.scale * uniform[:, SCALE_X]
    scale_y = 1.0 + augment.scale * uniform[:, SCALE_Y]
    if augment.flip:
        scale_x = np.where(draws[:, FLIP] >> np.uint64(63) == 1, -scale_x, scale_x)
    # Rotation times shear times scale.
    xx, xy = cosine * scale_x, (cosine * shear - sine) * scale_y
    yx, yy = sine * scale_x, (sine * shear + cosine) * scale_y
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    shift_x = augment.shift * uniform[:, SHIFT_X] + _whole(draws[:, CROP_X], augment.crop)
    shift_y = augment.shift * uniform[:, SHIFT_Y] + _whole(draws[:, CROP_Y], augment.crop)
    x0 = shift_x + (centre_x + 1.0) - xx * centre_x - xy * centre_y
    y0 = shift_y + (centre_y + 1.0) - yx * centre_x - yy * centre_y

    x = _linear(x0, xy, xx, height, width)
    y = _linear(y0, yy, yx, height, width)
    if augment.elastic > 0:
        fields = _elastic(augment, keys, height, width)
        x, y = x + fields[:, 0], y + fields[:, 1]
    return x, y


def _linear(start: Doubles, a_row: Doubles, a_column: Doubles, height: int, width: int) -> Floats:
    """float32[M, H, W]: M linear functions of row and column."""
    rows: Floats = np.arange(height, dtype=np.float32)[:, None]
    columns: Floats = np.arange(width, dtype=np.float32)
    begin: Floats = a_row.astype(np.float32)[:, None, None] * rows
    begin = start.astype(np.float32)[:, None, None] + begin
    steps: Floats = a_column.astype(np.float32)[:, None, None] * columns
    return begin + steps


def _whole(words: Words, limit: int) -> Doubles:
    """Whole numbers in -limit..limit."""
    upper = words >> np.uint64(40)
    return (upper * np.uint64(2 * limit + 1) >> np.uint64(24)).astype(np.float64) - limit


def _sine_cosine(angle: Doubles) -> tuple[Doubles, Doubles]:
    """By their power series: only operations that every machine rounds alike."""
    square = angle * angle
    sine_term, cosine_term = angle, np.ones_like(angle)
    sine, cosine = sine_term, cosine_term
    for k in range(1, SERIES + 1):
        cosine_term = -cosine_term * square / float((2 * k - 1) * (2 * k))
        sine_term = -sine_term * square / float((2 * k) * (2 * k + 1))
        cosine, sine = cosine + cosine_term, sine + sine_term
    return sine, cosine


def _amplitude(augment: Augment) -> float:
    """What one unit of an offset's sum moves, in pixels."""
    return float(np.float32(augment.elastic / (SPLINE_GAIN * SUM_DEVIATION)))


def _elastic(augment: Augment, keys: Words, height: int, width: int) -> Floats:
    """Displacements along x and y, float32[M, 2, H, W]."""
    basis_y = _basis(height, augment.elastic_grid)
    basis_x = _basis(width, augment.elastic_grid)
    shape = (2, len(basis_y), len(basis_x))
    numbers = ELASTIC + np.arange(math.prod(shape), dtype=np.uint64)
    words = draw(keys, numbers)
    sums = sum((words >> np.uint64(16 * k)) & np.uint64(0xFFFF) for k in range(4))
    offsets = (np.asarray(sums).astype(np.float32) - np.float32(SUM_MEAN)).reshape(-1, *shape)
    offsets *= np.float32(_amplitude(augment))
    # One term at a time: the order of the sums is part of the specification.
    lines = np.zeros((len(keys), 2, len(basis_y), width), np.float32)
    for j, weights in enumerate(basis_x):
        lines += offsets[..., j, None] * weights
    result = np.zeros((len(keys), 2, height, width), np.float32)
    for i, weights in enumerate(basis_y):
        result += lines[:, :, i, None, :] * weights[:, None]
    return result


@lru_cache(maxsize=16)
def _basis(size: int, grid: int) -> Floats:
    """float32[points, size]: the weight of each grid point's cubic B-spline at each pixel.

    Pixel p reads the points p // grid to p // grid + 3.
    """
    place = np.arange(size) / grid
    cell = place.astype(np.int64)
    t = place - cell
    weights = (
        (1 - t) ** 3 / 6,
        (3 * t**3 - 6 * t**2 + 4) / 6,
        (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
        t**3 / 6,
    )
    basis = np.zeros((cell[-1] + 4, size), np.float32)
    for k, weight in enumerate(weights):
        basis[cell + k, np.arange(size)] = weight
    basis.flags.writeable = False
    return basis


def _sample(images: Images, x: Floats, y: Floats, gain: Floats) -> Images:
    """Linear between four pixels around (x, y), in images with a border of zeros; times gain."""
    count, height, width = images.shape[:3]
    border = [(0, 0), (1, 2), (1, 2)] + [(0, 0)] * (images.ndim - 3)
    padded = np.pad(images, border).astype(np.float32)
    x = np.minimum(np.maximum(x, np.float32(0)), np.float32(width + 1))
    y = np.minimum(np.maximum(y, np.float32(0)), np.float32(height + 1))
    column, row = x.astype(np.int64), y.astype(np.int64)
    part_x = x - column.astype(np.float32)
    part_y = y - row.astype(np.float32)
    if images.ndim == 4:
        part_x, part_y = part_x[..., None], part_y[..., None]
    image: Rows = np.arange(count, dtype=np.int64)[:, None, None]
    north_west, north_east = padded[image, row, column], padded[image, row, column + 1]
    south_west, south_east = padded[image, row + 1, column], padded[image, row + 1, column + 1]
    north = north_west + part_x * (north_east - north_west)
    south = south_west + part_x * (south_east - south_west)
    value = (north + part_y * (south - north)) * gain.reshape(-1, *[1] * (images.ndim - 1))
    return (np.minimum(value, np.float32(255)) + np.float32(0.5)).astype(np.uint8)


def _check(images: Images, rows: npt.ArrayLike, seed: int, first: int) -> tuple[Images, Rows]:
    """Images, and row numbers as contiguous int64; InputError where they do not fit."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise InputError(
            f"Augment: images are {images.dtype}{list(images.shape)}; "
            "give uint8[N, H, W] or uint8[N, H, W, C]"
        )
    if max(images.shape[1:3]) > MAX_SIDE:
        raise InputError(
            f"Augment: images are {images.shape[1]} x {images.shape[2]}; at most {MAX_SIDE} a side"
        )
    if not (0 <= seed < 2**64 and 0 <= first < 2**63):
        raise InputError(f"Augment: seed is {seed} and first {first}; give numbers from 0 to 2**63")
    chosen = np.asarray(rows)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iu"):
        raise InputError(
            f"Augment: rows are {chosen.dtype}{list(chosen.shape)}; give whole numbers, int[M]"
        )
    if chosen.size and not 0 <= int(chosen.min()) <= int(chosen.max()) < len(images):
        raise InputError(
            f"Augment: rows go from {chosen.min()} to {chosen.max()}; "
            f"there are {len(images)} images"
        )
    return images, np.ascontiguousarray(chosen, np.int64)
