#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/config/toml.h"

namespace spikeloom::config {
namespace {

namespace fs = std::filesystem;

class Extends : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() / (std::string("spikeloom-extends-") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "sub");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  static ConfigError refusal(const std::string& path) {
    try {
      Toml::parse_file(path);
    } catch (const ConfigError& error) {
      return error;
    }
    ADD_FAILURE() << "accepted: " << path;
    return ConfigError("");
  }

  fs::path folder_;
};

TEST_F(Extends, LaysAFileOverAnother) {
  write("base.toml", "a = 1\nb = 2\nlist = [1, 2]\n[t]\nx = 1\ny = 2\n[t.u]\nz = 3\n");
  const std::string top =
      write("sub/top.toml", "extends = \"../base.toml\"\nb = 20\nc = 30\nlist = [9]\n[t]\ny = 20\n");
  EXPECT_EQ(Toml::parse_file(top).to_string(),
            "a = 1\nb = 20\nlist = [9]\nc = 30\n\n[t]\nx = 1\ny = 20\n\n[t.u]\nz = 3\n");
}

TEST_F(Extends, ChainsResolveEachRelativeToItsOwnFile) {
  write("one.toml", "v = 1\nw = 1\nx = 1\n");
  write("sub/two.toml", "extends = \"../one.toml\"\nw = 2\nx = 2\n");
  const std::string top = write("three.toml", "extends = \"sub/two.toml\"\nx = 3\n");
  EXPECT_EQ(Toml::parse_file(top).to_string(), "v = 1\nw = 2\nx = 3\n");
}

TEST_F(Extends, ErrorsNameTheFileAKeyCameFrom) {
  const std::string base = write("base.toml", "\n\nwrong = 1\n[t]\nbad = 2\n");
  const std::string top = write("top.toml", "extends = \"base.toml\"\nfine = 1\n[t]\ngood = 2\n");
  const Toml document = Toml::parse_file(top);
  Table root = document.root();
  root.get_int("fine", 0);
  try {
    root.get_string("wrong", "");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.file(), base);
    EXPECT_EQ(error.line(), 3);
  }
  root.table("t").get_int("good", 0);
  try {
    root.finish();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.file(), base);
    EXPECT_EQ(error.line(), 5);
    EXPECT_EQ(error.key(), "t.bad");
  }
}

TEST_F(Extends, AKeyThatBothLackIsMissingInTheOuterFile) {
  write("base.toml", "[t]\na = 1\n");
  const std::string top = write("top.toml", "extends = \"base.toml\"\n\n\n[t]\nb = 1\n");
  const Toml document = Toml::parse_file(top);
  const ConfigError error = document.root().table("t").error("c", "is missing");
  EXPECT_EQ(error.file(), top);
  EXPECT_EQ(error.line(), 4);
}

TEST_F(Extends, BrokenBaseIsNamed) {
  const std::string base = write("base.toml", "a = 1\nb = = 1\n");
  const ConfigError error = refusal(write("top.toml", "extends = \"base.toml\"\n"));
  EXPECT_EQ(error.file(), base);
  EXPECT_EQ(error.line(), 2);
}

TEST_F(Extends, CyclesAreRefused) {
  const std::string one = write("one.toml", "extends = \"two.toml\"\n");
  const std::string two = write("two.toml", "\nextends = \"sub/../one.toml\"\n");
  const ConfigError error = refusal(one);
  EXPECT_EQ(error.file(), two);
  EXPECT_EQ(error.line(), 2);
  EXPECT_EQ(error.key(), "extends");
  EXPECT_NE(std::string(error.what()).find("extends itself"), std::string::npos) << error.what();
  const ConfigError self = refusal(write("self.toml", "extends = \"self.toml\"\n"));
  EXPECT_NE(std::string(self.what()).find("extends itself"), std::string::npos) << self.what();
}

TEST_F(Extends, EndlessChainsAreRefused) {
  for (int i = 0; i < 20; ++i) {
    write(std::to_string(i) + ".toml", "extends = \"" + std::to_string(i + 1) + ".toml\"\n");
  }
  write("20.toml", "a = 1\n");
  const ConfigError error = refusal((folder_ / "0.toml").string());
  EXPECT_NE(std::string(error.what()).find("more than 16 files"), std::string::npos) << error.what();
  EXPECT_EQ(Toml::parse_file((folder_ / "6.toml").string()).to_string(), "a = 1\n");
}

TEST_F(Extends, WhatIsNoRecipeFileIsRefused) {
  const ConfigError missing = refusal(write("a.toml", "\nextends = \"missing.toml\"\n"));
  EXPECT_EQ(missing.line(), 2);
  EXPECT_NE(std::string(missing.what()).find("missing.toml"), std::string::npos) << missing.what();
  EXPECT_EQ(refusal(write("b.toml", "extends = 3\n")).key(), "extends");
  write("base.txt", "a = 1\n");
  EXPECT_EQ(refusal(write("c.toml", "extends = \"base.txt\"\n")).key(), "extends");
  fs::create_directories(folder_ / "folder.toml");
  EXPECT_EQ(refusal(write("d.toml", "extends = \"folder.toml\"\n")).key(), "extends");
}

TEST_F(Extends, AbsentFileIsADataError) {
  EXPECT_THROW(Toml::parse_file((folder_ / "absent.toml").string()), DataError);
  EXPECT_THROW(Toml::parse_file(folder_.string()), DataError);
}

TEST_F(Extends, TextIsResolvedRelativeToItsName) {
  write("base.toml", "a = 1\n");
  const std::string name = (folder_ / "not-written.toml").string();
  EXPECT_EQ(Toml::parse_string("extends = \"base.toml\"\nb = 2\n", name).to_string(), "a = 1\nb = 2\n");
}

}  // namespace
}  // namespace spikeloom::config
