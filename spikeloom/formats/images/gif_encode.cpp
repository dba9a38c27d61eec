#include <gif_lib.h>

#include <algorithm>
#include <map>
#include <memory>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/image_encode.h"

namespace spikeloom::formats {
namespace {

constexpr std::size_t kMostColours = 256;

int append_bytes(GifFileType* file, const GifByteType* bytes, int count) {
  auto& to = *static_cast<std::vector<std::uint8_t>*>(file->UserData);
  to.insert(to.end(), bytes, bytes + count);
  return count;
}

std::uint32_t colour_at(const Image& image, std::size_t pixel) {
  const std::uint8_t* at = image.pixels.data() + pixel * static_cast<std::size_t>(image.channels);
  if (image.channels == 1) return std::uint32_t{at[0]} * 0x010101u;
  return std::uint32_t{at[0]} << 16 | std::uint32_t{at[1]} << 8 | at[2];
}

/// The colours of all frames, numbered in the order in which they come.
class Palette {
 public:
  /// Throws ShapeError at the 257th colour.
  GifByteType number_of(std::uint32_t colour) {
    if (colour == last_ && !numbers_.empty()) return last_number_;  // neighbours are mostly alike
    const auto at = numbers_.find(colour);
    if (at == numbers_.end() && numbers_.size() == kMostColours) {
      throw ShapeError("pictures for a GIF may have 256 colours together, these have more");
    }
    last_ = colour;
    last_number_ = at != numbers_.end()
                       ? at->second
                       : numbers_.emplace(colour, static_cast<GifByteType>(numbers_.size())).first->second;
    return last_number_;
  }
  const std::map<std::uint32_t, GifByteType>& numbers() const { return numbers_; }

 private:
  std::map<std::uint32_t, GifByteType> numbers_;
  std::uint32_t last_ = 0;
  GifByteType last_number_ = 0;
};

Palette palette_of(const std::vector<Image>& frames) {
  Palette palette;
  for (const Image& frame : frames) {
    const std::size_t pixels = frame.pixels.size() / static_cast<std::size_t>(frame.channels);
    for (std::size_t i = 0; i < pixels; ++i) palette.number_of(colour_at(frame, i));
  }
  return palette;
}

struct CloseFile {
  void operator()(GifFileType* file) const { EGifCloseFile(file, nullptr); }
};
struct FreeMap {
  void operator()(ColorMapObject* map) const { GifFreeMapObject(map); }
};

void check(int result) {
  if (result != GIF_OK) throw DataError("the GIF library cannot write these pictures");
}

void check_frames(const std::vector<Image>& frames) {
  if (frames.empty()) throw ShapeError("a GIF needs at least one picture");
  for (const Image& frame : frames) {
    check_encodable(frame);
    if (frame.width != frames.front().width || frame.height != frames.front().height || frame.width > 65535 ||
        frame.height > 65535) {
      throw ShapeError("the pictures of a GIF must have one size, at most 65535 pixels a side");
    }
  }
}

}  // namespace

std::vector<std::uint8_t> encode_gif(const std::vector<Image>& frames, int delay_ms) {
  check_frames(frames);
  Palette palette = palette_of(frames);
  int colours = 2;  // the format's tables have powers of two
  while (colours < static_cast<int>(palette.numbers().size())) colours *= 2;
  const std::unique_ptr<ColorMapObject, FreeMap> map(GifMakeMapObject(colours, nullptr));
  std::vector<std::uint8_t> bytes;
  std::unique_ptr<GifFileType, CloseFile> file(EGifOpen(&bytes, append_bytes, nullptr));
  if (map == nullptr || file == nullptr) throw DataError("the GIF library cannot start");
  for (const auto& [colour, index] : palette.numbers()) {
    map->Colors[index] = {static_cast<GifByteType>(colour >> 16),
                          static_cast<GifByteType>(colour >> 8 & 0xff),
                          static_cast<GifByteType>(colour & 0xff)};
  }
  const int width = frames.front().width, height = frames.front().height;
  EGifSetGifVersion(file.get(), true);
  check(EGifPutScreenDesc(file.get(), width, height, 8, 0, map.get()));
  if (frames.size() > 1) {
    const GifByteType forever[3] = {1, 0, 0};  // NETSCAPE2.0: sub-block 1, repeat count 0
    check(EGifPutExtensionLeader(file.get(), APPLICATION_EXT_FUNC_CODE));
    check(EGifPutExtensionBlock(file.get(), 11, "NETSCAPE2.0"));
    check(EGifPutExtensionBlock(file.get(), 3, forever));
    check(EGifPutExtensionTrailer(file.get()));
  }
  std::vector<GifByteType> row(static_cast<std::size_t>(width));
  for (const Image& frame : frames) {
    GraphicsControlBlock control{};
    control.DelayTime = std::clamp((delay_ms + 5) / 10, 1, 65535);
    control.TransparentColor = NO_TRANSPARENT_COLOR;
    GifByteType extension[4];
    EGifGCBToExtension(&control, extension);
    check(EGifPutExtension(file.get(), GRAPHICS_EXT_FUNC_CODE, 4, extension));
    check(EGifPutImageDesc(file.get(), 0, 0, width, height, false, nullptr));
    for (int y = 0; y < height; ++y) {
      for (int x = 0; x < width; ++x) {
        const std::size_t pixel = static_cast<std::size_t>(y) * row.size() + static_cast<std::size_t>(x);
        row[static_cast<std::size_t>(x)] = palette.number_of(colour_at(frame, pixel));
      }
      check(EGifPutLine(file.get(), row.data(), width));
    }
  }
  check(EGifCloseFile(file.release(), nullptr));
  return bytes;
}

}  // namespace spikeloom::formats
