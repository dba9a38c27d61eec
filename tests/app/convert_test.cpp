// spikeloom convert, and info of the recordings it writes.
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Convert : public ProgramTest {
 protected:
  /// A csv-free way to a recording: ATIS bin, 34 x 34, `count` events.
  void write_atis(const std::string& name, int count) const {
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      const int t_us = 100 + 70 * i;
      for (const int byte :
           {i % 34, i % 29, (i % 3 == 0 ? 128 : 0) | t_us >> 16, t_us >> 8 & 255, t_us & 255}) {
        bytes += static_cast<char>(byte);
      }
    }
    write(name, bytes);
  }
  nlohmann::json info(const std::string& name, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"info", name, "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments).json();
  }
};

TEST_F(Convert, EveryFormatThatIsWrittenHasTheSameEvents) {
  write_atis("a.bin", 1000);
  const auto before = info("a.bin");
  EXPECT_EQ(before.at("format"), "ATIS bin");
  EXPECT_EQ(before.at("width"), 34);
  for (const auto& [name, format] :
       {std::pair{"b.raw", "EVT 3.0"}, {"b.dat", "DAT"}, {"b.aedat", "AEDAT 2.0"}, {"b.bin", "ATIS bin"}}) {
    // ATIS bin does not say the size, which AEDAT 2.0 needs.
    const Outcome outcome = run({"convert", "a.bin", name, "--sensor", "34x34"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, "1,000 events of a.bin (ATIS bin)")) << outcome.out;
    const auto after = info(name);
    EXPECT_EQ(after.at("format"), format);
    for (const char* key : {"events", "on", "off", "t_first_us", "t_last_us"}) {
      EXPECT_EQ(after.at(key), before.at(key)) << name << " " << key;
    }
    EXPECT_EQ(run({"convert", name, std::string(name) + ".bin"}).exit_code, 0);
    EXPECT_EQ(read(std::string(name) + ".bin"), read("a.bin")) << name << " and back";
  }
  const auto json = run({"convert", "a.bin", "text", "--to", "csv", "--json", "--sensor", "34x34"}).json();
  EXPECT_EQ(json.at("output_format"), "csv");
  EXPECT_EQ(json.at("events"), 1000);
  EXPECT_EQ(read("text").rfind("# geometry: 34,34\nt,x,y,p\n100,0,0,1\n170,1,1,0\n", 0), 0u);
  EXPECT_EQ(run({"convert", "a.bin", "array", "--to", "npy"}).exit_code, 0);
  for (const char* name : {"text", "array"}) {
    EXPECT_EQ(run({"convert", name, std::string(name) + ".bin"}).exit_code, 0) << "without options";
    EXPECT_EQ(read(std::string(name) + ".bin"), read("a.bin")) << name;
  }
  EXPECT_EQ(info("text").at("width"), 34);
}

TEST_F(Convert, ALineEndInANameDoesNotSplitWhatIsSaid) {
  write_atis("a\nb.bin", 1000);
  const auto converted = run({"convert", "a\nb.bin", "c\nd.csv", "--sensor", "34x34"});
  EXPECT_EQ(converted.out, "c?d.csv: 1,000 events of a?b.bin (ATIS bin) as csv\n") << converted.err;
  EXPECT_EQ(info("c\nd.csv").at("file"), "c\nd.csv");
  EXPECT_TRUE(contains(run({"info", "c\nd.csv"}).out, "file        c?d.csv\n"));
}

TEST_F(Convert, WhatIsNotKnownByItsContentIsSaid) {
  write_atis("few.bin", 7);
  const Outcome few = run({"convert", "few.bin", "b.bin", "--format", "atis-bin"});
  EXPECT_EQ(few.exit_code, 0) << few.err;
  EXPECT_TRUE(
      contains(few.out,
               "b.bin: its format is not detected from its content (too few events, or too long between "
               "them): read it with --format atis-bin"))
      << few.out;
  EXPECT_EQ(info("b.bin", {"--format", "atis-bin"}).at("events"), 7);
  EXPECT_EQ(run({"convert", "few.bin", "c.bin", "--format", "atis-bin", "--json"}).json().at("needs_format"),
            "atis-bin");
  write_atis("more.bin", 8);
  const Outcome more = run({"convert", "more.bin", "d.bin"});
  EXPECT_FALSE(contains(more.out, "--format")) << more.out;
  EXPECT_FALSE(contains(run({"convert", "few.bin", "e.npy", "--format", "atis-bin"}).out, "--format"));
}

