#!/usr/bin/env python3
"""One training step, or inference, of another library on a network of ours; prints JSON.

  peer.py spikingjelly|snntorch|torch NET CxHxW BATCH STEPS [--rate R] [--iterations N] [--infer] [--saved]
          [--threads 2] [--autocast]

The network is as in the structure string, without voting's grouping of neurons into classes being special: its 10
neurons a class are averaged over steps and neurons, the loss is the mean squared error, the optimiser SGD with
momentum. LIF neurons with decay 0.25 and reset to zero. With --rate thresholds are set, layer after layer, so that
each layer fires at that rate on the data of the run. Data are random and the same kind as `spikeloom bench step` has:
a still image repeated at each step, or for two channels binary events. `spikingjelly` is its multi-step mode with the
torch backend, `snntorch` its Leaky neuron in a loop over the steps, `torch` the paper's authors' form: a loop over
steps and layers with a rectangular surrogate as autograd function. --autocast runs the forward pass and the loss in
PyTorch's automatic mixed precision with bfloat16.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn

DECAY = 0.25
THRESHOLD = 0.75


class Rectangle(torch.autograd.Function):
    """Step forward; backward 1 where |v - threshold| < 1/2 (Wu et al. 2019, equation 4 with a = 1)."""

    @staticmethod
    def forward(ctx, distance):
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance.dtype)

    @staticmethod
    def backward(ctx, grad):
        (distance,) = ctx.saved_tensors
        return grad * (distance.abs() < 0.5).to(grad.dtype)


class PlainLif(nn.Module):
    """Iterative LIF, one step a call."""

    def __init__(self):
        super().__init__()
        self.threshold = THRESHOLD
        self.reset()

    def reset(self):
        self.v = self.spike = None

    def forward(self, current):
        v = current if self.v is None else DECAY * self.v * (1 - self.spike) + current
        self.v, self.spike = v, Rectangle.apply(v - self.threshold)
        return self.spike


def layers(net, shape, conv, pool, flatten, linear, lif):
    """Layers of a structure string, initialised so that neurons fire at T steps from a few inputs."""
    channels, height, width = shape
    modules, flat = [], False
    for word in net.replace("(Encoding)", "").replace("Voting", "100FC").split("-"):
        if word.startswith("AP"):
            modules.append(pool(int(word[2:])))
            height, width = height // int(word[2:]), width // int(word[2:])
            continue
        if "C" in word and not word.endswith("FC"):
            filters, kernel = (int(part) for part in word.split("C"))
            weights = conv(channels, filters, kernel, padding=kernel // 2)
        else:
            filters = int(word[:-2])
            if not flat:
                modules.append(flatten())
                channels, flat = channels * height * width, True
            weights = linear(channels, filters)
        nn.init.kaiming_normal_(weights.weight)
        nn.init.zeros_(weights.bias)
        with torch.no_grad():
            weights.weight.mul_(2)
        modules += [weights, lif()]
        channels = filters
    return nn.ModuleList(modules)


class SpikingJelly:
    def __init__(self, net, shape):
        from spikingjelly.activation_based import functional, layer, neuron, surrogate
        self.functional = functional
        self.neuron = neuron.LIFNode

        def lif():
            return neuron.LIFNode(tau=1 / (1 - DECAY), decay_input=False, v_threshold=THRESHOLD, v_reset=0.0,
                                  surrogate_function=surrogate.Sigmoid(), step_mode="m", backend="torch")

        self.modules = layers(net, shape, lambda *a, **k: layer.Conv2d(*a, **k, step_mode="m"),
                              lambda k: layer.AvgPool2d(k, step_mode="m"), lambda: layer.Flatten(step_mode="m"),
                              lambda *a: layer.Linear(*a, step_mode="m"), lif)

    def reset(self):
        self.functional.reset_net(self.modules)

    def is_neuron(self, module):
        return isinstance(module, self.neuron)

    def set_threshold(self, module, value):
        module.v_threshold = value

    def run_module(self, module, x):
        return module(x)

    def run(self, x):
        for module in self.modules:
            x = module(x)
        return x


class Loop:
    """Peers whose neurons take one step a call."""

    def reset(self):
        for module in self.modules:
            if self.is_neuron(module):
                self.reset_neuron(module)

    def run_module(self, module, x):
        if self.is_neuron(module):
            self.reset_neuron(module)
        return torch.stack([module(step) for step in x])

    def run(self, x):
        self.reset()
        outputs = []
        for step in x:
            for module in self.modules:
                step = module(step)
            outputs.append(step)
        return torch.stack(outputs)


class Plain(Loop):
    def __init__(self, net, shape):
        self.modules = layers(net, shape, nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Linear, PlainLif)

    def is_neuron(self, module):
        return isinstance(module, PlainLif)

    def reset_neuron(self, module):
        module.reset()

    def set_threshold(self, module, value):
        module.threshold = value


class SnnTorch(Loop):
    def __init__(self, net, shape):
        import snntorch
        from snntorch import surrogate
        self.neuron = snntorch.Leaky
        self.modules = layers(net, shape, nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Linear,
                              lambda: snntorch.Leaky(beta=DECAY, threshold=THRESHOLD, init_hidden=True,
                                                     reset_mechanism="zero", spike_grad=surrogate.atan()))

    def is_neuron(self, module):
        return isinstance(module, self.neuron)

    def reset_neuron(self, module):
        module.reset_hidden() if hasattr(module, "reset_hidden") else module.reset_mem()

    def set_threshold(self, module, value):
        module.threshold.fill_(value)


PEERS = {"spikingjelly": SpikingJelly, "snntorch": SnnTorch, "torch": Plain}


def calibrate(peer, x, rate):
    """Bisects each layer's threshold; returns the rates reached."""
    rates = []
    with torch.no_grad():
        for module in peer.modules:
            if peer.is_neuron(module):
                low, high = -10.0, 10.0
                for _ in range(25):
                    middle = (low + high) / 2
                    peer.set_threshold(module, THRESHOLD * 2**middle)
                    peer.reset()
                    reached = peer.run_module(module, x).mean().item()
                    if abs(reached - rate) < 0.005 * rate:
                        break
                    low, high = (middle, high) if reached > rate else (low, middle)
                rates.append(reached)
            peer.reset()
            x = peer.run_module(module, x)
    peer.reset()
    return rates


