#pragma once
#include <functional>
#include <string>

namespace spikeloom {

enum class LogLevel { kDebug, kInfo, kWarning };
using LogSink = std::function<void(LogLevel, const std::string&)>;

/// Where the library's remarks go. The library never prints: without a sink they are dropped.
/// Thread-safe; the sink is called under a lock, one message at a time, without a trailing newline.
void set_log_sink(LogSink sink);

/// Hands a remark to the sink, if there is one.
void log(LogLevel level, const std::string& message);

}  // namespace spikeloom
