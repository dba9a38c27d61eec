#!/usr/bin/env python3
"""Each rule of check_layers.py finds what breaks it, in a small tree that keeps all of them otherwise."""
import pathlib
import tempfile
import unittest

import check_layers

GOOD = {
    "spikeloom/base/errors.h": "#pragma once\n#include <string>\n",
    "spikeloom/config/table.h": '#pragma once\n#include "spikeloom/base/errors.h"\n',
    "spikeloom/config/table.cpp": '#include "spikeloom/config/table.h"\n',
    "spikeloom/events/event.h": "#pragma once\n",
    "spikeloom/formats/idx.h": '#pragma once\n#include "spikeloom/events/event.h"\n',
    "spikeloom/ops/lif.h": "#pragma once\n#include <ATen/core/Tensor.h>\n",
    "spikeloom/backends/torch/tensor.h": '#pragma once\n#include "spikeloom/ops/lif.h"\n',
    "spikeloom/train/session/trainer.h": '#pragma once\n#include "spikeloom/config/table.h"\n',
    "spikeloom/train/session/trainer.cpp": '#include "spikeloom/train/session/trainer.h"\n#include "spikeloom/backends/torch/tensor.h"\n',
    "app/output.h": "#pragma once\n",
    "app/main.cpp": '#include "app/output.h"\n#include "spikeloom/train/session/trainer.h"\n',
    "tests/reference/support.h": "#pragma once\n#include <torch/types.h>\n",
    "tests/reference/network_test.cpp": '#include "support.h"\n#include "spikeloom/backends/torch/tensor.h"\n',
    "tools/golden.py": "print(1)\n",
}


