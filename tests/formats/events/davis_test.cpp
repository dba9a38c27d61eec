// AEDAT 2.0 of DAVIS cameras, and how the sensor is found; the DVS128 has aedat2_test.cpp.
#include <gtest/gtest.h>

#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::operator+;

Bytes record(std::uint32_t address, std::uint32_t timestamp) {
  Bytes bytes;
  for (const std::uint32_t word : {address, timestamp}) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(word >> shift));
  }
  return bytes;
}

std::uint32_t davis(std::uint32_t mirrored_x, std::uint32_t y, std::uint32_t on) {
  return y << 22 | mirrored_x << 12 | on << 11;
}

TEST(Davis, FrameImuAndExternalSamplesAreSkipped) {
  const Decoded decoded =
      decode(bytes_of("#!AER-DAT2.0\r\n# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n") +
             record(davis(0, 179, 1), 5) + record(0x80000000u | davis(3, 3, 0), 6) + record(0x80000c00u, 6) +
             record(davis(9, 9, 1) | 0x400u, 7) + record(davis(239, 0, 0) | 0x3ffu, 8));
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.width, 240);
  EXPECT_EQ(decoded.height, 180);
  EXPECT_EQ(decoded.events, (Events{{5, 239, 179, 1}, {8, 0, 0, 0}}));
}

TEST(Davis, EventsOutsideTheSensorAreRefusedAtTheirByte) {
  const std::string header = "#!AER-DAT2.0\r\n# AEChip: DAVIS240C\r\n#End Of ASCII Header\r\n";
  for (const std::uint32_t address : {davis(240, 0, 0), davis(0, 180, 0)}) {
    const Decoded decoded = decode(bytes_of(header) + record(davis(1, 1, 1), 1) + record(address, 2));
    EXPECT_EQ(decoded.events.size(), 1u);
    EXPECT_EQ(decoded.error_offset, static_cast<std::int64_t>(header.size() + 8));
  }
}

TEST(Davis, TheOptionsSizeMovesNothing) {
  const std::string header = "#!AER-DAT2.0\r\n# AEChip: DAVIS346B\r\n#End Of ASCII Header\r\n";
  const Bytes file = bytes_of(header) + record(davis(344, 7, 1), 1) + record(davis(0, 259, 0), 2);
  const Decoded larger = decode(file, {"auto", 1024, 512});
  EXPECT_EQ(larger.events, (Events{{1, 1, 7, 1}, {2, 345, 259, 0}})) << "x was 679 once";
  EXPECT_EQ(larger.width, 1024);
  const Decoded smaller = decode(file, {"auto", 100, 100});
  EXPECT_EQ(smaller.events, (Events{{1, 1, 7, 1}}));
  EXPECT_EQ(smaller.error_offset, static_cast<std::int64_t>(header.size() + 8));
  EXPECT_NE(decode(bytes_of(header) + record(davis(346, 0, 0), 1), {"auto", 1024, 512}).error, "")
      << "a column that the chip does not have";
}

TEST(Davis, TheSensorIsFoundInTheHeaderTheOptionsOrTheAddresses) {
  struct Case {
    const char* header;
    std::uint32_t address;
    int width, height;
    EventReaderOptions options;
  };
  for (const Case& c :
       {Case{"# AEChip: Davis346B\r\n", davis(1, 1, 0), 346, 260, {}},
        {"# HardwareInterface: USBIO DAVIS346 x\r\n", davis(1, 1, 0), 346, 260, {}},
        {"# HardwareInterface: DAVIS640\r\n# AEChip: DAVIS240B\r\n", davis(1, 1, 0), 240, 180, {}},
        {"# AEChip: DAVIS128\r\n", davis(1, 1, 0), 128, 128, {}},
        {"# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n", 0x102, 128, 128, {}},
        {"# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128\r\n", 0x102, 240, 180, {"auto", 240, 180}},
        {"# This function fakes the format of DAVIS640 to allow for more\r\n", 0x102, 640, 480, {}},
        {"# AEChip: unheard.of.Chip\r\n", davis(200, 100, 0), 240, 180, {"auto", 240, 180}},
        {"", davis(200, 100, 0), 346, 260, {"auto", 346, 260}},
        {"", davis(100, 300, 0), 640, 480, {"auto", 640, 480}},
        {"", 0x102, 128, 128, {"auto", 128, 128}},
        {"", davis(100, 100, 0), 128, 128, {"auto", 128, 128}}}) {
    const Decoded decoded =
        decode(bytes_of("#!AER-DAT2.0\r\n") + bytes_of(c.header) + record(c.address, 1), c.options);
    EXPECT_EQ(decoded.error, "") << c.header;
    EXPECT_EQ(decoded.width, c.width) << c.header;
    EXPECT_EQ(decoded.height, c.height) << c.header;
  }
}

TEST(Davis, ReadsARealRecordingInTheAddressSpaceOfADavis640) {
  SPIKELOOM_REAL_FILE(path, "SPIKELOOM_EVENT_FILES", "aedat2/jAERdata.aedat");
  const events::EventStream stream = read_events(path);
  EXPECT_EQ(stream.width, 640);
  ASSERT_EQ(stream.events.size(), 320u);
  EXPECT_EQ(stream.events[0], (events::Event{7899, 12, 457, 0}));
  EXPECT_EQ(stream.events[1], (events::Event{18787, 14, 455, 1}));
}

}  // namespace
}  // namespace spikeloom::formats
