#include "spikeloom/formats/images/image_encode.h"

#include <gif_lib.h>
#include <gtest/gtest.h>

#include <cstring>

#include "spikeloom/base/errors.h"

namespace spikeloom::formats {
namespace {

Image made_image(int width, int height, int channels, int colours = 1000) {
  Image image;
  image.width = width;
  image.height = height;
  image.channels = channels;
  for (int i = 0; i < width * height; ++i) {
    const int colour = i % colours;
    for (int c = 0; c < channels; ++c)
      image.pixels.push_back(static_cast<std::uint8_t>(colour * (37 + 5 * c) >> (c == 1 ? 3 : 0)));
  }
  return image;
}

TEST(EncodePng, IsReadBackToTheLastPixel) {
  for (const int channels : {1, 3}) {
    const Image image = made_image(37, 11, channels);
    const auto bytes = encode_png(image);
    const Image back = decode_image(bytes, "made");
    EXPECT_EQ(back.width, 37);
    EXPECT_EQ(back.height, 11);
    EXPECT_EQ(back.channels, channels);
    EXPECT_EQ(back.pixels, image.pixels);
  }
}

TEST(EncodePng, RefusesPixelsThatDoNotFit) {
  Image image = made_image(4, 4, 3);
  image.pixels.pop_back();
  EXPECT_THROW(encode_png(image), ShapeError);
  EXPECT_THROW(encode_png(Image{}), ShapeError);
  image.channels = 2;
  EXPECT_THROW(encode_png(image), ShapeError);
}

struct Input {
  const std::vector<std::uint8_t>& bytes;
  std::size_t at = 0;
};

int read_bytes(GifFileType* file, GifByteType* to, int count) {
  Input& input = *static_cast<Input*>(file->UserData);
  const std::size_t some = std::min(static_cast<std::size_t>(count), input.bytes.size() - input.at);
  std::memcpy(to, input.bytes.data() + input.at, some);
  input.at += some;
  return static_cast<int>(some);
}

TEST(EncodeGif, IsReadBackToTheLastPixel) {
  std::vector<Image> frames = {made_image(19, 7, 3, 200), made_image(19, 7, 3, 50), made_image(19, 7, 3, 3)};
  const auto bytes = encode_gif(frames, 120);
  Input input{bytes};
  GifFileType* file = DGifOpen(&input, read_bytes, nullptr);
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(DGifSlurp(file), GIF_OK);
  ASSERT_EQ(file->ImageCount, 3);
  EXPECT_EQ(file->SWidth, 19);
  for (int i = 0; i < 3; ++i) {
    GraphicsControlBlock control{};
    ASSERT_EQ(DGifSavedExtensionToGCB(file, i, &control), GIF_OK);
    EXPECT_EQ(control.DelayTime, 12) << "hundredths of a second";
    std::vector<std::uint8_t> pixels;
    for (int k = 0; k < 19 * 7; ++k) {
      const GifColorType& colour = file->SColorMap->Colors[file->SavedImages[i].RasterBits[k]];
      pixels.insert(pixels.end(), {colour.Red, colour.Green, colour.Blue});
    }
    EXPECT_EQ(pixels, frames[static_cast<std::size_t>(i)].pixels) << i;
  }
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()).find("NETSCAPE2.0") != std::string::npos, true)
      << "again and again";
  DGifCloseFile(file, nullptr);
}

TEST(EncodeGif, RefusesTooManyColoursAndSizesThatDiffer) {
  EXPECT_THROW(encode_gif({made_image(40, 40, 3, 1600)}, 100), ShapeError);
  EXPECT_THROW(encode_gif({made_image(4, 4, 3), made_image(4, 5, 3)}, 100), ShapeError);
  EXPECT_THROW(encode_gif({}, 100), ShapeError);
  EXPECT_FALSE(encode_gif({made_image(1, 1, 1)}, 0).empty());
}

}  // namespace
}  // namespace spikeloom::formats