class CheckLayersTest(unittest.TestCase):
    def problems(self, changes=None):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**GOOD, **(changes or {})}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, encoding="utf-8")
            return check_layers.Tree(root).check()

    def expect(self, name, text, *parts):
        problems = self.problems({name: text})
        self.assertEqual(len(problems), 1, problems)
        for part in (name, *parts):
            self.assertIn(part, problems[0])

    def test_good_tree(self):
        self.assertEqual(self.problems(), [])

    def test_header_compiled_for_every_simd_target(self):
        toggled = "#if defined(LANES_H) == defined(HWY_TARGET_TOGGLE)\n"
        self.assertEqual(self.problems({"spikeloom/kernels/cpu/lanes-inl.h": toggled}), [])
        self.expect("spikeloom/kernels/cpu/lanes-inl.h", "#include <cmath>\n", "HWY_TARGET_TOGGLE")
        self.expect("spikeloom/kernels/cpu/lanes.h", toggled, "#pragma once")

    def test_include_upward(self):
        self.expect("spikeloom/base/log.cpp", '#include "spikeloom/config/table.h"\n', "base [0]", "table.h [1]")

    def test_include_upward_from_a_header(self):
        self.expect("spikeloom/ops/pool.h", '#pragma once\n  #  include "spikeloom/backends/torch/tensor.h"\n', "ops [3]", "[4]")

    def test_generated_header(self):
        source = '#include "spikeloom/formats/event.pb.h"\n'
        self.expect("spikeloom/formats/event.cpp", source, "no path from the root")
        message = {"spikeloom/formats/event.proto": 'syntax = "proto3";\n'}
        self.assertEqual(self.problems({"spikeloom/formats/event.cpp": source, **message}), [])
        problems = self.problems({"spikeloom/base/event.cpp": source, **message})
        self.assertEqual(len(problems), 1, problems)

    def test_c10d_in_one_file(self):
        header = "#include <torch/csrc/distributed/c10d/TCPStore.hpp>\n"
        self.assertEqual(self.problems({"spikeloom/parallel/c10d.cpp": header}), [])
        self.expect("spikeloom/train/session/session.cpp", header, "c10d belongs to spikeloom/parallel/c10d.cpp")

    def test_include_across(self):
        self.expect("spikeloom/config/write.cpp", '#include "spikeloom/events/event.h"\n', "config [1]", "[1]")

    def test_include_upward_inside_train(self):
        include = '#include "spikeloom/train/session/trainer.h"\n'
        self.expect("spikeloom/train/run/run_folder.cpp", include, "train/run includes", "trainer.h")
        self.expect("spikeloom/train/benchmark/benchmark.cpp", include, "train/benchmark includes", "trainer.h")
        self.assertEqual(self.problems({"spikeloom/train/session/result.cpp": include}), [])

    def test_include_of_another_event_format(self):
        header = {"spikeloom/formats/events/text/csv.h": "#pragma once\n"}
        include = '#include "spikeloom/formats/events/text/csv.h"\n'
        for place in ("numpy/npy.cpp", "columns/table.cpp"):
            problems = self.problems({**header, f"spikeloom/formats/events/{place}": include})
            self.assertEqual(len(problems), 1, problems)
            self.assertIn("csv.h of another format", problems[0])
        for place in ("text/csv.cpp", "open.cpp", "writing/write.cpp"):
            self.assertEqual(self.problems({**header, f"spikeloom/formats/events/{place}": include}), [])

    def test_file_outside_of_the_folders_of_train(self):
        self.expect("spikeloom/train/recipe.cpp", "", "belongs into one of the folders of train: recipe")

    def test_torch_in_recipe(self):
        self.expect("spikeloom/train/recipe/recipe.cpp", "#include <torch/types.h>\n", "LibTorch belongs to")

    def test_include_of_the_program(self):
        self.expect("spikeloom/train/session/show.cpp", '#include "app/output.h"\n', "train [5]", "[8]")

    def test_include_of_a_test(self):
        self.expect("spikeloom/backends/torch/tensor.cpp", '#include "tests/reference/support.h"\n', "no part of the library")

    def test_torch_outside_its_folders(self):
        self.expect("spikeloom/formats/idx.cpp", "#include <c10/core/Scalar.h>\n", "c10/core/Scalar.h")
        self.expect("bench/step.cpp", '#include "torch/torch.h"\n', "torch/torch.h")
        self.expect("app/draw.cpp", "#include <ATen/ATen.h>\n", "ATen/ATen.h")

    def test_cuda_outside_its_sources(self):
        self.assertEqual(self.problems({"spikeloom/kernels/cuda/lif.cu": "#include <cuda_runtime.h>\n",
                                        "spikeloom/kernels/cuda/launch.h": "#pragma once\n#include <cuda_runtime.h>\n",
                                        "bench/lif.cu": "#include <cuda_runtime.h>\n"}), [])
        self.expect("spikeloom/kernels/cuda/lif.h", "#pragma once\n#include <cuda_runtime.h>\n", "cuda_runtime.h")
        self.expect("spikeloom/data/copy.cpp", "#include <cuda_runtime_api.h>\n", "cuda_runtime_api.h")

    def test_torch_in_examples(self):
        loop = '#include "spikeloom/train/session/trainer.h"\n'
        self.assertEqual(self.problems({"examples/training_loop/loop.cpp": loop}), [])
        self.expect("examples/consumer/consumer.cpp", "#include <torch/optim/adam.h>\n", "torch/optim/adam.h")
        self.expect("examples/consumer/consumer.cpp", '#include "spikeloom/backends/torch/tensor.h"\n', "ATen/core/Tensor.h")

    def test_torch_that_reaches_the_program(self):
        self.expect("app/eval.cpp", '#include "spikeloom/backends/torch/tensor.h"\n', "ATen/core/Tensor.h",
                    "spikeloom/backends/torch/tensor.h -> spikeloom/ops/lif.h")

    def test_include_that_is_no_path_from_the_root(self):
        self.expect("spikeloom/config/read.cpp", '#include "table.h"\n', '"table.h"')
        self.expect("tests/reference/other_test.cpp", '#include "missing.h"\n', '"missing.h"')
        self.expect("app/show.cpp", "#include <app/output.h>\n", "quotation marks")

    def test_length(self):
        self.expect("spikeloom/base/long.cpp", "\n" * 500, "500 lines")
        self.assertEqual(self.problems({"spikeloom/base/long.cpp": "\n" * 499}), [])

    def test_pragma_once(self):
        self.expect("tests/reference/other.h", "#include <string>\n", "#pragma once")

    def test_utils(self):
        self.expect("spikeloom/base/utils.cpp", "\n", "utils")
        self.expect("tests/utils/random.py", "\n", "utils")

    def test_folder_without_number(self):
        problems = self.problems({"spikeloom/misc/a.cpp": '#include "spikeloom/base/errors.h"\n'})
        self.assertEqual(len(problems), 1, problems)
        self.assertIn("misc", problems[0])


if __name__ == "__main__":
    unittest.main()
