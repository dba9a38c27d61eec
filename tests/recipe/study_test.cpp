// Studies: the file, its cells, and what is read from their runs.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/train/recipe/study_results.h"

namespace spikeloom::train {
namespace {

namespace fs = std::filesystem;

class StudyFile : public testing::Test {
 protected:
  StudyFile() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("study_") + info->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write("base.toml", "[network]\nstructure = \"4C3(Encoding)-Voting\"\n");
    write("wide.toml", "[network]\nstructure = \"8C3(Encoding)-Voting\"\n");
  }
  ~StudyFile() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  Study load(const std::string& text, StudyScale scale = StudyScale::kFull) const {
    write("s.toml", text);
    return load_study(path("s.toml"), scale);
  }
  void expect_refused(const std::string& text, const std::string& part,
                      StudyScale scale = StudyScale::kFull) const {
    try {
      load(text, scale);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
  void write_run(const Study& study, const StudyCell& cell, const std::string& result) const {
    const std::string run = std::string("out/") + to_string(study.scale) + "/" + cell.folder + "/";
    write(run + "checkpoint.safetensors", "");
    write(run + "recipe.toml", to_toml(cell.recipe));
    if (!result.empty()) write(run + "result.json", result);
  }
  std::vector<CellResult> read_all(const Study& study) const {
    std::vector<CellResult> results;
    for (const StudyCell& cell : study.cells) results.push_back(read_cell(study, cell, path("out")));
    return results;
  }

  fs::path folder_;
};

constexpr char kGrid[] = R"(title = "A grid"
base = "base.toml"
seeds = [1, 7]
[rows]
name = "T"
key = "network.num_steps"
values = ["2", "4"]
[columns]
labels = ["narrow", "wide net"]
recipes = ["base.toml", "wide.toml"]
[reference]
source = "nobody"
figures = ["", "80.5", "", ""]
[small]
note = "one epoch"
set = ["training.epochs=1; data.train_limit=10", "training.batch_size=5"]
)";

TEST_F(StudyFile, CellsAreRowsByColumnsBySeeds) {
  const Study study = load(kGrid);
  EXPECT_EQ(study.name, "s");
  EXPECT_EQ(study.row_name, "T");
  ASSERT_EQ(study.cells.size(), 8u);
  const StudyCell& cell = study.cells[3];  // T = 2, wide, the second seed
  EXPECT_EQ(cell.recipe.network.num_steps, 2);
  EXPECT_EQ(cell.recipe.network.structure, "8C3(Encoding)-Voting");
  EXPECT_EQ(cell.recipe.seed, 7u);
  EXPECT_EQ(cell.folder, "2_wide-net_seed-7");
  EXPECT_EQ(study.cells[4].recipe.network.num_steps, 4);
  EXPECT_EQ(study.reference[0][1], 80.5);
  EXPECT_FALSE(study.reference[1][0]);
  EXPECT_EQ(study.cells[0].recipe.training.epochs, TrainingSettings().epochs);
}

TEST_F(StudyFile, SmallScaleChangesWhatItSaysAndTheAxesWin) {
  const Study study = load(kGrid, StudyScale::kSmall);
  EXPECT_EQ(study.scale_note, "one epoch");
  EXPECT_EQ(study.cells[0].recipe.training.epochs, 1);
  EXPECT_EQ(study.cells[0].recipe.data.train_limit, 10);
  EXPECT_EQ(study.cells[0].recipe.training.batch_size, 5);
  EXPECT_EQ(study.cells[7].recipe.network.num_steps, 4);
  const Study labelled = load(R"([columns]
labels = ["a", "b"]
recipes = ["base.toml", "base.toml"]
small_labels = ["c", "d"]
small_recipes = ["wide.toml", "wide.toml"]
[small]
)",
                              StudyScale::kSmall);
  EXPECT_EQ(labelled.columns[1].label, "d");
  EXPECT_EQ(labelled.cells[0].recipe.network.structure, "8C3(Encoding)-Voting");
}

TEST_F(StudyFile, SmallScaleMayHaveItsOwnSeedsAndPointsSettings) {
  const std::string text = R"(base = "base.toml"
seeds = [1, 2]
[rows]
labels = ["a", "b"]
set = ["network.num_steps=2", "network.num_steps=3"]
small_set = ["training.epochs=5", "training.epochs=6; network.num_steps=1"]
[reference]
source = "nobody"
figures = ["80.5", "81"]
[small]
seeds = [7]
set = ["training.epochs=1"]
)";
  EXPECT_EQ(load(text).cells.size(), 4u);
  EXPECT_EQ(load(text).cells[3].recipe.network.num_steps, 3);
  const Study small = load(text, StudyScale::kSmall);
  ASSERT_EQ(small.cells.size(), 2u);
  EXPECT_EQ(small.cells[0].seed, 7u);
  EXPECT_EQ(small.cells[0].recipe.training.epochs, 5);
  EXPECT_EQ(small.cells[1].recipe.training.epochs, 6);
  EXPECT_EQ(small.cells[1].recipe.network.num_steps, 1);
  EXPECT_EQ(small.reference[0][0], 80.5) << "the networks are those of the reference";
  expect_refused("base = \"base.toml\"\n[rows]\nlabels = [\"a\"]\nset = [\"\"]\nsmall_set = [\"\", \"\"]\n",
                 "small_set");
}

