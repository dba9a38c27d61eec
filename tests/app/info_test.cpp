#include <csignal>
#include <cstdlib>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Info : public ProgramTest {
 protected:
  nlohmann::json info(std::vector<std::string> words) const {
    words.insert(words.begin(), "info");
    words.emplace_back("--json");
    const auto outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    return outcome.json();
  }
  std::string text(const std::vector<std::string>& words) const {
    auto command = words;
    command.insert(command.begin(), "info");
    const auto outcome = run(command);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    expect_plain_text(outcome);
    return outcome.out;
  }
};

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift);
  return bytes;
}

const char* const kCifarNet = "128C3(Encoding)-256C3-AP2-512C3-AP2-1024C3-512C3-1024FC-512FC-Voting";

TEST_F(Info, OfThePapersCifarNet) {
  const auto json = info({kCifarNet, "--input", "3x32x32"});
  EXPECT_EQ(json.at("parameters"), 45049188);
  EXPECT_EQ(json.at("macs_per_step"), 1245628416);
  EXPECT_EQ(json.at("layers").size(), 10u);
  EXPECT_EQ(json.at("layers")[0].at("name"), "conv1");
  EXPECT_EQ(json.at("layers")[0].at("output"), "128x32x32");
  const std::string shown = text({kCifarNet, "--input", "3x32x32"});
  EXPECT_TRUE(contains(shown, "45,049,188")) << shown;
  EXPECT_TRUE(contains(shown, "1,245,628,416")) << shown;
}

TEST_F(Info, OfANetworkStringWithOptions) {
  // 8 x 9 weights and 1 bias a feature; 32 * 32 inputs of 30 voting neurons.
  EXPECT_EQ(info({"8C3-AP2-Voting", "--input", "1x8x8", "--classes", "3"}).at("parameters"),
            80 + 128 * 30 + 30);
  EXPECT_EQ(info({"8C3-AP2-Voting", "--input", "1x8x8", "--classes", "3", "--no-bias"}).at("parameters"),
            72 + 128 * 30);
  EXPECT_EQ(info({"8C3-8C3-Voting", "--input", "1x8x8", "--classes", "3", "--no-bias", "--neunorm"})
                .at("parameters"),
            72 + 8 * 8 + 8 * 72 + 512 * 30);
}

TEST_F(Info, OfResidualBlocksShowsWhatIsAdded) {
  const char* const sew = "8C3(Encoding)-{8C3-8C3}-{12C3S2}-GAP-Readout";
  const std::string shown = text({sew, "--input", "1x8x8", "--classes", "3"});
  EXPECT_TRUE(contains(shown, "takes")) << shown;
  EXPECT_TRUE(contains(shown, "conv1 + conv3")) << shown;
  EXPECT_TRUE(contains(shown, "conv4_shortcut")) << shown;
  EXPECT_TRUE(contains(shown, "12C1S2")) << shown;
  EXPECT_TRUE(contains(shown, "conv4_shortcut AP4 + conv4 AP4")) << shown;
  auto layers = info({sew, "--input", "1x8x8", "--classes", "3"}).at("layers");
  ASSERT_EQ(layers.size(), 7u);
  EXPECT_EQ(layers[3].at("name"), "conv4_shortcut");
  EXPECT_EQ(layers[3].at("shortcut"), true);
  EXPECT_EQ(layers[3].at("takes"), (std::vector<std::string>{"conv1", "conv3"}));
  EXPECT_EQ(layers[3].at("parameters"), 8 * 12 + 12);
  EXPECT_EQ(layers[6].at("name"), "readout");
  EXPECT_EQ(layers[6].at("output"), "3x1x1");
  layers = info({"8C3-[8C3-8C3]-Voting", "--input", "1x8x8"}).at("layers");
  EXPECT_EQ(layers[2].at("adds_current_of"), std::vector<std::string>{"conv1"});
  EXPECT_TRUE(contains(text({"8C3-[8C3-8C3]-Voting", "--input", "1x8x8"}), "8C3 + current of conv1"));
  EXPECT_TRUE(contains(text({"8C3-{8C3}*9-Voting", "--input", "1x8x8"}), "conv1 + ... + conv10 (10)"));
  EXPECT_FALSE(contains(text({"8C3-8C3-Voting", "--input", "1x8x8"}), "takes"))
      << "a chain needs no such column";
}

