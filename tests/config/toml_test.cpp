#include "spikeloom/config/toml.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "spikeloom/base/errors.h"

namespace spikeloom::config {
namespace {

std::string refusal(const std::string& text) {
  try {
    Toml::parse_string(text, "a.toml");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

std::string override_refusal(const std::string& assignment) {
  Toml document = Toml::parse_string("number = 1\n[training]\nepochs = 1\n", "a.toml");
  try {
    document.apply_override(assignment);
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.file(), "--set");
    return error.what();
  }
  return "";
}

TEST(Toml, BrokenTextIsRefusedWithItsLine) {
  EXPECT_EQ(refusal("a = 1\nb = = 2\n").find("a.toml:2: not valid TOML: "), 0u)
      << refusal("a = 1\nb = = 2\n");
  EXPECT_NE(refusal("a = 1\na = 2\n").find("a.toml:2: "), std::string::npos);
  EXPECT_NE(refusal("a = \"open\n"), "");
  EXPECT_NE(refusal("a = \"\xFF\"\n"), "");
}

TEST(Toml, DatesAndListsOfTablesAreRefused) {
  EXPECT_NE(refusal("\nday = 2020-01-01\n").find("a.toml:2: dates"), std::string::npos);
  EXPECT_NE(refusal("[[a]]\nb = 1\n").find("list of tables"), std::string::npos);
  EXPECT_NE(refusal("a = [{b = 1}]\n").find("list of tables"), std::string::npos);
}

TEST(Toml, HostileSizesAreRefused) {
  EXPECT_NE(refusal("# " + std::string(1 << 20, 'x') + "\n").find("bytes"), std::string::npos);
  std::string deep = "a";
  for (int i = 0; i < 5000; ++i) deep += ".a";
  EXPECT_NE(refusal(deep + " = 1\n").find("dots"), std::string::npos);
  EXPECT_NE(refusal("a = " + std::string(100000, '[')), "");
}

std::string nested(int levels) {
  std::string key = "a";
  for (int i = 0; i < levels; ++i) key += ".a";
  return key + " = 1\n";
}

TEST(Toml, DepthIsLimited) {
  EXPECT_NE(Toml::parse_string(nested(32), "a.toml").to_string().find("a = 1"), std::string::npos);
  EXPECT_NE(refusal(nested(33)).find("more than 32 deep"), std::string::npos);
  EXPECT_NE(refusal(nested(4096)).find("more than 32 deep"), std::string::npos);
  EXPECT_NE(refusal("a = " + std::string(40, '[') + std::string(40, ']') + "\n").find("more than 32 deep"),
            std::string::npos);
}

TEST(Override, SetsTomlValuesAndBareWords) {
  Toml document = Toml::parse_string("[training]\nepochs = 1\n[network]\nkind = \"snn\"\n", "a.toml");
  document.apply_override("training.epochs=32");
  document.apply_override("training.rate = 1e-3");
  document.apply_override("network.kind=ann");
  document.apply_override("network.structure=128C3(Encoding)-AP2-Voting");
  document.apply_override("network.quoted=\"a b\"");
  document.apply_override("network.bias=false");
  document.apply_override("network.list=[1, 2]");
  document.apply_override("network.day=2020-01-01");
  document.apply_override("fresh.table.key=4");
  document.apply_override("name=a=b");
  Table root = document.root();
  Table training = root.table("training");
  EXPECT_EQ(training.get_int("epochs", 0), 32);
  EXPECT_EQ(training.get_double("rate", 0), 1e-3);
  Table network = root.table("network");
  EXPECT_EQ(network.get_string("kind", ""), "ann");
  EXPECT_EQ(network.get_string("structure", ""), "128C3(Encoding)-AP2-Voting");
  EXPECT_EQ(network.get_string("quoted", ""), "a b");
  EXPECT_FALSE(network.get_bool("bias", true));
  EXPECT_EQ(network.get_ints("list"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(network.get_string("day", ""), "2020-01-01");
  EXPECT_EQ(root.table("fresh").table("table").get_int("key", 0), 4);
  EXPECT_EQ(root.get_string("name", ""), "a=b");
  root.finish();
}

TEST(Override, ErrorsNameTheOptionNotTheFile) {
  Toml document = Toml::parse_string("[training]\nepochs = 1\n", "a.toml");
  document.apply_override("training.epoch=2");
  Table root = document.root();
  root.table("training").get_int("epochs", 0);
  try {
    root.finish();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "--set: key 'training.epoch': unknown key; did you mean 'training.epochs'?");
  }
}

TEST(Override, RefusesWhatIsNoAssignment) {
  EXPECT_NE(override_refusal("training.epochs").find("expected KEY=VALUE"), std::string::npos);
  EXPECT_NE(override_refusal("=3"), "");
  EXPECT_NE(override_refusal("training..epochs=3"), "");
  EXPECT_NE(override_refusal("training.=3"), "");
  EXPECT_NE(override_refusal("tra ining.epochs=3"), "");
  EXPECT_NE(override_refusal("number.x=3").find("an integer"), std::string::npos);
  EXPECT_NE(override_refusal("training={epochs = 3}"), "");
  EXPECT_NE(override_refusal("extends=b.toml"), "");
  EXPECT_EQ(override_refusal("training.epochs=3"), "");
}

TEST(Override, TextBehindALineBreakIsNoSecondKey) {
  Toml document = Toml::parse_string("", "a.toml");
  document.apply_override("a=1\nb = 2");
  EXPECT_EQ(document.root().get_string("a", ""), "1\nb = 2");
  EXPECT_FALSE(document.root().has("b"));
}

TEST(Writer, KeepsOrderAndPutsTablesLast) {
  const Toml document = Toml::parse_string(
      "z = 1\n\"odd key\" = \"a\\\"\\\\\\n\\u0001\"\n[b.c]\nlist = [1.0, 2.5]\n[a]\nflag = true\n", "a.toml");
  EXPECT_EQ(document.to_string(),
            "z = 1\n\"odd key\" = \"a\\\"\\\\\\n\\u0001\"\n\n[b]\n\n[b.c]\nlist = [1.0, 2.5]\n\n[a]\nflag = "
            "true\n");
}

TEST(Writer, WhatIsReadBackIsWrittenTheSame) {
  const std::string text =
      Toml::parse_string("b = 1\na = 0.1\n[t]\nx = -0.0\n[t.u]\ny = 1e300\n", "a").to_string();
  EXPECT_EQ(Toml::parse_string(text, "b").to_string(), text);
}

RC_GTEST_PROP(WriterProperty, DoublesComeBackBitForBit, (std::uint64_t bits)) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  RC_PRE(value == value && value - value == 0.0);
  Entries entries;
  entries.push_back({"x", {value, {}}});
  const Toml document = Toml::parse_string(to_toml(entries), "a.toml");
  const double back = document.root().get_double("x", 0);
  RC_ASSERT(std::memcmp(&back, &value, sizeof value) == 0);
}

RC_GTEST_PROP(WriterProperty, AsciiStringsComeBack, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
  Entries entries;
  entries.push_back({"x", {text, {}}});
  RC_ASSERT(Toml::parse_string(to_toml(entries), "a.toml").root().get_string("x", "?") == text);
}

RC_GTEST_PROP(TomlProperty, AnyTextIsReadOrRefused, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('a', 'b', '=', '.', '[', ']', '{', '}', '"', '\'', '\n', '1', '-', ',', '#', '\xFF'));
  try {
    Toml::parse_string(text, "a.toml").to_string();
  } catch (const ConfigError&) {
  }
}

}  // namespace
}  // namespace spikeloom::config
