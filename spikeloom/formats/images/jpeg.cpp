#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>

// After <cstdio>, which it needs.
#include <jpeglib.h>

// After that, which settles what numbers its messages have.
#include <jerror.h>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/decoders.h"

namespace spikeloom::formats {
namespace {

/// A block of 64 pixels takes a bit of a scan at least.
constexpr std::int64_t kMostJpegRatio = 64 * 8;
/// A picture has ten scans; a file of a million would take hours.
constexpr int kMostScans = 100;
constexpr int kGreyJpeg = 1, kColourJpeg = 3;

/// Plain data only: the library leaves its functions by longjmp.
struct JpegReading {
  jpeg_error_mgr errors;  // first: the library knows its address only
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX + 32];
  jpeg_decompress_struct jpeg;
  jpeg_progress_mgr progress;
};

JpegReading& reading_of(j_common_ptr jpeg) { return *reinterpret_cast<JpegReading*>(jpeg->err); }

[[noreturn]] void fail(j_common_ptr jpeg) {
  JpegReading& reading = reading_of(jpeg);
  if (reading.message[0] == '\0') reading.errors.format_message(jpeg, reading.message);
  std::longjmp(reading.back, 1);
}

/// What the library would go on from with invented pixels ends it; the rest of its remarks are about no
/// pixel.
void hear(j_common_ptr jpeg, int level) {
  if (level >= 0) return;
  switch (jpeg->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
      fail(jpeg);
    default:
      return;
  }
}

void say_nothing(j_common_ptr) {}

void watch(j_common_ptr jpeg) {
  JpegReading& reading = reading_of(jpeg);
  if (reading.jpeg.input_scan_number <= kMostScans) return;
  std::snprintf(reading.message, sizeof(reading.message), "more than %d scans", kMostScans);
  fail(jpeg);
}

bool read_jpeg_header(JpegReading& reading, Span<const std::uint8_t> bytes) {
  if (setjmp(reading.back) != 0) return false;
  jpeg_create_decompress(&reading.jpeg);
  reading.progress.progress_monitor = watch;
  reading.jpeg.progress = &reading.progress;
  jpeg_mem_src(&reading.jpeg, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&reading.jpeg, TRUE);
  return true;
}

/// pixels: [height, width, channels].
bool read_jpeg_pixels(JpegReading& reading, std::uint8_t* pixels) {
  if (setjmp(reading.back) != 0) return false;
  jpeg_start_decompress(&reading.jpeg);
  const std::size_t row_bytes =
      std::size_t{reading.jpeg.output_width} * static_cast<std::size_t>(reading.jpeg.output_components);
  while (reading.jpeg.output_scanline < reading.jpeg.output_height) {
    JSAMPROW row = pixels + reading.jpeg.output_scanline * row_bytes;
    jpeg_read_scanlines(&reading.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&reading.jpeg);
  return true;
}

class JpegDecoder {
 public:
  explicit JpegDecoder(const std::string& name) : name_(name), reading_() {
    reading_.jpeg.err = jpeg_std_error(&reading_.errors);
    reading_.errors.error_exit = fail;
    reading_.errors.emit_message = hear;
    reading_.errors.output_message = say_nothing;
  }
  ~JpegDecoder() {
    if (reading_.jpeg.mem != nullptr) jpeg_destroy_decompress(&reading_.jpeg);
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode(Span<const std::uint8_t> bytes) {
    check(read_jpeg_header(reading_, bytes), bytes);
    jpeg_decompress_struct& jpeg = reading_.jpeg;
    if (jpeg.num_components != kGreyJpeg && jpeg.num_components != kColourJpeg) {
      throw FormatError(fmt::format("a JPEG of {} colours: save it as grey or RGB", jpeg.num_components),
                        name_);
    }
    const std::int64_t pixels = std::int64_t{jpeg.image_width} * jpeg.image_height;
    check_image_size(jpeg.image_width, jpeg.image_height, pixels, kMostJpegRatio, bytes, name_);
    jpeg.out_color_space = jpeg.num_components == kGreyJpeg ? JCS_GRAYSCALE : JCS_RGB;
    Image image;
    image.width = static_cast<int>(jpeg.image_width);
    image.height = static_cast<int>(jpeg.image_height);
    image.channels = jpeg.num_components;
    image.pixels.resize(static_cast<std::size_t>(pixels) * static_cast<std::size_t>(image.channels));
    check(read_jpeg_pixels(reading_, image.pixels.data()), bytes);
    return image;
  }

 private:
  void check(bool done, Span<const std::uint8_t> bytes) const {
    if (done) return;
    std::int64_t offset = -1;
    if (reading_.jpeg.src != nullptr && reading_.jpeg.src->bytes_in_buffer <= bytes.size()) {
      offset = static_cast<std::int64_t>(bytes.size() - reading_.jpeg.src->bytes_in_buffer);
    }
    throw FormatError(fmt::format("damaged JPEG: {}", reading_.message), name_, offset);
  }

  const std::string& name_;
  JpegReading reading_;
};

}  // namespace

Image decode_jpeg(Span<const std::uint8_t> bytes, const std::string& name) {
  return JpegDecoder(name).decode(bytes);
}

}  // namespace spikeloom::formats
