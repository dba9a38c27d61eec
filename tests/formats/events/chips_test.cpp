// Which chip an AEDAT 1.0 or 2.0 recording is of: what the file does not settle is asked for.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "spikeloom/formats/events/event_reader_options.h"
#include "tests/formats/events/recordings.h"

namespace spikeloom::formats {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::decode;
using testing::Decoded;
using testing::Events;
using testing::operator+;

Bytes big_endian(std::uint32_t number, int size) {
  Bytes bytes;
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::uint8_t>(number >> shift));
  return bytes;
}

/// `count` records, 10 us apart.
Bytes records(std::uint32_t count, const std::function<std::uint32_t(std::uint32_t i)>& address) {
  Bytes bytes;
  for (std::uint32_t i = 0; i < count; ++i)
    bytes = std::move(bytes) + big_endian(address(i), 4) + big_endian(10 * i, 4);
  return bytes;
}

Bytes with_chip(const std::string& name, const Bytes& data) {
  return bytes_of("#!AER-DAT2.0\r\n# AEChip: " + name + "\r\n#End Of ASCII Header\r\n") + data;
}
Bytes without_chip(const Bytes& data) { return bytes_of("#!AER-DAT2.0\r\n#End Of ASCII Header\r\n") + data; }

EventReaderOptions with(const std::string& chip, int width = 0, int height = 0) {
  EventReaderOptions options;
  options.chip = chip;
  options.width = width;
  options.height = height;
  return options;
}

const Bytes kSec = records(40, [](std::uint32_t i) { return (300 + i) << 11 | (200 + i) << 1 | 1; });
const Bytes kDavis346 =
    records(30, [](std::uint32_t i) { return 10u << 22 | (345 - 110 - i) << 12 | 1u << 11; });
const Bytes kDvs128 = records(30, [](std::uint32_t i) { return (3 * i) << 8 | (2 * i) << 1 | (i & 1); });

void expect_asked(const Bytes& file, const std::vector<std::string>& words) {
  const Decoded decoded = decode(file);
  EXPECT_TRUE(decoded.events.empty());
  for (const std::string& word : words) {
    EXPECT_NE(decoded.error.find(word), std::string::npos) << word << " is not in: " << decoded.error;
  }
}

TEST(Chip, TheSamsungSensorIsRead) {
  Events expected;
  for (std::uint16_t i = 0; i < 40; ++i) {
    expected.push_back(
        {10 * i, static_cast<std::uint16_t>(639 - 200 - i), static_cast<std::uint16_t>(300 + i), 1});
  }
  for (const Decoded& decoded : {decode(with_chip("com.sec.dvs.SecDvs640Gen2", kSec)),
                                 decode(without_chip(kSec), with("secdvs640"))}) {
    EXPECT_EQ(decoded.error, "");
    EXPECT_EQ(decoded.width, 640);
    EXPECT_EQ(decoded.height, 480);
    EXPECT_EQ(decoded.events, expected);
  }
  EXPECT_EQ(
      decode(with_chip("SecDvs640Gen2", records(1, [](std::uint32_t) { return 479u << 11 | 639u << 1; })))
          .events,
      (Events{{0, 0, 479, 0}}));
  for (const std::uint32_t address : {480u << 11, 640u << 1, 1u << 20}) {
    EXPECT_NE(decode(with_chip("SecDvs640Gen2", records(1, [&](std::uint32_t) { return address; }))).error,
              "");
  }
}

TEST(Chip, AFileThatSeveralFitIsAskedFor) {
  expect_asked(without_chip(kSec),
               {"secdvs640 (640x480)", "davis240 (240x180)", "--chip", "--sensor", "data.chip"});
  expect_asked(without_chip(kDavis346), {"davis240", "davis346 (346x260)", "davis640", "--chip", "--sensor"});
  expect_asked(bytes_of("#!AER-DAT2.0\r\n") + kDavis346, {"davis346 (346x260)"});
  const Decoded said = decode(without_chip(kDavis346), with("DAVIS346"));
  ASSERT_EQ(said.events.size(), 30u);
  EXPECT_EQ(said.events[0], (events::Event{0, 110, 10, 1}));
  EXPECT_EQ(decode(without_chip(kDavis346), with("", 346, 260)).events, said.events);
}

