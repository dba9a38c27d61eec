"""A reverse-mode tape: values that remember how they were made, so that golden.py needs no derived gradient."""
import numpy as np


class Var:
    """A value and the operations that made it."""

    def __init__(self, value, parents=()):
        self.value = np.asarray(value, dtype=np.float64)
        self.parents = parents  # (parent, function from the gradient of self to that of the parent)
        self.grad = np.zeros_like(self.value)

    def __add__(self, other):
        other = as_var(other)
        return Var(self.value + other.value, ((self, lambda g: fit(g, self)), (other, lambda g: fit(g, other))))

    def __sub__(self, other):
        other = as_var(other)
        return Var(self.value - other.value, ((self, lambda g: fit(g, self)), (other, lambda g: fit(-g, other))))

    def __rsub__(self, other):
        return as_var(other) - self

    def __mul__(self, other):
        other = as_var(other)
        return Var(
            self.value * other.value,
            ((self, lambda g: fit(g * other.value, self)), (other, lambda g: fit(g * self.value, other))),
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __getitem__(self, key):
        def scatter(g):
            out = np.zeros_like(self.value)
            np.add.at(out, key, g)
            return out

        return Var(self.value[key], ((self, scatter),))

    def reshape(self, *shape):
        return Var(self.value.reshape(*shape), ((self, lambda g: g.reshape(self.value.shape)),))

    def sum(self, axis, keepdims=False):
        def spread(g):
            return np.broadcast_to(g if keepdims else np.expand_dims(g, axis), self.value.shape).copy()

        return Var(self.value.sum(axis=axis, keepdims=keepdims), ((self, spread),))

    def backward(self, gradient):
        order, seen = [], set()

        def visit(node):
            if id(node) in seen:
                return
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

        visit(self)
        for node in order:
            node.grad = np.zeros_like(node.value)
        self.grad = np.asarray(gradient, dtype=np.float64)
        for node in reversed(order):
            for parent, pull in node.parents:
                parent.grad = parent.grad + pull(node.grad)


def as_var(x):
    return x if isinstance(x, Var) else Var(x)


def fit(gradient, var):
    """Sums a gradient over the axes that broadcasting added."""
    gradient = np.asarray(gradient)
    while gradient.ndim > var.value.ndim:
        gradient = gradient.sum(axis=0)
    for axis, length in enumerate(var.value.shape):
        if length == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(axis=axis, keepdims=True)
    return gradient


def stack(parts):
    return Var(
        np.stack([p.value for p in parts]), tuple((p, lambda g, k=k: g[k]) for k, p in enumerate(parts))
    )
