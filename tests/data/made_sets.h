#pragma once
// Tiny data sets in their official layouts, written into a temporary folder.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "spikeloom/data/dataset.h"

namespace spikeloom::data {

/// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// An environment variable for the duration of a test; nullptr unsets it.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value);
  ~ScopedVariable();
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;

 private:
  std::string name_, old_value_;
  bool was_set_ = false;
};

using Bytes = std::vector<std::uint8_t>;

/// Makes the folders above the file too.
void write_bytes(const std::string& path, const Bytes& bytes);
Bytes read_bytes(const std::string& path);

/// An IDX file of unsigned bytes.
Bytes idx_bytes(const std::vector<std::uint32_t>& shape, const Bytes& values);

/// Pixel (y, x) of image i of a made IDX set.
std::uint8_t made_grey(std::int64_t image, std::int64_t y, std::int64_t x);

/// Four plain IDX files: labels i % 10, pixels made_grey(i); test images are numbered from 1000 on.
void write_idx_set(const std::string& folder, std::uint32_t training, std::uint32_t test);

/// Byte of channel c of pixel (y, x) of image i of a made CIFAR-10 set.
std::uint8_t made_colour(std::int64_t image, std::int64_t c, std::int64_t y, std::int64_t x);

/// Six batches; image numbers run on through the five training files, test images are numbered from 1000 on.
void write_cifar10_set(const std::string& folder, std::int64_t per_training_file, std::int64_t test);

struct MadeEvent {
  std::uint32_t t_us;
  std::uint8_t x, y, polarity;
};

/// N-MNIST's 5-byte events.
Bytes atis_bytes(const std::vector<MadeEvent>& events);

/// AEDAT 2.0 of a DVS128, x and y as they are read.
Bytes aedat2_bytes(const std::vector<MadeEvent>& events);

/// N-MNIST's path of a recording.
std::string nmnist_path(const std::string& root, const std::string& part, int digit, int number);

/// A sample as a vector.
std::vector<float> read_sample(const Dataset& dataset, std::int64_t index,
                               const AugmentKey* augment = nullptr);

/// The message of the exception of type E that `action` throws; fails the test if it throws none.
template <class E>
std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  }
  throw std::logic_error("the expected exception was not thrown");
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace spikeloom::data
