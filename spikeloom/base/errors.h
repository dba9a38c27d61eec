#pragma once
// Typed exceptions: what was wrong, the values, where, what to do. The library throws, it never prints and
// never exits; the program maps each type to an exit code and one line on stderr.
#include <cstdint>
#include <stdexcept>
#include <string>

namespace spikeloom {

/// Base of every exception that Spikeloom throws on purpose. what() is one line, fit to be shown to a user.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A recipe, option or network string that cannot be used. what() = "FILE:LINE: key 'KEY': MESSAGE"
/// (the parts that are empty or 0 are left out).
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message, std::string file = "", int line = 0, std::string key = "");
  const std::string& file() const { return file_; }
  int line() const { return line_; }
  const std::string& key() const { return key_; }

 private:
  std::string file_;
  int line_ = 0;
  std::string key_;
};

/// A data file whose bytes are not what its format demands. what() = "FILE: byte OFFSET: MESSAGE".
class FormatError : public Error {
 public:
  FormatError(const std::string& message, std::string file, std::int64_t byte_offset = -1);
  const std::string& file() const { return file_; }
  /// Offset of the first byte that is wrong, or -1 where no byte can be named.
  std::int64_t byte_offset() const { return byte_offset_; }

 private:
  std::string file_;
  std::int64_t byte_offset_ = -1;
};

/// A data set, file or folder that is not there or cannot be read or written.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A tensor or layer of the wrong shape, type or size.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A device that is absent or not supported by this build.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// A checkpoint or model file that does not belong to the network it is loaded into, or is damaged.
class CheckpointError : public Error {
 public:
  using Error::Error;
};

/// NaN or Inf where a finite number is needed; names step, layer and last good checkpoint.
class NumericsError : public Error {
 public:
  using Error::Error;
};

}  // namespace spikeloom
