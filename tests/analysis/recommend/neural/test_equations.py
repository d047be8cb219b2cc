# SPDX-License-Identifier: Apache-2.0
"""Each layer of the papers against the few lines of NumPy that its equation needs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heptad.analysis.recommend.neural.crossnet import CrossNetwork
from heptad.analysis.recommend.neural.interest import DIN, AttentionUnit
from heptad.analysis.recommend.neural.rows import Field, Schema
from heptad.analysis.recommend.neural.textcnn import TextCNN, windowed
from heptad.analysis.recommend.neural.vectors import Dice
from heptad.analysis.recommend.neural.wide_deep import WideDeep, cross_products, frequent, pairs

SCHEMA = Schema(
    (Field("item", 6), Field("held", 6, table="item", many=True), Field("hour", 24), Field("price"))
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(3)


def numbers(net, name):
    return net.get_parameter(name).detach().numpy().astype(np.float64)


def batch(n=5, many=4, seed=0):
    rng = np.random.default_rng(seed)
    held = np.sort(rng.integers(0, 7, (n, many)), axis=1)
    columns = {
        "item": rng.integers(1, 7, n),
        "held": held,
        "hour": rng.integers(1, 25, n),
        "price": rng.normal(size=n).astype(np.float32),
    }
    return {name: torch.from_numpy(v) for name, v in columns.items()}


def title_vector(net, vectors, title, windows):
    """Paper 001, section 3.1, word by word, for one title without padding."""
    d_f = []
    for number, ws in enumerate(windows):
        w, b = numbers(net, f"windows.{number}.weight"), numbers(net, f"windows.{number}.bias")
        d = np.vstack([vectors[title], np.zeros((ws - 1, vectors.shape[1]))]).T  # D ∈ R^(p × l)
        for w_j, b_j in zip(w, b, strict=True):
            c = [max(0.0, (w_j * d[:, i : i + ws]).sum() + b_j) for i in range(d.shape[1] - ws + 1)]
            assert len(c) == d.shape[1] - ws + 1
            d_f.append(max(c))
    inner = np.tanh(numbers(net, "inner.weight") @ d_f + numbers(net, "inner.bias"))
    return np.tanh(numbers(net, "outer.weight") @ inner + numbers(net, "outer.bias"))


def test_the_text_convolution_is_the_papers():
    windows, vectors = (2, 3, 5), np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    vectors[0] = 0
    net = TextCNN(vectors, windows, filters=3, inner=6, size=5)
    titles = [[1, 2, 3], [4], [5, 6, 7, 8, 1, 2]]
    padded = np.zeros((3, 7), np.int64)
    for row, title in enumerate(titles):
        padded[row, : len(title)] = title
    wanted = [title_vector(net, vectors, title, windows) for title in titles]
    assert net(torch.from_numpy(padded)).detach().numpy() == pytest.approx(
        np.array(wanted), abs=1e-6
    )


def test_a_window_is_torchs_convolution():
    layer = torch.nn.Conv1d(4, 3, 2)
    d = torch.randn(6, 5, 4)
    wanted = layer(d.transpose(1, 2))[:, :, 0]
    assert torch.allclose(windowed(layer, d), wanted, atol=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 8), min_size=0, max_size=6), st.integers(0, 5), st.floats(-9, 9))
def test_padding_never_wins(title, more, bias):
    vectors = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    vectors[0] = 0
    torch.manual_seed(0)
    net = TextCNN(vectors, (2, 3), filters=3, inner=4, size=2)
    with torch.no_grad():
        for layer in net.windows:
            layer.bias += bias
    short, long = (torch.tensor([title + [0] * pad]) for pad in (1, 1 + more))
    assert torch.equal(net.pooled(short), net.pooled(long))
    if not title:
        assert not net.pooled(long).any()


def test_a_cross_product_is_one_where_all_its_features_are():
    x = np.array([[1, 1, 0], [1, 1, 1], [0, 2, 3]], float)
    c = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1], [0, 0, 0]])
    assert cross_products(x, c).tolist() == [[1, 0, 0, 1], [1, 1, 1, 1], [0, 6, 0, 1]]


def test_the_wide_part_is_the_equation_over_one_hot_features():
    given_rows = batch(n=40, many=5)
    held, item = given_rows["held"].numpy(), given_rows["item"].numpy()
    known = frequent(pairs(held, item, 6), least=2)
    assert 0 < len(known) < len(np.unique(pairs(held, item, 6)))
    net = WideDeep(SCHEMA, known, size=4, parts=("wide",))
    with torch.no_grad():
        net.of_cross.weight[1:] = torch.randn(len(known), 1)
        net.bias += 0.25
    hot = np.zeros((40, 14))
    for row in range(40):
        hot[row, held[row]] = 1
        hot[row, 7 + item[row]] = 1
    hot[:, 0] = 0
    c = np.zeros((len(known), 14), int)
    c[np.arange(len(known)), known // 7] = 1
    c[np.arange(len(known)), 7 + known % 7] = 1
    weights = numbers(net, "of_cross.weight")[1:, 0]
    wanted = cross_products(hot, c) @ weights + 0.25
    assert net(given_rows).detach().numpy() == pytest.approx(wanted, abs=1e-6)


def test_wide_and_deep_are_moved_by_one_loss():
    rows = batch(n=40)
    known = frequent(pairs(rows["held"].numpy(), rows["item"].numpy(), 6), least=1)
    net = WideDeep(SCHEMA, known, size=4)
    odds = net(rows)
    torch.nn.functional.binary_cross_entropy_with_logits(odds, torch.ones(40)).backward()
    assert net.of_cross.weight.grad.abs().sum() > 0
    assert net.vectors.of["item"].weight.grad.abs().sum() > 0
    deep = WideDeep(SCHEMA, known, size=4, parts=("deep",))
    deep.load_state_dict(net.state_dict())
    assert torch.allclose(odds, net.wide(rows) + deep(rows), atol=1e-6)


def test_attention_by_hand():
    """N = 2 held, d = 2, one hidden unit: w = 2 · relu(V_i[0] - V_a[1] + 3 · V_i[0] V_a[1]) + 0.5."""
    unit = AttentionUnit(2, hidden=1)
    with torch.no_grad():
        unit.first.weight[:] = torch.tensor([[1.0, 0, 0, -1, 0, 3, 0, 0]])
        unit.first.bias[:] = 0
        unit.last.weight[:], unit.last.bias[:] = 2.0, 0.5
    held = torch.tensor([[[1.0, 5.0], [-1.0, 7.0]]])
    candidate = torch.tensor([[9.0, 2.0]])
    # V_1: 1 - 2 + 3·1·2 = 5 → 10.5; V_2: -1 - 2 - 6 = -9 → relu 0 → 0.5
    assert unit(held, candidate).tolist() == [[10.5, 0.5]]


@pytest.mark.parametrize("act", ["relu", "dice"])
def test_attention_is_the_outer_product_written_out(act):
    d, unit = 3, AttentionUnit(3, hidden=4, act=act).eval()
    held, candidate = torch.randn(5, 6, d), torch.randn(5, d)
    wide = candidate[:, None].expand(-1, 6, -1)
    outer = torch.einsum("nli,nlj->nlij", held, wide).flatten(2)
    inner = torch.cat([held, wide, outer], 2)
    wanted = unit.last(unit.act(unit.first(inner)))[..., 0]
    assert torch.allclose(unit(held, candidate), wanted, atol=1e-5)


def test_interest_is_the_unnormalised_sum_and_moves_with_the_candidate():
    net, rows = DIN(SCHEMA, size=3), batch()
    table = numbers(net, "vectors.of.item.weight")
    w = net.weights(rows).detach().numpy()
    held = rows["held"].numpy()
    wanted = [sum(w[n, i] * table[held[n, i]] for i in range(4)) for n in range(5)]
    assert net.interest(rows).detach().numpy() == pytest.approx(np.array(wanted), abs=1e-6)
    assert (w[held == 0] == 0).all()
    assert not np.allclose(w.sum(1), 1)
    other = rows | {"item": rows["item"] % 6 + 1}
    assert not torch.allclose(net.interest(rows), net.interest(other))


def test_one_user_for_all_candidates_scores_as_written_out():
    net, rows = DIN(SCHEMA, size=3), batch()
    one = rows | {"held": rows["held"][:1], "hour": rows["hour"][:1]}
    whole = rows | {"held": one["held"].expand(5, -1), "hour": one["hour"].expand(5)}
    assert torch.allclose(net(one), net(whole), atol=1e-6)


def test_dice_bends_where_the_batch_lies():
    dice, s = Dice(2), torch.randn(50, 2) * 3 + 1
    with torch.no_grad():
        dice.alpha[:] = torch.tensor([0.2, -0.5])
    x = s.numpy().astype(np.float64)
    p = 1 / (1 + np.exp(-(x - x.mean(0)) / np.sqrt(x.var(0) + 1e-8)))
    wanted = p * x + (1 - p) * np.array([0.2, -0.5]) * x
    assert dice(s).detach().numpy() == pytest.approx(wanted, abs=1e-5)


def test_the_cross_network_is_its_equation():
    net, rows = CrossNetwork(SCHEMA, size=3, crosses=2, layers=(4,)), batch()
    start = torch.cat([net.base.interest(rows), net.vectors.joined(rows, ("held",))], 1)
    start = start.detach().numpy().astype(np.float64)
    x = start
    for number in range(2):
        w, b = numbers(net, f"crosses.{number}.weight"), numbers(net, f"crosses.{number}.bias")
        x = start * (x @ w.T + b) + x
    deep = np.maximum(start @ numbers(net, "deep.0.weight").T + numbers(net, "deep.0.bias"), 0)
    wanted = np.hstack([x, deep]) @ numbers(net, "last.weight")[0] + numbers(net, "last.bias")[0]
    assert net(rows).detach().numpy() == pytest.approx(wanted, abs=1e-5)
