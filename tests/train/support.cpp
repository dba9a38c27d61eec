#include "tests/train/support.h"

#include <fstream>
#include <sstream>

#include "spikeloom/train/machine/environment.h"

namespace spikeloom::train::testing {
namespace {

/// Two threads in every test: what is promised holds for a number of threads.
class TwoThreads : public ::testing::Environment {
 public:
  void SetUp() override { configure_threads(2); }
};

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new TwoThreads);

}  // namespace

Recipe small_recipe(const std::vector<std::string>& overrides) {
  return parse_recipe(R"(
[data]
dataset = "mnist"
[network]
structure = "2C3(Encoding)-AP4-16FC-Voting"
num_steps = 2
[voting]
neurons_per_class = 2
[optimizer]
learning_rate = 0.1
[compute]
precision = "fp32"
[training]
epochs = 2
batch_size = 16
eval_batch_size = 8
log_every = 1
checkpoint_minutes = 0.0
)",
                      "small.toml", overrides);
}

void Recorder::progressed(const TrainingProgress& now) {
  progress.push_back(now);
  if (now.iteration == stop_at_iteration) stop = true;
}

void Recorder::evaluating(const std::string& split, std::int64_t done, std::int64_t total) {
  ++evaluations;
  std::int64_t& before = last_done_[split];
  evaluated[split] += done - before;
  before = done == total ? 0 : done;
  if (split != stop_in_split) return;
  if (evaluations_ + 1 == stop_in_evaluation && done < total) stop = true;
  if (done == total) ++evaluations_;
}

TrainingResult run_training(const Recipe& recipe, const std::string& run_path, const std::string& data_dir,
                            Recorder& recorder) {
  TrainingRequest request;
  request.recipe = recipe;
  request.run_path = run_path;
  request.data_dir = data_dir;
  request.stop = &recorder.stop;
  request.checkpoint_share = 0.0;  // as often as the recipe says, whatever a save takes here
  return train(request, recorder);
}

TrainingRequest resume_request(const std::string& run_path, const std::string& data_dir, Recorder& recorder) {
  TrainingRequest request;
  request.run_path = run_path;
  request.data_dir = data_dir;
  request.resume = true;
  request.stop = &recorder.stop;
  request.checkpoint_share = 0.0;
  return request;
}

TrainingResult resume_training(const std::string& run_path, const std::string& data_dir, Recorder& recorder,
                               const std::vector<std::string>& changes) {
  TrainingRequest request = resume_request(run_path, data_dir, recorder);
  request.changes = changes;
  return train(request, recorder);
}

std::vector<nlohmann::json> read_metrics(const std::string& run_path) {
  std::vector<nlohmann::json> lines;
  std::ifstream file(run_path + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::vector<std::string> timeless_metrics(const std::string& run_path) {
  std::vector<std::string> lines;
  for (auto& line : read_metrics(run_path)) {
    line.erase("samples_per_s");
    line.erase("train_seconds");
    line.erase("loader_wait_share");
    lines.push_back(line.dump());
  }
  return lines;
}

std::map<std::string, std::string> read_tensors(const std::string& path) {
  std::map<std::string, std::string> tensors;
  const auto file = formats::SafetensorsFile::open(path);
  for (const auto& info : file.tensors()) {
    std::ostringstream text;
    text << formats::dtype_name(info.dtype);
    for (const auto extent : info.shape) text << 'x' << extent;
    std::string bytes(static_cast<std::size_t>(info.size_bytes), '\0');
    file.read(info, bytes.data());
    tensors[info.name] = text.str() + ':' + bytes;
  }
  return tensors;
}

}  // namespace spikeloom::train::testing
