// PNG and JPEG decoding (formats/images), here beside what writes such files.
#include <gtest/gtest.h>

#include "made_images.h"
#include "spikeloom/base/errors.h"
#include "spikeloom/formats/images/image_file.h"

namespace spikeloom::formats {
namespace {

using data::Bytes;
using data::contains;
using data::message_of;

Bytes ramp(std::size_t count) {
  Bytes bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 7 + i / 31));
  return bytes;
}

TEST(ImageFile, PngGivesTheBytesThatWereWritten) {
  for (const int channels : {1, 3}) {
    const Bytes pixels = ramp(static_cast<std::size_t>(13 * 9 * channels));
    const Image image = decode_image(data::png_bytes(13, 9, channels, pixels), "x.png");
    EXPECT_EQ(image.width, 13);
    EXPECT_EQ(image.height, 9);
    EXPECT_EQ(image.channels, channels);
    EXPECT_EQ(image.pixels, pixels);
  }
}

TEST(ImageFile, OpaquePixelsLoseTheirOpacityOthersAreRefused) {
  Bytes pixels;
  for (std::uint8_t i = 0; i < 6; ++i) pixels.insert(pixels.end(), {i, 10, 20, 255});
  const Image image = decode_image(data::png_bytes(3, 2, 4, pixels), "x.png");
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.pixels[3], 1);
  EXPECT_EQ(image.pixels[17], 20);
  pixels[7] = 254;
  EXPECT_TRUE(
      contains(message_of<FormatError>([&] { decode_image(data::png_bytes(3, 2, 4, pixels), "x.png"); }),
               "transparent"));
}

TEST(ImageFile, JpegIsReadGreyAndInColour) {
  for (const bool progressive : {false, true}) {
    for (const int channels : {1, 3}) {
      const Bytes pixels(static_cast<std::size_t>(20 * 10 * channels), 100);
      const Image image = decode_image(data::jpeg_bytes(20, 10, channels, pixels, progressive), "x.jpg");
      EXPECT_EQ(image.width, 20);
      EXPECT_EQ(image.height, 10);
      ASSERT_EQ(image.channels, channels);
      for (const std::uint8_t value : image.pixels) EXPECT_NEAR(value, 100, 1);
    }
  }
  EXPECT_TRUE(contains(
      message_of<FormatError>([] { decode_image(data::jpeg_bytes(8, 8, 4, Bytes(256, 9)), "x.jpg"); }),
      "4 colours"));
}

TEST(ImageFile, EveryCutIsAnErrorNotAPicture) {
  const Bytes pixels = ramp(40 * 30);
  for (const Bytes& whole : {data::png_bytes(40, 30, 1, pixels), data::jpeg_bytes(40, 30, 1, pixels),
                             data::jpeg_bytes(40, 30, 1, pixels, true)}) {
    EXPECT_NO_THROW(decode_image(whole, "x"));
    for (std::size_t size = 0; size + 2 < whole.size(); size += 1 + size / 16) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_THROW(decode_image(cut, "x"), FormatError) << size << " of " << whole.size();
    }
  }
}

TEST(ImageFile, DamageNamesFileAndByte) {
  Bytes bytes = data::png_bytes(40, 30, 1, ramp(40 * 30));
  bytes[60] ^= 0x40;
  const std::string message = message_of<FormatError>([&] { decode_image(bytes, "some.png"); });
  EXPECT_EQ(message.rfind("some.png: byte ", 0), 0u) << message;
  EXPECT_FALSE(contains(message, "\n"));
  EXPECT_TRUE(contains(message_of<FormatError>([] {
                         decode_image(Bytes{'G', 'I', 'F'}, "x.png");
                       }),
                       "neither"));
}

TEST(ImageFile, SizesThatTheFileCannotHoldAreRefusedBeforeMemoryIsTaken) {
  Bytes bytes = data::png_bytes(4, 4, 1, ramp(16));
  // Width and height of the header; its checksum is then wrong, so the library refuses it, or we do.
  for (const std::size_t at : {16, 20}) bytes[at + 1] = 0x7f;
  EXPECT_THROW(decode_image(bytes, "x.png"), FormatError);
  Bytes jpeg = data::jpeg_bytes(8, 8, 1, Bytes(64, 50));
  for (std::size_t i = 0; i + 9 < jpeg.size(); ++i) {
    if (jpeg[i] == 0xff && jpeg[i + 1] == 0xc0) {
      jpeg[i + 5] = jpeg[i + 7] = 0x20;  // 8,200 x 8,200
      break;
    }
  }
  EXPECT_TRUE(
      contains(message_of<FormatError>([&] { decode_image(jpeg, "x.jpg"); }), "x.jpg: an image of 82"));
}

}  // namespace
}  // namespace spikeloom::formats
