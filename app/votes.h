#pragma once
#include <string>
#include <vector>

namespace spikeloom::app {

/// A class's share of all votes; -1 where they are no shares: negative ones (currents, outputs of an
/// artificial network), or none at all.
double vote_share(const std::vector<float>& votes, int k);

/// "41.2 %", or the vote itself where it is no share.
std::string vote_text(const std::vector<float>& votes, int k);

}  // namespace spikeloom::app
