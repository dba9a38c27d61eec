// libFuzzer target of still images (kFuzzFormat): png, jpeg (whatever the bytes begin with, they
// are made to begin as that format), or image-array, a .npy file of images and then of labels. Whatever the
// bytes are, there is an image or a FormatError.
#include "spikeloom/formats/images/image_file.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "fuzz/format_name.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/image_array.h"
#include "spikeloom/formats/npy_values.h"

namespace {

using namespace spikeloom;

constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::uint8_t kJpeg[] = {0xff, 0xd8, 0xff};

template <std::size_t Size>
void decode(const std::uint8_t (&start)[Size], const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  std::copy_n(start, std::min(Size, size), bytes.begin());
  const formats::Image image = formats::decode_image(bytes, "fuzz");
  const std::size_t pixels = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height);
  if (image.pixels.size() != pixels * static_cast<std::size_t>(image.channels)) std::abort();
  if (image.channels != 1 && image.channels != 3) std::abort();
}

void read_arrays(const std::uint8_t* data, std::size_t size) {
  try {
    const formats::ImageArray images = formats::read_image_array(formats::memory_source(data, size, "fuzz"));
    const std::int64_t bytes = images.count * images.height * images.width * images.channels;
    if (static_cast<std::int64_t>(images.pixels.size()) != bytes) std::abort();
  } catch (const FormatError&) {
  }
  try {
    const formats::NumberArray array = formats::read_number_array(formats::memory_source(data, size, "fuzz"));
    std::int64_t values = 1;
    for (const std::int64_t extent : array.shape) values *= extent;
    if (static_cast<std::int64_t>(array.values.size()) != values) std::abort();
  } catch (const FormatError&) {
  }
  formats::read_label_array(formats::memory_source(data, size, "fuzz"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    if (std::strcmp(kFuzzFormat, "png") == 0) {
      decode(kPng, data, size);
    } else if (std::strcmp(kFuzzFormat, "jpeg") == 0) {
      decode(kJpeg, data, size);
    } else {
      read_arrays(data, size);
    }
  } catch (const FormatError&) {
  }
  return 0;
}
