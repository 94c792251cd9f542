from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright import augment, data, native
from gatewright.augment import Augment, augment_numpy
from gatewright.errors import InputError
from native_programs import Machine, machines

ALL = Augment(
    rotate=180,
    shear=0.5,
    scale=0.4,
    shift=3,
    elastic=2,
    elastic_grid=5,
    crop=3,
    flip=True,
    gain=0.5,
)
PRESETS = [augment.MNIST, augment.FASHION_MNIST, augment.CIFAR10]


def random_images(seed: int, count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def blob(height: int, width: int, y: float, x: float) -> np.ndarray:
    """One smooth spot, so that its place can be measured far below a pixel."""
    rows, columns = np.mgrid[:height, :width]
    spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8)
    return np.round(250 * spot).astype(np.uint8)[None]


def centres(images: np.ndarray) -> np.ndarray:
    """Centre of mass of each image [M, H, W]: [M, 2], row and column."""
    weights = images.astype(float)
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    total = weights.sum(axis=(1, 2))
    return np.stack([(weights * axis).sum(axis=(1, 2)) / total for axis in (rows, columns)], 1)


def turned(angle: float, y: float, x: float) -> tuple[float, float]:
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    return cosine * y - sine * x, sine * y + cosine * x


warps = st.builds(
    Augment,
    rotate=st.floats(0, 180),
    shear=st.floats(0, 1),
    scale=st.floats(0, 0.9),
    shift=st.floats(0, 40),
    elastic=st.one_of(st.just(0.0), st.floats(0, 20)),
    elastic_grid=st.integers(1, 12),
    crop=st.integers(0, 9),
    flip=st.booleans(),
    gain=st.just(0.0) | st.floats(0, 1),
)
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40)) | st.tuples(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 4)
)


@given(warps, shapes, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 200))
@example(ALL, (28, 28), 0, 0)
@example(ALL, (32, 32, 3), 2**64 - 1, 2**62)
def test_native_equals_numpy_byte_for_byte(
    warp: Augment, shape: tuple[int, ...], seed: int, first: int
) -> None:
    assert native.load() is not None
    images = random_images(seed % 1000, 3, *shape)
    rows = np.array([2, 0, 0, 1])
    np.testing.assert_array_equal(
        warp(images, rows, seed, first), augment_numpy(warp, images, rows, seed, first)
    )


@pytest.mark.parametrize("warp", PRESETS)
def test_presets_on_real_images_native_equals_numpy(warp: Augment) -> None:
    images = data.load("fashion-mnist")[1].x
    rows = np.random.default_rng(0).integers(0, len(images), 500)
    warped = warp(images, rows, 1)
    np.testing.assert_array_equal(warped, augment_numpy(warp, images, rows, 1))
    assert (warped != images[rows]).any(axis=(1, 2)).mean() > 0.95


@pytest.mark.parametrize("apply", [Augment.__call__, augment_numpy])
def test_without_warps_images_stay_as_they_are(apply: Callable[..., np.ndarray]) -> None:
    images = random_images(0, 5, 9, 7, 3)
    rows = np.array([4, 4, 0])
    np.testing.assert_array_equal(apply(Augment(), images, rows, 3), images[rows])
    assert apply(ALL, images, np.array([], int), 3).shape == (0, 9, 7, 3)


def test_a_sample_depends_on_seed_and_its_number_alone() -> None:
    images = random_images(1, 20, 28, 28)
    rows = np.random.default_rng(2).integers(0, 20, 300)
    whole = ALL(images, rows, 5, 1000)
    for threads in (1, 2, 3, 7):
        np.testing.assert_array_equal(ALL(images, rows, 5, 1000, threads), whole)
    np.testing.assert_array_equal(ALL(images, rows[123:], 5, 1123), whole[123:])
    np.testing.assert_array_equal(ALL(images[rows[7]][None], [0], 5, 1007), whole[7:8])
    # Other seeds and other numbers give other warps, also of one image.
    one = np.zeros(300, int)
    by_number = ALL(images, one, 5).reshape(300, -1)
    assert len(np.unique(by_number, axis=0)) == 300
    assert (ALL(images, one, 6).reshape(300, -1) != by_number).any(axis=1).all()