TEST_F(Info, OfARecipeShowsNormalisation) {
  write("r.toml",
        "[network]\nlayers = [\"8C3(Encoding)\", \"{8C3}*2\", \"GAP-Voting\"]\n[norm]\nkind = \"tdbn\"\n"
        "[data]\ndataset = \"mnist\"\n");
  const std::string shown = text({path("r.toml")});
  EXPECT_TRUE(contains(shown, "8C3(Encoding) + tdBN")) << shown;
  EXPECT_TRUE(contains(shown, "8C3(Encoding)-{8C3}*2-GAP-Voting")) << shown;
  EXPECT_EQ(info({path("r.toml")}).at("layers")[1].at("norm"), "tdBN");
}

TEST_F(Info, OfANetworkThatBeginsWithABlockSaysWhatIsWrong) {
  for (const char* network : {"{8C3}-Voting", "[8C3]-Voting", "MP2-Voting", "GAP-Voting"}) {
    expect_marked_error(run({"info", network, "--input", "1x8x8"}), 2,
                        {"column 1:", "expected a layer with weights"}, network, 0);
  }
}

TEST_F(Info, OfAStringThatIsLongerThanAFileNameMayBe) {
  std::string network;
  for (int i = 0; i < 90; ++i) network += "4C3-";
  EXPECT_EQ(info({network + "Voting", "--input", "1x8x8"}).at("layers").size(), 91u);
}

TEST_F(Info, OfTheEnvironment) {
  const auto json = info({});
  for (const char* name :
       {"spikeloom", "compiler", "libtorch", "blas", "processor", "simd", "threads", "device"}) {
    EXPECT_TRUE(json.contains(name)) << name;
  }
  EXPECT_EQ(json.at("threads"), "1");  // SPIKELOOM_NUM_THREADS
}

TEST_F(Info, OfRecipes) {
  const auto shipped = info({"cifar10/cifarnet"});
  EXPECT_EQ(shipped.at("parameters"), 45049188);
  EXPECT_EQ(shipped.at("dataset"), "cifar10");
  const auto own = info({"r.toml"});
  EXPECT_EQ(own.at("name"), "r");
  EXPECT_EQ(own.at("description"), "patterns");
  EXPECT_EQ(own.at("input"), "1x28x28");
  EXPECT_TRUE(contains(own.at("recipe"), "validation_samples = 20"));
  EXPECT_TRUE(contains(text({"r.toml"}), "recipe r (r.toml)\npatterns\n"));
}

TEST_F(Info, SaysWhatANetworkNeeds) {
  const auto needs = info({"cifar10/cifarnet"}).at("needs");
  // 45 million floats, their gradients and momentum; 50,000 images, T = 8, three products.
  EXPECT_GT(needs.at("training_memory_bytes").get<double>(), 3 * 4 * 45e6);
  EXPECT_LT(needs.at("evaluation_memory_bytes"), needs.at("training_memory_bytes"));
  EXPECT_NEAR(needs.at("macs_per_epoch").get<double>(), 50e3 * 8 * 3 * 1.245628416e9, 1e12);
  const std::string recipe = text({"cifar10/cifarnet"});
  EXPECT_TRUE(contains(recipe, "to train in batches of ")) << recipe;
  EXPECT_TRUE(contains(recipe, "bench step --net '128C3(Encoding)-256C3")) << recipe;
  EXPECT_TRUE(contains(recipe, "days or more to train")) << recipe;
  EXPECT_TRUE(contains(recipe, "runs with compact state, fp32 products: conv1")) << recipe;
  const std::string network = text({kCifarNet, "--input", "3x32x32"});
  EXPECT_TRUE(contains(network, "memory 180 MB of weights, 541 MB with gradients and momentum")) << network;
  EXPECT_EQ(info({"65536FC-65536FC-Voting", "--input", "1x8x8"}).at("layers").size(), 3u)
      << "nothing is allocated";
}

TEST_F(Info, OfARecipeWithAnotherInput) {
  // 1 x 16 x 16: 2 maps of 8 x 8 after nothing, 4 x 4 after the pool.
  const auto own = info({"r.toml", "--input", "1x16x16", "--classes", "3"});
  EXPECT_EQ(own.at("input"), "1x16x16");
  EXPECT_EQ(own.at("classes"), 3);
  EXPECT_EQ(own.at("parameters"), 20 + 32 * 16 + 16 + 16 * 6 + 6);
}

TEST_F(Info, OptionsThatSayNothingAreRefused) {
  expect_error(run({"info", "--input", "1x8x8"}), 2, {"--input does not apply to this environment"});
  expect_error(run({"info", "r.toml", "--neunorm"}), 2, {"--neunorm does not apply to a recipe"});
  expect_error(run({"info", "r.toml", "--format", "evt3"}), 2, {"--format does not apply to a recipe"});
  expect_error(run({"info", "8C3-Voting", "--input", "1x8x8", "--sensor", "8x8"}), 2,
               {"--sensor does not apply to a network string"});
  expect_error(run({"info", "sets/mnist/train-labels-idx1-ubyte", "--input", "1x8x8"}), 2,
               {"--input does not apply to a file"});
  expect_error(run({"info", "sets", "--classes", "3"}), 2, {"--classes does not apply to a run folder"});
}

