from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright import data, encode, encoders, storage
from gatewright.encode import BitTable, Encoder, Identity, Thermometer
from gatewright.errors import InputError

DTYPES = ("bool", "uint8", "int8", "int32", "float32", "float64")


def random_samples(seed: int, dtype: str, *shape: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return random.normal(0, 100, shape).astype(dtype)
    low, high = (0, 2) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return random.integers(low, high, shape).astype(dtype)


def specification(encoder: Thermometer, x: np.ndarray) -> np.ndarray:
    """Bits in feature-major order, one comparison at a time."""
    rows = x.reshape(len(x), -1).tolist()
    per_feature = np.broadcast_to(encoder.thresholds, (len(rows[0]), encoder.bits)).tolist()
    return np.array(
        [
            [value > threshold for value, limits in zip(row, per_feature, strict=True)
             for threshold in limits]
            for row in rows
        ]
    )  # fmt: skip


def unpacked(packed: np.ndarray, num_bits: int) -> np.ndarray:
    """Bit i of a row is bit i % 64 of word i // 64; the rest must be 0."""
    index = np.arange(64 * packed.shape[1])
    bits = packed[:, index // 64] >> (index % 64).astype(np.uint64) & np.uint64(1)
    assert not bits[:, num_bits:].any()
    return bits[:, :num_bits].astype(bool)


@given(
    st.integers(0, 1000),
    st.sampled_from(DTYPES),
    st.integers(1, 12),
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.integers(1, 10),
    st.booleans(),
)
@example(0, "uint8", 3, [28, 28], 1, False)
@example(0, "uint8", 3, [5, 13], 8, True)
@example(0, "uint8", 3, [65], 9, True)
def test_bits_and_packed_bits_are_as_specified(
    seed: int, dtype: str, count: int, shape: list[int], bits: int, per_feature: bool
) -> None:
    x = random_samples(seed, dtype, count, *shape)
    size = (math.prod(shape), bits) if per_feature else (bits,)
    # Some thresholds below, between and above all values, and some on a value.
    limits = np.random.default_rng(seed).uniform(-300, 300, size)
    limits.flat[::3] = x.flat[0]
    encoder = Thermometer(np.sort(limits, axis=-1).astype(np.float32), tuple(shape))
    expected = specification(encoder, x)
    result = encoder(x)
    assert result.dtype == bool and result.shape == (count, encoder.num_bits)
    np.testing.assert_array_equal(result, expected)
    packed = encoder.pack(x)
    assert packed.dtype == np.uint64 and packed.shape == (count, -(-encoder.num_bits // 64))
    np.testing.assert_array_equal(unpacked(packed, encoder.num_bits), expected)


def test_many_rows_are_encoded_in_slices_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    x = random_samples(1, "uint8", 50, 6, 7)
    for encoder in (Thermometer.fit(x, 3), Thermometer.fit(x, 1), Identity((6, 7))):
        samples = x > 99 if isinstance(encoder, Identity) else x
        bits, packed = encoder(samples), encoder.pack(samples)
        with monkeypatch.context() as patch:
            patch.setattr(encode, "SLICE_BITS", 300)
            assert len(encoder._slices(50)) > 5
            np.testing.assert_array_equal(encoder(samples), bits)
            np.testing.assert_array_equal(encoder.pack(samples), packed)
        assert encoder(samples[:0]).shape == (0, encoder.num_bits)
        assert encoder.pack(samples[:0]).shape == (0, -(-encoder.num_bits // 64))


def test_uniform_thresholds_divide_the_range_of_type_or_data() -> None:
    bytes_ = np.array([[10, 20], [30, 250]], np.uint8)
    assert Thermometer.fit(bytes_).thresholds.tolist() == [127.5]
    assert Thermometer.fit(bytes_, 3).thresholds.tolist() == [63.75, 127.5, 191.25]
    assert Thermometer.fit(bytes_ > 15, 1).thresholds.tolist() == [0.5]
    assert Thermometer.fit(bytes_, 1, per_feature=True).thresholds.tolist() == [[20], [135]]
    assert Thermometer.fit(bytes_.astype(float), 2).thresholds.tolist() == [90, 170]
    assert Thermometer.fit(bytes_, thresholds=[0.25 * 255]).thresholds.tolist() == [63.75]


def test_quantile_thresholds_give_equal_shares() -> None:
    x = np.random.default_rng(0).gamma(1, size=(3_000, 4))
    encoder = Thermometer.fit(x, 4, "quantile")
    np.testing.assert_allclose(
        encoder(x).reshape(-1, 4).mean(axis=0), [0.8, 0.6, 0.4, 0.2], atol=1e-3
    )
    by_feature = Thermometer.fit(x * [1, 10, 100, 1000], 4, "quantile", per_feature=True)
    assert by_feature.thresholds.shape == (4, 4)
    shares = by_feature(x * [1, 10, 100, 1000]).reshape(-1, 4, 4).mean(axis=0)
    np.testing.assert_allclose(shares, np.tile([0.8, 0.6, 0.4, 0.2], (4, 1)), atol=1e-3)


@pytest.mark.parametrize("bits", [1, 2, 3, 7])
def test_a_background_takes_one_quantile_threshold(bits: int) -> None:
    images = data.load("mnist")[0].x[:5_000]
    encoder = Thermometer.fit(images, bits, "quantile")
    assert len(set(encoder.thresholds.tolist())) == bits
    assert 0 < encoder.thresholds[0] < 1 or bits == 1
    # What is not background is divided evenly, but for the mass of 253 to 255.
    ink = images[images > 0]
    shares = (ink[:, None] > encoder.thresholds[1:]).mean(axis=0)
    np.testing.assert_allclose(shares[:-2], 1 - np.arange(1, bits)[:-2] / bits, atol=0.08)
    assert (shares > 0).all()


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=60),
    st.integers(1, 9),
    st.sampled_from(("uint8", "float64")),
)
@example([7, 7, 7], 3, "float64")
@example([0, 0, 0, 0, 255, 255], 1, "uint8")
@example([0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 6, 7], 6, "uint8")
def test_quantile_bits_all_differ_where_the_data_allows(
    values: list[int], bits: int, dtype: str
) -> None:
    x = np.array(values, dtype)[:, None]
    encoder = Thermometer.fit(x, bits, "quantile", per_feature=True)
    useful = min(bits, len(set(values)) - 1)
    assert len({tuple(column) for column in encoder(x).T if column.any()}) == useful


@pytest.mark.parametrize("how", encode.HOW)
def test_constant_features_become_constant_bits(how: str) -> None:
    x = np.stack([np.full(20, 5.0), np.arange(20)], axis=1)
    encoder = Thermometer.fit(x, 3, how, y=(x[:, 1] > 7).astype(np.int32), per_feature=True)
    bits = encoder(x).reshape(20, 2, 3)
    assert not bits[:, 0].any()
    assert (bits[:, 1].any(axis=0) & ~bits[:, 1].all(axis=0)).all()


def test_values_that_are_not_numbers_give_zeros() -> None:
    encoder = Thermometer([-1.0, 1.0], (1,))
    x = np.array([[math.nan], [math.inf], [-math.inf]])
    assert encoder(x).tolist() == [[False, False], [True, True], [False, False]]


def test_an_encoder_is_restored_from_a_file(tmp_path: Path) -> None:
    x = random_samples(0, "uint8", 9, 4, 5)
    kinds: list[Encoder] = [
        Thermometer.fit(x, 3, "quantile"),
        Thermometer.fit(x, 2, per_feature=True),
        Identity((4, 5)),
    ]
    path = tmp_path / "encoder"
    for encoder in kinds:
        metadata = {"encoder": json.dumps(encoder.about)}
        storage.write_atomic(path, storage.encode(encoder.arrays, metadata))
        arrays, metadata = storage.load_arrays(path)
        again = encoders.restore(json.loads(metadata["encoder"]), arrays)
        assert type(again) is type(encoder) and again.shape == (4, 5)
        samples = x if isinstance(encoder, Thermometer) else x > 100
        np.testing.assert_array_equal(again(samples), encoder(samples))
    for about, message in [
        ({"kind": "sundial", "shape": [2]}, "kind 'sundial' is not known"),
        ({"shape": [2]}, "'kind' is missing"),
        ({"kind": "thermometer", "shape": [2]}, "'thresholds' is missing"),
        ({"kind": "identity", "shape": None}, "of another type"),
    ]:
        with pytest.raises(InputError, match=message):
            encoders.restore(about, {})


def test_identity_takes_zeros_and_ones_of_any_type() -> None:
    bits = np.random.default_rng(0).integers(0, 2, (10, 3, 30))
    encoder = Identity((3, 30))
    assert encoder.num_bits == 90
    for dtype in DTYPES:
        np.testing.assert_array_equal(encoder(bits.astype(dtype)), bits.reshape(10, 90) == 1)
        packed = encoder.pack(bits.astype(dtype))
        np.testing.assert_array_equal(unpacked(packed, 90), bits.reshape(10, 90) == 1)
    for bad in (bits * 2, bits - 1, bits + 0.5):
        with pytest.raises(InputError, match="bits are 0 or 1; encode other values"):
            encoder(bad)


def test_thresholds_are_frozen_and_owned() -> None:
    mine = np.array([1.0, 2.0], np.float32)
    encoder = Thermometer(mine, (2,))
    mine[0] = 9
    assert encoder.thresholds.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        encoder.thresholds[0] = 9


BAD_FITS = [
    (np.zeros((3, 2)), {"bits": 0}, "bits is 0"),
    (np.zeros((3, 2)), {"how": "even"}, "how 'even'; give at least 1 bit and one of uniform, q"),
    (np.zeros((0, 2)), {}, r"cannot fit to float64\[0, 2\]"),
    (np.array([[math.nan]]), {}, r"cannot fit to float64\[1, 1\]"),
    (np.array([["a"]]), {}, r"cannot fit to <U1\[1, 1\]"),
    (np.zeros((3, 2)), {"thresholds": []}, r"thresholds are \[0\]; give at least one, \[bits\] or"),
    (np.zeros((3, 2)), {"thresholds": np.zeros((3, 1))}, r"\[3, 1\]; .* \[bits\] or \[2, bits\]"),
    (np.zeros((3, 2)), {"thresholds": [2, 1]}, "not finite and rising"),
    (np.zeros((3, 2)), {"thresholds": [math.inf]}, "not finite and rising"),
]


@pytest.mark.parametrize(("x", "options", "message"), BAD_FITS)
def test_bad_fits_are_refused(x: np.ndarray, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Thermometer.fit(x, **options)


def test_samples_of_another_shape_or_type_are_refused() -> None:
    for encoder in (Identity((2, 3)), Thermometer([0.5], (2, 3))):
        for method in (encoder, encoder.pack):
            for x, message in [
                (np.zeros((4, 6)), r"samples are float64\[4, 6\]; give \[N, 2, 3\]"),
                (np.zeros((2, 3)), r"samples are float64\[2, 3\]; give \[N, 2, 3\]"),
                (np.zeros((1, 2, 3), complex), "samples are complex128; give numbers"),
            ]:
                with pytest.raises(InputError, match=message):
                    method(x)


@pytest.mark.parametrize("per_feature", [False, True])
def test_learned_thresholds_find_where_the_classes_part(per_feature: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4000, 5)).astype(np.uint8)
    y = ((x > 180).sum(axis=1) >= 2).astype(np.int32)  # a quantile would be near 128
    before = Thermometer.fit(x, 1, "quantile", per_feature=per_feature)
    after = Thermometer.fit(x, 1, "learned", y=y, per_feature=per_feature)
    assert after.thresholds.shape == before.thresholds.shape
    assert np.abs(before.thresholds - 180).min() > 40
    assert np.abs(after.thresholds - 180).max() < 20


def test_learned_thresholds_need_labels() -> None:
    x = np.zeros((3, 2), np.uint8)
    with pytest.raises(InputError, match="give y"):
        Thermometer.fit(x, 1, "learned")
    with pytest.raises(InputError, match="3 samples' classes"):
        Thermometer.fit(x, 1, "learned", y=[0, 1])


def test_a_bit_table_says_what_its_encoder_does() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 9, (50, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    each = Thermometer(np.sort(rng.uniform(0, 9, (6, 3)), axis=1).astype(np.float32), (6,))
    for encoder in (each, Thermometer(np.array([2, 4.5], np.float32), (6,))):
        np.testing.assert_array_equal(encoder.bit_table(encoder.rows(x)), encoder(x))
    bits = rng.integers(0, 2, (50, 6))
    np.testing.assert_array_equal(Identity((6,)).bit_table(bits), bits == 1)


def test_a_bit_table_has_bits_of_three_kinds() -> None:
    table = BitTable(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 1]), np.array([2, 2, 0, -1]))
    rows = np.array([[2, -1], [2.5, np.nan], [np.nan, np.inf]])
    expected = [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(table(rows), np.array(expected, bool))
    with pytest.raises(InputError, match=r"are \[1\], \[2\] and \[1\]; give one entry a bit"):
        BitTable(np.zeros(1), np.zeros(2), np.zeros(1))
