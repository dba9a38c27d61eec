#include "spikeloom/formats/cifar10.h"

#include <fmt/format.h>

#include <cstddef>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kImageBytes = 3 * 32 * 32;
constexpr std::size_t kRecordBytes = 1 + kImageBytes;

}  // namespace

Cifar10Batch read_cifar10_batch(const std::string& path) {
  const std::vector<std::uint8_t> bytes = read_file(path);
  const std::size_t count = bytes.size() / kRecordBytes;
  if (count == 0 || bytes.size() % kRecordBytes != 0) {
    throw FormatError(
        fmt::format("{} bytes are not a positive multiple of the {} of a CIFAR-10 record; take the "
                    "binary version and fetch it again",
                    bytes.size(), kRecordBytes),
        path, static_cast<std::int64_t>(count * kRecordBytes));
  }
  Cifar10Batch batch;
  batch.labels.reserve(count);
  batch.images.reserve(count * kImageBytes);
  for (std::size_t begin = 0; begin < bytes.size(); begin += kRecordBytes) {
    if (bytes[begin] > 9) {
      throw FormatError(fmt::format("label {} is above 9: not a CIFAR-10 batch", bytes[begin]), path,
                        static_cast<std::int64_t>(begin));
    }
    batch.labels.push_back(bytes[begin]);
    const std::uint8_t* image = bytes.data() + begin + 1;
    batch.images.insert(batch.images.end(), image, image + kImageBytes);
  }
  return batch;
}

}  // namespace spikeloom::formats
