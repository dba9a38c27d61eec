// What there is about trainings besides their own output: runs, compare, eval's files, bench's profile.
#include <map>
#include <sstream>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
  return fields;
}

class Records : public ProgramTest {};

TEST_F(Records, RunsAreListedSortedAndCompared) {
  ASSERT_EQ(
      run(train_command("runs/a", {"--set", "training.epochs=1", "--set", "optimizer.learning_rate=1e-9"}))
          .exit_code,
      0);
  ASSERT_EQ(run(train_command("runs/deep/b")).exit_code, 0);
  const auto all = run({"runs", "--json"}).json();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].at("run"), "runs/a");
  EXPECT_EQ(all[0].at("state"), "finished");
  EXPECT_EQ(all[0].at("epochs_done"), 1);
  const auto result = nlohmann::json::parse(read("runs/deep/b/result.json"));
  EXPECT_EQ(all[1].at("test_accuracy"), result.at("test_accuracy"));
  EXPECT_EQ(run({"runs", "runs", "--sort", "epochs", "--json"}).json()[0].at("run"), "runs/deep/b");
  EXPECT_EQ(run({"runs", "--sort", "epochs", "--reverse", "--json"}).json()[0].at("run"), "runs/a");
  const Outcome table = run({"runs", "--sort", "accuracy"});
  EXPECT_LT(table.out.find("runs/deep/b"), table.out.find("runs/a")) << table.out;
  EXPECT_TRUE(contains(table.out, "best validation")) << table.out;

  const auto compared = run({"compare", "runs/a", "runs/deep/b", "--json"}).json();
  EXPECT_EQ(compared.at("recipe_differences"),
            nlohmann::json::parse(
                R"({"optimizer.learning_rate": ["1e-09", "0.01"], "training.epochs": ["1", "3"]})"));
  EXPECT_EQ(compared.at("runs")[1].at("test_accuracy"), result.at("test_accuracy"));
  EXPECT_GT(compared.at("runs")[0].at("parameters"), 1000);
  const Outcome text = run({"compare", "runs/a", "runs/deep/b"});
  EXPECT_TRUE(contains(text.out, "training.epochs")) << text.out;
  EXPECT_FALSE(contains(text.out, "training.batch_size")) << "the same in both";
  EXPECT_TRUE(contains(run({"compare", "runs/a", "runs/a"}).out, "the recipes are the same"));
  // What is damaged is said, with the run that it is of.
  write("runs/a/metrics.jsonl", read("runs/a/metrics.jsonl") + "damaged\n");
  write("runs/a/result.json", R"({"iterations": "all"})");
  const std::string said =
      "spikeloom: warning: runs/a: metrics.jsonl: 1 line is no JSON object\n"
      "spikeloom: warning: runs/a: result.json: 'iterations' is no count";
  for (const auto& command : {std::vector<std::string>{"runs"}, {"compare", "runs/a", "runs/deep/b"}}) {
    const Outcome damaged = run(command);
    EXPECT_EQ(damaged.exit_code, 0);
    EXPECT_EQ(damaged.err.rfind(said, 0), 0u) << damaged.err;
  }
  // Runs of one name, one of them without a recipe.
  write("elsewhere/a/metrics.jsonl", read("runs/a/metrics.jsonl"));
  const Outcome namesakes = run({"compare", "runs/a", "elsewhere/a"});
  EXPECT_TRUE(contains(namesakes.out, "    runs/a       elsewhere/a\n")) << namesakes.out;
  EXPECT_TRUE(contains(namesakes.out, " 1/1          1\n")) << namesakes.out;
  EXPECT_EQ(run({"runs", "elsewhere", "--json"}).json()[0].at("run"), "elsewhere/a");
  EXPECT_TRUE(contains(run({"runs", "elsewhere"}).err, "elsewhere/a: recipe.toml is missing"));
  expect_error(run({"compare", "runs/a"}), 2, {"two runs"});
  expect_error(run({"compare", "runs/a", "nowhere"}), 3, {"nowhere"});
  expect_error(run({"runs", "nowhere"}), 3, {"nowhere"});
}

