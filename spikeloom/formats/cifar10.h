#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::formats {

/// n labelled colour images.
struct Cifar10Batch {
  std::vector<std::uint8_t> labels;  ///< [n], 0..9
  std::vector<std::uint8_t> images;  ///< [n, 3, 32, 32]: red plane, green plane, blue plane
};

/// Reads a file of the binary version of CIFAR-10: n records of 1 label byte and 3 x 32 x 32 image bytes.
/// Throws FormatError if the size is not a positive multiple of 3073 or a label is above 9 (with its offset),
/// DataError if the file cannot be read.
/// Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009), binary version.
Cifar10Batch read_cifar10_batch(const std::string& path);

}  // namespace spikeloom::formats
