#pragma once
// The report: run folders and what was observed, as one HTML file that needs nothing else.
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "spikeloom/model/plan.h"
#include "spikeloom/report/observations.h"
#include "spikeloom/report/run_folder.h"
#include "spikeloom/report/weights.h"

namespace spikeloom::report {

/// What a page shows of one run besides its folder; whatever is missing is left out, `notes` say why.
struct RunDetails {
  std::string model;                  ///< the file that network, weights and observations are of; "" without
  std::int64_t model_iteration = -1;  ///< for how many iterations it was trained; -1: it does not say
  std::string model_time;             ///< when it was written, in words; "" where nobody needs to know
  std::optional<model::NetworkPlan> plan;
  std::vector<WeightStatistics> weights;
  std::optional<Observations> observations;
  std::vector<std::string> notes;
};

/// The data of one run's page. Points of a curve: at most `points`.
nlohmann::ordered_json run_page_data(const RunRecord& run, const RunDetails& details,
                                     std::size_t points = 1000);

/// The data of a page that compares runs: curves (of the 100 best, where there are more), the recipe's keys
/// in which they differ, accuracy and cost.
nlohmann::ordered_json comparison_data(const std::vector<RunRecord>& runs, std::size_t points = 150);

/// The data of a page that lists runs.
nlohmann::ordered_json run_list_data(const std::vector<RunRecord>& runs);

/// The page: style, programs (Chart.js among them) and data inside. With `live` the page asks for new data
/// there every few seconds; "" for a file. Texts in the data never become markup.
std::string make_page(const std::string& title, const nlohmann::ordered_json& data,
                      const std::string& live = "");

}  // namespace spikeloom::report