TEST_F(Info, OfARun) {
  ASSERT_EQ(run(train_command("my run")).exit_code, 0);
  const auto result = nlohmann::json::parse(read("my run/result.json"));
  const auto finished = info({"my run"}).at("run");
  EXPECT_EQ(finished.at("state"), "finished");
  EXPECT_EQ(finished.at("epochs"), 3);
  EXPECT_EQ(finished.at("epochs_done"), 3);
  EXPECT_EQ(finished.at("iterations"), 15);
  EXPECT_EQ(finished.at("test_accuracy"), result.at("test_accuracy"));
  EXPECT_EQ(finished.at("validation_accuracy"), result.at("validation_accuracy"));
  EXPECT_EQ(finished.at("history").size(), 3u);
  EXPECT_EQ(finished.at("history")[2].at("epoch"), 3);
  EXPECT_TRUE(finished.at("history")[2].contains("train_accuracy"));
  const std::string shown = text({"my run"});
  EXPECT_TRUE(contains(shown, "run my run: finished, 3 of 3 epochs, 15 iterations, ")) << shown;
  EXPECT_TRUE(contains(shown, "epoch  train loss  train accuracy  validation accuracy\n    1  ")) << shown;
  EXPECT_TRUE(contains(shown, " % on 30 samples (last epoch)\n")) << shown;
  EXPECT_FALSE(contains(shown, "resume")) << shown;
  EXPECT_FALSE(info({"my run/model.safetensors"}).contains("run")) << "a file is no run";
  // What cannot be is not shown, and said.
  EXPECT_TRUE(finished.at("problems").empty());
  const std::string line = std::to_string(count_lines("my run/metrics.jsonl") + 1);
  write("my run/metrics.jsonl", read("my run/metrics.jsonl") +
                                    R"({"kind":"epoch","epoch":4,"train_accuracy":7.5,"train_loss":0.5})"
                                    "\n"
                                    R"({"kind":"epoch","epoch":5,"train_accuracy":NaN})"
                                    "\n");
  auto odd = result;
  odd["validation_accuracy"] = 1.5;
  write("my run/result.json", odd.dump());
  const Outcome outcome = run({"info", "my run"});
  EXPECT_EQ(
      outcome.err,
      "spikeloom: warning: my run: metrics.jsonl: 1 line with values of another kind or range; the first is "
      "'train_accuracy' in line " +
          line +
          "\n"
          "spikeloom: warning: my run: metrics.jsonl: 1 line is no JSON object\n"
          "spikeloom: warning: my run: result.json: 'validation_accuracy' is no fraction from 0 to 1\n");
  EXPECT_FALSE(contains(outcome.out, "750.00 %")) << outcome.out;
  EXPECT_FALSE(contains(outcome.out, "150.00 %")) << outcome.out;
  EXPECT_EQ(info({"my run"}).at("run").at("problems").size(), 3u);
}

TEST_F(Info, OfARunThatWasStopped) {
  const auto some = [this] {
    return count_lines("my run/metrics.jsonl") >= 12;
  };  // 5 and an epoch's line each
  const auto stopped =
      run_and_signal(train_command("my run", {"--set", "training.epochs=4000"}), SIGINT, some);
  ASSERT_EQ(stopped.exit_code, 130) << stopped.err;
  write("my run/metrics.jsonl", read("my run/metrics.jsonl") + "not JSON\n[1]\n{\"kind\": 3}\n\n");
  const auto json = info({"my run"}).at("run");
  EXPECT_EQ(json.at("state"), "interrupted");
  EXPECT_GE(json.at("epochs_done"), 2);
  EXPECT_EQ(json.at("epochs"), 4000);
  const std::string shown = text({"my run"});
  EXPECT_TRUE(contains(shown, "run my run: interrupted, ")) << shown;
  EXPECT_TRUE(contains(shown, " train --resume 'my run'\n")) << shown;
}

TEST_F(Info, OfARunThatIsRunning) {
  std::string state;
  const auto seen = [this, &state] {
    if (count_lines("my run/metrics.jsonl") < 2) return false;
    // Not run(), which writes where the training's output is caught.
    const std::string command = std::string(SPIKELOOM_PROGRAM) + " info '" + path("my run") + "' --json > '" +
                                path("info.json") + "'";
    if (std::system(command.c_str()) == 0) {
      state = nlohmann::json::parse(read("info.json")).at("run").at("state");
    }
    return true;
  };
  const auto stopped =
      run_and_signal(train_command("my run", {"--set", "training.epochs=4000"}), SIGINT, seen);
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(state, "running");
}

