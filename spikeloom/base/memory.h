#pragma once
#include <cstdint>
#include <string>

namespace spikeloom {

/// The most memory that this process can have, all that it already has included, and what sets it.
struct MemoryLimit {
  std::int64_t bytes = 0;  ///< the largest number there is where nothing is known
  std::string what;        ///< "the limit on address space (ulimit -v)"
};

/// The smallest of: the limits on address space and data (getrlimit; of the address space what is not mapped
/// yet and what is resident), the limits of the control groups that the process is in, and the machine's
/// memory with swap. `root` is put before /proc and /sys, for tests. Does not throw: what cannot be read does
/// not count.
MemoryLimit memory_limit(const std::string& root = "");

/// "640 MB", "17.2 GB", "3.5 TB": three digits, steps of 1000.
std::string memory_text(std::int64_t bytes);

}  // namespace spikeloom