TEST_F(StudyFile, OtherNetworksAtTheSmallScaleHaveNoReference) {
  std::string text = kGrid;
  EXPECT_EQ(load(text, StudyScale::kSmall).reference[0][1], 80.5);
  text.replace(text.find("note ="), 0, "base = \"wide.toml\"\n");
  EXPECT_FALSE(load(text, StudyScale::kSmall).reference[0][1]);
  EXPECT_EQ(load(text, StudyScale::kSmall).source, "");
  EXPECT_EQ(load(text).reference[0][1], 80.5);
}

TEST_F(StudyFile, MistakesAreNamed) {
  expect_refused("base = \"base.toml\"\nrow = 3\n", "unknown key");
  expect_refused("[rows]\nlabels = [\"a\"]\nset = [\"network.num_steps=2\"]\n", "'base'");
  expect_refused("base = \"base.toml\"\n[rows]\nlabels = [\"a\"]\n", "'values'");
  expect_refused(
      "base = \"base.toml\"\n[rows]\nkey = \"network.num_steps\"\nvalues = [\"1\", \"2\"]\n"
      "labels = [\"a\"]\n",
      "1 label for 2 points");
  expect_refused("base = \"base.toml\"\n[rows]\nvalues = [\"1\"]\n", "belong together");
  expect_refused(
      "base = \"base.toml\"\n[rows]\nlabels = [\"a b\", \"a-b\"]\nset = [\"seed=1\", \"seed=2\"]\n",
      "the same name");
  expect_refused("base = \"base.toml\"\nseeds = [1, 1]\n", "listed twice");
  expect_refused("base = \"base.toml\"\n[reference]\nfigures = [\"1\", \"2\"]\n",
                 "has 2 entries, expected 1 row x 1 column");
  expect_refused("base = \"base.toml\"\n[reference]\nfigures = [\"x\"]\n", "'x' is not a number");
  expect_refused("base = \"base.toml\"\n", "no small scale", StudyScale::kSmall);
  expect_refused("base = \"base.toml\"\n[rows]\nkey = \"network.num_step\"\nvalues = [\"1\"]\n", "num_step");
}

TEST_F(StudyFile, RunsAreReadAndSummedUp) {
  const Study study = load(kGrid);
  write_run(study, study.cells[0],
            R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "test_accuracy": 0.5})");
  write_run(study, study.cells[1],
            R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "test_accuracy": 0.6})");
  write_run(study, study.cells[2],
            R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "validation_accuracy": 0.7})");
  write_run(study, study.cells[4], "");
  StudyCell changed = study.cells[6];
  changed.recipe.optimizer.learning_rate = 0.5;
  write_run(study, changed, "");
  const auto results = read_all(study);
  EXPECT_EQ(results[0].state, CellState::kDone);
  EXPECT_EQ(results[3].state, CellState::kMissing);
  EXPECT_EQ(results[4].state, CellState::kStopped);
  EXPECT_EQ(results[6].state, CellState::kDiffers);
  EXPECT_EQ(results[6].differing_key, "optimizer.learning_rate");
  const auto figures = gather(study, results);
  EXPECT_EQ(to_string(figures[0][0]), "55.00 +- 5.00 (2)");
  EXPECT_EQ(to_string(figures[0][1]), "70.00 (1 of 2)");
  EXPECT_TRUE(figures[0][1].on_validation);
  EXPECT_EQ(to_string(figures[1][0]), "");
  Study seconds = study;
  seconds.metric = StudyMetric::kSecondsPerEpoch;
  EXPECT_EQ(to_string(gather(seconds, results)[0][0]), "2.00 +- 0.00 (2)");
  Study error = study;
  error.metric = StudyMetric::kError;
  EXPECT_EQ(to_string(gather(error, results)[0][0]), "45.00 +- 5.00 (2)");
}

