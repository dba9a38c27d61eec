"""Spikeloom's layers as modules of PyTorch, for training loops of one's own: autograd works through them.

    from spikeloom.torch import LIF, NeuNorm, PerStep, Voting

Importing it loads the operators (torch.ops.spikeloom) from libspikeloom, which is built with one version of LibTorch:
PyTorch has to be the same (Debian's python3-torch for a build with Debian's libtorch-dev). Values are float or double,
on the CPU; time comes first: [T, N, ...]. The operators take any memory order and copy once unless time is outermost
and, for NeuNorm, channels are last in memory.
"""
import math

import torch
from torch import nn

from ._errors import ArgumentError, LibraryError
from ._library import find

SURROGATES = ("rectangular", "triangular", "sigmoid", "arctan")
RESETS = ("zero", "subtract", "none")
LIBRARY = "libspikeloom.so.0.1"


def _load():
    try:
        torch.ops.load_library(find(LIBRARY))
        torch.ops.spikeloom.lif
    except (OSError, AttributeError, RuntimeError) as error:
        raise LibraryError(f"{LIBRARY} cannot be used with PyTorch {torch.__version__} ({error}); install Spikeloom "
                           "built with the LibTorch of this PyTorch, or let SPIKELOOM_LIBRARY_DIR name the folder "
                           "that has it") from None


_load()


def _choose(what, value, choices):
    if value not in choices:
        raise ArgumentError(f"{what} is one of {', '.join(choices)}, not {value!r}")
    return choices.index(value)


def _check(holds, what, value):
    if not holds:
        raise ArgumentError(f"{what}, not {value}")


class LIF(nn.Module):
    """Iterative leaky integrate-and-fire neurons over all steps at once (Wu et al. 2019, eq. 5 and 6):

        i[t]      = current_decay i[t-1] + input[t],  i[-1] = 0     (0, the default: i = input)
        v_pre[t]  = decay v[t-1] + i[t],  v[-1] = 0
        spikes[t] = 1 if v_pre[t] >= v_threshold else 0
        v[t]      = v_pre[t] (1 - spikes[t]) + v_reset spikes[t]    (reset "zero")
                    v_pre[t] - v_threshold spikes[t]                ("subtract")
                    v_pre[t]                                        ("none")

    v_reset is below v_threshold, and for reset "zero" alone; current_decay is from 0 to below 1.
    input [T, N, ...] -> spikes [T, N, ...], 0 or 1, of the input's dtype. The gradient is that of the surrogate for the
    spike and exact for all else, the path through the reset included unless detach_reset. Surrogates, with x = v_pre -
    v_threshold and a = surrogate_width, have the peak 1/a and the area 1:

        rectangular (1/a) [|x| < a/2]         triangular (1/a) max(0, 1 - |x|/a)
        sigmoid (4/a) s(4x/a) (1 - s(4x/a))   arctan (1/a) / (1 + (pi x/a)^2)

    learn_decay, learn_v_threshold: decay and v_threshold are parameters (scalars, double), else buffers; keep_in_range()
    after an update of theirs. spike_count, after a call: the number of spikes, an int64 tensor; for firing rates.
    """

    def __init__(self, decay=0.25, v_threshold=0.75, surrogate="rectangular", surrogate_width=1.0, reset="zero",
                 detach_reset=False, learn_decay=False, learn_v_threshold=False, v_reset=0.0, current_decay=0.0):
        super().__init__()
        _check(0.0 <= decay <= 1.0, "decay is from 0 to 1", decay)
        _check(v_threshold > 0.0, "v_threshold is above 0", v_threshold)
        _check(surrogate_width > 0.0, "surrogate_width is above 0", surrogate_width)
        _check(-math.inf < v_reset < v_threshold, "v_reset is below v_threshold", v_reset)
        _check(v_reset == 0.0 or reset == "zero", "v_reset is for reset 'zero', and else 0", v_reset)
        _check(0.0 <= current_decay < 1.0, "current_decay is from 0 to below 1", current_decay)
        self.surrogate, self.surrogate_width = surrogate, float(surrogate_width)
        self.reset, self.detach_reset = reset, bool(detach_reset)
        self.v_reset, self.current_decay = float(v_reset), float(current_decay)
        self._surrogate, self._reset = _choose("surrogate", surrogate, SURROGATES), _choose("reset", reset, RESETS)
        for name, value, learnt in (("decay", decay, learn_decay), ("v_threshold", v_threshold, learn_v_threshold)):
            scalar = torch.tensor(float(value), dtype=torch.float64)
            if learnt:
                self.register_parameter(name, nn.Parameter(scalar))
            else:
                self.register_buffer(name, scalar)
        self.spike_count = None

    def forward(self, input, num_steps=None):
        """num_steps: with an input [1, N, ...], a static one: it is the same at each of so many steps, and its gradient
        is summed over them. Else T."""
        steps = input.shape[0] if num_steps is None else num_steps
        spikes, self.spike_count = torch.ops.spikeloom.lif(
            input, self.decay, self.v_threshold, steps, self._surrogate, self.surrogate_width, self._reset,
            self.detach_reset, False, self.v_reset, self.current_decay)
        return spikes

    @torch.no_grad()
    def keep_in_range(self):
        """Puts a decay back into 0 to 1 and a threshold to 0.001 or more."""
        self.decay.clamp_(0.0, 1.0)
        self.v_threshold.clamp_(min=1e-3)

    def extra_repr(self):
        return (f"decay={self.decay.item():g}, v_threshold={self.v_threshold.item():g}, surrogate={self.surrogate}, "
                f"surrogate_width={self.surrogate_width:g}, reset={self.reset}, v_reset={self.v_reset:g}, "
                f"current_decay={self.current_decay:g}, detach_reset={self.detach_reset}")


