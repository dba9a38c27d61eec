#!/usr/bin/env python3
"""The model of a step's time (tools/scaling/model.py), worked out by hand."""
import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(sys.argv.pop()) / "tools" / "scaling"))
import model

LINK = model.Link(rate=100e6, latency=1e-3)
MIB = model.BUCKET_BYTES


class Model(unittest.TestCase):
    def test_a_ring_sends_two_messages_to_each_other_rank(self):
        self.assertEqual(model.ring(8e6, 1, LINK), 0)
        self.assertAlmostEqual(model.ring(8e6, 2, LINK), 2 * (0.04 + 0.001))
        self.assertAlmostEqual(model.ring(8e6, 4, LINK), 6 * (0.02 + 0.001))

    def test_buckets_are_those_of_the_exchange(self):
        layers = [model.Layer(0.1, 10), model.Layer(0.2, MIB - 5), model.Layer(0.4, 3 * MIB), model.Layer(0.8, 7)]
        sent = list(model.buckets(layers))
        # The large one goes by itself; the small ones before and after it fill a bucket together.
        self.assertEqual([size for _, size in sent], [3 * MIB, MIB + 2, 10])
        for (ready, _), expected in zip(sent, [1.2, 1.4, 1.5]):
            self.assertAlmostEqual(ready, expected)

    def test_what_is_sent_during_the_backward_pass_costs_nothing(self):
        layers = (model.Layer(1.0, 0), model.Layer(0.1, 8e6))
        step = model.predict(model.Work(0.5, layers, 0.2), 2, LINK)
        self.assertAlmostEqual(step.step, 1.8)
        self.assertAlmostEqual(step.communication, 0.082)
        self.assertAlmostEqual(step.bound, 1.8)
        self.assertAlmostEqual(step.sent, 8e6)

    def test_what_is_ready_last_is_waited_for(self):
        layers = (model.Layer(1.0, 8e6), model.Layer(0.1, 0))
        step = model.predict(model.Work(0.5, layers, 0.2), 2, LINK)
        self.assertAlmostEqual(step.step, 1.8 + 0.082)
        self.assertAlmostEqual(model.predict(model.Work(0.5, layers, 0.2), 1, LINK).step, 1.8)

    def test_the_link_sends_one_bucket_after_the_other(self):
        layers = (model.Layer(0.01, 8e6), model.Layer(0.01, 8e6), model.Layer(0.01, 8e6))
        step = model.predict(model.Work(0.5, layers, 0.0), 2, LINK)
        self.assertAlmostEqual(step.step, 0.5 + 0.01 + 3 * 0.082)

    def test_scaled_work_takes_the_time_that_was_measured(self):
        work = model.Work(0.5, (model.Layer(1.0, 8), model.Layer(0.5, 8)), 0.5).scaled(5.0)
        self.assertAlmostEqual(work.seconds, 5.0)
        self.assertTrue(math.isclose(work.layers[0].backward, 2.0))
        self.assertEqual(work.gradient, 16)


if __name__ == "__main__":
    unittest.main()
