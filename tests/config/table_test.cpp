#include "spikeloom/config/table.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "spikeloom/config/toml.h"

namespace spikeloom::config {
namespace {

ConfigError error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigError& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was refused";
  return ConfigError("nothing");
}

void expect_error(const ConfigError& error, int line, const std::string& key, const std::string& part) {
  EXPECT_EQ(error.file(), "a.toml") << error.what();
  EXPECT_EQ(error.line(), line) << error.what();
  EXPECT_EQ(error.key(), key) << error.what();
  EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
}

TEST(Table, ReadsEveryType) {
  const Toml document = Toml::parse_string(
      "text = \"a\\tb\"\ncount = -7\nreal = 0.25\nwhole = 3\nflag = true\n"
      "words = [\"x\", \"y\"]\nints = [1, 2]\nreals = [1, 2.5]\n[inner]\nkey = 1\n",
      "a.toml");
  Table root = document.root();
  EXPECT_EQ(root.get_string("text", ""), "a\tb");
  EXPECT_EQ(root.get_int("count", 0), -7);
  EXPECT_EQ(root.get_double("real", 0), 0.25);
  EXPECT_EQ(root.get_double("whole", 0), 3.0);
  EXPECT_TRUE(root.get_bool("flag", false));
  EXPECT_EQ(root.get_strings("words"), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(root.get_ints("ints"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(root.get_doubles("reals"), (std::vector<double>{1, 2.5}));
  EXPECT_EQ(root.table("inner").get_int("key", 0), 1);
  EXPECT_TRUE(root.has("inner"));
  EXPECT_FALSE(root.has("outer"));
  root.finish();
}

TEST(Table, AbsentKeysTakeTheirDefaults) {
  const Toml document = Toml::parse_string("", "a.toml");
  Table root = document.root();
  EXPECT_EQ(root.get_string("a", "x"), "x");
  EXPECT_EQ(root.get_int("b", 5, 0, 9), 5);
  EXPECT_EQ(root.get_double("c", 0.5), 0.5);
  EXPECT_TRUE(root.get_bool("d", true));
  EXPECT_EQ(root.get_ints("e", {4}), std::vector<std::int64_t>{4});
  EXPECT_EQ(root.table("f").get_int("g", 6), 6);
  EXPECT_EQ(root.choice("h", 2, {{"one", 1}, {"two", 2}}), 2);
  root.finish();
}

TEST(Table, WrongTypesAreRefused) {
  const Toml document = Toml::parse_string(
      "text = 1\ncount = 1.0\nreal = \"1\"\nflag = 1\nlist = 3\nmixed = [1, \"a\"]\ninner = 4\n[table]\n",
      "a.toml");
  Table root = document.root();
  expect_error(error_of([&] { root.get_string("text", ""); }), 1, "text",
               "expected a string, found an integer");
  expect_error(error_of([&] { root.get_int("count", 0); }), 2, "count",
               "expected an integer, found a number");
  expect_error(error_of([&] { root.get_double("real", 0); }), 3, "real", "expected a number, found a string");
  expect_error(error_of([&] { root.get_bool("flag", true); }), 4, "flag", "expected true or false");
  expect_error(error_of([&] { root.get_ints("list"); }), 5, "list", "expected a list of integers");
  expect_error(error_of([&] { root.get_ints("mixed"); }), 6, "mixed", "expected a list of integers");
  expect_error(error_of([&] { root.get_strings("mixed"); }), 6, "mixed", "expected a list of strings");
  expect_error(error_of([&] { root.get_doubles("mixed"); }), 6, "mixed", "expected a list of numbers");
  expect_error(error_of([&] { root.table("inner"); }), 7, "inner", "expected a table, found an integer");
  expect_error(error_of([&] { root.get_int("table", 0); }), 8, "table", "expected an integer, found a table");
}

TEST(Table, IntegersOutsideTheirRangeAreRefused) {
  const Toml document = Toml::parse_string("[t]\nlow = 0\nhigh = 11\nedge = 10\n", "a.toml");
  Table table = document.root().table("t");
  EXPECT_EQ(table.get_int("edge", 1, 10, 10), 10);
  expect_error(error_of([&] { table.get_int("low", 1, 1, 10); }), 2, "t.low", "is 0, expected 1 to 10");
  expect_error(error_of([&] { table.get_int("high", 1, 1, 10); }), 3, "t.high", "is 11, expected 1 to 10");
  expect_error(error_of([&] { table.get_int("low", 1, 1); }), 2, "t.low", "expected >= 1");
}

TEST(Table, DoublesOutsideTheirRangeAreRefused) {
  const Toml document = Toml::parse_string("zero = 0.0\none = 1.0\nnan = nan\ninf = inf\n", "a.toml");
  Table root = document.root();
  EXPECT_EQ(root.get_double("zero", 1, {0, 1, false, true}), 0.0);
  EXPECT_EQ(root.get_double("one", 1, {0, 1, true, false}), 1.0);
  expect_error(error_of([&] { root.get_double("zero", 1, {0, 1, true, false}); }), 1, "zero", "> 0 and <= 1");
  expect_error(error_of([&] { root.get_double("one", 1, {0, 1, false, true}); }), 2, "one", ">= 0 and < 1");
  expect_error(error_of([&] { root.get_double("nan", 1); }), 3, "nan", "finite");
  expect_error(error_of([&] { root.get_double("inf", 1); }), 4, "inf", "finite");
  const double infinity = std::numeric_limits<double>::infinity();
  expect_error(error_of([&] { root.get_double("inf", 1, {0, infinity}); }), 4, "inf", "finite");
}

TEST(Table, ChoiceReturnsTheValueOrListsTheNames) {
  const Toml document = Toml::parse_string("good = \"two\"\nbad = \"tow\"\nfar = \"zebra\"\n", "a.toml");
  Table root = document.root();
  EXPECT_EQ(root.choice("good", 0, {{"one", 1}, {"two", 2}}), 2);
  expect_error(error_of([&] {
                 root.choice("bad", 0, {{"one", 1}, {"two", 2}});
               }),
               2, "bad", "is 'tow', expected one of 'one', 'two'; did you mean 'two'?");
  const ConfigError far = error_of([&] { root.choice("far", 0, {{"one", 1}, {"two", 2}}); });
  EXPECT_EQ(std::string(far.what()).find("did you mean"), std::string::npos) << far.what();
}

TEST(Table, UnknownKeysAreRefusedWithTheNearestKnownOne) {
  const Toml document = Toml::parse_string("[training]\nbatch_size = 1\nepoch = 2\n", "a.toml");
  Table root = document.root();
  Table training = root.table("training");
  training.get_int("batch_size", 1);
  training.get_int("epochs", 1);
  expect_error(error_of([&] { root.finish(); }), 3, "training.epoch", "unknown key; did you mean 'epochs'?");
  expect_error(error_of([&] { training.finish(); }), 3, "training.epoch", "did you mean 'epochs'?");
}

TEST(Table, UnknownTablesAndValuesInPlaceOfTablesAreRefused) {
  const Toml document = Toml::parse_string("[trainig]\nepochs = 2\n", "a.toml");
  Table root = document.root();
  root.table("training");
  expect_error(error_of([&] { root.finish(); }), 1, "trainig", "did you mean 'training'?");
  const Toml dotted = Toml::parse_string("\ntraining.epoch = 2\n", "a.toml");
  Table dotted_root = dotted.root();
  dotted_root.table("training").get_int("epochs", 0);
  expect_error(error_of([&] { dotted_root.finish(); }), 2, "training.epoch", "did you mean 'epochs'?");
}

TEST(Table, ErrorOfAnAbsentKeyNamesTheTable) {
  const Toml document = Toml::parse_string("\n[inner]\n", "a.toml");
  Table root = document.root();
  expect_error(root.table("inner").error("key", "is missing"), 2, "inner.key", "is missing");
  expect_error(root.table("absent").error("key", "is missing"), 0, "absent.key", "is missing");
}

TEST(Table, AKeyOfAnotherTableIsNamedWithItsPath) {
  Toml document = Toml::parse_string("epochs = 3\n", "a.toml");
  const auto read = [](Table& root) {
    Table training = root.table("training"), loss = root.table("loss"), network = root.table("network");
    training.get_int("epochs", 1);
    training.get_int("batch_size", 1);
    loss.get_string("kind", "");
    network.get_string("kind", "");
  };
  Table root = document.root();
  read(root);
  expect_error(error_of([&] { root.finish(); }), 1, "epochs", "unknown key; did you mean 'training.epochs'?");

  for (const auto& [assignment, message] :
       {std::pair{"epochs=3", "key 'epochs': unknown key; did you mean 'training.epochs'?"},
        {"kind=x", "key 'kind': unknown key; did you mean 'loss.kind' or 'network.kind'?"},
        {"training.batch_sise=2", "unknown key; did you mean 'training.batch_size'?"},
        {"batchsize=2", "unknown key; did you mean 'training.batch_size'?"},
        {"loss.epochs=2", "key 'loss.epochs': unknown key; did you mean 'training.epochs'?"}}) {
    Toml with = Toml::parse_string("", "a.toml");
    with.apply_override(assignment);
    Table table = with.root();
    read(table);
    try {
      table.finish();
      ADD_FAILURE() << assignment;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  }
}

TEST(Nearest, CountsInsertionsDeletionsReplacementsAndSwaps) {
  EXPECT_EQ(nearest("epoch", {"epochs", "seed"}), "epochs");
  EXPECT_EQ(nearest("epochss", {"epochs"}), "epochs");
  EXPECT_EQ(nearest("epachs", {"epochs"}), "epochs");
  EXPECT_EQ(nearest("sede", {"seed"}), "seed");
  EXPECT_EQ(nearest("kidn", {"kind", "find"}), "kind");
  EXPECT_EQ(nearest("xyz", {"kind"}), "");
  EXPECT_EQ(nearest("", {"kind"}), "");
  EXPECT_EQ(nearest("kind", {}), "");
  EXPECT_EQ(nearest_all("kidn", {"find", "kind", "kid"}), (std::vector<std::string>{"kind", "kid", "find"}));
}

TEST(Nearest, SwappedNeighboursAreOneEdit) {
  // Two replacements would be too far for a word of three letters.
  EXPECT_EQ(nearest("sne", {"sen"}), "sen");
  EXPECT_EQ(nearest("esn", {"nes"}), "");
}

}  // namespace
}  // namespace spikeloom::config