class NeuNorm(nn.Module):
    """NeuNorm (Wu et al. 2019, eq. 9 and 10): a map fed by all feature maps is subtracted from each of them:

        x[t](i, j)        = decay x[t-1](i, j) + coefficient sum_f spikes_f[t](i, j),  x[-1] = 0
        output_c[t](i, j) = spikes_c[t](i, j) - U_c(i, j) x[t](i, j)

    spikes [T, N, channels, height, width] -> the same shape. u, the parameter U: [1, height, width], or [channels,
    height, width] with per_channel_u; it starts at u_init. coefficient: (1 - decay) / channels (scale "mean"), or
    (1 - decay) / channels^2 ("literal": eq. 9 word by word). The gradient is exact.
    """

    def __init__(self, channels, height, width, decay=0.8, scale="mean", per_channel_u=False, u_init=0.0):
        super().__init__()
        _check(0.0 <= decay < 1.0, "decay is from 0 to below 1", decay)
        _check(min(channels, height, width) >= 1, "channels, height and width are at least 1",
               (channels, height, width))
        self.channels = channels
        literal = _choose("scale", scale, ("mean", "literal"))
        self.decay, self.coefficient = float(decay), (1.0 - decay) / channels ** (1 + literal)
        self.u = nn.Parameter(torch.full((channels if per_channel_u else 1, height, width), float(u_init)))

    def forward(self, spikes):
        _check(spikes.dim() == 5 and spikes.shape[2] == self.channels,
               f"the spikes are [T, N, {self.channels}, {', '.join(map(str, self.u.shape[1:]))}]", list(spikes.shape))
        return torch.ops.spikeloom.neunorm(spikes, self.u, self.decay, self.coefficient)

    def extra_repr(self):
        return f"u={list(self.u.shape)}, decay={self.decay:g}, coefficient={self.coefficient:g}"


class Voting(nn.Module):
    """Population voting: each neuron of the last layer votes for one class (Wu et al. 2019, eq. 11).

    spikes [T, N, num_classes * neurons_per_class] -> votes [N, num_classes]: the mean firing rate of each class's
    neurons. assignment: "blocks", neuron i for class i // neurons_per_class, or "random", a permutation of these that
    torch's generator draws. class_of, int32 [neurons], is a buffer. The gradient is exact.
    """

    def __init__(self, num_classes, neurons_per_class=10, assignment="blocks"):
        super().__init__()
        _check(min(num_classes, neurons_per_class) >= 1, "num_classes and neurons_per_class are at least 1",
               (num_classes, neurons_per_class))
        random = _choose("assignment", assignment, ("blocks", "random"))
        self.num_classes = num_classes
        class_of = torch.arange(num_classes, dtype=torch.int32).repeat_interleave(neurons_per_class)
        self.register_buffer("class_of", class_of[torch.randperm(len(class_of))] if random else class_of)

    @property
    def num_neurons(self):
        """How many the layer before has."""
        return len(self.class_of)

    def forward(self, spikes):
        return torch.ops.spikeloom.voting(spikes, self.class_of, self.num_classes)

    def extra_repr(self):
        return f"num_classes={self.num_classes}, num_neurons={self.num_neurons}"


class PerStep(nn.Module):
    """A module without time (nn.Conv2d, nn.Linear, nn.AvgPool2d) on all steps at once: [T, N, ...] is [T * N, ...] to
    it. Images go in with channels last in memory, as the other modules want them."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, input):
        samples = input.flatten(0, 1)
        if samples.dim() == 4:
            samples = samples.contiguous(memory_format=torch.channels_last)
        return self.module(samples).unflatten(0, input.shape[:2])
