# SPDX-License-Identifier: Apache-2.0
"""The training loop that all networks share: one optimiser, one schedule, checkpoints without code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from heptad.analysis.arrays import Codes
    from heptad.analysis.recommend.epochs import Arrays, Course


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes:
        batch: rows per step.
        learning_rate: of Adam, at the start; it falls to 0 along half a cosine.
        largest: norm that a step's gradient is cut to.
    """

    batch: int = 1024
    learning_rate: float = 1e-3
    largest: float = math.inf


def train(  # noqa: PLR0913 - what is trained how, each by name
    net: torch.nn.Module,
    rows: int,
    loss: Callable[[Codes], torch.Tensor],
    *,
    course: Course,
    schedule: Schedule,
    held_out: Callable[[], float] | None = None,
    patience: int = 0,
) -> None:
    """Train a network in place, going on from the course's checkpoint if there is one.

    Args:
        net: whose parameters move.
        rows: how many training rows there are.
        loss: mean loss of the rows with these numbers.
        course: epochs, seed and checkpoint.
        schedule: batch and learning rate.
        held_out: loss on rows that are not trained on, asked after every epoch.
        patience: stop when the loss held out has not fallen for so many epochs, and go back to
            the best one; 0 takes the last.
    """
    optimiser = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate)
    kept = course.resume()
    best = {name[5:]: kept.pop(name) for name in list(kept) if name.startswith("best/")}
    if kept:
        restore(net, optimiser, kept)
    for epoch in course.rest():
        if patience and course.worse >= patience:
            break
        rng = course.rng(epoch)
        share = (epoch - 1) / course.epochs
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            mean = _epoch(net, rng.permutation(rows), loss, optimiser, schedule)
        net.eval()
        seen = held_out() if held_out else math.nan
        if patience and not seen >= course.least:
            best = state(net)
        course.done(mean, seen, partial(_kept, net, optimiser, best))
    if best:
        restore(net, None, best)


def _kept(net: torch.nn.Module, optimiser: torch.optim.Adam, best: Arrays) -> Arrays:
    return state(net, optimiser) | {f"best/{name}": value for name, value in best.items()}


def _epoch(
    net: torch.nn.Module,
    order: Codes,
    loss: Callable[[Codes], torch.Tensor],
    optimiser: torch.optim.Adam,
    schedule: Schedule,
) -> float:
    net.train()
    total = 0.0
    for start in range(0, len(order), schedule.batch):
        rows = order[start : start + schedule.batch]
        value = loss(rows)
        optimiser.zero_grad()
        value.backward()
        if schedule.largest < math.inf:
            torch.nn.utils.clip_grad_norm_(net.parameters(), schedule.largest)
        optimiser.step()
        total += float(value.detach()) * len(rows)
    return total / len(order)


def state(net: torch.nn.Module, optimiser: torch.optim.Adam | None = None) -> Arrays:
    """Return a network's parameters, and its optimiser's memory, as named arrays."""
    arrays = {f"net/{name}": value.cpu().numpy().copy() for name, value in net.state_dict().items()}
    if optimiser is not None:
        for number, memory in optimiser.state_dict()["state"].items():
            for name, value in memory.items():
                arrays[f"opt/{number}/{name}"] = np.asarray(value.cpu()).copy()
    return arrays


def restore(net: torch.nn.Module, optimiser: torch.optim.Adam | None, arrays: Arrays) -> None:
    """Put back what `state` returned."""
    held = {
        n.removeprefix("net/"): torch.from_numpy(v) for n, v in arrays.items() if n[:4] == "net/"
    }
    net.load_state_dict(held)
    if optimiser is None:
        return
    memory: dict[int, dict[str, Any]] = {}
    for name, value in arrays.items():
        if name.startswith("opt/"):
            _, number, field = name.split("/")
            memory.setdefault(int(number), {})[field] = torch.from_numpy(np.asarray(value))
    whole = optimiser.state_dict()
    optimiser.load_state_dict({"state": memory, "param_groups": whole["param_groups"]})
