#pragma once
#include <cstdint>

namespace spikeloom::testing {

/// How often the program has called operator new.
std::int64_t allocations();

}  // namespace spikeloom::testing
