#include <png.h>

#include <cstdio>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/image_encode.h"

namespace spikeloom::formats {
namespace {

/// Plain data only, but for `bytes`, which outlives the library's longjmp.
struct Writing {
  std::vector<std::uint8_t>* bytes = nullptr;
  char message[160] = "";
};

void write_bytes(png_structp png, png_bytep from, std::size_t count) {
  auto& bytes = *static_cast<Writing*>(png_get_io_ptr(png))->bytes;
  bytes.insert(bytes.end(), from, from + count);
}

void flush(png_structp) {}

[[noreturn]] void fail_to_encode(png_structp png, const char* message) {
  Writing& writing = *static_cast<Writing*>(png_get_error_ptr(png));
  std::snprintf(writing.message, sizeof(writing.message), "%s", message);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, const char*) {}

/// false if the library gave up.
bool write_image(png_structp png, png_infop info, const Image& image, Writing& writing) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, &writing, write_bytes, flush);
  png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
               image.channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  const std::size_t row = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.channels);
  for (int y = 0; y < image.height; ++y) {
    png_write_row(png, image.pixels.data() + static_cast<std::size_t>(y) * row);
  }
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

std::vector<std::uint8_t> encode_png(const Image& image) {
  check_encodable(image);
  std::vector<std::uint8_t> bytes;
  Writing writing;
  writing.bytes = &bytes;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writing, fail_to_encode, ignore_warning);
  png_infop info = png != nullptr ? png_create_info_struct(png) : nullptr;
  const bool done = info != nullptr && write_image(png, info, image, writing);
  png_destroy_write_struct(&png, &info);
  if (!done) throw DataError(std::string("an image cannot be written as PNG: ") + writing.message);
  return bytes;
}

void check_encodable(const Image& image) {
  const bool fits = image.width > 0 && image.height > 0 && (image.channels == 1 || image.channels == 3) &&
                    image.pixels.size() == static_cast<std::size_t>(image.width) *
                                               static_cast<std::size_t>(image.height) *
                                               static_cast<std::size_t>(image.channels);
  if (fits) return;
  throw ShapeError("an image to write must have 1 or 3 channels and all of its pixels, not " +
                   std::to_string(image.width) + "x" + std::to_string(image.height) + "x" +
                   std::to_string(image.channels) + " in " + std::to_string(image.pixels.size()) + " values");
}

}  // namespace spikeloom::formats
