// Models and checkpoints whose bytes or descriptions are damaged: told as such, with the file, before harm is
// done.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/train/run/checkpoint.h"
#include "spikeloom/train/session/training_session.h"
#include "tests/train/support.h"

namespace spikeloom::train {
namespace {

using testing::contains;
using testing::message_of;
using testing::small_recipe;
using testing::TemporaryFolder;

/// A model file taken apart, to be put together again with something changed.
struct Parts {
  explicit Parts(const std::string& path) {
    const auto file = formats::SafetensorsFile::open(path);
    metadata = file.metadata();
    for (const auto& info : file.tensors()) {
      bytes.emplace_back(static_cast<std::size_t>(info.size_bytes));
      file.read(info, bytes.back().data());
      tensors.push_back({info.name, info.dtype, info.shape, bytes.back().data()});
    }
  }
  formats::TensorView& tensor(const std::string& name) {
    for (auto& view : tensors) {
      if (view.name == name) return view;
    }
    throw std::logic_error("no tensor " + name);
  }
  void write(const std::string& path) const { formats::write_safetensors(path, tensors, metadata); }

  std::map<std::string, std::string> metadata;
  std::vector<std::vector<char>> bytes;
  std::vector<formats::TensorView> tensors;
};

class DamagedModel : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelInfo info;
    info.recipe = small_recipe();
    info.input = {1, 28, 28};
    for (int i = 0; i < 10; ++i) info.class_names.push_back(std::to_string(i));
    const Network network(info.plan(), info.recipe.network, 1);
    save_model(good_, network, info);
  }
  /// What loading says of the model with one entry of its metadata changed ("" = removed).
  std::string refused(const std::string& key, const std::string& value) {
    Parts parts(good_);
    parts.metadata[key] = value;
    if (value.empty()) parts.metadata.erase(key);
    return refused(parts);
  }
  std::string refused(const Parts& parts) {
    parts.write(damaged_);
    ModelInfo info;
    const std::string message = message_of<CheckpointError>([&] { load_network(damaged_, &info); });
    EXPECT_EQ(message.find(damaged_ + ": "), 0u) << message;
    EXPECT_FALSE(contains(message, "\n")) << message;
    return message;
  }
  std::string with_recipe(const std::string& from, const std::string& to) {
    std::string text = Parts(good_).metadata.at("recipe");
    EXPECT_TRUE(contains(text, from)) << text;
    return text.replace(text.find(from), from.size(), to);
  }
  const TemporaryFolder folder_;
  const std::string good_ = folder_ / "good", damaged_ = folder_ / "damaged";
};

TEST_F(DamagedModel, Metadata) {
  EXPECT_TRUE(contains(refused("format", ""), "is not a Spikeloom model: its metadata has no 'format'"));
  EXPECT_TRUE(contains(refused("format", "pt"), "is not a Spikeloom model: its format is 'pt'"));
  EXPECT_TRUE(contains(refused("format_version", "2"), "version 2 is not known here (this is version 1)"));
  EXPECT_TRUE(contains(refused("recipe", ""), "has no 'recipe'"));
  EXPECT_TRUE(contains(refused("recipe", "[network"), "metadata is damaged"));
  EXPECT_TRUE(contains(refused("recipe", with_recipe("[voting]", "[votng]")), "metadata is damaged"));
  EXPECT_TRUE(contains(refused("class_names", "{"), "class_names is not a JSON list"));
  EXPECT_TRUE(contains(refused("class_names", "[1]"), "class_names is not a JSON list"));
  EXPECT_TRUE(contains(refused("class_names", "[]"), "no class names"));
  EXPECT_TRUE(contains(refused("input", "1x28"), "metadata is damaged"));
  EXPECT_TRUE(contains(refused("input", "1x2x2"), "metadata is damaged"));  // too small for the pooling
}

TEST_F(DamagedModel, ANetworkThatTheFileIsTooSmallForIsNotBuilt) {
  // 65536 x 65536 weights would be 17 GB.
  const auto recipe = with_recipe("AP4-16FC-Voting", "AP4-65536FC-65536FC-Voting");
  EXPECT_TRUE(contains(refused("recipe", recipe), "bytes of tensors are too few for the"));
}

TEST_F(DamagedModel, TensorsOfAnotherType) {
  Parts parts(good_);
  parts.tensor("fc1.bias").dtype = formats::DType::kI32;
  EXPECT_TRUE(contains(refused(parts), "tensor 'fc1.bias' has elements of type I32, this network's are F32"));
}

TEST_F(DamagedModel, VotesForNoClass) {
  for (const std::int32_t value : {10, -1}) {
    Parts parts(good_);
    std::memcpy(const_cast<void*>(parts.tensor("voting.class_of").data), &value, sizeof value);
    EXPECT_TRUE(contains(refused(parts), "voting.class_of[0] is " + std::to_string(value)));
  }
}