TEST_F(StudyFile, VotesAreAveragedOverTheSeeds) {
  Study study = load(kGrid);
  study.metric = StudyMetric::kVotes;
  const auto result = [](const std::string& shares) {
    return R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "test_accuracy": 0.5, "simulated": true,
               "class_names": ["x", "y"], "vote_shares": )" +
           shares + "}";
  };
  write_run(study, study.cells[0], result("[[0.5, 0.5], [0.25, 0.75]]"));
  write_run(study, study.cells[1], result("[[1.0, 0.0], [0.75, 0.25]]"));
  write_run(study, study.cells[2],
            R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "test_accuracy": 0.5})");
  const auto results = read_all(study);
  const auto votes = gather_votes(study, results);
  const std::vector<std::vector<double>> expected{{0.75, 0.25}, {0.5, 0.5}};
  EXPECT_EQ(votes[0][0].shares, expected);
  EXPECT_EQ(votes[0][0].runs, 2);
  EXPECT_EQ(votes[0][0].class_names, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(votes[0][1].runs, 0);
  const auto figures = gather(study, results);
  EXPECT_EQ(to_string(figures[0][0]), "62.50 +- 0.00 (2)");
  EXPECT_TRUE(figures[0][0].simulated);
  write_run(study, study.cells[0], result("[[0.5, 0.5], [0, 0]]"));
  EXPECT_EQ(gather(study, read_all(study))[0][0].values[0], 50.0) << "a class without votes does not count";
  EXPECT_EQ(to_string(figures[0][1]), "");
  for (const char* damaged : {"[[0.5, 0.5]]", "[[0.5], [0.5]]", "[0.5, 0.5]", "7"}) {
    write_run(study, study.cells[0], result(damaged));
    EXPECT_THROW(read_cell(study, study.cells[0], path("out")), FormatError) << damaged;
  }
}

TEST_F(StudyFile, WhatAnotherStudyTrainedIsNotTrainedAgain) {
  const Study study = load(kGrid);
  StudyCell same = study.cells[0];
  same.folder = "of-another-table";
  same.recipe.name = "another-name";
  const std::string result = R"({"iterations": 5, "train_seconds": 4, "epochs": 2, "test_accuracy": 0.5})";
  write_run(study, same, result);
  const std::string folder = path("other");
  fs::create_directories(folder);
  fs::rename(path("out"), path("other/table"));
  const FinishedRuns others(folder);
  const CellResult found = read_cell(study, study.cells[0], path("other/s"), &others);
  EXPECT_EQ(found.state, CellState::kDone);
  EXPECT_EQ(found.accuracy, 0.5);
  EXPECT_EQ(found.folder, path("other/table/full/of-another-table"));
  EXPECT_EQ(read_cell(study, study.cells[1], path("other/s"), &others).state, CellState::kMissing)
      << "another seed";
  Study times = study;
  times.metric = StudyMetric::kSecondsPerEpoch;
  EXPECT_EQ(read_cell(times, study.cells[0], path("other/s"), &others).state, CellState::kMissing);
}

TEST_F(StudyFile, DamagedResultIsAFormatError) {
  const Study study = load(kGrid);
  write_run(study, study.cells[0], "{\"iterations\":");
  EXPECT_THROW(read_cell(study, study.cells[0], path("out")), FormatError);
  write_run(study, study.cells[0], "{\"iterations\": \"many\"}");
  EXPECT_THROW(read_cell(study, study.cells[0], path("out")), FormatError);
}

TEST(ShippedStudies, LoadAtBothScales) {
  int studies = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(SPIKELOOM_SOURCE_DIR) / "studies")) {
    ASSERT_EQ(entry.path().extension(), ".toml");
    const std::string file = entry.path().string();
    SCOPED_TRACE(file);
    const Study study = load_study(file, StudyScale::kFull);
    EXPECT_FALSE(study.cells.empty());
    EXPECT_NE(study.title, study.name) << "a title says what the table shows";
    EXPECT_FALSE(load_study(file, StudyScale::kSmall).scale_note.empty());
    ++studies;
  }
  EXPECT_GE(studies, 9);
}

TEST(ShippedStudies, StepsDifferFromTheirNetworkInTheStepsOnly) {
  const fs::path root = SPIKELOOM_SOURCE_DIR;
  const Study study = load_study((root / "studies/fig6-steps.toml").string(), StudyScale::kFull);
  for (const StudyCell& cell : study.cells) {
    const std::string net = cell.column == 0 ? "alexnet-neunorm" : "cifarnet-neunorm";
    Recipe expected = load_recipe((root / "recipes/cifar10" / (net + ".toml")).string());
    expected.network.num_steps = std::stoi(study.rows[cell.row].label);
    expected.seed = cell.seed;
    EXPECT_TRUE(cell.recipe == expected) << cell.folder;
  }
}

}  // namespace
}  // namespace spikeloom::train
