#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace spikeloom::app {

/// Votes of all classes, and whom they are for; -1: nobody (runtime/ranking.h).
struct RankedVotes {
  std::vector<float> votes;
  int best = -1, runner_up = -1;
};

/// A class's share of all votes; -1 where they are no shares: negative ones (currents, outputs of an
/// artificial network), or none at all.
double vote_share(const std::vector<float>& votes, int k);

/// "41.2 %", or the vote itself where it is no share.
std::string vote_text(const std::vector<float>& votes, int k);

constexpr const char* kNoVotes = "no votes";

/// class, vote and share of the best class, runner_up with the same, votes of all; null where there is none
/// (vote: 0).
nlohmann::ordered_json ranked_json(const RankedVotes& ranked, const std::vector<std::string>& classes);

}  // namespace spikeloom::app