TEST_F(Info, OfImageFiles) {
  EXPECT_EQ(
      info({"sets/mnist/train-images-idx3-ubyte"}),
      nlohmann::json::parse(
          R"({"file": "sets/mnist/train-images-idx3-ubyte", "format": "IDX", "shape": [120, 28, 28]})"));
  std::string batch;
  for (const char label : {3, 9, 3}) batch += label + std::string(3072, '\x40');
  write("data_batch_1.bin", batch);
  const auto cifar = info({"data_batch_1.bin"});
  EXPECT_EQ(cifar.at("format"), "CIFAR-10");
  EXPECT_EQ(cifar.at("images"), 3);
  EXPECT_EQ(cifar.at("per_class"), nlohmann::json::parse("[0, 0, 0, 2, 0, 0, 0, 0, 0, 1]"));
}

TEST_F(Info, OfEventRecordings) {
  std::string atis, aedat = "#!AER-DAT2.0\r\n# AEChip: DVS128\r\n";
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint32_t t_us = 100 + 1000 * i, on = i < 4 ? 1 : 0;
    atis += static_cast<char>(i);
    atis += static_cast<char>(2 * i);
    atis += static_cast<char>(on << 7 | t_us >> 16);
    atis += static_cast<char>(t_us >> 8);
    atis += static_cast<char>(t_us);
    aedat += big_endian(i << 8 | 2 * i | (1 - on)) + big_endian(t_us);
  }
  write("00002.bin", atis);
  write("recording.aedat", aedat);
  for (const auto& [file, format] :
       {std::pair{"00002.bin", "ATIS bin"}, std::pair{"recording.aedat", "AEDAT 2.0"}}) {
    const auto json = info({file});
    EXPECT_EQ(json.at("format"), format);
    EXPECT_EQ(json.at("events"), 10);
    EXPECT_EQ(json.at("on"), 4);
    EXPECT_EQ(json.at("off"), 6);
    EXPECT_EQ(json.at("t_first_us"), 100);
    EXPECT_EQ(json.at("t_last_us"), 9100);
  }
}

TEST_F(Info, OfAFileWhoseNameIsNotUtf8) {
  write("bild\xff.idx", read("sets/mnist/train-labels-idx1-ubyte"));
  EXPECT_EQ(info({"bild\xff.idx"}).at("shape"), nlohmann::json::parse("[120]"));
}

TEST_F(Info, OfWhatIsNotThereOrNotKnown) {
  write("noise.bin", std::string("\x01\x02\x03\x04 not a format"));
  expect_error(run({"info", "noise.bin"}), 3, {"noise.bin", "is not in a known format"});
  expect_error(run({"info", "no\ne.bin"}), 3, {"no?e.bin: no such file, run folder or recipe"});
  expect_error(run({"info", "sets"}), 3,
               {"sets: holds neither model.safetensors nor checkpoint.safetensors"});
  expect_error(run({"info", "8C3-Voting"}), 2, {"--input CHANNELSxHEIGHTxWIDTH"});
  expect_marked_error(run({"info", "8C3-Voting", "--input", "3x32"}), 2, {"--input: column 5"}, "3x32", 4);
  expect_error(run({"info", "8C3-AP16-Voting", "--input", "1x8x8"}), 2, {"pool1", "8x8"});
}

TEST_F(Info, DamagedArraysOfAModelAreFound) {
  ASSERT_EQ(run(train_command("run", {"--set", "training.epochs=1"})).exit_code, 0);
  EXPECT_TRUE(contains(run({"info", "run/model.safetensors"}).out, "arrays match their checksums"));
  std::string bytes = read("run/model.safetensors");
  bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
  write("flipped.safetensors", bytes);
  expect_error(run({"info", "flipped.safetensors"}), 3, {"does not match its checksum"});
}

TEST_F(Info, WorkIsThatOfTheSamplesThatAreTrainedOn) {
  const auto work = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> arguments = {"info", "limited.toml", "--json"};
    std::string text = "extends = \"r.toml\"\n[data]\n";
    for (const auto& setting : settings) text += setting + "\n";
    write("limited.toml", text);
    return run(arguments).json().at("needs").at("macs_per_epoch").get<double>();
  };
  EXPECT_NEAR(work({"train_limit = 600"}) / work({"train_limit = 60"}), 10.0, 1e-9);
  EXPECT_NEAR(work({"validation_samples = 30000"}) / work({"validation_samples = 0"}), 0.5, 1e-9);
}

}  // namespace
}  // namespace spikeloom::app::testing