def test_the_draws_are_uniform_and_independent() -> None:
    words = augment.draw(augment.sample_keys(3, 0, 4000), np.arange(9, dtype=np.uint64))
    values = augment._uniform(words)
    assert values.min() >= -1 and values.max() < 1
    assert np.abs(values.mean(axis=0)).max() < 4 / math.sqrt(3 * 4000)
    assert np.abs(np.corrcoef(values.T) - np.eye(9)).max() < 4 / math.sqrt(4000)
    assert np.abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 4 / math.sqrt(4000)
    whole = augment._whole(words[:, 0], 2)
    assert np.bincount((whole + 2).astype(int), minlength=5).min() > 700
    sine, cosine = augment._sine_cosine(math.pi * values[:, 0])
    np.testing.assert_allclose(sine, np.sin(math.pi * values[:, 0]), rtol=0, atol=1e-10)
    np.testing.assert_allclose(cosine, np.cos(math.pi * values[:, 0]), rtol=0, atol=1e-10)


def test_rotation_turns_about_the_centre_up_to_the_angle() -> None:
    y, x = -6.0, 3.0
    images = blob(41, 41, 20 + y, 20 + x)
    moved = centres(Augment(rotate=30)(images, np.zeros(2000, int), 1)) - 20
    np.testing.assert_allclose(np.hypot(*moved.T), math.hypot(y, x), atol=0.05)
    angles = np.degrees(np.arctan2(moved[:, 0], moved[:, 1]) - math.atan2(y, x))
    assert -30.5 < angles.min() < -29.5 and 29.5 < angles.max() < 30.5
    assert abs(angles.mean()) < 2


def test_shift_shear_and_scale_move_as_documented() -> None:
    images, rows = blob(41, 41, 10, 24), np.zeros(2000, int)
    shifted = centres(Augment(shift=2.5)(images, rows, 2)) - (10, 24)
    np.testing.assert_allclose(np.abs(shifted).max(axis=0), 2.5, atol=0.05)
    np.testing.assert_allclose(np.abs(shifted).mean(axis=0), 1.25, atol=0.1)
    assert abs(np.corrcoef(shifted.T)[0, 1]) < 0.1

    sheared = centres(Augment(shear=0.3)(images, rows, 2)) - (10, 24)
    np.testing.assert_allclose(sheared[:, 0], 0, atol=0.05)
    np.testing.assert_allclose(np.abs(sheared[:, 1]).max(), 0.3 * 10, atol=0.1)

    scaled = (centres(Augment(scale=0.2)(images, rows, 2)) - 20) / (10 - 20, 24 - 20)
    np.testing.assert_allclose(scaled.min(axis=0), 1 / 1.2, atol=0.03)
    np.testing.assert_allclose(scaled.max(axis=0), 1 / 0.8, atol=0.03)
    assert abs(np.corrcoef(scaled.T)[0, 1]) < 0.1


def test_gain_changes_all_values_of_an_image_alike_up_to_255() -> None:
    images = np.array([[[0, 100], [200, 255]]], np.uint8)
    changed = Augment(gain=0.4)(images, np.zeros(3000, int), 1).reshape(-1, 4)
    gain = changed[:, 1] / 100
    np.testing.assert_allclose([gain.min(), gain.mean(), gain.max()], [0.6, 1, 1.4], atol=0.01)
    assert (changed[:, 0] == 0).all()
    np.testing.assert_allclose(changed[:, 2], np.minimum(255, 200 * gain), atol=1.5)
    np.testing.assert_allclose(changed[:, 3], np.minimum(255, 255 * gain), atol=2)


