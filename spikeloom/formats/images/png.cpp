#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <cstring>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/decoders.h"

namespace spikeloom::formats {
namespace {

/// Deflate's best is 1032 to 1.
constexpr std::int64_t kMostPngRatio = 1032;
constexpr png_alloc_size_t kMostChunkBytes = png_alloc_size_t{1} << 23;  // of those that are not pixels

/// Plain data only: the library leaves its functions by longjmp.
struct PngReading {
  const std::uint8_t* bytes = nullptr;
  std::size_t size = 0, offset = 0;
  char message[160] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::int64_t width = 0, height = 0, stored_bytes = 0;
  int channels = 0, passes = 1;
};

void read_bytes(png_structp png, png_bytep to, std::size_t count) {
  PngReading& reading = *static_cast<PngReading*>(png_get_io_ptr(png));
  if (count > reading.size - reading.offset) png_error(png, "the file ends before its image does");
  std::memcpy(to, reading.bytes + reading.offset, count);
  reading.offset += count;
}

[[noreturn]] void fail(png_structp png, const char* message) {
  PngReading& reading = *static_cast<PngReading*>(png_get_error_ptr(png));
  std::snprintf(reading.message, sizeof(reading.message), "%s", message);
  png_longjmp(png, 1);
}

void ignore(png_structp, const char*) {}

/// false if the library gave up.
bool read_png_header(PngReading& reading) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_set_read_fn(reading.png, &reading, read_bytes);
  png_set_chunk_malloc_max(reading.png, kMostChunkBytes);
  png_set_user_limits(reading.png, 1u << 24, 1u << 24);
  png_read_info(reading.png, reading.info);
  reading.width = png_get_image_width(reading.png, reading.info);
  reading.height = png_get_image_height(reading.png, reading.info);
  reading.stored_bytes =
      static_cast<std::int64_t>(png_get_rowbytes(reading.png, reading.info)) * reading.height;
  return true;
}

/// false if the library gave up.
bool set_transforms(PngReading& reading) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_set_expand(reading.png);
  png_set_scale_16(reading.png);
  reading.passes = png_set_interlace_handling(reading.png);
  png_read_update_info(reading.png, reading.info);
  reading.channels = png_get_channels(reading.png, reading.info);
  return true;
}

/// pixels: [height, width, channels]. false if the library gave up.
bool read_png_pixels(PngReading& reading, std::uint8_t* pixels) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  const std::int64_t row_bytes = reading.width * reading.channels;
  for (int pass = 0; pass < reading.passes; ++pass) {
    for (std::int64_t y = 0; y < reading.height; ++y)
      png_read_row(reading.png, pixels + y * row_bytes, nullptr);
  }
  png_read_end(reading.png, nullptr);
  return true;
}

/// Frees what the library has, whatever is thrown.
class PngDecoder {
 public:
  PngDecoder(Span<const std::uint8_t> bytes, const std::string& name) : name_(name) {
    reading_.bytes = bytes.data();
    reading_.size = bytes.size();
    reading_.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading_, fail, ignore);
    if (reading_.png != nullptr) reading_.info = png_create_info_struct(reading_.png);
    if (reading_.info == nullptr) {
      png_destroy_read_struct(&reading_.png, nullptr, nullptr);
      throw FormatError("the PNG library cannot start", name_);
    }
  }
  ~PngDecoder() { png_destroy_read_struct(&reading_.png, &reading_.info, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image decode(Span<const std::uint8_t> bytes) {
    check(read_png_header(reading_));
    check_image_size(reading_.width, reading_.height, reading_.stored_bytes, kMostPngRatio, bytes, name_);
    check(set_transforms(reading_));
    Image image;
    image.width = static_cast<int>(reading_.width);
    image.height = static_cast<int>(reading_.height);
    image.channels = reading_.channels;
    image.pixels.resize(static_cast<std::size_t>(reading_.width * reading_.height * reading_.channels));
    check(read_png_pixels(reading_, image.pixels.data()));
    if (image.channels % 2 == 0) drop_opacity(image);
    return image;
  }

 private:
  void check(bool done) const {
    if (!done) {
      throw FormatError(fmt::format("damaged PNG: {}", reading_.message), name_,
                        static_cast<std::int64_t>(reading_.offset));
    }
  }

  /// The last channel of 2 or 4 says how opaque a pixel is.
  void drop_opacity(Image& image) const {
    const auto all = static_cast<std::size_t>(image.channels), kept = all - 1;
    std::uint8_t* to = image.pixels.data();
    for (std::size_t i = 0; i < image.pixels.size(); i += all) {
      if (image.pixels[i + kept] != 255) {
        throw FormatError("has transparent pixels, whose colour is not settled: save it on a background",
                          name_);
      }
      to = std::copy_n(image.pixels.data() + i, kept, to);
    }
    image.channels = static_cast<int>(kept);
    image.pixels.resize(static_cast<std::size_t>(to - image.pixels.data()));
  }

  const std::string& name_;
  PngReading reading_;
};

}  // namespace

Image decode_png(Span<const std::uint8_t> bytes, const std::string& name) {
  return PngDecoder(bytes, name).decode(bytes);
}

}  // namespace spikeloom::formats
