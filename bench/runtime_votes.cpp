// The runtime beside the engine that evaluates, over a whole part of a model's data set:
//   bench_runtime_votes RUN_OR_MODEL [DATA_DIR [PART]]
// prints how many decisions are equal and how far votes lie apart. PART: test (default), train, validation.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "spikeloom/base/threads.h"
#include "spikeloom/data/registry.h"
#include "spikeloom/runtime/model_file.h"
#include "spikeloom/runtime/session.h"
#include "spikeloom/train/evaluation/trained_network.h"

int main(int argc, char** argv) {
  using namespace spikeloom;
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s RUN_OR_MODEL [DATA_DIR [PART]]\n", argv[0]);
    return 2;
  }
  const std::string data_dir = argc > 2 ? argv[2] : "", part = argc > 3 ? argv[3] : "test";
  try {
    const runtime::Model model = runtime::load_model(argv[1]);
    train::TrainedNetwork engine = train::TrainedNetwork::load(argv[1]);
    const auto& recipe = model.info.recipe;
    const auto splits = data::open_dataset(recipe.data, recipe.network.num_steps, data_dir);
    const auto samples = part == "train"        ? splits.train
                         : part == "validation" ? splits.validation
                                                : splits.require_test();
    if (samples == nullptr) throw std::runtime_error("there is no part '" + part + "'");
    const data::SampleShape shape = samples->shape();
    const auto size = static_cast<std::size_t>(shape.sample_size()),
               step = static_cast<std::size_t>(shape.step_size());
    runtime::Session session(model.network);
    std::vector<float> sample(size);
    std::int64_t equal = 0, same_votes = 0, right = 0, engine_right = 0;
    double largest = 0.0;
    constexpr std::int64_t kBatch = 64;
    for (std::int64_t first = 0; first < samples->size(); first += kBatch) {
      const std::int64_t count = std::min(kBatch, samples->size() - first);
      std::vector<float> batch(size * static_cast<std::size_t>(count));
      std::vector<std::vector<float>> votes;
      for (std::int64_t i = 0; i < count; ++i) {
        samples->read(first + i, nullptr, sample.data());
        for (std::int64_t t = 0; t < shape.num_steps; ++t) {  // [T, samples, H, W, C]
          std::copy_n(sample.data() + static_cast<std::size_t>(t) * step, step,
                      batch.data() + static_cast<std::size_t>(t * count + i) * step);
        }
        session.run({sample.data(), sample.size()});
        votes.emplace_back(session.votes().begin(), session.votes().end());
        const int best = runtime::highest_votes(session.votes()).best;
        right += best == samples->label(first + i) ? 1 : 0;
        votes.back().push_back(static_cast<float>(best));
      }
      const train::Votes expected = engine.forward({batch.data(), batch.size()}, count, num_threads());
      for (std::int64_t i = 0; i < count; ++i) {
        const auto& own = votes[static_cast<std::size_t>(i)];
        double difference = 0.0;
        for (std::size_t k = 0; k + 1 < own.size(); ++k) {
          difference = std::max(difference, std::fabs(static_cast<double>(own[k]) - expected.of(i)[k]));
        }
        largest = std::max(largest, difference);
        same_votes += difference < 1e-5 ? 1 : 0;
        equal += static_cast<int>(own.back()) == expected.best(i) ? 1 : 0;
        engine_right += expected.best(i) == samples->label(first + i) ? 1 : 0;
      }
    }
    fmt::print("{} samples: {} equal decisions, {} with votes within 1e-5, largest difference {:.3g}\n",
               samples->size(), equal, same_votes, largest);
    fmt::print("right: runtime {}, engine {}\n", right, engine_right);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
  return 0;
}