def saved_bytes(peer, step):
    """Bytes of the storages that autograd keeps from forward to backward, each counted once."""
    parameters = {parameter.storage().data_ptr() for parameter in peer.modules.parameters()}
    storages = {}
    alive = []  # else a freed storage's address may come again

    def pack(tensor):
        storage = tensor.storage()
        if storage.data_ptr() not in parameters:
            storages[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor.detach())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(storages.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=sorted(PEERS))
    parser.add_argument("net")
    parser.add_argument("input")
    parser.add_argument("batch", type=int)
    parser.add_argument("steps", type=int)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--autocast", action="store_true", help="mixed precision with bfloat16")
    parser.add_argument("--infer", action="store_true")
    parser.add_argument("--saved", action="store_true", help="count what a step keeps for backward, parameters left out")
    options = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # else the membranes' denormals make it many times slower
    shape = [int(size) for size in options.input.split("x")]
    peer = PEERS[options.peer](options.net, shape)
    if shape[0] == 2:
        x = (torch.rand(options.steps, options.batch, *shape) < 0.05).float()
    else:
        x = torch.rand(1, options.batch, *shape).repeat(options.steps, 1, 1, 1, 1)
    wanted = nn.functional.one_hot(torch.randint(0, 10, (options.batch,)), 10).float()
    rates = calibrate(peer, x, options.rate) if options.rate > 0 else []
    optimizer = torch.optim.SGD(peer.modules.parameters(), lr=1e-3, momentum=0.9)

    def step():
        peer.reset()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.autocast):
            votes = peer.run(x).mean(0).view(options.batch, 10, -1).mean(2)
            if options.infer:
                return
            loss = nn.functional.mse_loss(votes.float(), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    saved = saved_bytes(peer, step) / options.batch if options.saved else None
    seconds = []
    with torch.set_grad_enabled(not options.infer):
        for _ in range(options.iterations + 1):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds[1:])
    print(json.dumps({"peer": options.peer, "autocast": options.autocast, "samples_per_s": options.batch / median, "step_ms": 1e3 * median,
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "saved_bytes_per_sample": saved, "firing_rates": rates}))


if __name__ == "__main__":
    main()
