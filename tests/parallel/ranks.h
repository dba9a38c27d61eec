#pragma once
// Several ranks in one test: each on a thread of its own, meeting over the loopback at a port that the system
// chooses.
#include <functional>
#include <string>
#include <vector>

#include "spikeloom/parallel/group.h"

namespace spikeloom::parallel::testing {

/// Calls work(group) as each of `size` ranks. Returns what each threw, "" where it did not. A thread that
/// fails leaves the others without it, as a process does.
std::vector<std::string> run_ranks(int size, const std::function<void(Group&)>& work,
                                   double timeout_seconds = 20.0);

/// The same; fails the test if one throws.
void expect_ranks(int size, const std::function<void(Group&)>& work);

}  // namespace spikeloom::parallel::testing
