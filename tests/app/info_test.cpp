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
  expect_error(run({"info", "noise.bin"}), 3, {"noise.bin", "of no format known here"});
  expect_error(run({"info", "no\ne.bin"}), 3, {"no?e.bin: no such file, run folder or recipe"});
  expect_error(run({"info", "sets"}), 3,
               {"sets: holds neither model.safetensors nor checkpoint.safetensors"});
  expect_error(run({"info", "8C3-Voting"}), 2, {"--input CHANNELSxHEIGHTxWIDTH"});
  expect_error(run({"info", "8C3-Voting", "--input", "3x32"}), 2, {"--input: column 5"});
  expect_error(run({"info", "8C3-AP16-Voting", "--input", "1x8x8"}), 2, {"pool1", "8x8"});
}

}  // namespace
}  // namespace spikeloom::app::testing
