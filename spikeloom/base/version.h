#pragma once

namespace spikeloom {

/// Version of the library and the program (semantic versioning; CHANGELOG.md).
inline constexpr const char* kVersion = "0.1.0";

}  // namespace spikeloom
