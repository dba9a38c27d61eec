#pragma once
#include <chrono>
#include <thread>

namespace spikeloom::parallel {

/// Between two looks at what other processes do.
inline void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

}  // namespace spikeloom::parallel
