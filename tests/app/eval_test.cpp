// Evaluation on data other than that of the training, from the command line.
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Eval : public ProgramTest {
 protected:
  /// Two folders of 12 recordings without a header: events at x = 2 or x = 20.
  void write_classes(const std::string& folder, const std::string& left, const std::string& right) {
    for (int i = 0; i < 12; ++i) {
      for (const bool is_right : {false, true}) {
        std::string bytes;
        for (int k = 0; k < 20 + i; ++k) {
          const int x = is_right ? 20 : 2, y = k % 20, t = 100 * k;
          const unsigned address = 1u << 17 | static_cast<unsigned>(y) << 9 | static_cast<unsigned>(x);
          for (const unsigned word : {static_cast<unsigned>(t), address}) {
            for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift & 255);
          }
        }
        write(folder + "/" + (is_right ? right : left) + "/" + std::to_string(i) + ".dat", bytes);
      }
    }
  }

  void SetUp() override {
    write_classes("own", "class a", "klasse b");
    write("own.toml",
          "[data]\ndataset = \"folder\"\nfolder = \"own\"\nformat = \"dat-v1\"\nsensor = \"24x20\"\n"
          "slicing = \"equal-count\"\nvalidation_samples = 4\n"
          "[network]\nstructure = \"4C3(Encoding)-AP2-Voting\"\nnum_steps = 3\n"
          "[training]\nepochs = 2\nbatch_size = 64\n");
    const auto trained = run({"train", "own.toml", "--out", "run", "--threads", "2"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    EXPECT_TRUE(contains(trained.err, "training.batch_size = 64 is more than the ")) << trained.err;
  }
};

TEST_F(Eval, OtherClassesAreRefusedOrMapped) {
  write_classes("other", "klm", "other");
  const std::vector<std::string> command = {"eval", "run", "--folder", "other", "--json"};
  expect_error(run(command), 2, {"'klm', 'other' (2)", "'class a', 'klasse b' (2)", "--class-map"});
  auto mapped = command;
  mapped.insert(mapped.end(), {"--class-map", "klm=class a,other=klasse b"});
  const auto outcome = run(mapped);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto own = run({"eval", "run", "--json"}).json();
  EXPECT_EQ(own.at("class_names"), outcome.json().at("class_names"));
  write("map.txt", "klm=class a\nother=klasse b\n");
  mapped.back() = "map.txt";
  EXPECT_EQ(run(mapped).json().at("confusion"), outcome.json().at("confusion"));
  mapped.back() = "klm=class a";
  expect_error(run(mapped), 2, {"does not know the class 'other'"});
}

TEST_F(Eval, PartOfTheClassesIsMatchedByName) {
  write_classes("part/test", "klasse b", "x");
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(std::remove(path("part/test/x/" + std::to_string(i) + ".dat").c_str()), 0);
  }
  const auto outcome = run({"eval", "run", "--folder", "part", "--json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto json = outcome.json();
  EXPECT_EQ(json.at("samples"), 12);
  EXPECT_EQ(json.at("data_classes"), nlohmann::json({"klasse b"}));
  EXPECT_EQ(json.at("confusion").at(0), nlohmann::json({0, 0})) << "no sample is 'class a'";
  EXPECT_TRUE(contains(outcome.err, "x (a folder without recordings)")) << outcome.err;
}

TEST_F(Eval, StepsAndKeysOfTheDataMayBeOthers) {
  EXPECT_EQ(run({"eval", "run", "--steps", "5", "--set", "data.window_us=700", "--json"}).exit_code, 0);
  expect_error(run({"eval", "run", "--set", "training.epochs=3"}), 2, {"training.epochs=3"});
  expect_error(run({"eval", "run", "--set", "data.sensor=20x20"}), 2, {"2x20x24", "2x20x20"});
  expect_error(run({"eval", "run", "--dataset", "mnist", "--data-dir", "sets"}), 2, {"1x28x28"});
}

TEST_F(Eval, ResumeWithOtherClassesIsRefused) {
  write_classes("own", "class c", "class d");
  expect_error(run({"train", "--resume", "run", "--set", "training.epochs=4"}), 3,
               {"'class a', 'klasse b' (2)", "'class c'"});
}

class Simulate : public ProgramTest {};

TEST_F(Simulate, IsNotMixedWithAnother) {
  const auto command = [](const std::string& seed) {
    return std::vector<std::string>{"simulate", "--dataset", "mnist", "--data-dir", "sets", "--count",
                                    "2",        "--seed",    seed,    "--out",      "made"};
  };
  EXPECT_EQ(run(command("1")).exit_code, 0);
  const std::string note = read("made/SIMULATED.txt");
  EXPECT_EQ(run(command("1")).exit_code, 0) << "the same is resumed";
  expect_error(run(command("2")), 3, {"made holds another simulation", "--seed 1"});
  EXPECT_EQ(read("made/SIMULATED.txt"), note);
}

}  // namespace
}  // namespace spikeloom::app::testing
