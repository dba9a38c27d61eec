// Bad input gets one clear line, the right exit code, and loses nothing.
#include "spikeloom/formats/safetensors.h"
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class BadInput : public ProgramTest {
 protected:
  std::string with(const std::string& from, const std::string& to) const {
    std::string text = read("r.toml");
    EXPECT_TRUE(contains(text, from));
    return text.replace(text.find(from), from.size(), to);
  }
};

TEST_F(BadInput, UnknownKeyInARecipe) {
  write("r.toml", with("epochs = 3", "epoch = 3"));
  expect_error(run(train_command("run")), 2,
               {"r.toml:14: key 'training.epoch': unknown key; did you mean 'epochs'?"});
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, ARecipeThatIsNoToml) {
  write("r.toml", with("epochs = 3", "epochs = = 3"));
  expect_error(run(train_command("run")), 2, {"r.toml:14"});
}

TEST_F(BadInput, OverridesThatCannotBe) {
  expect_error(run(train_command("run", {"--set", "training.epochs=0"})), 2,
               {"--set: key 'training.epochs'"});
  expect_error(run(train_command("run", {"--set", "optimizer.learning_rate=1e39"})), 2,
               {"optimizer.learning_rate"});
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, AKeyWithoutItsTable) {
  expect_error(run(train_command("run", {"--set", "epochs=3"})), 2,
               {"--set: key 'epochs': unknown key; did you mean 'training.epochs'?"});
  expect_error(run(train_command("run", {"--set", "training.epoch=3"})), 2,
               {"did you mean 'training.epochs'?"});
  expect_error(run(train_command("run", {"--set", "network.step=3"})), 2,
               {"key 'network.step': unknown key"});
}

TEST_F(BadInput, ARecipesNameThatIsMisspelt) {
  expect_error(run({"info", "fashion-mnist-dem"}), 3,
               {"no such file, run folder or recipe; did you mean the recipe fashion-mnist-demo"});
}

TEST_F(BadInput, MisspeltNetwork) {
  write("r.toml", with("16FC-Voting", "16F-Voting"));
  expect_marked_error(run(train_command("run")), 2,
                      {"r.toml:6: key 'network.structure': column 21: expected"},
                      "2C3(Encoding)-AP4-16F-Voting", 20);
  expect_marked_error(run({"info", "12C3-XX-Voting", "--input", "3x32x32"}), 2,
                      {"network '12C3-XX-Voting': column 6: expected a layer", "found 'X'"}, "12C3-XX-Voting",
                      5);
  expect_marked_error(run({"info", "12C3-Voting", "--input", "3x32"}), 2, {"--input: column 5"}, "3x32", 4);
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, NetworkThatDoesNotFitTheData) {
  expect_error(run(train_command("run", {"--set", "network.structure=2C3-AP16-AP2-Voting"})), 2,
               {"pool2", "1x1"});
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, UnknownRecipe) {
  expect_error(run({"train", "cifar10/cifarnett"}), 2,
               {"no recipe 'cifar10/cifarnett'; did you mean cifar10/cifarnet, cifar10/gpu/cifarnet?"});
  expect_error(run({"train", "cifarnet"}), 2, {"no recipe 'cifarnet'; did you mean cifar10/cifarnet"});
}

TEST_F(BadInput, MissingData) {
  expect_error(run({"train", "r.toml", "--data-dir", "nowhere", "--out", "run"}), 3,
               {"the data folder 'nowhere' does not exist"});
  write("empty/x", "");
  expect_error(run({"train", "n-mnist/s", "--data-dir", "empty", "--out", "run"}), 3,
               {"N-MNIST was not found", "empty", "To get it:"});
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, TruncatedData) {
  const std::string images = "sets/mnist/train-images-idx3-ubyte";
  const std::string bytes = read(images);
  write(images, bytes.substr(0, bytes.size() / 2));
  expect_error(run(train_command("run")), 3, {images + ": byte "});
  expect_error(run({"info", images}), 3, {images + ": byte "});
  EXPECT_FALSE(exists("run"));
}

TEST_F(BadInput, UnknownSplit) {
  ASSERT_EQ(run(train_command("run", {"--set", "training.max_iterations=1"})).exit_code, 0);
  expect_error(run({"eval", "run", "--data-dir", "sets", "--split", "tset"}), 2, {"unknown split 'tset'"});
}

