#include "spikeloom/base/log.h"

#include <mutex>
#include <utility>

namespace spikeloom {
namespace {

struct SinkHolder {
  std::mutex mutex;
  LogSink sink;
};

SinkHolder& holder() {
  static SinkHolder instance;
  return instance;
}

}  // namespace

void set_log_sink(LogSink sink) {
  const std::lock_guard<std::mutex> lock(holder().mutex);
  holder().sink = std::move(sink);
}

void log(LogLevel level, const std::string& message) {
  const std::lock_guard<std::mutex> lock(holder().mutex);
  if (holder().sink) holder().sink(level, message);
}

}  // namespace spikeloom