TEST(Chip, AChipThatIsNotKnownIsAskedFor) {
  for (const char* name :
       {"ch.unizh.ini.jaer.chip.cochlea.CochleaAMS1c", "my.own.Chip", "Tmpdiff128StereoPair"}) {
    for (const Bytes& data : {kSec, kDavis346, kDvs128}) {
      expect_asked(with_chip(name, data),
                   {name, "dvs128 (128x128)", "secdvs640", "--chip", "--sensor", "data.chip"});
    }
    EXPECT_EQ(decode(with_chip(name, kDvs128), with("dvs128")).events.size(), 30u);
    EXPECT_EQ(decode(with_chip(name, kDavis346), with("", 346, 260)).events.size(), 30u);
    EXPECT_NE(decode(with_chip(name, kDavis346), with("", 300, 200)).error.find("none of 300x200"),
              std::string::npos);
  }
  EXPECT_THROW(decode(without_chip(kDvs128), with("davis347")), ConfigError);
}

TEST(Chip, AFileThatOneChipFitsIsRead) {
  const Decoded dvs = decode(without_chip(kDvs128));
  EXPECT_EQ(dvs.error, "");
  EXPECT_EQ(dvs.width, 128);
  EXPECT_EQ(dvs.events[5], (events::Event{50, 127 - 10, 15, 0}));
  // So few that they may as well be in the corner of another sensor.
  expect_asked(without_chip(records(3, [](std::uint32_t i) { return i << 8 | i << 1; })),
               {"dvs128", "davis346", "secdvs640"});
  // One stray event fits the largest DAVIS alone, and its width would move all others.
  const Bytes stray = without_chip(kDavis346 + big_endian(450u << 22 | 5u << 12, 4) + big_endian(900, 4));
  expect_asked(stray, {"davis640 (640x480)", "--chip"});
  EventReaderOptions by_size = with("", 346, 260);
  by_size.drop_outside = true;
  EXPECT_EQ(decode(stray, by_size).events, decode(without_chip(kDavis346), with("davis346")).events);
  // What a note says about a chip need not be true of the recording.
  expect_asked(bytes_of("#!AER-DAT2.0\r\n# my DAVIS240 notes\r\n#End Of ASCII Header\r\n") + kDavis346,
               {"davis346 (346x260)"});
  expect_asked(without_chip(records(20, [](std::uint32_t) { return 511u << 22 | 1000u << 12; })),
               {"none", "--chip", "davis346"});
}

TEST(Chip, WhatIsSaidByHandGoesBeforeTheHeader) {
  EXPECT_EQ(decode(with_chip("DAVIS240C", kDavis346), with("davis346")).events[0].x, 110);
}