TEST_F(BadInput, RandomBytesAsModel) {
  std::string noise(5000, '\0');
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 2654435761u >> 13);
  write("noise.safetensors", noise);
  expect_error(run({"eval", "noise.safetensors", "--data-dir", "sets"}), 3, {"noise.safetensors: byte 0: "});
  expect_error(run({"eval", "r.toml"}), 3, {"r.toml: byte 0: ", "not a safetensors file"});
  expect_error(run({"eval", "none"}), 3, {"none: no such run folder or model file"});
  expect_error(run({"eval", ""}), 3, {"the path of a run folder or model file is empty"});
}

TEST_F(BadInput, CheckpointOfAnotherNetwork) {
  ASSERT_EQ(run(train_command("run", {"--set", "training.max_iterations=1"})).exit_code, 0);
  for (const std::string name : {"model", "checkpoint"}) {
    const auto file = formats::SafetensorsFile::open(path("run/" + name + ".safetensors"));
    // The description says another network than the tensors.
    auto metadata = file.metadata();
    for (auto& entry : metadata) {
      std::string& text = entry.second;
      for (std::size_t at = 0; (at = text.find("-16FC-", at)) != std::string::npos;)
        text.replace(at, 6, "-15FC-");
    }
    std::vector<std::vector<char>> bytes;
    std::vector<formats::TensorView> tensors;
    for (const auto& info : file.tensors()) {
      bytes.emplace_back(static_cast<std::size_t>(info.size_bytes));
      file.read(info, bytes.back().data());
      tensors.push_back({info.name, info.dtype, info.shape, bytes.back().data()});
    }
    write("other/" + name + ".safetensors", "");
    formats::write_safetensors(path("other/" + name + ".safetensors"), tensors, metadata,
                               formats::Checksums::kXxh3);
    expect_error(run({"eval", "other/" + name + ".safetensors", "--data-dir", "sets"}), 3,
                 {"other/" + name +
                  ".safetensors: belongs to another network: tensor 'fc1.weight' has shape [16, 98], "
                  "this network's has [15, 98]"});
  }
  expect_error(run({"train", "--resume", "other", "--data-dir", "sets"}), 3, {"belongs to another network"});
}

TEST_F(BadInput, ARunFolderThatIsUsed) {
  const std::vector<std::string> one = {"--set", "training.max_iterations=1"};
  ASSERT_EQ(run(train_command("run", one)).exit_code, 0);
  const std::string model = read("run/model.safetensors"), metrics = read("run/metrics.jsonl");
  expect_error(run(train_command("run", one)), 3, {"run: already holds a run", "--resume run", "--out"});
  EXPECT_EQ(read("run/model.safetensors"), model);
  EXPECT_EQ(read("run/metrics.jsonl"), metrics);
  expect_error(run({"train", "--resume", "sets", "--data-dir", "sets"}), 3,
               {"sets: holds no checkpoint.safetensors"});
  expect_error(run({"train", "--resume", "none", "--data-dir", "sets"}), 3, {"none: no such run folder"});
}

TEST_F(BadInput, MoreMemoryThanThereMayBe) {
  Surroundings little;
  little.max_memory_bytes = 6L << 30;
  const std::string network = "65536FC-65536FC-Voting";  // 17 GB of weights
  for (const char* mode : {"step", "infer"}) {
    const auto outcome = run({"bench", mode, "--net", network, "--input", "1x8x8"}, little);
    expect_error(outcome, 2, {"--net: its 4,305,846,372 weights need ", "use smaller layers"});
  }
  expect_error(run(train_command("run", {"--set", "network.structure=" + network}), little), 2, {"memory"});
  // The weights fit, the batch does not: found when the memory is asked for.
  const auto outcome = run({"bench", "infer", "--net", "512C3-512C3-Voting", "--input", "1x64x64", "--batch",
                            "4096", "--crossover", "fixed", "--working-set", "0"},
                           little);
  expect_error(outcome, 2, {"out of memory", "smaller --batch, --steps or --net"});
}

TEST_F(BadInput, DivergingTraining) {
  const auto outcome = run(train_command("run", {"--quiet", "--set", "optimizer.learning_rate=1e30"}));
  expect_error(outcome, 4,
               {"training diverged at epoch 1, iteration 1", "conv1.weight",
                "last good checkpoint: run/checkpoint.safetensors"});
  EXPECT_EQ(run({"eval", "run", "--data-dir", "sets"}).exit_code, 0) << "the checkpoint can be used";
}

}  // namespace
}  // namespace spikeloom::app::testing
