#include "spikeloom/report/page/page.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/json_text.h"
#include "spikeloom/formats/html_text.h"
#include "spikeloom/formats/safetensors.h"
#include "spikeloom/report/energy.h"
#include "spikeloom/report/page/drawing.h"

namespace spikeloom::report {
namespace {

constexpr char kHostile[] = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\xff";

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

/// The data that a page holds.
nlohmann::json data_of(const std::string& page) {
  const std::string begin = "id=\"data\">";
  const std::size_t from = page.find(begin) + begin.size();
  return parse_json(page.substr(from, page.find("</script>", from) - from));
}

model::NetworkPlan plan_of(const std::string& structure) {
  model::NetworkSettings settings;
  settings.structure = structure;
  return model::plan_network(settings, {1, 28, 28}, 10);
}

RunRecord run_of(const std::string& name, double accuracy, const std::string& rate) {
  RunRecord run;
  run.name = name;
  run.path = "runs/" + name;
  run.layers = {"conv1", "voting"};
  for (int epoch = 1; epoch <= 12; ++epoch) {
    MetricsPoint point;
    point.epoch = epoch;
    point.iteration = epoch * 100;
    point.loss = 2.0 / epoch;
    point.accuracy = 1.0 - 0.5 / epoch;
    point.firing_rates = {0.1, 0.2};
    run.epochs.push_back(point);
  }
  run.epochs_done = 12;
  run.test_accuracy = accuracy;
  run.recipe = {{"seed", "1"}, {"optimizer.learning_rate", rate}};
  return run;
}

TEST(Page, NamesNeverBecomeMarkup) {
  RunRecord run = run_of(kHostile, 0.5, "0.1");
  run.layers = {kHostile, "voting"};
  run.recipe_text = kHostile;
  run.problems = {kHostile};
  run.environment = {{{kHostile, kHostile}}};
  RunDetails details;
  details.notes = {kHostile};
  details.observations.emplace();
  details.observations->classes = {kHostile, "b"};
  details.observations->confusion = {{1, 0}, {0, 1}};
  const std::string page = make_page(run.name, run_page_data(run, details), kHostile);
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  // As many scripts as the page has, each ended once.
  EXPECT_EQ(count_of(page, "<script"), 9u);
  EXPECT_EQ(count_of(page, "</script>"), 9u);
  const auto data = data_of(page);
  const std::string name = data["run"]["name"];
  EXPECT_EQ(name.substr(0, 9), "</script>");  // as text it is whole
  EXPECT_NE(page.find("default-src &#39;none&#39;"), std::string::npos);
}

TEST(Page, LoadsNothing) {
  const std::string page = make_page("a", run_page_data(run_of("a", 0.5, "0.1"), {}));
  for (const char* part : {"src=\"", "@import", "url(", "connect-src", "<link rel=\"stylesheet"})
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  EXPECT_NE(page.find("Chart.js v"), std::string::npos);  // with its licence's line
  EXPECT_LT(page.size(), 400000u);
}

TEST(Page, WhatIsMissingIsLeftOut) {
  const RunRecord nothing;
  const auto data = run_page_data(nothing, {});
  EXPECT_FALSE(data.contains("network"));
  EXPECT_FALSE(data.contains("observed"));
  EXPECT_TRUE(data["run"]["test_accuracy"].is_null());
  EXPECT_TRUE(data["steps"]["iteration"].empty());
  EXPECT_FALSE(data["epochs"].contains("validation_loss"));  // no value anywhere
  EXPECT_NO_THROW(make_page("", data));
  EXPECT_NO_THROW(comparison_data({}));
}

TEST(Page, RatesAreThoseOfStepsOrOfEpochs) {
  auto run = run_of("a", 0.5, "0.1");
  run.epochs.resize(2);
  auto rates = run_page_data(run, {})["rates"];
  EXPECT_EQ(rates["iteration"], (nlohmann::ordered_json{100, 200}));  // there are no others
  EXPECT_EQ(rates["layers"][1], (nlohmann::ordered_json{0.2, 0.2}));
  MetricsPoint point;
  point.iteration = 50;
  run.steps = {point};  // without rates
  EXPECT_EQ(run_page_data(run, {})["rates"]["iteration"].size(), 2u);
  run.steps[0].firing_rates = {0.5, 0.25};
  EXPECT_EQ(run_page_data(run, {})["rates"]["iteration"].size(), 2u);  // one line says less than two epochs
  run.steps.resize(3, run.steps[0]);
  run.steps[1].iteration = 100;
  run.steps[2].iteration = 150;
  rates = run_page_data(run, {})["rates"];
  EXPECT_EQ(rates["iteration"], (nlohmann::ordered_json{50, 100, 150}));  // few epochs: lines say more
  EXPECT_EQ(rates["layers"][1], (nlohmann::ordered_json{0.25, 0.25, 0.25}));
}

TEST(Page, SaysWhichIterationIsShown) {
  auto run = run_of("a", 0.5, "0.1");
  run.state = RunState::kRunning;
  run.iterations = 1234;
  run.best_validation_accuracy = 0.5;
  run.best_epoch = 7;
  run.best_iteration = 700;
  run.result = {{"selection", "last epoch"}};
  RunDetails details;
  details.model = "runs/a/checkpoint.safetensors";
  details.model_iteration = 1000;
  details.model_time = "written at 12:30:05";
  details.observations.emplace();
  auto data = run_page_data(run, details);
  const std::string network = "the network of iteration 1,000 (checkpoint.safetensors, written at 12:30:05)";
  EXPECT_EQ(data["network_of"], network);
  EXPECT_EQ(data["observed"]["of"], network);
  EXPECT_EQ(data["model_iteration"], 1000);
  EXPECT_EQ(data["run"]["iterations"], 1234);
  EXPECT_EQ(data["run"]["best_iteration"], 700);
  EXPECT_EQ(data["run"]["last_epoch_iteration"], 1200);
  EXPECT_EQ(data["run"]["selection"], "last epoch");
  details.model_iteration = -1;  // a file of an earlier version
  data = run_page_data(run, details);
  EXPECT_EQ(data["network_of"], "the network in checkpoint.safetensors, written at 12:30:05");
  EXPECT_TRUE(data["model_iteration"].is_null());
  EXPECT_EQ(run_page_data(run, {})["network_of"], "");
}

TEST(Page, SaysWhatARunStartedWith) {
  auto run = run_of("a", 0.5, "0.1");
  EXPECT_EQ(run_page_data(run, {})["run"]["init"], "");
  run.init_from = "runs/b c";
  run.init_text = "2 parameters";
  const auto data = run_page_data(run, {});
  EXPECT_EQ(data["run"]["init"], "runs/b c: 2 parameters");
  EXPECT_EQ(data["commands"][0]["command"],
            "spikeloom train runs/a/recipe.toml --out a-again --init-from 'runs/b c'");
}

TEST(Page, SaysWhyARunFailed) {
  auto run = run_of("a", 0.5, "0.1");
  EXPECT_TRUE(run_page_data(run, {})["run"]["failure"].is_null());
  run.state = RunState::kFailed;
  run.failure = Failure{3, 25, 4, "training diverged"};
  const auto data = run_page_data(run, {});
  EXPECT_EQ(data["run"]["state"], "failed");
  EXPECT_EQ(data["run"]["failure"], "failed in epoch 3, iteration 25: training diverged");
  EXPECT_EQ(data["commands"][1]["command"], "spikeloom train --resume runs/a");
  EXPECT_EQ(run_list_data({run})["runs"][0]["failure"], data["run"]["failure"]);
}

TEST(Page, SaysWhatItThins) {
  auto run = run_of("a", 0.5, "0.1");
  EXPECT_TRUE(run_page_data(run, {})["learning_notes"].empty());
  run.epoch_lines = 12;
  run.step_lines = 0;
  EXPECT_TRUE(run_page_data(run, {})["learning_notes"].empty());
  EXPECT_EQ(run_page_data(run, {}, 10)["learning_notes"][0],
            "The curves are thinned: they show 10 of 12 epochs, evenly spaced, and the last.");
  run.step_lines = 12'000'000;
  EXPECT_EQ(run_page_data(run, {})["learning_notes"][0],
            "The curves are thinned: they show 0 of 12,000,000 lines of iterations, evenly spaced, and the "
            "last.");
  run.step_lines = 0;
  run.recipe.emplace_back("network.num_steps", "4");
  for (auto& point : run.epochs) point.num_steps = point.epoch < 4 ? 1 : 4;
  EXPECT_EQ(run_page_data(run, {})["learning_notes"][0].get<std::string>().rfind(
                "The epochs up to 3 ran with fewer than 4 time steps", 0),
            0u);
  EXPECT_FALSE(comparison_data({run})["thinned"]);
  EXPECT_TRUE(comparison_data({run}, 10)["thinned"]);
}

TEST(Page, VotesAreThoseOfTheClassesThatMatter) {
  RunDetails details;
  details.observations.emplace();
  auto& raster = details.observations->rasters.emplace_back();
  raster.decision.label = 8;
  raster.num_steps = 3;
  raster.vote_steps = {1, 3};
  raster.votes = {std::vector<float>(10), {0.f, .1f, .2f, .3f, .4f, .5f, .6f, .7f, .05f, kMissing}};
  auto votes = run_page_data(RunRecord(), details)["observed"]["rasters"][0]["votes"];
  EXPECT_EQ(votes["steps"], (nlohmann::ordered_json{1, 3}));
  EXPECT_EQ(votes["classes"], (nlohmann::ordered_json{7, 6, 5, 4, 3, 2, 8}));
  EXPECT_EQ(votes["values"][0][1], 0.7);
  EXPECT_EQ(votes["any"], true);
  raster.decision.label = 6;
  raster.votes[1] = std::vector<float>(10);
  votes = run_page_data(RunRecord(), details)["observed"]["rasters"][0]["votes"];
  EXPECT_EQ(votes["classes"], (nlohmann::ordered_json{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(votes["any"], false);
  raster.votes.clear();
  EXPECT_TRUE(run_page_data(RunRecord(), details)["observed"]["rasters"][0]["votes"]["classes"].empty());
}

TEST(Page, AFolderOfOnesOwnIsNamed) {
  auto run = run_of("a", 0.5, "0.1");
  run.recipe.emplace_back("data.dataset", "\"folder\"");
  RunDetails details;
  details.observations.emplace();
  details.observations->dataset = "folder";
  EXPECT_EQ(run_page_data(run, details)["run"]["dataset"], "folder");
  run.recipe.emplace_back("data.folder", "\"poker-dvs\"");
  const auto data = run_page_data(run, details);
  EXPECT_EQ(data["run"]["dataset"], "folder poker-dvs");
  EXPECT_EQ(data["observed"]["dataset"], "folder poker-dvs");
}

TEST(Page, ComparesRecipesKeyByKey) {
  auto other = run_of("b", 0.75, "0.2");
  other.recipe.emplace_back("data.only_here", "true");
  const auto data = comparison_data({run_of("a", 0.5, "0.1"), other});
  ASSERT_EQ(data["differences"].size(), 2u);
  EXPECT_EQ(data["differences"][0]["key"], "optimizer.learning_rate");
  EXPECT_EQ(data["differences"][0]["values"], (nlohmann::ordered_json{"0.1", "0.2"}));
  EXPECT_EQ(data["differences"][1]["key"], "data.only_here");
  EXPECT_TRUE(data["differences"][1]["values"][0].is_null());
  EXPECT_EQ(data["runs"][1]["test_accuracy"], 0.75);
  EXPECT_EQ(data["runs"][0]["epochs"]["loss"].size(), 12u);
}

TEST(Page, RunsOfOneNameAreToldApart) {
  auto other = run_of("a", 0.5, "0.1");
  other.path = "elsewhere/a";
  const auto data = comparison_data({run_of("a", 0.5, "0.1"), other, run_of("b", 0.5, "0.1")});
  EXPECT_EQ(data["runs"][0]["name"], "runs/a");
  EXPECT_EQ(data["runs"][1]["name"], "elsewhere/a");
  EXPECT_EQ(data["runs"][2]["name"], "b");
  EXPECT_EQ(run_list_data({run_of("a", 0.5, "0.1"), other})["runs"][1]["name"], "elsewhere/a");
}

TEST(Page, LayersThatDoNotFireAreNamed) {
  auto run = run_of("a", 0.5, "0.1");
  EXPECT_EQ(run_page_data(run, {})["warnings"], nlohmann::ordered_json::array());
  run.epochs.back().firing_rates = {0.0, 0.96};
  auto warnings = run_page_data(run, {})["warnings"];
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(
      warnings[0],
      "Layer conv1 does not fire (in the last epoch), so it passes nothing on and does not learn: raise "
      "init.gain, use init.scheme = \"calibrated\" or lower neuron.v_threshold.");
  EXPECT_EQ(warnings[1].get<std::string>().rfind("Layer voting fires at nearly every step", 0), 0u);
  run.layers = {"a", "b", "c"};
  run.epochs.back().firing_rates = {0.0, 0.5, 0.0};
  EXPECT_EQ(run_page_data(run, {})["warnings"][0].get<std::string>().rfind("Layers a and c do not fire", 0),
            0u);
  run.epochs.back().firing_rates = {0.0, 0.0, 0.0};
  EXPECT_EQ(run_page_data(run, {})["warnings"][0].get<std::string>().rfind("No layer fires", 0), 0u);
  // What the samples say where the training wrote no rates.
  run.epochs.clear();
  RunDetails details;
  details.observations.emplace();
  auto& layers = details.observations->layers;
  layers.resize(2);
  for (auto& layer : layers) layer.fires = true;
  layers[0].spikes = 7;
  layers[0].firing_rate = 0.1;
  layers[1].name = "voting";
  auto data = run_page_data(run, details);
  EXPECT_EQ(data["warnings"][0].get<std::string>().rfind("Layer voting does not fire (in the samples)", 0),
            0u);
  EXPECT_EQ(data["observed"]["no_votes"], true);
  EXPECT_EQ(data["observed"]["no_spikes"], false);
  layers[0].spikes = 0;
  EXPECT_EQ(run_page_data(run, details)["observed"]["no_spikes"], true);
  layers[1].fires = false;  // votes by potentials
  EXPECT_EQ(run_page_data(run, details)["observed"]["no_votes"], false);
}

TEST(Page, ManyLongRunsStaySmall) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 50; ++i) {
    runs.push_back(run_of("run" + std::to_string(i), 0.5, std::to_string(i)));
    const auto point = runs.back().epochs.back();
    for (int epoch = 13; epoch <= 500; ++epoch) {
      runs.back().epochs.push_back(point);
      runs.back().epochs.back().epoch = epoch;
    }
  }
  const auto data = comparison_data(runs);
  for (const auto& run : data["runs"]) {
    EXPECT_EQ(run["epochs"]["loss"].size(), 150u);
    EXPECT_EQ(run["epochs"]["epoch"].front(), 1);
    EXPECT_EQ(run["epochs"]["epoch"].back(), 500);
  }
  EXPECT_LT(make_page("many", data).size(), std::size_t{2} << 20);
}

TEST(Page, OfVeryManyRunsTheBestHaveCurves) {
  std::vector<RunRecord> runs;
  for (int i = 0; i < 300; ++i) runs.push_back(run_of("run" + std::to_string(i), 0.001 * i, "0.1"));
  const auto data = comparison_data(runs);
  ASSERT_EQ(data["runs"].size(), 300u);
  EXPECT_FALSE(data["runs"][199].contains("epochs"));
  EXPECT_TRUE(data["runs"][200].contains("epochs"));
  EXPECT_TRUE(data["runs"][299].contains("epochs"));
}

TEST(Page, CostIsTheTablesSumOverLayers) {
  RunDetails details;
  details.plan = plan_of("2C3-Voting");
  details.observations.emplace();
  details.observations->layers.resize(2);
  auto& conv = details.observations->layers[0];
  conv.name = "conv1";
  conv.macs = 1000.0;
  conv.updates = 10.0;
  auto& voting = details.observations->layers[1];
  voting.name = "voting";
  voting.synaptic_operations = 500.0;
  const auto cost = run_page_data(RunRecord(), details)["observed"]["cost"];
  EXPECT_NEAR(cost["energy_pj"].get<double>(), 1010.0 * 4.6 + 500.0 * 0.9, 0.1);
  // Padding counts in neither of the two networks: 3n - 2 taps along a side of n pixels.
  const model::LayerPlan& first = details.plan->layers[0];
  const double taps = static_cast<double>((3 * first.input.height - 2) * (3 * first.input.width - 2));
  const double dense = taps * 2.0 * static_cast<double>(first.input.channels) +
                       static_cast<double>(details.plan->layers[1].macs_per_step);
  EXPECT_NEAR(cost["dense_energy_pj"].get<double>(), dense * 4.6, 1.0);  // six digits
  EXPECT_EQ(cost["layers"][1]["synaptic_operations"], 500.0);
  EXPECT_NE(cost["source"].get<std::string>().find("Horowitz"), std::string::npos);
}

TEST(Drawing, HasABoxALayerAndAnArcASkip) {
  const auto plan = plan_of("8C3-{8C3-8C3}-AP2-[12C3-12C3]-Voting");
  const std::string svg = draw_network(plan);
  EXPECT_EQ(count_of(svg, "<rect "), plan.layers.size() + 2);
  EXPECT_GE(count_of(svg, "class=\"skip"), 2u);
  EXPECT_GE(count_of(svg, "class=\"skip current"), 1u);
  EXPECT_NE(svg.find("aria-label=\""), std::string::npos);
  for (const auto& layer : plan.layers)
    EXPECT_NE(svg.find(">" + layer.name + "</text>"), std::string::npos) << layer.name;
  const std::string plain = draw_network(plan_of("8C3-AP2-Voting"));
  EXPECT_EQ(count_of(plain, "class=\"skip"), 0u);
  EXPECT_EQ(count_of(plain, "class=\"link\""), 4u);  // input, conv1, pool1, voting, classes
  EXPECT_EQ(plain.find("viewBox=\"0 0 308 "), plain.find("viewBox")) << "no room for arcs that are not there";
  auto named = plan_of("8C3-AP2-Voting");
  named.layers[0].name = std::string(60, 'n') + "\xc3\xa4\xc3\xa4";
  const std::string shown = draw_network(named);
  EXPECT_NE(shown.find(">nnn"), std::string::npos);
  EXPECT_NE(shown.find("n…</text>"), std::string::npos) << shown;  // beside the shape of the output
  EXPECT_NE(shown.find("<title>" + named.layers[0].name + " 8C3</title>"), std::string::npos);
}

TEST(Base64, IsRfc4648s) {
  const auto of = [](const std::string& text) { return formats::base64({text.begin(), text.end()}); };
  EXPECT_EQ(of(""), "");
  EXPECT_EQ(of("f"), "Zg==");
  EXPECT_EQ(of("fo"), "Zm8=");
  EXPECT_EQ(of("foo"), "Zm9v");
  EXPECT_EQ(of("foobar"), "Zm9vYmFy");
}

TEST(Weights, HistogramAndMoments) {
  const std::string path = (std::filesystem::temp_directory_path() / "weights_test.safetensors").string();
  const std::vector<float> weight{-1.0f, 0.0f, 0.0f, 0.5f}, bias{1.0f}, momentum{7.0f};
  const std::vector<float> odd{std::nanf(""), 2.0f};
  formats::write_safetensors(path,
                             {{"conv1.weight", formats::DType::kF32, {2, 2}, weight.data()},
                              {"conv1.bias", formats::DType::kF32, {1}, bias.data()},
                              {"optimizer.m.conv1.weight", formats::DType::kF32, {1}, momentum.data()},
                              {"rfc1.recurrent_weight", formats::DType::kF32, {2}, odd.data()}},
                             {});
  const auto weights = read_weights(path);
  std::filesystem::remove(path);
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_EQ(weights[0].name, "conv1");
  EXPECT_DOUBLE_EQ(weights[0].mean, -0.125);
  EXPECT_DOUBLE_EQ(weights[0].zeros, 0.5);
  EXPECT_EQ(weights[0].least, -1.0);
  EXPECT_EQ(weights[0].most, 0.5);
  EXPECT_EQ(weights[0].histogram.counts.front(), 1);
  EXPECT_EQ(weights[0].histogram.counts[20], 2);
  EXPECT_EQ(weights[0].histogram.counts[30], 1);
  EXPECT_EQ(weights[1].name, "rfc1 recurrent");
  EXPECT_EQ(weights[1].mean, 2.0);
  EXPECT_THROW(read_weights(path), DataError);
  // Damage in a tensor that is no weight is found, in the optimiser's it is not looked for.
  formats::write_safetensors(path,
                             {{"conv1.weight", formats::DType::kF32, {2, 2}, weight.data()},
                              {"conv1.bias", formats::DType::kF32, {1}, bias.data()},
                              {"optimizer.m.conv1.weight", formats::DType::kF32, {1}, momentum.data()}},
                             {}, formats::Checksums::kXxh3);
  const auto flip = [&](std::int64_t from_end) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-from_end, std::ios::end);
    file.put('x');
  };
  flip(1);
  EXPECT_EQ(read_weights(path).size(), 1u);
  flip(5);
  EXPECT_THROW(read_weights(path), FormatError);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace spikeloom::report