TEST_F(Convert, TheSizeThatIsMissingAndOptionsThatDoNotApplyAreNamed) {
  write_atis("a.bin", 100);
  expect_error(run({"convert", "a.bin", "a.aedat"}), 3, {"--sensor WxH"});
  ASSERT_EQ(run({"convert", "a.bin", "a.dat"}).exit_code, 0);
  expect_error(run({"info", "a.dat", "--time-unit", "ms"}), 2, {"a.dat", "DAT", "--time-unit"});
  expect_error(run({"info", "a.dat", "--chip", "dvs128"}), 2, {"a.dat", "DAT", "--chip"});
  expect_error(run({"info", "a.dat", "--columns", "t,x,y,p"}), 2, {"a.dat", "DAT", "--columns"});
}

TEST_F(Convert, NothingIsOverwrittenWithoutForce) {
  write_atis("a.bin", 100);
  write("b.raw", "mine");
  expect_error(run({"convert", "a.bin", "b.raw"}), 2, {"b.raw already exists", "--force"});
  EXPECT_EQ(read("b.raw"), "mine");
  EXPECT_EQ(run({"convert", "a.bin", "b.raw", "--force"}).exit_code, 0);
  EXPECT_EQ(info("b.raw").at("events"), 100);
  EXPECT_EQ(run({"convert", "a.bin", "a.bin", "--force", "--to", "evt3"}).exit_code, 0) << "onto itself";
  EXPECT_EQ(info("a.bin").at("format"), "EVT 3.0");
}

TEST_F(Convert, BadDataLeavesNothingBehind) {
  write_atis("a.bin", 100);
  write("cut.bin", read("a.bin").substr(0, 498));
  expect_error(run({"convert", "cut.bin", "b.raw", "--format", "atis-bin"}), 3, {"cut.bin: byte 495"});
  EXPECT_FALSE(exists("b.raw"));
  EXPECT_FALSE(exists("b.raw.part"));
  write("noise", "no recording at all");
  expect_error(run({"convert", "noise", "b.raw"}), 3, {"noise", "--format"});
  expect_error(run({"convert", "absent", "b.raw"}), 3, {"absent"});
  expect_error(run({"convert", "a.bin", "absent/b.raw"}), 3, {"absent/b.raw"});
}

TEST_F(Convert, OptionsThatMeanNothingAreUsageErrors) {
  write_atis("a.bin", 100);
  expect_error(run({"convert", "a.bin", "b.txt"}), 2, {"b.txt", "--to", "evt3"});
  expect_error(run({"convert", "a.bin", "b", "--to", "evt4"}), 2, {"'evt4'"});
  expect_error(run({"convert", "a.bin", "b.raw", "--format", "evt4"}), 2, {"'evt4'"});
  for (const char* sensor : {"34", "34x", "x34", "0x34", "34x-1", "34x34x2", "99999x2"}) {
    expect_error(run({"info", "a.bin", "--sensor", sensor}), 2, {"--sensor"});
  }
  expect_error(run({"convert", "a.bin"}), 2, {});
}

TEST_F(Convert, WhatTheFileDoesNotSayCanBeSaid) {
  write("old", std::string("\x07\0\0\0\x01\x04\x02\0", 8));  // DAT without a header: x = 1, y = 2, on
  expect_error(run({"info", "old"}), 3, {"old", "--format"});
  const auto json = info("old", {"--format", "dat-v1", "--sensor", "304x240"});
  EXPECT_EQ(json.at("format"), "DAT");
  EXPECT_EQ(json.at("width"), 304);
  EXPECT_EQ(json.at("height"), 240);
  EXPECT_EQ(json.at("events"), 1);
  EXPECT_EQ(json.at("on"), 1);
  EXPECT_EQ(json.at("t_first_us"), 7);
}