TEST_F(Records, EvalWritesPredictionsAndConfusion) {
  ASSERT_EQ(run(train_command("a")).exit_code, 0);
  const auto json = run({"eval", "a", "--data-dir", "sets", "--json", "--predictions", "p.csv", "--confusion",
                         "c.csv", "--vote-shares", "v.csv"})
                        .json();
  const auto lines = lines_of(read("p.csv"));
  ASSERT_EQ(lines.size(), 31u) << "a head and 30 test samples";
  EXPECT_EQ(lines[0].rfind("sample,name,label,prediction,correct,vote 0,vote 1,", 0), 0u) << lines[0];
  std::map<std::pair<std::string, std::string>, int> counts;
  int correct = 0;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = fields_of(lines[i]);
    ASSERT_EQ(fields.size(), 15u) << lines[i];
    EXPECT_EQ(fields[0], std::to_string(i - 1));
    EXPECT_EQ(fields[4], fields[2] == fields[3] ? "1" : "0");
    correct += std::stoi(fields[4]);
    ++counts[{fields[2], fields[3]}];
    const auto vote = [&](std::size_t k) { return std::stod(fields[5 + k]); };
    for (std::size_t k = 0; k < 10; ++k) EXPECT_LE(vote(k), vote(std::stoul(fields[3]))) << lines[i];
  }
  EXPECT_EQ(json.at("correct"), correct);
  const auto rows = lines_of(read("c.csv"));
  ASSERT_EQ(rows.size(), 11u);
  EXPECT_EQ(rows[0], "label,0,1,2,3,4,5,6,7,8,9");
  for (std::size_t label = 0; label < 10; ++label) {
    const auto fields = fields_of(rows[label + 1]);
    EXPECT_EQ(fields[0], std::to_string(label));
    for (std::size_t guess = 0; guess < 10; ++guess) {
      const int count = std::stoi(fields[guess + 1]);
      EXPECT_EQ(json.at("confusion")[label][guess], count);
      EXPECT_EQ((counts[{std::to_string(label), std::to_string(guess)}]), count);
    }
  }
  const auto shares = lines_of(read("v.csv"));
  ASSERT_EQ(shares.size(), 11u);
  EXPECT_EQ(shares[0], rows[0]);
  const auto result = nlohmann::json::parse(read("a/result.json"));
  EXPECT_EQ(result.at("vote_shares"), json.at("vote_shares"));
  for (std::size_t label = 0; label < 10; ++label) {
    const auto fields = fields_of(shares[label + 1]);
    ASSERT_EQ(fields.size(), 11u);
    for (std::size_t k = 0; k < 10; ++k) {
      EXPECT_NEAR(json.at("vote_shares")[label][k].get<double>(), std::stod(fields[k + 1]), 1e-9);
    }
  }
  expect_error(run({"eval", "a", "--data-dir", "sets", "--predictions", "no/folder/p.csv"}), 3,
               {"no/folder/p.csv"});
}

