#pragma once
// A data set that a small network learns in seconds, written in MNIST's layout.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace spikeloom::testing {

/// A folder that goes with all it holds when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// An IDX file of unsigned bytes.
void write_idx(const std::string& path, const std::vector<std::uint32_t>& shape,
               const std::vector<std::uint8_t>& values);

/// DATA_DIR/mnist with so many 28 x 28 images: label i % 10, a bright bar at one of ten places, noise
/// elsewhere.
void write_pattern_set(const std::string& data_dir, std::uint32_t training, std::uint32_t test);

}  // namespace spikeloom::testing
