#include "made_images.h"

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include <csetjmp>
#include <cstdio>
#include <cstdlib>

namespace spikeloom::data {

Bytes png_bytes(int width, int height, int channels, const Bytes& pixels) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  constexpr png_uint_32 kFormats[] = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  image.format = kFormats[channels];
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(), 0, nullptr);
  Bytes bytes(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    throw std::logic_error(image.message);
  }
  return bytes;
}

Bytes jpeg_bytes(int width, int height, int channels, const Bytes& pixels, bool progressive) {
  jpeg_error_mgr errors;
  jpeg_compress_struct jpeg{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &buffer, &size);
  jpeg.image_width = static_cast<JDIMENSION>(width);
  jpeg.image_height = static_cast<JDIMENSION>(height);
  jpeg.input_components = channels;
  jpeg.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 100, TRUE);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(pixels.data()) +
                   jpeg.next_scanline * static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  Bytes bytes(buffer, buffer + size);
  std::free(buffer);
  return bytes;
}

Bytes npy_bytes(const std::string& descr, const std::vector<std::int64_t>& shape, const Bytes& data,
                bool fortran_order) {
  std::string text =
      "{'descr': '" + descr + "', 'fortran_order': " + (fortran_order ? "True" : "False") + ", 'shape': (";
  for (const std::int64_t extent : shape) text += std::to_string(extent) + ", ";
  text += "), }";
  while ((10 + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';
  const std::string head = "\x93NUMPY";
  Bytes bytes;
  for (const char c : head) bytes.push_back(static_cast<std::uint8_t>(c));
  for (const std::size_t value : {std::size_t{1}, std::size_t{0}, text.size() & 255, text.size() >> 8}) {
    bytes.push_back(static_cast<std::uint8_t>(value));
  }
  for (const char c : text) bytes.push_back(static_cast<std::uint8_t>(c));
  for (const std::uint8_t byte : data) bytes.push_back(byte);
  return bytes;
}

Bytes zip_bytes(const std::vector<std::pair<std::string, Bytes>>& members) {
  Bytes zip, directory;
  const auto number = [](Bytes& to, std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) to.push_back(static_cast<std::uint8_t>(i < 8 ? value >> (8 * i) : 0));
  };
  for (const auto& [name, data] : members) {
    const std::size_t offset = zip.size();
    const auto sum = ::crc32(0, data.data(), static_cast<uInt>(data.size()));
    const auto fields = [&](Bytes& to) {
      number(to, 20, 2);  // version, flags, stored, time, date
      number(to, 0, 8);
      number(to, sum, 4);
      number(to, data.size(), 4);
      number(to, data.size(), 4);
      number(to, name.size(), 2);
      number(to, 0, 2);
    };
    number(zip, 0x04034b50, 4);
    fields(zip);
    zip.insert(zip.end(), name.begin(), name.end());
    zip.insert(zip.end(), data.begin(), data.end());
    number(directory, 0x02014b50, 4);
    number(directory, 20, 2);
    fields(directory);
    number(directory, 0, 10);
    number(directory, offset, 4);
    directory.insert(directory.end(), name.begin(), name.end());
  }
  const std::size_t start = zip.size();
  zip.insert(zip.end(), directory.begin(), directory.end());
  number(zip, 0x06054b50, 4);
  number(zip, 0, 4);
  number(zip, members.size(), 2);
  number(zip, members.size(), 2);
  number(zip, directory.size(), 4);
  number(zip, start, 4);
  number(zip, 0, 2);
  return zip;
}

}  // namespace spikeloom::data
