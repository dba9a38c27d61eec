#include "made_sets.h"

#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace spikeloom::data {
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "spikeloom_data_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

ScopedVariable::ScopedVariable(const char* name, const char* value) : name_(name) {
  if (const char* old = std::getenv(name)) {
    was_set_ = true;
    old_value_ = old;
  }
  value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
}

ScopedVariable::~ScopedVariable() {
  was_set_ ? ::setenv(name_.c_str(), old_value_.c_str(), 1) : ::unsetenv(name_.c_str());
}

void write_bytes(const std::string& path, const Bytes& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

Bytes read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

Bytes idx_bytes(const std::vector<std::uint32_t>& shape, const Bytes& values) {
  Bytes bytes = {0, 0, 8, static_cast<std::uint8_t>(shape.size())};
  for (const std::uint32_t extent : shape) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(extent >> shift));
  }
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

std::uint8_t made_grey(std::int64_t image, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>((image * 31 + y * 7 + x * 3 + 1) % 255 + 1);
}

void write_idx_set(const std::string& folder, std::uint32_t training, std::uint32_t test) {
  const auto write = [&](const std::string& part, std::uint32_t count, std::int64_t first) {
    Bytes images, labels;
    for (std::int64_t i = 0; i < count; ++i) {
      labels.push_back(static_cast<std::uint8_t>(i % 10));
      for (std::int64_t y = 0; y < 28; ++y) {
        for (std::int64_t x = 0; x < 28; ++x) images.push_back(made_grey(first + i, y, x));
      }
    }
    write_bytes(folder + "/" + part + "-images-idx3-ubyte", idx_bytes({count, 28, 28}, images));
    write_bytes(folder + "/" + part + "-labels-idx1-ubyte", idx_bytes({count}, labels));
  };
  write("train", training, 0);
  write("t10k", test, 1000);
}

std::uint8_t made_colour(std::int64_t image, std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>((image * 37 + c * 80 + y * 5 + x * 2) % 250 + 1);
}

void write_cifar10_set(const std::string& folder, std::int64_t per_training_file, std::int64_t test) {
  const auto write = [&](const std::string& name, std::int64_t first, std::int64_t count) {
    Bytes bytes;
    for (std::int64_t i = first; i < first + count; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(i % 10));
      for (std::int64_t c = 0; c < 3; ++c) {
        for (std::int64_t y = 0; y < 32; ++y) {
          for (std::int64_t x = 0; x < 32; ++x) bytes.push_back(made_colour(i, c, y, x));
        }
      }
    }
    write_bytes(folder + "/" + name, bytes);
  };
  for (std::int64_t i = 0; i < 5; ++i) {
    write("data_batch_" + std::to_string(i + 1) + ".bin", i * per_training_file, per_training_file);
  }
  write("test_batch.bin", 1000, test);
}

Bytes atis_bytes(const std::vector<MadeEvent>& events) {
  Bytes bytes;
  for (const MadeEvent& event : events) {
    bytes.push_back(event.x);
    bytes.push_back(event.y);
    bytes.push_back(static_cast<std::uint8_t>(event.polarity << 7 | (event.t_us >> 16 & 0x7F)));
    bytes.push_back(static_cast<std::uint8_t>(event.t_us >> 8));
    bytes.push_back(static_cast<std::uint8_t>(event.t_us));
  }
  return bytes;
}

Bytes aedat2_bytes(const std::vector<MadeEvent>& events) {
  const std::string header = "#!AER-DAT2.0\r\n# AEChip: DVS128\r\n";
  Bytes bytes(header.begin(), header.end());
  const auto put = [&bytes](std::uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
  };
  for (const MadeEvent& event : events) {
    put(static_cast<std::uint32_t>(event.y << 8 | (127 - event.x) << 1 | (1 - event.polarity)));
    put(event.t_us);
  }
  return bytes;
}

std::string nmnist_path(const std::string& root, const std::string& part, int digit, int number) {
  char name[32];
  std::snprintf(name, sizeof(name), "/%d/%05d.bin", digit, number);
  return root + "/" + part + name;
}

std::vector<float> read_sample(const Dataset& dataset, std::int64_t index, const AugmentKey* augment) {
  // A value that no sample has, so that a float that is not written shows.
  std::vector<float> sample(static_cast<std::size_t>(dataset.shape().sample_size()), -12345.0f);
  dataset.read(index, augment, sample.data());
  return sample;
}

}  // namespace spikeloom::data
