// What a trained network says of single inputs, from the command line, against the evaluation of the same.
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Predict : public ProgramTest {
 protected:
  /// A recording without a header: events at x = 2 or x = 20.
  static std::string recording(bool is_right, int number) {
    std::string bytes;
    for (int k = 0; k < 20 + number; ++k) {
      const int x = is_right ? 20 : 2, y = k % 20, t = 100 * k;
      const unsigned address = 1u << 17 | static_cast<unsigned>(y) << 9 | static_cast<unsigned>(x);
      for (const unsigned word : {static_cast<unsigned>(t), address}) {
        for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(word >> shift & 255);
      }
    }
    return bytes;
  }

  void train_own() {
    for (int i = 0; i < 12; ++i) {
      for (const bool is_right : {false, true}) {
        const std::string part = i < 6 ? "own/train/" : "own/test/";
        write(part + (is_right ? "right" : "left") + "/" + std::to_string(i) + ".dat",
              recording(is_right, i));
      }
    }
    write("own.toml",
          "[data]\ndataset = \"folder\"\nfolder = \"own\"\nformat = \"dat-v1\"\nsensor = \"24x20\"\n"
          "slicing = \"equal-count\"\n[network]\nstructure = \"8C3(Encoding)-AP2-Voting\"\nnum_steps = 4\n"
          "[training]\nepochs = 8\nbatch_size = 4\n");
    const auto trained = run({"train", "own.toml", "--out", "run", "--threads", "2"});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }

  /// How often each class (first key: of the file's folder) was taken for each.
  /// Without votes it is the first class, as an evaluation counts it.
  static nlohmann::json guesses(const nlohmann::json& predictions, bool by_label, const std::string& first) {
    nlohmann::json counts = nlohmann::json::object();
    for (const auto& one : predictions) {
      const std::string input = one.at("input");
      const std::string label = by_label                    ? one.at("label").get<std::string>()
                                : contains(input, "/left/") ? "left"
                                                            : "right";
      const auto& guess = one.at("class");
      const std::string key = label + " " + (guess.is_null() ? first : guess.get<std::string>());
      counts[key] = counts.value(key, 0) + 1;
    }
    return counts;
  }

  static nlohmann::json guesses_of(const nlohmann::json& evaluation) {
    nlohmann::json counts = nlohmann::json::object();
    const auto& names = evaluation.at("class_names");
    for (std::size_t label = 0; label < names.size(); ++label) {
      for (std::size_t guess = 0; guess < names.size(); ++guess) {
        const int count = evaluation.at("confusion").at(label).at(guess);
        if (count == 0) continue;
        counts[names[label].get<std::string>() + " " + names[guess].get<std::string>()] = count;
      }
    }
    return counts;
  }
};

TEST_F(Predict, RecordingsAreTakenForWhatTheEvaluationTakesThem) {
  train_own();
  const auto files = run({"predict", "run", "own/test", "--json"});
  ASSERT_EQ(files.exit_code, 0) << files.err;
  const auto list = files.json().at("predictions");
  EXPECT_EQ(list.size(), 12u);
  const auto expected = guesses_of(run({"eval", "run", "--json"}).json());
  EXPECT_EQ(guesses(list, false, "left"), expected);
  EXPECT_GT(expected.size(), 1u) << "the network must tell the classes apart";

  std::vector<std::string> command = {"predict", "run", "--dataset", "folder", "--json"};
  for (int i = 0; i < 12; ++i) command.insert(command.end(), {"--index", std::to_string(i)});
  EXPECT_EQ(guesses(run(command).json().at("predictions"), true, "left"), expected);
}

TEST_F(Predict, AStrayFileIsNamedAndTheOthersAreRead) {
  train_own();
  write("mixed/a.dat", recording(true, 3));
  write("mixed/b.dat", "this is no recording, but a text that is long enough to be taken for events");
  write("mixed/c.dat", recording(false, 3));
  const auto outcome = run({"predict", "run", "mixed", "--csv"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_TRUE(contains(outcome.err, "mixed/b.dat")) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "mixed/a.dat,") && contains(outcome.out, "mixed/c.dat,")) << outcome.out;
  expect_error(run({"predict", "run", "mixed/b.dat"}), 3, {"mixed/b.dat"});
}

TEST_F(Predict, WhatDoesNotFitIsRefusedWithWhatWould) {
  train_own();
  expect_error(run({"predict", "run", "own/test/left/7.dat", "--sensor", "48x40"}), 3,
               {"48 x 40 pixels", "a sensor of 24 x 20 pixels would fit"});
  // The recipe has data.sensor, but what a file says of itself counts.
  write("large.csv", "%geometry:640,480\nt,x,y,p\n1,2,3,1\n");
  expect_error(run({"predict", "run", "large.csv", "--format", "csv"}), 3,
               {"640 x 480 pixels", "a sensor of 24 x 20 pixels would fit", "--sensor 24x20"});
  EXPECT_EQ(run({"predict", "run", "large.csv", "--format", "csv", "--sensor", "24x20"}).exit_code, 0);
  // Options of this command, no keys of a recipe.
  write("stray.csv", "%geometry:24,20\nt,x,y,p\n1,2,3,1\n2,90,3,1\n3,2,90,1\n4,3,3,0\n5,4,3,0\n6,5,3,0\n");
  const auto stray = run({"predict", "run", "stray.csv", "--format", "csv"});
  EXPECT_EQ(stray.exit_code, 0) << stray.err;
  EXPECT_TRUE(contains(stray.err, "2 events outside of its sensor of 24 x 20 pixels left out")) << stray.err;
  write("astray.csv", "%geometry:24,20\nt,x,y,p\n1,2,3,1\n2,90,3,1\n3,2,90,1\n");
  const auto astray = run({"predict", "run", "astray.csv", "--format", "csv"});
  expect_error(astray, 3, {"2 of 3 events", "(--sensor)", "(--format)"});
  for (const auto* outcome : {&stray, &astray}) EXPECT_FALSE(contains(outcome->err, "data.")) << outcome->err;
  expect_error(run({"predict", "run", "own/test/left/7.dat", "--resize", "crop"}), 2,
               {"--resize crop", "for images", "recordings"});
  expect_error(run({"predict", "run", "--dataset", "folder", "--index", "0", "--sensor", "24x20"}), 2,
               {"--sensor does not apply to elements"});
  expect_error(run({"predict", "run", "own/test/left/7.dat", "--split", "train"}), 2, {"--split"});
  expect_error(run({"predict", "run", "missing.dat"}), 3, {"missing.dat"});
  expect_error(run({"predict", "run"}), 2, {"--dataset", "--index"});
  expect_error(run({"predict", "run", "--dataset", "mnist", "--index", "0"}), 2, {"'folder'"});
  expect_error(run({"predict", "run", "--dataset", "folder", "--index", "12"}), 2, {"0 .. 11"});
}

TEST_F(Predict, ImagesOfASetAreTakenForWhatTheEvaluationTakesThem) {
  ASSERT_EQ(run(train_command("images")).exit_code, 0);
  const auto evaluation = run({"eval", "images", "--data-dir", "sets", "--json"}).json();
  std::vector<std::string> command = {"predict",    "images", "--dataset", "mnist",
                                      "--data-dir", "sets",   "--json"};
  for (int i = 0; i < evaluation.at("samples").get<int>(); ++i) {
    command.insert(command.end(), {"--index", std::to_string(i)});
  }
  EXPECT_EQ(guesses(run(command).json().at("predictions"), true, "0"), guesses_of(evaluation));
}

}  // namespace
}  // namespace spikeloom::app::testing
