// Event files of trainings, read by a reader that shares nothing with what wrote them.
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <set>

#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

namespace fs = std::filesystem;

class EventFiles : public ProgramTest {
 protected:
  /// What read_event_files.py finds in a run; null if it finds a fault.
  nlohmann::json events(const std::string& run) const {
    const std::string command =
        "python3 " SPIKELOOM_SOURCE_DIR "/tests/app/read_event_files.py '" + path(run) + "' 2>&1";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string text;
    char piece[4096];
    while (const std::size_t count = std::fread(piece, 1, sizeof piece, pipe)) text.append(piece, count);
    EXPECT_EQ(::pclose(pipe), 0) << text;
    return nlohmann::json::parse(text, nullptr, false);
  }
  /// Lines of metrics.jsonl of a kind.
  std::vector<nlohmann::json> metrics(const std::string& run, const std::string& kind) const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(read(run + "/metrics.jsonl"));
    for (std::string line; std::getline(text, line);) {
      auto json = nlohmann::json::parse(line);
      if (json.at("kind") == kind) lines.push_back(std::move(json));
    }
    return lines;
  }
  /// The scalars of `tag` are what metrics.jsonl has in its lines of `kind` under `key`: no step missing,
  /// none twice.
  void expect_as_in_metrics(const std::string& run, const nlohmann::json& found, const std::string& tag,
                            const std::string& kind, const std::string& key) const {
    const auto lines = metrics(run, kind);
    ASSERT_TRUE(found.at("scalars").contains(tag)) << tag;
    const auto& scalars = found.at("scalars").at(tag);
    ASSERT_EQ(scalars.size(), lines.size()) << tag << ": " << scalars;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(scalars[i][0], lines[i].at("iteration")) << tag;
      EXPECT_FLOAT_EQ(scalars[i][1].get<float>(), lines[i].at(key).get<float>()) << tag;
    }
  }
};

