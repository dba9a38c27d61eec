#pragma once
// What the tests of all readers share: a temporary folder, real data, damaged copies of a good file and the
// memory that reading them takes.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats::testing {

using Bytes = std::vector<std::uint8_t>;
using Reader = std::function<void(const std::string& path)>;

/// A folder that goes with all it holds when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  /// Writes the bytes as the whole of a file and returns its path.
  std::string write(const Bytes& bytes, const std::string& name = "file") const;

 private:
  std::string path_;
};

Bytes bytes_of(const std::string& text);
Bytes operator+(Bytes left, const Bytes& right);
Bytes gzipped(const Bytes& bytes);

/// The largest single allocation by operator new since the last reset.
std::size_t largest_allocation();
void reset_largest_allocation();

/// Runs a reader and returns its FormatError's offset and text; fails the test if it accepts the file or
/// throws anything else.
struct Refusal {
  std::int64_t byte_offset = -2;
  std::string what;
};
Refusal refusal(const Reader& reader, const std::string& path);

/// The reader must refuse every proper prefix of `good`, except those of a length that `is_whole` accepts.
void expect_truncations_refused(const Reader& reader, const Bytes& good,
                                const std::function<bool(std::size_t length)>& is_whole = nullptr);

/// The reader must accept or throw FormatError for `count` damaged variants of `good` and for random bytes,
/// and must not ask for more memory than 100 times the file and 1 MiB at once.
void expect_mutations_survived(const Reader& reader, const Bytes& good, int count);

/// The reader must throw DataError for a file that is not there and for a folder.
void expect_missing_refused(const Reader& reader);

/// The folder of an environment variable, or "" if it is not set or does not hold `relative`.
std::string data_path(const char* variable, const std::string& relative);

}  // namespace spikeloom::formats::testing

/// Defines `path`, the place of a real file, or skips the test naming what is missing.
#define SPIKELOOM_REAL_FILE(path, variable, relative)                                    \
  const std::string path = ::spikeloom::formats::testing::data_path(variable, relative); \
  if (path.empty()) GTEST_SKIP() << "needs " << (relative) << " in the folder that " << (variable) << " names"
