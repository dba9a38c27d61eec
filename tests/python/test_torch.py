"""The modules of spikeloom.torch against plain compositions under PyTorch's autograd."""
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch (python3-torch) is not installed")

import spikeloom
from spikeloom.torch import LIF, RESETS, SURROGATES, NeuNorm, PerStep, Voting


def surrogate(kind, x, a):
    if kind == "rectangular":
        return (x.abs() < a / 2).to(x.dtype) / a
    if kind == "triangular":
        return (1 - x.abs() / a).clamp(min=0) / a
    if kind == "sigmoid":
        s = torch.sigmoid(4 * x / a)
        return 4 / a * s * (1 - s)
    return 1 / a / (1 + (torch.pi * x / a) ** 2)


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(context, x, kind, a):
        context.save_for_backward(x)
        context.kind, context.a = kind, a
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(context, grad):
        return grad * surrogate(context.kind, context.saved_tensors[0], context.a), None, None


def plain_lif(x, decay, v_threshold, kind, a, reset, detach_reset, v_reset=0.0, current_decay=0.0):
    v, synapse, spikes = torch.zeros_like(x[0]), torch.zeros_like(x[0]), []
    for current in x:
        synapse = current_decay * synapse + current
        v_pre = decay * v + synapse
        spikes.append(Spike.apply(v_pre - v_threshold, kind, a))
        through = spikes[-1].detach() if detach_reset else spikes[-1]
        v = {"zero": v_pre * (1 - through) + v_reset * through, "subtract": v_pre - v_threshold * through,
             "none": v_pre}[reset]
    return torch.stack(spikes)


def settings_of_neurons():
    plain = itertools.product(SURROGATES, RESETS, (False, True), (0.0,), (0.0,))
    other = itertools.product(("triangular",), RESETS, (False, True), (-0.3,), (0.5,))
    return [*plain, *((kind, reset, cut, v_reset if reset == "zero" else 0.0, decay)
                      for kind, reset, cut, v_reset, decay in other)]


@pytest.mark.parametrize("kind, reset, detach_reset, v_reset, current_decay", settings_of_neurons())
def test_lif_is_the_plain_composition(kind, reset, detach_reset, v_reset, current_decay):
    torch.manual_seed(1)
    x = torch.randn(6, 3, 4, 5, dtype=torch.float64) + 0.4
    weight = torch.randn(x.shape, dtype=torch.float64)
    lif = LIF(0.6, 0.7, kind, 1.3, reset, detach_reset, learn_decay=True, learn_v_threshold=True, v_reset=v_reset,
              current_decay=current_decay)
    ours, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    decay, v_threshold = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.6, 0.7))
    spikes, expected = lif(ours), plain_lif(plain, decay, v_threshold, kind, 1.3, reset, detach_reset, v_reset,
                                           current_decay)
    assert torch.equal(spikes, expected) and lif.spike_count == spikes.sum() and 0 < spikes.mean() < 1
    (spikes * weight).sum().backward()
    (expected * weight).sum().backward()
    for got, want in ((ours, plain), (lif.decay, decay), (lif.v_threshold, v_threshold)):
        assert want.grad.abs().max() > 0
        torch.testing.assert_close(got.grad, want.grad, rtol=1e-10, atol=1e-12)


def test_a_static_input_is_shown_at_each_step():
    x = torch.rand(1, 2, 7, dtype=torch.float64, requires_grad=True)
    repeated = x.detach().repeat(5, 1, 1).requires_grad_()
    spikes = LIF(surrogate="sigmoid")(x, num_steps=5)
    LIF(surrogate="sigmoid")(repeated).sum().backward()
    spikes.sum().backward()
    assert spikes.shape == (5, 2, 7)
    torch.testing.assert_close(x.grad[0], repeated.grad.sum(0))


@pytest.mark.parametrize("per_channel_u, scale", itertools.product((False, True), ("mean", "literal")))
def test_neunorm_is_the_plain_composition(per_channel_u, scale):
    torch.manual_seed(2)
    module = NeuNorm(3, 4, 5, decay=0.7, scale=scale, per_channel_u=per_channel_u, u_init=0.3).double()
    spikes = (torch.rand(4, 2, 3, 4, 5, dtype=torch.float64) < 0.4).double().requires_grad_()
    x, expected = torch.zeros(2, 1, 4, 5, dtype=torch.float64), []
    for step in spikes:
        x = 0.7 * x + (1 - 0.7) / (3 if scale == "mean" else 9) * step.sum(1, keepdim=True)
        expected.append(step - module.u * x)
    torch.testing.assert_close(module(spikes), torch.stack(expected), rtol=1e-12, atol=1e-14)
    assert module.u.shape == ((3 if per_channel_u else 1), 4, 5)
    assert torch.autograd.gradcheck(lambda s, u: torch.ops.spikeloom.neunorm(s, u, module.decay, module.coefficient),
                                    (spikes, module.u))