TEST_F(EventFiles, HoldWhatMetricsHoldAndMore) {
  const auto outcome = run(train_command("a", {"--tensorboard"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto found = events("a");
  ASSERT_TRUE(found.is_object());
  EXPECT_EQ(found.at("files").size(), 1u);
  expect_as_in_metrics("a", found, "train/loss", "train", "loss");
  expect_as_in_metrics("a", found, "train/accuracy", "train", "accuracy");
  expect_as_in_metrics("a", found, "train/learning_rate", "train", "learning_rate");
  expect_as_in_metrics("a", found, "speed/samples_per_s", "train", "samples_per_s");
  expect_as_in_metrics("a", found, "epoch/train_loss", "epoch", "train_loss");
  expect_as_in_metrics("a", found, "epoch/validation_accuracy", "epoch", "validation_accuracy");
  expect_as_in_metrics("a", found, "test/accuracy", "test", "test_accuracy");
  for (const char* layer : {"conv1", "fc1", "voting"}) {
    EXPECT_EQ(found["scalars"]["firing_rate/" + std::string(layer)].size(), 15u) << layer;
  }
  // 2 filters of 3x3; 16 neurons of 2x7x7; membrane potentials of 16 samples, 2 steps, 2x28x28 neurons.
  EXPECT_EQ(found["histograms"]["weights/conv1.weight"].size(), 3u) << found["histograms"];
  EXPECT_EQ(found["histograms"]["weights/conv1.weight"][0][1], 18.0);
  EXPECT_EQ(found["histograms"]["weights/fc1.weight"][2][1], 16.0 * 98);
  EXPECT_EQ(found["histograms"]["membrane_potential/conv1"][2][1], 16.0 * 2 * 2 * 28 * 28);
  EXPECT_EQ(found["histograms"]["membrane_potential/voting"].size(), 3u);
  EXPECT_EQ(found["images"]["confusion/test"], nlohmann::json::parse("[[15, 510, 510]]"));
  EXPECT_EQ(found["images"]["confusion/validation"],
            nlohmann::json::parse("[[5, 510, 510], [10, 510, 510], [15, 510, 510]]"));
  EXPECT_EQ(found["scalars"]["test_firing_rate/voting"].size(), 1u);
  EXPECT_EQ(found["scalars"]["weights_rms/fc1.weight"].size(), 3u);
  // Two steps of 32 pixels each; 48 neurons of 8 pixels each, of a layer that has as many.
  EXPECT_EQ(found["images"]["raster/conv1"],
            nlohmann::json::parse("[[5, 64, 384], [10, 64, 384], [15, 64, 384]]"));
  EXPECT_EQ(found["images"]["raster/fc1"][2], nlohmann::json::parse("[15, 64, 128]"));
  const auto& values = found["hparams"]["values"];
  EXPECT_EQ(values["network.num_steps"], 2.0);
  EXPECT_EQ(values["optimizer.kind"], "adam");
  EXPECT_EQ(values["logging.tensorboard"], true);
  EXPECT_EQ(found["hparams"]["types"]["optimizer.kind"], 1);
  EXPECT_EQ(found["hparams"]["status"], 1) << "success";
  // The same bits as without.
  ASSERT_EQ(run(train_command("plain")).exit_code, 0);
  EXPECT_EQ(tensor_bytes("a/model.safetensors"), tensor_bytes("plain/model.safetensors"));
  for (const auto& entry : fs::directory_iterator(path("plain"))) {
    EXPECT_EQ(entry.path().string().find("tfevents"), std::string::npos) << entry.path();
  }
}

TEST_F(EventFiles, HaveEveryLayerOfARecurrentNetwork) {
  const auto outcome =
      run(train_command("a", {"--tensorboard", "--set", "network.structure=24RFC-Readout", "--set",
                              "network.num_steps=4", "--set", "compute.precision=fp32", "--set",
                              "training.epochs=1", "--set", "data.validation_samples=0"}));
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto found = events("a");
  ASSERT_TRUE(found.is_object());
  EXPECT_EQ(found["scalars"]["firing_rate/rfc1"].size(), 6u);
  EXPECT_EQ(found["scalars"]["epoch_firing_rate/rfc1"].size(), 1u);
  // 16 samples, 4 steps, 24 neurons; 4 steps of 32 pixels, 24 neurons of 8.
  EXPECT_EQ(found["histograms"]["membrane_potential/rfc1"][0][1], 16.0 * 4 * 24);
  EXPECT_EQ(found["images"]["raster/rfc1"], nlohmann::json::parse("[[6, 128, 192]]"));
  // The readout does not fire: what it puts out, and its weights.
  EXPECT_EQ(found["histograms"]["output/readout"][0][1], 16.0 * 4 * 10) << found["histograms"];
  EXPECT_GT(found["scalars"]["output_rms/readout"][0][1], 0.0);
  EXPECT_GT(found["scalars"]["weights_rms/readout.weight"][0][1], 0.0);
  EXPECT_FALSE(found["images"].contains("raster/readout"));
  // Its report has the weights in the order of the layers.
  ASSERT_EQ(run({"report", "a", "--no-samples"}).exit_code, 0);
  EXPECT_TRUE(contains(read("a/report.html"), R"("weights":[{"name":"rfc1",)"));
}

TEST_F(EventFiles, SayThatATrainingFailed) {
  const auto failed = run(train_command("a", {"--tensorboard", "--set", "optimizer.learning_rate=1e30"}));
  ASSERT_EQ(failed.exit_code, 4) << failed.err;
  const auto found = events("a");
  ASSERT_TRUE(found.is_object());
  EXPECT_EQ(found["hparams"]["status"], 2) << "failure";
}

TEST_F(EventFiles, OfAResumedRunHaveEachStepOnce) {
  ASSERT_EQ(run(train_command("a", {"--tensorboard", "--set", "training.max_iterations=7"})).exit_code, 0);
  const auto before = events("a");
  const std::string first = before["files"][0];
  fs::remove(path("a/result.json"));
  // As a crash leaves it: steps after the checkpoint, in that file and in a later one that was begun.
  ASSERT_EQ(run(train_command("b", {"--tensorboard"})).exit_code, 0);
  const std::string more = read("b/" + std::string(events("b")["files"][0]));
  write("a/" + first, read("a/" + first) + more);
  write("a/events.out.tfevents.4000000000.spikeloom", more);
  write("a/events.out.tfevents.1.elsewhere", more);
  const auto resumed =
      run({"train", "--resume", "a", "--data-dir", "sets", "--set", "training.max_iterations=0"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(exists("a/events.out.tfevents.1.elsewhere")) << "of another maker";
  fs::remove(path("a/events.out.tfevents.1.elsewhere"));
  EXPECT_FALSE(exists("a/events.out.tfevents.4000000000.spikeloom"));
  const auto found = events("a");
  ASSERT_TRUE(found.is_object());
  EXPECT_EQ(found["files"].size(), 2u);
  EXPECT_EQ(found["starts"], nlohmann::json::parse("[1, 8]"));
  expect_as_in_metrics("a", found, "train/loss", "train", "loss");
  expect_as_in_metrics("a", found, "epoch/train_loss", "epoch", "train_loss");
  EXPECT_EQ(found["scalars"]["train/loss"].size(), 15u);
}

TEST_F(EventFiles, AreTakenBackByReadersThatHadSeenMore) {
  // The reader has the records after the checkpoint already; only START tells it.
  ASSERT_EQ(run(train_command("a", {"--tensorboard", "--set", "training.epochs=1"})).exit_code, 0);
  const std::string first = events("a")["files"][0];
  const std::string checkpoint = read("a/checkpoint.safetensors");
  const auto longer = [&](const char* epochs) {
    return run(
        {"train", "--resume", "a", "--data-dir", "sets", "--set", std::string("training.epochs=") + epochs});
  };
  ASSERT_EQ(longer("2").exit_code, 0);
  const std::string second = events("a")["files"][1];
  const std::string seen = read("a/" + second);
  write("a/checkpoint.safetensors", checkpoint);
  fs::remove(path("a/result.json"));
  fs::remove(path("a/recipe.toml"));
  ASSERT_EQ(longer("2").exit_code, 0);
  write("a/" + second, seen);
  if (!exists("a/" + second)) GTEST_FAIL();
  const auto found = events("a");
  std::set<std::int64_t> steps;
  for (const auto& entry : found["scalars"]["train/loss"]) {
    EXPECT_TRUE(steps.insert(entry[0].get<std::int64_t>()).second) << "twice: " << entry;
  }
  EXPECT_EQ(steps.size(), 10u) << found["scalars"]["train/loss"];
}

TEST_F(EventFiles, AreOpenedWhereResumingAsksForThem) {
  ASSERT_EQ(run(train_command("a", {"--set", "training.epochs=1"})).exit_code, 0);
  ASSERT_EQ(
      run({"train", "--resume", "a", "--data-dir", "sets", "--tensorboard", "--set", "training.epochs=2"})
          .exit_code,
      0);
  const auto found = events("a");
  EXPECT_EQ(found["scalars"]["train/loss"].size(), 5u);
  EXPECT_EQ(found["scalars"]["train/loss"][0][0], 6);
  EXPECT_TRUE(contains(read("a/recipe.toml"), "tensorboard = true"));
}

}  // namespace
}  // namespace spikeloom::app::testing
