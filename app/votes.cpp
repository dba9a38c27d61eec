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

}  // namespace spikeloom::app
