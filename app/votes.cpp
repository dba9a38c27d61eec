#include "app/votes.h"

#include <fmt/format.h>

namespace spikeloom::app {

double vote_share(const std::vector<float>& votes, int k) {
  double sum = 0.0;
  for (const float one : votes) {
    if (one < 0.0f) return -1.0;
    sum += one;
  }
  return sum > 0.0 ? static_cast<double>(votes[static_cast<std::size_t>(k)]) / sum : -1.0;
}

std::string vote_text(const std::vector<float>& votes, int k) {
  const double share = vote_share(votes, k);
  return share < 0.0 ? fmt::format("{:.4f}", votes[static_cast<std::size_t>(k)])
                     : fmt::format("{:.1f} %", 100.0 * share);
}

nlohmann::ordered_json ranked_json(const RankedVotes& ranked, const std::vector<std::string>& classes) {
  const auto one = [&](int k) {
    nlohmann::ordered_json json = {{"class", nullptr}, {"vote", 0.0}, {"share", nullptr}};
    if (k < 0) return json;
    json["class"] = classes[static_cast<std::size_t>(k)];
    json["vote"] = ranked.votes[static_cast<std::size_t>(k)];
    if (const double share = vote_share(ranked.votes, k); share >= 0.0) json["share"] = share;
    return json;
  };
  nlohmann::ordered_json json = one(ranked.best);
  json["runner_up"] = ranked.runner_up < 0 ? nlohmann::ordered_json(nullptr) : one(ranked.runner_up);
  json["votes"] = ranked.votes;
  return json;
}

}  // namespace spikeloom::app
