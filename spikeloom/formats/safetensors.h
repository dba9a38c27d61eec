#pragma once
// The safetensors format: named arrays, nothing that could execute.
//   byte 0-7       length N of the header, little-endian uint64, at most 100,000,000
//   byte 8 ..      N bytes of JSON: {"__metadata__": {"key": "text", ...},
//                    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...} and blanks
//   byte 8 + N ..  the data, little-endian, row-major, without holes or overlaps; offsets count from here
// Source: github.com/huggingface/safetensors, README, section "Format".
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/formats/random_access_file.h"

namespace spikeloom::formats {

enum class DType {
  kF64,
  kF32,
  kBF16,
  kF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kF8E4M3,
  kF8E5M2
};

/// Bytes of one element.
std::size_t dtype_size(DType dtype);

/// The name in the file: "F32", "BF16", ...
const char* dtype_name(DType dtype);

/// An array to be written: row-major, contiguous, little-endian. shape {} is a scalar.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  const void* data = nullptr;  ///< may be null if the shape has a zero
};

/// An array in a file.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;      ///< of its first byte, from the start of the file
  std::int64_t size_bytes = 0;  ///< product of shape times dtype_size
};

/// Whether a file gets checksums (safetensors_checksum.h).
enum class Checksums { kNone, kXxh3 };

/// Writes arrays and metadata as one safetensors file, whole or not at all (AtomicFile), without a second
/// copy in memory. Order in the file: larger elements first, then by name, so that every array is aligned to
/// its element and the data to 8 bytes; the same content gives the same bytes. Throws FormatError for a
/// repeated, reserved ("__metadata__") or non-UTF-8 name, a metadata key that is reserved ("xxh3_64." and
/// more), a negative or too large shape, null data or a header above 100 MB; DataError if the file cannot be
/// written.
void write_safetensors(const std::string& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata,
                       Checksums checksums = Checksums::kNone);

/// A safetensors file whose header was read and checked whole: every array lies inside the file. Copies share
/// the open file, so that a file replaced meanwhile does not mix with this one. Thread-safe.
class SafetensorsFile {
 public:
  /// Throws FormatError for anything that the format does not allow, more than 64 dimensions or an unknown
  /// element type, with the offset where it shows, and for a header that does not match its checksum;
  /// DataError if the file cannot be read.
  static SafetensorsFile open(const std::string& path);

  /// Whether header and arrays have checksums. The header's was compared, the arrays' are by read().
  bool has_checksums() const { return has_checksums_; }
  /// Without the checksums.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  /// In the order of their data.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  /// The array of that name, or nullptr. Valid as long as this object.
  const TensorInfo* find(const std::string& name) const;
  /// Copies tensor.size_bytes bytes to destination. Throws FormatError if the file became shorter, the array
  /// does not lie inside this file's data or its bytes do not match its checksum; DataError if it cannot be
  /// read.
  void read(const TensorInfo& tensor, void* destination) const;

 private:
  SafetensorsFile() = default;
  std::shared_ptr<const RandomAccessFile> file_;
  std::int64_t data_begin_ = 0;
  std::map<std::string, std::string> metadata_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::size_t> index_by_name_;
  bool has_checksums_ = false;
  std::map<std::string, std::string> checksums_;  ///< array name -> digits
};

}  // namespace spikeloom::formats
