#include "tests/train/pattern_set.h"

#include <stdlib.h>

#include <fstream>
#include <stdexcept>

#include "spikeloom/base/random.h"

namespace spikeloom::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "spikeloom_train_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_idx(const std::string& path, const std::vector<std::uint32_t>& shape,
               const std::vector<std::uint8_t>& values) {
  std::vector<std::uint8_t> bytes = {0, 0, 8, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

void write_pattern_set(const std::string& data_dir, std::uint32_t training, std::uint32_t test) {
  const auto write = [&](const std::string& part, std::uint32_t count, std::uint64_t seed) {
    std::vector<std::uint8_t> images, labels;
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t label = i % 10;
      labels.push_back(static_cast<std::uint8_t>(label));
      RandomStream noise(seed, RandomPurpose::kBench, i);
      const std::uint32_t top = 2 + label % 5 * 5, left = 3 + label / 5 * 13;
      for (std::uint32_t y = 0; y < 28; ++y) {
        for (std::uint32_t x = 0; x < 28; ++x) {
          const bool bar = y >= top && y < top + 4 && x >= left && x < left + 9;
          images.push_back(static_cast<std::uint8_t>(bar ? 200 + noise.below(56) : noise.below(48)));
        }
      }
    }
    write_idx(data_dir + "/mnist/" + part + "-images-idx3-ubyte", {count, 28, 28}, images);
    write_idx(data_dir + "/mnist/" + part + "-labels-idx1-ubyte", {count}, labels);
  };
  write("train", training, 1);
  write("t10k", test, 2);
}

}  // namespace spikeloom::testing
