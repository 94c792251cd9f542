from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.augment import Augment
from gatewright.circuit import pack
from gatewright.encode import Thermometer
from gatewright.errors import InputError
from gatewright.feed import IMAGES_AT_ONCE, Feed
from gatewright.heads import Bits, GroupSum
from gatewright.layers import Gates
from gatewright.network import Network


def network_of(num_inputs: int, head: Any = None) -> Network:
    return Network(Gates(num_inputs, 4, key=(0,)), head=head or GroupSum(2))


def feed_of(num_rows: int, num_inputs: int = 70, **options: Any) -> Feed:
    """Every row and target different from the others, as far as that goes."""
    rng = np.random.default_rng(num_rows)
    x = rng.random((num_rows, num_inputs)) < 0.5
    y = rng.integers(0, 2, num_rows).astype(np.int64)
    return Feed.make(network_of(num_inputs), x, y, **options)


def unpack(words: np.ndarray, num_bits: int) -> np.ndarray:
    """Bit i of a row is bit i % 64 of word i // 64."""
    bit = np.arange(num_bits)
    return (words[:, bit // 64] >> (bit % 64).astype(np.uint64) & np.uint64(1)).astype(bool)


IMAGES = np.random.default_rng(0).integers(0, 256, (50, 8, 9), np.uint8)
LABELS = (np.arange(50) % 2).astype(np.uint8)
ENCODER = Thermometer.fit(IMAGES, bits=2)
WARP = Augment(rotate=20, shift=1)


def image_feed(**options: Any) -> Feed:
    network = network_of(ENCODER.num_bits)
    return Feed.make(network, IMAGES, LABELS, encoder=ENCODER, **options)


@pytest.mark.parametrize("num_inputs", [2, 7, 8, 63, 64, 65, 128, 130])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
def test_bits_are_packed_in_rows(num_inputs: int, dtype: type) -> None:
    x = np.random.default_rng(1).random((9, num_inputs)) < 0.5
    y = np.zeros(9, np.int32)
    feed = Feed.make(network_of(num_inputs), np.asfortranarray(x.astype(dtype)), y)
    words = feed.words(slice(2, 7))
    assert (words.dtype, words.shape) == (np.uint64, (5, -(-num_inputs // 64)))
    np.testing.assert_array_equal(unpack(words, num_inputs), x[2:7])
    assert feed.num_rows == 9
    octets = feed.octets(slice(2, 7))
    np.testing.assert_array_equal(octets, np.packbits(x[2:7], axis=1, bitorder="little"))
    np.testing.assert_array_equal(feed.by_input(), pack(x))


def test_more_rows_than_are_unpacked_at_a_time() -> None:
    x = np.random.default_rng(2).random((IMAGES_AT_ONCE + 70, 3)) < 0.5
    feed = Feed.make(network_of(3), x, np.zeros(len(x), np.int32))
    np.testing.assert_array_equal(feed.by_input(), pack(x))


def test_an_encoder_makes_the_bits() -> None:
    feed = image_feed()
    np.testing.assert_array_equal(feed.words(slice(None)), ENCODER.pack(IMAGES))
    words, labels = feed.batches(20, 3, 2)
    rows = feed._order(20, 3, 2)
    np.testing.assert_array_equal(unpack(words, ENCODER.num_bits), ENCODER(IMAGES)[rows])
    np.testing.assert_array_equal(labels, LABELS[rows])
    assert labels.dtype == np.int32


@given(st.integers(1, 40), st.data())
def test_every_epoch_is_a_permutation_of_all_rows(num_rows: int, draw: st.DataObject) -> None:
    """Batches that straddle two epochs included; and a step's rows do not depend on the chunk."""
    feed = feed_of(num_rows, 3, seed=9)
    batch, chunk = draw.draw(st.integers(1, num_rows)), draw.draw(st.integers(1, 7))
    num_chunks = draw.draw(st.integers(1, 12))
    parts = [feed._order(batch, i * chunk, chunk) for i in range(num_chunks)]
    assert all(part.shape == (chunk * batch,) for part in parts)
    rows = np.concatenate(parts)
    for begin in range(0, len(rows), num_rows):
        epoch = rows[begin : begin + num_rows]
        assert len(set(epoch.tolist())) == len(epoch)
        assert epoch.min() >= 0 and epoch.max() < num_rows
    alone = feed._order(batch, chunk - 1, 1)
    np.testing.assert_array_equal(alone, parts[0][-batch:])


def test_epochs_and_seeds_shuffle_differently() -> None:
    first, second = feed_of(50)._order(25, 0, 4).reshape(2, 50)
    other = feed_of(50, seed=1)._order(25, 0, 2)
    assert (first != second).any()
    assert (first != other).any()
    np.testing.assert_array_equal(feed_of(50)._order(50, 3, 2), np.tile(np.arange(50), 2))


def test_both_kernels_are_fed_the_same() -> None:
    feeds = [feed_of(50, seed=4), image_feed(seed=4), image_feed(seed=4, augment=WARP)]
    for feed in [*feeds, image_feed(seed=4, augment=WARP, augment_steps=5)]:
        words, labels = feed.batches(20, 3, 4)
        numbers, octets, targets = feed.indexed(20, 3, 4)
        rows = np.asarray(numbers).reshape(-1)
        expected = np.packbits(unpack(words, feed.num_inputs), axis=1, bitorder="little")
        np.testing.assert_array_equal(np.asarray(octets)[rows], expected)
        np.testing.assert_array_equal(np.asarray(targets)[rows], labels)
    numbers, octets, targets = feed_of(50).indexed(50, 0, 3)
    assert numbers.shape == (3, 0)
    assert (len(octets), len(targets)) == (50, 50)


@pytest.mark.parametrize("options", [{}, {"augment": WARP}, {"augment": WARP, "augment_steps": 5}])
def test_shares_are_the_batch_cut_in_pieces(options: dict[str, Any]) -> None:
    feed = image_feed(seed=4, **options)
    shares = [feed.share(12, 3, 4, slice(begin, begin + 4)) for begin in (0, 4, 8)]
    octets, targets = (np.concatenate(parts, axis=1) for parts in zip(*shares, strict=True))
    words, wanted = feed.batches(12, 3, 4)
    bits = np.unpackbits(octets.reshape(48, -1), axis=1, count=ENCODER.num_bits, bitorder="little")
    np.testing.assert_array_equal(bits, unpack(words, ENCODER.num_bits))
    np.testing.assert_array_equal(targets.reshape(-1), wanted)


def test_what_is_warped_depends_on_the_seed_and_the_number_alone() -> None:
    feed = image_feed(seed=5, augment=WARP)
    assert feed.packed.shape == (0, 3)
    whole = feed.batches(20, 0, 6)
    parts = [feed.batches(20, step, count) for step, count in ((0, 1), (1, 3), (4, 2))]
    for one, of_parts in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(of_parts))
    warped = WARP(IMAGES, feed._order(20, 0, 6), seed=5, first=0)
    np.testing.assert_array_equal(whole[0], ENCODER.pack(warped))
    assert (whole[0] != image_feed(seed=5).batches(20, 0, 6)[0]).any()
    first, second = feed.batches(50, 0, 2)[0].reshape(2, 50, -1)
    assert (first != second).any(), "the same image twice, warped otherwise"
    np.testing.assert_array_equal(feed.words(slice(3, 9)), ENCODER.pack(IMAGES[3:9]))
    np.testing.assert_array_equal(feed.by_input(), pack(ENCODER(IMAGES)))


@pytest.mark.parametrize("at_once", [7, 4096])
def test_images_are_warped_in_the_steps_asked_for(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    warped = image_feed(seed=5, augment=WARP).batches(20, 0, 6)[0].reshape(6, 20, -1)
    plain = image_feed(seed=5).batches(20, 0, 6)[0].reshape(6, 20, -1)
    monkeypatch.setattr("gatewright.feed.IMAGES_AT_ONCE", at_once)
    for num in (0, 2, 6, 9):
        feed = image_feed(seed=5, augment=WARP, augment_steps=num)
        expected = np.concatenate([warped[:num], plain[num:]])
        for step, count in ((0, 6), (1, 3), (4, 2)):
            words = feed.batches(20, step, count)[0].reshape(count, 20, -1)
            np.testing.assert_array_equal(words, expected[step : step + count])


def test_warps_are_the_same_however_many_are_made_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = image_feed(augment=WARP).batches(30, 1, 3)[0]
    monkeypatch.setattr("gatewright.feed.IMAGES_AT_ONCE", 7)
    np.testing.assert_array_equal(image_feed(augment=WARP).batches(30, 1, 3)[0], whole)


def test_targets_of_several_bits() -> None:
    network = network_of(5, Bits())
    x, y = np.eye(5), np.random.default_rng(0).integers(0, 2, (5, 4))
    feed = Feed.make(network, x, y, seed=1)
    words, targets = feed.batches(2, 0, 5)
    np.testing.assert_array_equal(targets, y[unpack(words, 5).argmax(axis=1)])


X, Y = np.eye(6), np.arange(6) % 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:, :5]}, r"x has shape \[6, 5\]; the network reads rows \[N, 6\]"),
        ({"x": X[0]}, r"x has shape \[6\]; the network reads rows"),
        ({"x": X[:4]}, "x has 4 rows and y 6; both have the same number, at least 1"),
        ({"x": 1.0}, "x has 0 rows and y 6"),
        ({"y": 1}, "x has 6 rows and y 0"),
        ({"x": X[:0], "y": Y[:0]}, "x has 0 rows and y 0; .*at least 1"),
        ({"x": np.where(X, 1, 0.5)}, r"x\[0, 1\] is 0.5; inputs are bits, 0 or 1: give an encoder"),
        ({"x": np.where(X, np.nan, 0)}, r"x\[0, 0\] is nan"),
        ({"y": Y + 1}, r"learns integer classes \[N\] from 0 to 1; y is .* from 1 to 2"),
        ({"augment": WARP}, "augment warps images, .*: give one"),
        ({"augment_steps": -1}, "augment_steps is at least 0, or None for all, not -1"),
        (
            {"x": IMAGES, "y": LABELS, "encoder": ENCODER},
            "the encoder gives 144 bits, the network reads 6; make it with num_inputs",
        ),
    ],
    ids=lambda x: None,
)
def test_errors_name_the_place(change: dict[str, Any], message: str) -> None:
    arguments = {"x": X, "y": Y, **change}
    with pytest.raises(InputError, match=message):
        Feed.make(network_of(6), **arguments)