def test_flip_mirrors_half_and_crop_moves_whole_pixels() -> None:
    images = random_images(4, 1, 8, 11, 3)
    flipped = Augment(flip=True)(images, np.zeros(1000, int), 1)
    is_mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((flipped == images).all(axis=(1, 2, 3)) ^ is_mirrored).all()
    assert 430 < is_mirrored.sum() < 570

    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)))
    crops = [padded[y : y + 8, x : x + 11] for y in range(5) for x in range(5)]
    cropped = Augment(crop=2)(images, np.zeros(2500, int), 1)
    counts = [(cropped == crop).all(axis=(1, 2, 3)).sum() for crop in crops]
    assert sum(counts) == 2500
    assert min(counts) > 50


def test_elastic_displacements_are_smooth_and_have_the_given_deviation() -> None:
    warp = Augment(elastic=1.5, elastic_grid=6)
    fields = augment._elastic(warp, augment.sample_keys(1, 0, 3000), 28, 25)
    assert fields.shape == (3000, 2, 28, 25)
    assert abs(fields.mean()) < 0.05
    assert abs(math.sqrt(np.square(fields).mean()) - 1.5) < 0.05
    assert abs(np.mean(fields[:, 0] * fields[:, 1])) < 0.05
    # Twice differentiable: the second difference is far below the displacement.
    assert np.abs(np.diff(fields, 2, axis=3)).max() < 0.35 * np.abs(fields).max()
    far = fields[:, 0, 0, 0] * fields[:, 0, -1, -1]
    assert abs(far.mean()) < 0.15


def test_the_spline_weights_are_a_partition_of_unity_on_four_points() -> None:
    for size, grid in [(1, 1), (28, 7), (29, 7), (30, 4), (5, 12)]:
        basis = augment._basis(size, grid)
        np.testing.assert_allclose(basis.sum(axis=0), 1, atol=1e-6)
        for pixel in range(size):
            points = np.flatnonzero(basis[:, pixel])
            assert points.min() == pixel // grid and points.max() <= pixel // grid + 3
        assert len(basis) == (size - 1) // grid + 4


BAD_FIELDS = [
    ({"rotate": -1}, "rotate is -1"),
    ({"rotate": math.nan}, "rotate is nan"),
    ({"scale": 1.0}, "scale is 1.0; give float in 0..0.9"),
    ({"elastic_grid": 0}, "elastic_grid is 0; give int in 1.."),
    ({"crop": 1.5}, "crop is 1.5; give int"),
    ({"gain": 1.5}, r"gain is 1.5; give float in 0..1"),
]


@pytest.mark.parametrize(("options", "message"), BAD_FIELDS)
def test_bad_warps_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augment(**options)


IMAGES = np.zeros((3, 4, 5), np.uint8)
BAD_CALLS = [
    (IMAGES.astype(float), [0], 0, 0, r"images are float64\[3, 4, 5\]; give uint8"),
    (IMAGES[0], [0], 0, 0, r"images are uint8\[4, 5\]"),
    (np.zeros((1, 5000, 2), np.uint8), [0], 0, 0, "5000 x 2; at most 4096"),
    (IMAGES, [0, 3], 0, 0, "rows go from 0 to 3; there are 3 images"),
    (IMAGES, [-1], 0, 0, "rows go from -1 to -1"),
    (IMAGES, [[0]], 0, 0, r"rows are int64\[1, 1\]"),
    (IMAGES, [0.0], 0, 0, r"rows are float64\[1\]"),
    (IMAGES, [0], -1, 0, "seed is -1"),
    (IMAGES, [0], 0, -5, "first -5"),
]


