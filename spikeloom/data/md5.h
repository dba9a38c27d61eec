#pragma once
#include <cstddef>
#include <string>

namespace spikeloom::data {

/// MD5 sums as published beside data sets (32 hexadecimal digits). Not a protection against intent.
class Md5 {
 public:
  /// Throws DataError if the system's OpenSSL refuses MD5.
  Md5();
  ~Md5();
  Md5(const Md5&) = delete;
  Md5& operator=(const Md5&) = delete;

  void add(const void* data, std::size_t size);
  std::string hex();

 private:
  void* context_ = nullptr;
};

}  // namespace spikeloom::data