TEST_F(DamagedModel, BytesThatAreNoSafetensorsFile) {
  std::string bytes = read_text_file(good_);
  ModelInfo info;
  write_text_file(damaged_, bytes.substr(0, bytes.size() - 1));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { load_network(damaged_, &info); }), damaged_));
  write_text_file(damaged_, std::string(1000, '\xa5'));
  EXPECT_TRUE(contains(message_of<FormatError>([&] { load_network(damaged_, &info); }), damaged_));
  EXPECT_TRUE(
      contains(message_of<DataError>([&] { load_network(folder_ / "none", &info); }), folder_ / "none"));
}

TEST_F(DamagedModel, ValuesThatAreNotFinite) {
  for (const auto& [value, what] : {std::pair<float, std::string>{std::nanf(""), "not a number (NaN)"},
                                    {-std::numeric_limits<float>::infinity(), "infinite"}}) {
    Parts parts(good_);
    auto* weights = static_cast<float*>(const_cast<void*>(parts.tensor("conv1.weight").data));
    weights[9 + 5] = value;  // [1, 0, 1, 2] of [2, 1, 3, 3]
    EXPECT_TRUE(contains(refused(parts), "tensor 'conv1.weight' is " + what + " at [1, 0, 1, 2]"));
  }
}

TEST_F(DamagedModel, AnyByteOfAnyPart) {
  const std::string bytes = read_text_file(good_);
  const auto file = formats::SafetensorsFile::open(good_);
  EXPECT_TRUE(file.has_checksums());
  const auto flipped = [&](std::int64_t place) {
    std::string text = bytes;
    text[static_cast<std::size_t>(place)] ^= 1;
    write_text_file(damaged_, text);
  };
  for (const auto& tensor : file.tensors()) {
    for (const std::int64_t place :
         {tensor.offset, tensor.offset + tensor.size_bytes / 2, tensor.offset + tensor.size_bytes - 1}) {
      flipped(place);
      ModelInfo info;
      const std::string message = message_of<CheckpointError>([&] { load_network(damaged_, &info); });
      EXPECT_TRUE(contains(message, "array '" + tensor.name + "' does not match its checksum")) << message;
    }
  }
  for (std::int64_t place = 0; place < file.tensors().front().offset; place += 7) {
    flipped(place);
    ModelInfo info;
    EXPECT_TRUE(contains(message_of<FormatError>([&] { load_network(damaged_, &info); }), damaged_)) << place;
  }
}

TEST(DamagedCheckpoint, OptimizerStateToo) {
  const TemporaryFolder folder;
  const std::string data = folder / "data", run = folder / "run", path = run + "/checkpoint.safetensors";
  testing::write_pattern_set(data, 60, 20);
  testing::Recorder recorder;
  recorder.stop_at_iteration = 3;
  testing::run_training(small_recipe({"optimizer.kind=adam"}), run, data, recorder);
  const std::string bytes = read_text_file(path);
  int arrays = 0;
  const auto file = formats::SafetensorsFile::open(path);
  for (const auto& tensor : file.tensors()) {
    ++arrays;
    std::string text = bytes;
    text[static_cast<std::size_t>(tensor.offset + tensor.size_bytes / 2)] ^= 16;
    write_text_file(path, text);
    testing::Recorder second;
    const std::string message =
        message_of<CheckpointError>([&] { testing::resume_training(run, data, second); });
    EXPECT_TRUE(contains(message, "array '" + tensor.name + "' does not match its checksum")) << message;
  }
  EXPECT_GT(arrays, 12) << "weights and two moments of each";
}

TEST(DamagedState, IsRefused) {
  TrainingState state;
  state.epoch = 2;
  state.batch = 3;
  state.iteration = 11;
  state.metrics_size = 7;
  const std::string good = state.to_json();
  EXPECT_EQ(TrainingState::from_json(good, "f").to_json(), good);
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    EXPECT_TRUE(contains(text, from)) << text;
    text.replace(text.find(from), from.size(), to);
    return message_of<CheckpointError>([&] { TrainingState::from_json(text, "f"); });
  };
  EXPECT_TRUE(contains(refused("}", ""), "f: its training state is damaged"));
  EXPECT_TRUE(contains(refused("\"epoch\":2", "\"epoch\":\"2\""), "is damaged"));
  EXPECT_TRUE(contains(refused("\"epoch\":2,", ""), "is damaged"));
  EXPECT_TRUE(contains(refused("\"epoch\":2", "\"epoch\":-1"), "epoch -1"));
  EXPECT_TRUE(contains(refused("\"batch\":3", "\"batch\":-3"), "batch -3"));
  EXPECT_TRUE(contains(refused("\"iteration\":11", "\"iteration\":2"), "iteration 2"));
  EXPECT_TRUE(contains(refused("\"metrics_size\":7", "\"metrics_size\":-7"), "metrics_size -7"));
}

}  // namespace
}  // namespace spikeloom::train
