#include "spikeloom/report/run_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/report/run_labels.h"

namespace spikeloom::report {
namespace {

namespace fs = std::filesystem;

class RunFolderTest : public ::testing::Test {
 protected:
  RunFolderTest() {
    std::string pattern = (fs::temp_directory_path() / "run_folder_XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~RunFolderTest() override { fs::remove_all(root_); }

  std::string folder(const std::string& name) const {
    fs::create_directories(root_ / name);
    return (root_ / name).string();
  }
  static void write(const std::string& folder, const std::string& name, const std::string& text) {
    std::ofstream(folder + "/" + name, std::ios::binary) << text;
  }

  fs::path root_;
};

constexpr char kRecipe[] =
    "name = \"small\"\nseed = 1\n[network]\nstructure = \"8C3-Voting\"\n"
    "[training]\nepochs = 4\n[data]\ntransforms = [\"flip\", \"drop 0.5\"]\n";

constexpr char kMetrics[] =
    R"({"kind":"train","epoch":1,"iteration":5,"loss":2.0,"accuracy":0.25,"learning_rate":0.1,"samples_per_s":50,"train_seconds":1.0,"firing_rates":{"voting":0.1,"conv1":0.2}})"
    "\n"
    R"({"kind":"epoch","epoch":1,"iteration":10,"train_loss":1.5,"train_accuracy":0.5,"validation_loss":1.2,"validation_accuracy":0.625,"learning_rate":0.05,"train_seconds":2.0,"firing_rates":{"voting":0.3,"conv1":0.4}})"
    "\n"
    R"({"kind":"resume","epoch":2,"iteration":10,"settings":{"training.epochs":{"before":"2","after":"4"}}})"
    "\n"
    R"({"kind":"epoch","epoch":2,"iteration":20,"train_loss":1.0,"train_accuracy":0.75,"validation_loss":1.3,"validation_accuracy":0.5,"learning_rate":0.0,"train_seconds":4.0,"firing_rates":{"voting":0.3,"conv1":0.4}})"
    "\n";

TEST_F(RunFolderTest, ReadsWhatATrainingWrote) {
  const std::string path = folder("runs/small");
  write(path, "recipe.toml", kRecipe);
  write(path, "metrics.jsonl", kMetrics);
  write(path, "environment.json", R"({"sessions":[{"time":"now","iteration":0,"threads":"2"}]})");
  write(path, "result.json", R"({"iterations":20,"interrupted":false,"test_accuracy":0.875})");
  const RunRecord run = read_run(path + "//");
  EXPECT_EQ(run.name, "small");
  EXPECT_EQ(run.path, path);
  EXPECT_EQ(run.state, RunState::kFinished);
  EXPECT_TRUE(run.problems.empty());
  EXPECT_EQ(run.layers, (std::vector<std::string>{"voting", "conv1"}));  // as the line has them
  ASSERT_EQ(run.steps.size(), 1u);
  EXPECT_EQ(run.steps[0].iteration, 5);
  EXPECT_EQ(run.steps[0].loss, 2.0);
  EXPECT_EQ(run.steps[0].samples_per_s, 50.0);
  EXPECT_TRUE(std::isnan(run.steps[0].validation_loss));
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_EQ(run.epochs[1].accuracy, 0.75);
  EXPECT_EQ(run.epochs[1].validation_loss, 1.3);
  EXPECT_EQ(run.epochs[0].firing_rates, (std::vector<double>{0.3, 0.4}));
  EXPECT_EQ(run.best_validation_accuracy, 0.625);
  EXPECT_EQ(run.best_epoch, 1);
  EXPECT_EQ(run.test_accuracy, 0.875);
  EXPECT_EQ(run.epochs_done, 2);
  EXPECT_EQ(run.epochs_planned, 4);
  EXPECT_EQ(run.epochs_text(), "2/4");
  EXPECT_EQ(run.iterations, 20);
  EXPECT_EQ(run.train_seconds, 4.0);
  ASSERT_EQ(run.resumed.size(), 1u);
  EXPECT_EQ(run.resumed[0].what, "training.epochs: 2 -> 4");
  EXPECT_EQ(run.recipe_value("training.epochs"), "4");
  EXPECT_EQ(run.recipe_value("network.structure"), "\"8C3-Voting\"");
  EXPECT_EQ(run.recipe_string("network.structure"), "8C3-Voting");
  EXPECT_NE(run.recipe_value("data.transforms").find("drop 0.5"), std::string::npos);
  ASSERT_EQ(run.environment.size(), 1u);
  EXPECT_EQ(run.environment[0]["threads"], "2");
}

TEST_F(RunFolderTest, BeforeTheFirstMetricsTheCheckpointSaysHowFarARunCame) {
  const std::string path = folder("run");
  write(path, "recipe.toml", kRecipe);
  write(path, "metrics.jsonl", "");
  formats::write_safetensors(path + "/checkpoint.safetensors", {},
                             {{"training_state", R"({"iteration":17,"train_seconds":12.5})"}});
  RunRecord run = read_run(path);
  EXPECT_EQ(run.iterations, 17);
  EXPECT_EQ(run.train_seconds, 12.5);
  EXPECT_TRUE(run.problems.empty());

  write(path, "metrics.jsonl", kMetrics);  // which is newer
  EXPECT_EQ(read_run(path).iterations, 20);

  write(path, "metrics.jsonl", "");
  for (const char* state : {"", "[]", R"({"iteration":"x","train_seconds":-1})", R"({"iteration":1e300})"}) {
    formats::write_safetensors(path + "/checkpoint.safetensors", {}, {{"training_state", state}});
    run = read_run(path);
    EXPECT_EQ(run.iterations, 0) << state;
    EXPECT_EQ(run.train_seconds, 0.0) << state;
  }
  write(path, "checkpoint.safetensors", "damaged");
  EXPECT_EQ(read_run(path).problems.size(), 1u);
}

TEST_F(RunFolderTest, ARunThatGoesOnIsNotFinished) {
  const std::string path = folder("run");
  write(path, "recipe.toml", kRecipe);
  write(path, "metrics.jsonl", kMetrics);
  write(path, "result.json", R"({"iterations":10,"test_accuracy":0.875})");  // of before the resume
  RunRecord run = read_run(path);
  EXPECT_EQ(run.state, RunState::kInterrupted);
  EXPECT_FALSE(run.test_accuracy);
  ASSERT_TRUE(run.seconds_left());
  EXPECT_DOUBLE_EQ(*run.seconds_left(), 4.0);  // two epochs took 4 s, two are left

  write(path, "run.lock", "");
  const int lock = ::open((path + "/run.lock").c_str(), O_RDWR);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  EXPECT_EQ(read_run(path).state, RunState::kRunning);
  ::close(lock);
  EXPECT_EQ(read_run(path).state, RunState::kInterrupted);
}

TEST_F(RunFolderTest, TheAverageOfWeightsIsWhatIsKept) {
  const std::string path = folder("run");
  write(path, "metrics.jsonl",
        R"({"kind":"epoch","epoch":1,"validation_accuracy":0.5,"average_validation_accuracy":0.25})"
        "\n"
        R"({"kind":"epoch","epoch":2,"validation_accuracy":0.4,"average_validation_accuracy":0.75})"
        "\n");
  const RunRecord run = read_run(path);
  EXPECT_EQ(run.best_validation_accuracy, 0.75);
  EXPECT_EQ(run.epochs_text(), "2");  // without a recipe
  EXPECT_EQ(run.best_epoch, 2);
  EXPECT_EQ(run.epochs[0].average_validation_accuracy, 0.25);
}

TEST_F(RunFolderTest, TheBestIsOfEpochsWithAllTimeSteps) {
  const auto line = [](int epoch, int steps, double accuracy) {
    return "{\"kind\":\"epoch\",\"epoch\":" + std::to_string(epoch) +
           ",\"iteration\":" + std::to_string(10 * epoch) + ",\"num_steps\":" + std::to_string(steps) +
           ",\"validation_accuracy\":" + std::to_string(accuracy) + "}\n";
  };
  const std::string path = folder("run");
  write(path, "recipe.toml", "[network]\nnum_steps = 4\n");
  write(path, "metrics.jsonl", line(1, 1, 0.875) + line(2, 2, 0.9375));
  EXPECT_FALSE(read_run(path).best_validation_accuracy);
  write(path, "metrics.jsonl",
        line(1, 1, 0.875) + line(2, 2, 0.9375) + line(3, 4, 0.5) + line(4, 4, 0.75) + line(5, 4, 0.75) +
            line(6, 4, 0.625));
  RunRecord run = read_run(path);
  EXPECT_EQ(run.best_validation_accuracy, 0.75);
  EXPECT_EQ(run.best_epoch, 4);
  EXPECT_EQ(run.best_iteration, 40);
  EXPECT_EQ(run.epochs[1].num_steps, 2);
  // Without a recipe the most steps that there are.
  fs::remove(path + "/recipe.toml");
  run = read_run(path);
  EXPECT_EQ(run.best_validation_accuracy, 0.75);
  EXPECT_EQ(run.best_epoch, 4);
}

TEST_F(RunFolderTest, IterationsThatComeOnceMoreAreShownOnce) {
  std::string metrics;
  const auto step = [&](int iteration, double loss) {
    metrics += "{\"kind\":\"train\",\"epoch\":1,\"iteration\":" + std::to_string(iteration) +
               ",\"loss\":" + std::to_string(loss) + "}\n";
  };
  const auto epoch = [&](int number, int iteration, double accuracy) {
    metrics += "{\"kind\":\"epoch\",\"epoch\":" + std::to_string(number) +
               ",\"iteration\":" + std::to_string(iteration) +
               ",\"validation_accuracy\":" + std::to_string(accuracy) + "}\n";
  };
  for (int i = 1; i <= 4; ++i) step(i, 4.0);
  epoch(1, 4, 0.25);
  for (int i = 5; i <= 8; ++i) step(i, 3.0);
  epoch(2, 8, 0.875);  // void: after the checkpoint, and worse when it was done again
  step(9, 2.0);
  for (int i = 7; i <= 8; ++i) step(i, 1.0);
  const std::string path = folder("run");
  write(path, "metrics.jsonl", metrics);
  RunRecord run = read_run(path);
  EXPECT_EQ(run.iterations, 8);
  EXPECT_EQ(run.epochs_done, 1);
  EXPECT_EQ(run.best_validation_accuracy, 0.25);
  epoch(2, 8, 0.5);
  write(path, "metrics.jsonl", metrics);
  run = read_run(path);
  std::vector<std::int64_t> iterations;
  for (const MetricsPoint& point : run.steps) iterations.push_back(point.iteration);
  EXPECT_EQ(iterations, (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(run.steps[6].loss, 1.0);
  EXPECT_EQ(run.steps[5].loss, 3.0);
  EXPECT_EQ(run.step_lines, 8);
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_EQ(run.best_validation_accuracy, 0.5);
  EXPECT_EQ(run.best_epoch, 2);
  // An epoch that max_iterations had cut goes on: it is one epoch, and its best was kept.
  metrics.clear();
  epoch(1, 4, 0.25);
  epoch(2, 6, 0.75);
  step(7, 1.0);
  epoch(2, 8, 0.5);
  write(path, "metrics.jsonl", metrics);
  run = read_run(path);
  EXPECT_EQ(run.epochs_done, 2);
  ASSERT_EQ(run.epochs.size(), 2u);
  EXPECT_EQ(run.epochs[1].iteration, 8);
  EXPECT_EQ(run.best_validation_accuracy, 0.75);
}

TEST_F(RunFolderTest, ARunThatFailedSaysWhy) {
  const std::string
      path = folder("run"),
      end =
          R"x({"kind":"failure","epoch":3,"iteration":25,"exit_code":4,"reason":"training diverged (loss nan)"})x"
          "\n";
  write(path, "recipe.toml", kRecipe);
  write(path, "metrics.jsonl", kMetrics + end);
  write(path, "result.json", R"({"iterations":25,"test_accuracy":0.875})");  // of before
  RunRecord run = read_run(path);
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_STREQ(to_string(run.state), "failed");
  ASSERT_TRUE(run.failure);
  EXPECT_EQ(run.failure->text(), "failed in epoch 3, iteration 25: training diverged (loss nan)");
  EXPECT_EQ(run.failure->exit_code, 4);
  EXPECT_EQ(failure_json(run)["reason"], "training diverged (loss nan)");
  EXPECT_FALSE(run.test_accuracy);
  // It was resumed, with a lower learning rate, say.
  write(path, "metrics.jsonl", kMetrics + end + R"({"kind":"train","epoch":3,"iteration":25})" + "\n");
  run = read_run(path);
  EXPECT_FALSE(run.failure);
  EXPECT_TRUE(failure_json(run).is_null());
  EXPECT_EQ(run.state, RunState::kFinished);
}

TEST_F(RunFolderTest, ARunSaysWhatItStartedWith) {
  const std::string
      path = folder("run"),
      begin =
          R"({"kind":"init","from":"runs/b","taken":["conv1.weight"],"start_values":["fc1.weight"],"not_used":[7]})"
          "\n";
  write(path, "metrics.jsonl", begin + kMetrics);
  RunRecord run = read_run(path);
  EXPECT_EQ(run.init_from, "runs/b");
  EXPECT_EQ(run.init_text, "1 parameter; start values of fc1.weight");
  EXPECT_EQ(run.epochs.size(), 2u);
  write(path, "metrics.jsonl",
        R"({"kind":"init","from":7,"taken":8})"
        "\n");
  run = read_run(path);
  EXPECT_EQ(run.init_from, "");
}

TEST_F(RunFolderTest, OfAVeryLongFileSomeLinesAreRead) {
  std::string metrics;
  for (int i = 1; i <= 5000; ++i) {
    metrics += R"({"kind":"train","epoch":1,"iteration":)" + std::to_string(i) + ",\"loss\":0.5}\n";
    if (i % 100 == 0) {
      metrics += R"({"kind":"epoch","epoch":)" + std::to_string(i / 100) +
                 ",\"iteration\":" + std::to_string(i) +
                 ",\"validation_accuracy\":" + (i == 700 ? "0.75" : "0.5") + "}\n";
    }
  }
  const std::string path = folder("run");
  write(path, "metrics.jsonl", metrics);
  ReadLimits limits;
  limits.parsed_bytes = static_cast<std::int64_t>(metrics.size() / 40);
  RunRecord run = read_run(path, limits);
  // Every 41st line of iterations, and the last.
  ASSERT_EQ(run.steps.size(), 123u);
  EXPECT_EQ(run.steps[1].iteration, 42);
  EXPECT_EQ(run.steps.back().iteration, 5000);
  EXPECT_EQ(run.step_lines, 5000);
  EXPECT_EQ(run.iterations, 5000);
  EXPECT_EQ(run.epochs_done, 50);
  EXPECT_EQ(run.best_epoch, 7);  // the lines of epochs are few
  ASSERT_EQ(run.problems.size(), 2u);
  EXPECT_EQ(run.problems[1],
            "metrics.jsonl is large (0.0 GB): one line of an iteration in 41 was read, and the last");
  limits.parsed_bytes = 1;
  run = read_run(path, limits);
  EXPECT_EQ(run.steps.size(), 2u);
  EXPECT_EQ(run.epochs.back().epoch, 50);
  EXPECT_EQ(run.epochs_done, 50);
  EXPECT_NE(run.problems[1].find("so that the best one may be missing"), std::string::npos);
}

TEST_F(RunFolderTest, WhatIsDamagedIsNamedAndTheRestIsRead) {
  const std::string path = folder("run");
  write(path, "recipe.toml", "epochs = = 3\n");
  write(path, "environment.json", "[1, 2]");
  write(path, "result.json", "{\"iterations\": ");
  write(
      path, "metrics.jsonl",
      "\xff\xfe\n[]\n{\"kind\":7,\"iteration\":\"x\"}\n{\"kind\":\"epoch\",\"epoch\":-3,\"iteration\":1e300,"
      "\"train_loss\":null,\"firing_rates\":{\"a\":\"b\",\"c\":0.5}}\n" +
          std::string(300000, 'x') + "\n" + kMetrics + "{\"kind\":\"epoch\",\"ep");
  const RunRecord run = read_run(path);
  ASSERT_EQ(run.epochs.size(), 3u);
  EXPECT_EQ(run.epochs[0].epoch, 0);
  EXPECT_EQ(run.epochs[0].iteration, 0);
  EXPECT_EQ(run.epochs[2].accuracy, 0.75);
  std::string all;
  for (const auto& problem : run.problems) all += problem + "\n";
  EXPECT_NE(all.find("recipe.toml:1: not valid TOML"), std::string::npos) << all;
  EXPECT_EQ(all.find(path), std::string::npos) << "whoever says them names the run: " << all;
  EXPECT_NE(all.find("environment.json is no JSON object"), std::string::npos) << all;
  EXPECT_NE(all.find("result.json is no JSON object"), std::string::npos) << all;
  EXPECT_NE(all.find("metrics.jsonl: 3 lines are no JSON object"), std::string::npos) << all;
}

TEST_F(RunFolderTest, OddValuesAreNamedAndLeftOut) {
  const std::string path = folder("run");
  write(path, "recipe.toml", kRecipe);
  write(path, "metrics.jsonl",
        R"({"kind":"epoch","epoch":1,"train_loss":null,"train_accuracy":0.5,"validation_accuracy":0.25})"
        "\n\n"
        R"({"kind":"epoch","epoch":2,"train_loss":"low","train_accuracy":75,"validation_accuracy":7})"
        "\n"
        R"({"kind":"epoch","epoch":3,"validation_accuracy":-1,"firing_rates":[0.5]})"
        "\n"
        R"({"kind":"train","epoch":3,"firing_rates":{"conv1":"many"}})"
        "\n");
  write(path, "result.json", R"({"iterations":"all","test_accuracy":87.5,"interrupted":0})");
  RunRecord run = read_run(path);
  ASSERT_EQ(run.epochs.size(), 3u);
  EXPECT_TRUE(std::isnan(run.epochs[1].loss));
  EXPECT_TRUE(std::isnan(run.epochs[1].accuracy));
  EXPECT_EQ(run.best_validation_accuracy, 0.25);
  EXPECT_EQ(run.state, RunState::kInterrupted);
  EXPECT_FALSE(run.test_accuracy);
  EXPECT_EQ(run.problems, (std::vector<std::string>{
                              "metrics.jsonl: 3 lines with values of another kind or range; the first is "
                              "'train_loss' in line 3",
                              "result.json: 'interrupted' is neither true nor false",
                              "result.json: 'iterations' is no count",
                              "result.json: 'test_accuracy' is no fraction from 0 to 1"}));
  write(path, "metrics.jsonl", "");
  write(path, "result.json", R"({"iterations":0,"test_accuracy":null})");
  run = read_run(path);
  EXPECT_EQ(run.problems, std::vector<std::string>{});
  EXPECT_EQ(run.state, RunState::kFinished);
  EXPECT_FALSE(run.test_accuracy);
  write(path, "result.json", R"({"iterations":0,"test_accuracy":0.5,"validation_accuracy":1.5})");
  run = read_run(path);
  EXPECT_EQ(run.problems,
            std::vector<std::string>{"result.json: 'validation_accuracy' is no fraction from 0 to 1"});
  EXPECT_FALSE(run.result.contains("validation_accuracy"));
  EXPECT_EQ(run.test_accuracy, 0.5);
}

TEST(RunLabels, TellRunsOfOneNameApart) {
  const auto labels = [](const std::vector<std::string>& paths) {
    std::vector<RunRecord> runs;
    for (const std::string& path : paths) {
      RunRecord run;
      run.path = path;
      run.name = fs::path(path).filename().string();
      runs.push_back(run);
    }
    return run_labels(runs);
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(labels({"x/a", "x/b"}), (Texts{"a", "b"}));
  EXPECT_EQ(labels({"a/run1", "b/run1", "c/run2"}), (Texts{"a/run1", "b/run1", "run2"}));
  EXPECT_EQ(labels({"/r/1/a/run1", "/r/2/a/run1"}), (Texts{"1/a/run1", "2/a/run1"}));
  EXPECT_EQ(labels({"/a/run1", "/x/a/run1"}), (Texts{"a/run1", "x/a/run1"}));
  EXPECT_EQ(labels({"a/run1", "a/./run1", "b/run1"}), (Texts{"a/run1", "a/run1 (2)", "b/run1"}));
  EXPECT_EQ(labels({"a/run1", "a/run1"}), (Texts{"run1", "run1 (2)"}));
  EXPECT_EQ(labels({}), Texts{});
}

TEST_F(RunFolderTest, DeepAndWideLinesAreSurvived) {
  const std::string path = folder("run");
  std::string wide = "{\"kind\":\"epoch\",\"firing_rates\":{";
  for (int i = 0; i < 6000; ++i) wide += "\"layer" + std::to_string(i) + "\":0.5,";
  wide.back() = '}';
  write(path, "metrics.jsonl",
        std::string(100000, '[') + "\n{\"a\":" + std::string(50000, '{') + "\n" + wide + "}\n");
  const RunRecord run = read_run(path);
  EXPECT_EQ(run.layers.size(), 4096u);
  EXPECT_EQ(run.problems.size(), 2u + 0u) << run.problems.back();  // no recipe; two damaged lines
}

TEST_F(RunFolderTest, PipesAndFoldersInTheirPlacesAreNotRead) {
  const std::string path = folder("run");
  ASSERT_EQ(::mkfifo((path + "/metrics.jsonl").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo((path + "/environment.json").c_str(), 0600), 0);
  fs::create_directory(path + "/result.json");
  try {
    read_run(path);
    ADD_FAILURE() << "no run";
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(), path +
                                ": holds neither recipe.toml nor metrics.jsonl nor result.json: not a run" +
                                "; metrics.jsonl is a pipe, no file; result.json is a folder, no file");
  }
  write(path, "recipe.toml", kRecipe);
  const RunRecord run = read_run(path);
  EXPECT_TRUE(run.epochs.empty());
  const std::string why = ", no file: it is not read";
  EXPECT_EQ(run.problems,
            (std::vector<std::string>{"metrics.jsonl is a pipe" + why, "environment.json is a pipe" + why,
                                      "result.json is a folder" + why}));
  fs::remove(path + "/metrics.jsonl");
  fs::create_symlink("nowhere", path + "/metrics.jsonl");
  EXPECT_EQ(read_run(path).problems[0], "metrics.jsonl is a link that leads nowhere" + why);
  fs::remove(path + "/metrics.jsonl");
  EXPECT_EQ(read_run(path).problems[0], "metrics.jsonl is missing");
  EXPECT_THROW(read_run(path + "/none"), DataError);
}

TEST_F(RunFolderTest, LinksOutOfTheFolderAreNotRead) {
  const std::string path = folder("run");
  write(path, "environment.json", R"({"sessions":[{"threads":"2"}]})");
  write(root_.string(), "secret.toml", "secret = 1\n");
  write(root_.string(), "secret.json", R"({"iterations":7,"secret":1})");
  fs::create_symlink("../secret.toml", path + "/recipe.toml");
  fs::create_symlink(root_ / "secret.json", path + "/result.json");
  fs::create_symlink("kept.jsonl", path + "/metrics.jsonl");  // this one leads to the folder itself
  write(path, "kept.jsonl", kMetrics);
  const RunRecord run = read_run(path);
  EXPECT_EQ(run.recipe_text, "");
  EXPECT_TRUE(run.recipe.empty());
  EXPECT_TRUE(run.result.is_null());
  EXPECT_EQ(run.environment.size(), 1u);
  EXPECT_EQ(run.epochs.size(), 2u);
  const std::string why = " is a link that leads out of the run's folder: it is not read";
  EXPECT_EQ(run.problems, (std::vector<std::string>{"recipe.toml" + why, "result.json" + why}));
}

TEST_F(RunFolderTest, RunsAreFoundSortedWithoutFollowingLinks) {
  for (const char* name : {"b", "a/deep/er", "a/deep/er/in", "a/too/deep/to/see", ".hidden"}) {
    const std::string path = folder(std::string("runs/") + name);
    write(path, "recipe.toml", kRecipe);
    write(path, "metrics.jsonl", "");
  }
  fs::create_directory_symlink(root_ / "runs/b", root_ / "runs/link");
  const std::string root = (root_ / "runs").string();
  EXPECT_EQ(find_runs(root), (std::vector<std::string>{root + "/a/deep/er", root + "/b"}));
  EXPECT_EQ(find_runs(root + "//"), find_runs(root));
  EXPECT_EQ(find_runs(root + "/b"), (std::vector<std::string>{root + "/b"}));
  EXPECT_EQ(find_runs(root, 1).size(), 1u);
  // Without a recipe they are runs too, and do not hide what lies below them.
  write(folder("runs/c"), "metrics.jsonl", "");
  write(folder("runs/c/d"), "result.json", "{}");
  write(folder("runs/c/e"), "recipe.toml", kRecipe);  // a recipe alone is none
  EXPECT_EQ(find_runs(root),
            (std::vector<std::string>{root + "/a/deep/er", root + "/b", root + "/c", root + "/c/d"}));
  EXPECT_THROW(find_runs(root + "/none"), DataError);
}

TEST_F(RunFolderTest, ALongRunIsThinnedAndItsEndsAreKept) {
  const std::string path = folder("run");
  std::string metrics;
  for (int i = 1; i <= 1000; ++i) {
    const double accuracy = i == 777 ? 0.9 : 0.1;
    metrics += "{\"kind\":\"epoch\",\"epoch\":" + std::to_string(i) + ",\"iteration\":" + std::to_string(i) +
               ",\"validation_accuracy\":" + std::to_string(accuracy) + "}\n";
  }
  write(path, "metrics.jsonl", metrics);
  const RunRecord run = read_run(path, {50});
  EXPECT_EQ(run.epochs_done, 1000);
  EXPECT_GE(run.epochs.size(), 50u);
  EXPECT_LE(run.epochs.size(), 101u);
  EXPECT_EQ(run.epochs.front().epoch, 1);
  EXPECT_EQ(run.epochs.back().epoch, 1000);
  EXPECT_EQ(run.best_epoch, 777);  // also where its line is thinned out
  EXPECT_DOUBLE_EQ(*run.best_validation_accuracy, 0.9);
}

}  // namespace
}  // namespace spikeloom::report