TEST_F(Records, OutputsReplaceNothingButEarlierOutputs) {
  ASSERT_EQ(run(train_command("a", {"--set", "training.epochs=1"})).exit_code, 0);
  const std::string model = read("a/model.safetensors"), result = read("a/result.json");
  expect_error(run({"report", "a", "--no-samples", "--out", "a/model.safetensors"}), 2,
               {"already exists", ".html"});
  const std::vector<std::string> eval{"eval", "a", "--data-dir", "sets"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), eval.begin(), eval.end());
    return run(more);
  };
  expect_error(with({"--predictions", "a/model.safetensors"}), 2, {"--predictions", "already exists"});
  expect_error(with({"--confusion", "a/recipe.toml"}), 2, {"--confusion", "already exists"});
  expect_error(with({"--confusion", "c.csv", "--predictions", "c.csv"}), 2, {"the same file"});
  expect_error(with({"--confusion", "c.csv", "--vote-shares", "c.csv"}), 2,
               {"--vote-shares", "the same file"});
  expect_error(with({"--predictions", "-", "--confusion", "-"}), 2, {"the same file"});
  const Outcome piped = with({"--predictions", "-"});
  EXPECT_EQ(piped.out.rfind("sample,name,label,prediction,correct", 0), 0u) << piped.out;
  EXPECT_FALSE(contains(piped.out, "accuracy")) << "what is said is beside it";
  EXPECT_TRUE(contains(piped.err, "accuracy")) << piped.err;
  const Outcome page = run({"report", "a", "--no-samples", "--out", "-"});
  EXPECT_TRUE(contains(page.out.substr(0, 40), "<!DOCTYPE html>")) << page.out.substr(0, 40);
  EXPECT_TRUE(contains(page.err, "standard output")) << page.err;
  EXPECT_FALSE(std::filesystem::exists(path("-")));
  expect_error(run({"bench", "step", "--net", "8FC-Voting", "--input", "1x2x2", "--trace", "a/result.json"}),
               2, {"--trace", "already exists"});
  std::filesystem::create_symlink("a/model.safetensors", path("link.html"));
  std::filesystem::create_symlink("a/metrics.jsonl", path("link.csv"));
  const std::string metrics = read("a/metrics.jsonl");
  expect_error(run({"report", "a", "--no-samples", "--out", "link.html"}), 2, {"a link to", "safetensors"});
  expect_error(with({"--predictions", "link.csv"}), 2, {"--predictions", "a link to"});
  EXPECT_EQ(read("a/metrics.jsonl"), metrics);
  EXPECT_EQ(read("a/model.safetensors"), model);
  EXPECT_EQ(read("a/result.json"), result);
  for (int time = 0; time < 2; ++time) EXPECT_EQ(with({"--confusion", "c.csv"}).exit_code, 0);
}

TEST_F(Records, ABenchTraceAddsUpToItsSteps) {
  const Outcome outcome =
      run({"bench", "step", "--net", "8C3(Encoding)-AP2-32FC-Voting", "--input", "1x28x28", "--batch", "16",
           "--steps", "4", "--iterations", "3", "--crossover", "fixed", "--trace", "t.json"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto events = nlohmann::json::parse(read("t.json")).at("traceEvents");
  std::map<int, std::string> threads;
  for (const auto& event : events) {
    if (event.at("ph") == "M" && event.contains("tid"))
      threads[event.at("tid")] = event.at("args").at("name");
  }
  int steps = 0, counters = 0, readings = 0, waits = 0;
  double most_bytes = 0.0;
  for (const auto& event : events) {
    if (event.at("ph") == "C") {
      ++counters;
      most_bytes = std::max(most_bytes, event.at("args").at("bytes").get<double>());
    }
    if (event.at("ph") != "X") continue;
    readings += event.at("name") == "read sample" && threads.at(event.at("tid")) == "loader" ? 1 : 0;
    waits += event.at("name") == "wait for batch" ? 1 : 0;
    if (event.at("cat") != "step") continue;
    ++steps;
    const double begin = event.at("ts"), end = begin + event.at("dur").get<double>();
    double sum = 0.0;
    std::map<std::string, int> names;
    for (const auto& part : events) {
      if (part.at("ph") != "X" || part.at("tid") != event.at("tid") || part == event) continue;
      const double at = part.at("ts"), duration = part.at("dur");
      if (at < begin - 1e-3 || at + duration > end + 1e-3) continue;
      sum += duration;
      ++names[part.at("name")];
    }
    EXPECT_NEAR(sum, end - begin, 0.01) << "the parts of step " << steps << ", in microseconds";
    for (const char* name : {"conv1 forward", "fc1 forward", "voting forward", "loss", "voting backward",
                             "fc1 backward", "conv1 backward", "update"}) {
      EXPECT_EQ(names[name], 1) << name;
    }
  }
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(waits, 3);
  EXPECT_EQ(readings, 3 * 16);
  EXPECT_EQ(counters, 3 * (1 + 3 + 1));
  EXPECT_GT(most_bytes, 16.0 * 28 * 28 * 4) << "more than the input";
  EXPECT_TRUE(contains(outcome.out, "trace: t.json")) << outcome.out;
}

}  // namespace
}  // namespace spikeloom::app::testing