TEST(Chip, EveryClassOfJaerIsKnownByItsWholeName) {
  const std::pair<const char*, int> known[] = {{"ch.unizh.ini.jaer.chip.retina.DVS128", 128},
                                               {"dvs128", 128},
                                               {"ch.unizh.ini.jaer.chip.retina.Tmpdiff128", 128},
                                               {"eu.seebetter.ini.chips.davis.Davis128Color", 128},
                                               {"eu.seebetter.ini.chips.davis.Davis208PixelParade", 208},
                                               {"eu.seebetter.ini.chips.DAViS.DAViS240", 240},
                                               {"eu.seebetter.ini.chips.davis.DAVIS240A", 240},
                                               {"eu.seebetter.ini.chips.davis.DAVIS240B", 240},
                                               {"eu.seebetter.ini.chips.davis.DAVIS240C", 240},
                                               {"eu.seebetter.ini.chips.davis.DVS240", 240},
                                               {"eu.seebetter.ini.chips.davis.Davis346A", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346B", 346},
                                               {"DAVIS346B", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346BColor", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346blue", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346red", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346redColor", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346cBSI", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346mini", 346},
                                               {"eu.seebetter.ini.chips.davis.Davis346Zynq", 346},
                                               {"DAVI346", 346},
                                               {"eu.seebetter.ini.chips.davis.DAVIS640", 640},
                                               {"eu.seebetter.ini.chips.davis.Davis640Color", 640},
                                               {"ch.unizh.ini.jaer.chip.retina.DVS640", 640}};
  for (const auto& [name, width] : known) {
    const Decoded decoded = decode(with_chip(name, records(1, [](std::uint32_t) { return 1u << 1; })));
    EXPECT_EQ(decoded.error, "") << name;
    EXPECT_EQ(decoded.width, width) << name;
  }
}

TEST(Chip, ANameThatOnlyContainsAKnownOneIsAskedFor) {
  for (const char* name : {"DVS1280", "ch.unizh.ini.jaer.chip.retina.DVS1280x720SD", "xDVS128",
                           "ch.unizh.ini.jaer.chip.retina.DVS128andCochleaAMS1b",
                           "uk.ac.example.Davis240Mirror", "eu.seebetter.ini.chips.davis.Davis240StereoPair",
                           "eu.seebetter.ini.chips.davis.CDAVIS", "my.DAVIS346.Chip"}) {
    expect_asked(with_chip(name, kDvs128), {name, "dvs128 (128x128)", "--chip", "data.chip"});
  }
  // It says how addresses are laid out, and not how wide they are.
  const char* base = "eu.seebetter.ini.chips.davis.DavisBaseCamera";
  expect_asked(with_chip(base, kDavis346), {base, "--sensor"});
  EXPECT_EQ(decode(with_chip(base, kDavis346), with("", 346, 260)).events[0].x, 110);
}

TEST(Chip, SentencesAboutAChipNameNone) {
  for (const char* line : {"# not a DAVIS240 address space file", "# converted from the format of DAVIS240",
                           "# a file in the address space of a DAVIS640", "# Chip AEChip: DAVIS240C",
                           "# Start of Preferences for this AEChip (DAVIS240C)"}) {
    const Decoded decoded =
        decode(bytes_of("#!AER-DAT2.0\r\n" + std::string(line) + "\r\n#End Of ASCII Header\r\n") + kDvs128);
    EXPECT_EQ(decoded.width, 128) << line << ": read by its addresses; " << decoded.error;
  }
  // What the converter write2jAER writes is one.
  const std::string fakes = "# This function fakes the format of DAVIS640 to allow for 304x240\r\n";
  EXPECT_EQ(decode(bytes_of("#!AER-DAT2.0\r\n" + fakes) + kDavis346).width, 640);
  EXPECT_EQ(decode(bytes_of("#!AER-DAT2.0\r\n# HardwareInterface: a DAVIS346 after a DAVIS240\r\n") + kDvs128)
                .width,
            128)
      << "two of them";
}

TEST(Chip, LinesThatContradictEachOtherAreAnError) {
  const auto file = [](const std::string& first, const std::string& second, const std::string& version) {
    return bytes_of("#!AER-DAT" + version + "\r\n# AEChip: " + first + "\r\n# AEChip: " + second + "\r\n");
  };
  for (const auto& [first, second] : {std::pair{"DVS128", "eu.seebetter.ini.chips.davis.Davis346red"},
                                      {"my.Chip", "DVS128"},
                                      {"DVS128", "my.Chip"},
                                      {"my.Chip", "your.Chip"}}) {
    expect_asked(file(first, second, "2.0") + kDvs128, {std::string("'# AEChip: ") + first + "'",
                                                        std::string("'# AEChip: ") + second + "'", "--chip"});
    EXPECT_NE(decode(file(first, second, "1.0") + big_endian(0x0102, 2) + big_endian(7, 4))
                  .error.find(std::string("'# AEChip: ") + second),
              std::string::npos);
    EXPECT_EQ(decode(file(first, second, "2.0") + kDvs128, with("dvs128")).events.size(), 30u);
  }
  EXPECT_EQ(decode(file("Davis346red", "DAVIS346B", "2.0") + kDavis346).events[0].x, 110)
      << "the same sensor";
}

TEST(Chip, TheCornerOfADavisIsNotADvs128) {
  // Row 0 and the last 16 columns: the addresses have no bit above 15 either, but none below 10.
  expect_asked(without_chip(records(400, [](std::uint32_t i) { return (i % 16) << 12 | (i & 1) << 11; })),
               {"dvs128", "davis346"});
}

TEST(Chip, AStrayBitInADvs128IsLeftOutWhereThatIsAskedFor) {
  const auto address = [](std::uint32_t i) { return (i % 128) << 8 | (i * 7 % 128) << 1 | (i & 1); };
  const auto with_strays = [&](std::uint32_t every) {
    return without_chip(
        records(400, [&](std::uint32_t i) { return address(i) | (i % every == every - 1 ? 1u << 16 : 0u); }));
  };
  expect_asked(with_strays(400), {"1 of the first 400", "DVS128", "--drop-outside", "--chip", "data.chip"});
  EventReaderOptions options;
  options.drop_outside = true;
  const Decoded some = decode(with_strays(200), options);
  EXPECT_EQ(some.error, "");
  EXPECT_EQ(some.width, 128);
  EXPECT_EQ(some.dropped, 2);
  ASSERT_EQ(some.events.size(), 398u);
  EXPECT_EQ(some.events[1], (events::Event{10, 120, 1, 0}));
  EXPECT_NE(decode(with_strays(50), options).error, "") << "2 % are no strays";
  EXPECT_NE(decode(without_chip(kDavis346), options).error, "");
}

TEST(Aedat1, ReadsTheByteTable) {
  const Bytes header = bytes_of("#!AER-DAT1.0\r\n# This is a raw AE data file - do not edit\r\n");
  const auto record = [](std::uint32_t address, std::uint32_t t) {
    return big_endian(address, 2) + big_endian(t, 4);
  };
  const Bytes file = header + record(0x4390, 5) + record(0x3b85, 85) + record(0x8102, 90) +  // a trigger
                     record(0x0001, 0x7fffffff) + record(0x7fff, 0x80000001);
  const Events expected{{5, 127 - 0x90 / 2, 0x43, 1},
                        {85, 127 - 0x85 / 2, 0x3b, 0},
                        {0x7fffffff, 127, 0, 0},
                        {std::int64_t{0x80000001}, 0, 127, 0}};
  const Decoded decoded = decode(file);
  EXPECT_EQ(decoded.error, "");
  EXPECT_EQ(decoded.format, "AEDAT 1.0");
  EXPECT_EQ(decoded.width, 128);
  EXPECT_EQ(decoded.height, 128);
  EXPECT_EQ(decoded.events, expected);
  EXPECT_EQ(testing::decode_unevenly(file, {}).events, expected);
  EXPECT_TRUE(decode(header).events.empty());
  EXPECT_EQ(decode(header).error, "") << "no events";
  const Decoded cut = decode(Bytes(file.begin(), file.end() - 1));
  EXPECT_EQ(cut.events, Events(expected.begin(), expected.end() - 1));
  EXPECT_EQ(cut.error_offset, static_cast<std::int64_t>(file.size() - 6));
  EXPECT_NE(decode(bytes_of("#!AER-DAT1.1\r\n"), {"aedat1"}).error.find("'1.1'"), std::string::npos);
}

TEST(Aedat1, OtherChipsAreRefusedByName) {
  const Bytes data = big_endian(0x0102, 2) + big_endian(7, 4);
  const auto file = [&](const std::string& chip) {
    return bytes_of("#!AER-DAT1.0\r\n# AEChip: " + chip + "\r\n") + data;
  };
  EXPECT_EQ(decode(file("ch.unizh.ini.jaer.chip.retina.DVS128")).events.size(), 1u);
  for (const char* chip : {"CochleaAMS", "davis346"}) {
    EXPECT_NE(decode(file(chip)).error.find(chip), std::string::npos);
    EXPECT_EQ(decode(file(chip), with("dvs128")).events.size(), 1u);
  }
  EXPECT_THROW(decode(file("DVS128"), with("davis346")), ConfigError);
  testing::expect_mutations_survived([](const std::string& path) { read_events(path, {"aedat1"}); },
                                     file("DVS128"), 1000);
}

}  // namespace
}  // namespace spikeloom::formats