@pytest.mark.parametrize(("images", "rows", "seed", "first", "message"), BAD_CALLS)
@pytest.mark.parametrize("apply", [Augment.__call__, augment_numpy])
def test_bad_arguments_are_refused(
    apply: Callable[..., np.ndarray],
    images: np.ndarray,
    rows: object,
    seed: int,
    first: int,
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        apply(ALL, images, rows, seed, first)


def test_the_native_core_checks_what_it_relies_on() -> None:
    module = native.load()
    assert module is not None
    basis = augment._basis(4, 7)
    arguments = {
        "images": np.zeros((2, 4, 4, 1), np.uint8),
        "rows": np.array([1]),
        "seed": 0,
        "first": 0,
        **dict.fromkeys(("rotate", "shear", "scale", "shift", "gain", "elastic"), 0.0),
        "crop": 0,
        "flip": False,
        "elastic_grid": 7,
        "basis_y": basis,
        "basis_x": basis,
        "threads": 1,
    }
    assert module.augment(**arguments).shape == (1, 4, 4, 1)
    for change, message in [
        ({"rows": np.array([2])}, r"rows\[0\] is 2, of 2 images"),
        ({"rows": np.array([0, -1])}, r"rows\[1\] is -1"),
        ({"elastic_grid": 0}, "basis_y does not fit"),
        ({"elastic_grid": 3, "basis_y": augment._basis(4, 3)}, "basis_x does not fit"),
        ({"basis_x": basis[:, :3].copy()}, "basis_x does not fit"),
    ]:
        with pytest.raises(ValueError, match=message):
            module.augment(**(arguments | change))


@pytest.fixture
def without_native(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GATEWRIGHT_NATIVE", "0")
    native.load.cache_clear()
    yield
    native.load.cache_clear()


def test_numpy_runs_where_the_native_core_is_turned_off(without_native: None) -> None:
    images, rows = random_images(3, 4, 12, 13), np.arange(200) % 4
    assert native.load() is None
    np.testing.assert_array_equal(ALL(images, rows, 8), augment_numpy(ALL, images, rows, 8))


@machines("address,undefined")
def test_the_core_is_clean(machine: Machine, tmp_path: Path) -> None:
    flags = ("-O1", "-ffp-contract=off", "-Wconversion", "-Werror")
    program = machine.build("test_augment", ["augment"], tmp_path, *flags)
    random = np.random.default_rng(0)
    cases: list[bytes] = []
    expected: list[bytes] = []
    for seed in range(60):
        count, height, width = (int(size) for size in random.integers(1, 40, 3))
        channels, num_rows = int(random.integers(1, 4)), int(random.integers(0, 90))
        warp = Augment(
            rotate=float(random.uniform(0, 180)),
            shear=float(random.uniform(0, 1)),
            scale=float(random.uniform(0, 0.9)),
            shift=float(random.choice([0, 3, 4000])),
            elastic=float(random.choice([0, 1, 1000])),
            elastic_grid=int(random.integers(1, 50)),
            crop=int(random.integers(0, 9)),
            flip=bool(random.integers(0, 2)),
            gain=float(random.uniform(0, 1)),
        )
        images = random_images(seed, count, height, width, channels)
        rows = random.integers(0, count, num_rows)
        sizes = (*images.shape, num_rows, warp.elastic_grid, 1 + seed % 3, warp.crop)
        cases += [
            " ".join(map(str, (*sizes, seed, 10 * seed, int(warp.flip)))).encode() + b"\n",
            np.array(
                [math.radians(warp.rotate), warp.shear, warp.scale, warp.shift, warp.gain]
            ).tobytes(),
            np.float32(augment._amplitude(warp)).tobytes(),
            images.tobytes(),
            rows.tobytes(),
            augment._basis(height, warp.elastic_grid).tobytes(),
            augment._basis(width, warp.elastic_grid).tobytes(),
        ]
        expected.append(augment_numpy(warp, images, rows, seed, 10 * seed).tobytes())
    (tmp_path / "cases").write_bytes(b"".join(cases))
    machine.run(program, tmp_path / "cases", tmp_path / "results")
    assert (tmp_path / "results").read_bytes() == b"".join(expected)