TEST_F(Convert, AChipThatTheFileDoesNotNameIsAskedFor) {
  std::string bytes = "#!AER-DAT2.0\r\n# AEChip: com.sec.dvs.SecDvs640Gen2\r\n#End Of ASCII Header\r\n";
  const std::size_t header = bytes.size();
  const auto put = [&bytes](std::uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(word >> shift);
  };
  for (std::uint32_t i = 0; i < 40; ++i) {
    put((300 + i) << 11 | (200 + i) << 1 | 1);
    put(10 * i);
  }
  write("sec.aedat", bytes);
  const auto json = info("sec.aedat");
  EXPECT_EQ(json.at("width"), 640);
  EXPECT_EQ(json.at("height"), 480);
  EXPECT_EQ(json.at("on"), 40);
  EXPECT_EQ(json.at("off"), 0);
  write("unnamed.aedat", "#!AER-DAT2.0\r\n" + bytes.substr(header));
  write("cochlea.aedat", "#!AER-DAT2.0\r\n# AEChip: CochleaAMS1c\r\n" + bytes.substr(header));
  for (const char* name : {"unnamed.aedat", "cochlea.aedat"}) {
    expect_error(run({"info", name}), 3, {name, "--chip", "--sensor", "secdvs640"});
    EXPECT_EQ(info(name, {"--chip", "secdvs640"}).at("on"), 40);
  }
  expect_error(run({"info", "unnamed.aedat", "--chip", "dvs127"}), 2, {"'dvs127'", "dvs128"});
}

TEST_F(Convert, StrayEventsAreLeftOutWhenAskedFor) {
  write_atis("a.bin", 100);  // x below 34, y below 29
  expect_error(run({"convert", "a.bin", "b.csv", "--sensor", "30x29"}), 3, {"--drop-outside"});
  const Outcome outcome = run({"convert", "a.bin", "b.csv", "--sensor", "30x29", "--drop-outside"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "a.bin: 10 events outside of the sensor dropped")) << outcome.out;
  const auto json = info("a.bin", {"--sensor", "30x29", "--drop-outside"});
  EXPECT_EQ(json.at("events"), 90);
  EXPECT_EQ(json.at("dropped_outside"), 10);
  EXPECT_EQ(run({"convert", "a.bin", "c.csv", "--drop-outside", "--json"}).json().at("dropped_outside"), 0);
}

TEST_F(Convert, AnOrderOfColumnsFromTheValuesIsSaid) {
  write("a.txt", "3,4,70000,1\n5,6,70001,0\n");
  const Outcome outcome = run({"convert", "a.txt", "b.csv"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(
      contains(outcome.err, "a.txt: columns read as x,y,t,p (from the values; another order: --columns)"))
      << outcome.err;
  EXPECT_EQ(run({"convert", "a.txt", "c.csv", "--json"}).json().at("columns"), "x,y,t,p (from the values)");
  EXPECT_EQ(run({"convert", "a.txt", "d.csv", "--columns", "y,x,t,p"}).err, "");
  EXPECT_EQ(run({"convert", "b.csv", "e.csv"}).err, "") << "names are no matter of values";
  EXPECT_TRUE(contains(run({"show", "a.txt"}).err, "a.txt: columns read as x,y,t,p (from the values;"));
  EXPECT_EQ(run({"show", "b.csv"}).err, "");
}

TEST_F(Convert, ARecordingThatWasCutOffIsSalvaged) {
  write_atis("a.bin", 100);
  write("cut.bin", read("a.bin").substr(0, 498));
  const Outcome outcome = run({"convert", "cut.bin", "b.csv", "--partial"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "99 events of cut.bin (ATIS bin)")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "cut.bin: cut off: the last 3 bytes are not a whole event"))
      << outcome.out;
  EXPECT_EQ(run({"info", "cut.bin", "--partial", "--format", "atis-bin", "--json"}).json().at("unread_bytes"),
            3);
  EXPECT_EQ(info("cut.bin", {"--partial"}).at("events"), 99);
}

TEST_F(Convert, TextsOfOptionsThatMeanNothingAreUsageErrors) {
  write_atis("a.bin", 100);
  expect_error(run({"info", "a.bin", "--time-unit", "min"}), 2, {"--time-unit", "'min'", "s, ms, us or ns"});
  expect_error(run({"info", "a.bin", "--columns", "t,x,q"}), 2, {"--columns", "'q'", "t,x,y,p,_"});
  expect_error(run({"info", "a.bin", "--camera", "left"}), 2, {"'left'", "one camera"});
}

}  // namespace
}  // namespace spikeloom::app::testing