@pytest.mark.parametrize("assignment", ["blocks", "random"])
def test_voting_is_the_mean_of_each_population(assignment):
    torch.manual_seed(3)
    module = Voting(3, 4, assignment)
    spikes = (torch.rand(5, 2, 12, dtype=torch.float64) < 0.5).double().requires_grad_()
    votes = module(spikes)
    for k in range(3):
        mine = module.class_of == k
        assert mine.sum() == 4
        torch.testing.assert_close(votes[:, k], spikes[:, :, mine].mean((0, 2)))
    assert torch.autograd.gradcheck(module, (spikes,))
    blocks = torch.arange(12, dtype=torch.int32) // 4
    assert torch.equal(module.class_of, blocks) == (assignment == "blocks") and "class_of" in module.state_dict()


def test_a_network_learns_and_is_saved(tmp_path):
    torch.manual_seed(4)
    voting = Voting(2, 20)

    def network():
        return torch.nn.Sequential(PerStep(torch.nn.Conv2d(1, 6, 3, padding=1)), LIF(surrogate="arctan"),
                                   NeuNorm(6, 8, 8),
                                   PerStep(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(384, 40))),
                                   LIF(surrogate="arctan", learn_decay=True, learn_v_threshold=True), voting)

    inputs, labels = 0.3 * torch.rand(4, 20, 1, 8, 8), torch.arange(20) % 2
    inputs[:, labels == 0, :, :, 1:3] += 1
    inputs[:, labels == 1, :, :, 5:7] += 1
    model, target = network(), torch.nn.functional.one_hot(labels, 2).float()
    optimizer, losses = torch.optim.Adam(model.parameters(), 0.01), []
    for _ in range(25):
        loss = torch.nn.functional.mse_loss(model(inputs), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model[4].keep_in_range()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0], losses
    assert (model(inputs).argmax(1) == labels).all()
    assert model[4].decay.item() != 0.25 and model[2].u.abs().max() > 0
    torch.save(model.state_dict(), tmp_path / "model.pt")
    again = network()
    again.load_state_dict(torch.load(tmp_path / "model.pt"))
    assert torch.equal(again(inputs), model(inputs))


def test_parameters_of_a_run_give_the_votes_of_the_runtime(work, images):
    run = spikeloom.Run(work / "runs/images")
    p = {name: torch.from_numpy(values) for name, values in run.parameters.items()}

    def fire(name, x, steps=None):
        return LIF(p[name + ".decay"].item(), run.recipe["neuron"]["v_threshold"], reset="subtract")(x, steps)

    x = torch.from_numpy(images[200:, None] / np.float32(255))
    x = fire("conv1", torch.nn.functional.conv2d(x, p["conv1.weight"], p["conv1.bias"], padding=1)[None], 3)
    x = PerStep(torch.nn.AvgPool2d(2))(x).permute(0, 1, 3, 4, 2).flatten(2)
    for name in ("fc1", "voting"):
        x = fire(name, torch.nn.functional.linear(x, p[name + ".weight"], p[name + ".bias"]))
    votes = torch.ops.spikeloom.voting(x, p["voting.class_of"], 10)
    expected = [run.model().predict(image[..., None] / np.float32(255)).votes for image in images[200:]]
    np.testing.assert_allclose(votes, expected, atol=1e-6)


def test_a_range_is_kept():
    lif = LIF(learn_decay=True, learn_v_threshold=True)
    with torch.no_grad():
        lif.decay.fill_(1.5)
        lif.v_threshold.fill_(-1)
    lif.keep_in_range()
    assert (lif.decay.item(), lif.v_threshold.item()) == (1.0, 1e-3)


def test_what_does_not_fit_is_refused():
    for make, text in ((lambda: LIF(decay=1.5), "decay"), (lambda: LIF(v_threshold=0), "v_threshold"),
                       (lambda: LIF(surrogate_width=0), "surrogate_width"), (lambda: LIF(surrogate="box"), "arctan"),
                       (lambda: LIF(reset="soft"), "subtract"), (lambda: LIF(v_reset=0.75), "v_reset"),
                       (lambda: LIF(reset="none", v_reset=0.1), "v_reset"),
                       (lambda: LIF(current_decay=1.0), "current_decay"), (lambda: NeuNorm(2, 3, 4, decay=1), "decay"),
                       (lambda: NeuNorm(0, 3, 4), "channels"), (lambda: NeuNorm(2, 3, 4, scale="a"), "literal"),
                       (lambda: Voting(0), "num_classes"), (lambda: Voting(2, 2, "a"), "blocks")):
        with pytest.raises(spikeloom.ArgumentError, match=text):
            make()
    with pytest.raises(RuntimeError, match="input"):
        LIF()(torch.rand(4, 2, 3).half())
    with pytest.raises(spikeloom.ArgumentError, match=r"\[T, N, 2, 3, 4\]"):
        NeuNorm(2, 3, 4)(torch.rand(4, 2, 3, 3, 4))
    with pytest.raises(RuntimeError, match="neunorm"):
        NeuNorm(2, 3, 4)(torch.rand(4, 2, 2, 5, 4))
