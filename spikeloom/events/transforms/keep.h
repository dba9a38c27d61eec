#pragma once
#include <cstddef>

#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// Keeps the events for which keep(event) is true, in their order, in place; returns how many. keep is called
/// once an event, in order.
template <class Keep>
std::size_t keep_events(Event* events, std::size_t count, Keep&& keep) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Event event = events[i];
    events[kept] = event;  // written always: cheaper than a branch that cannot be foreseen
    kept += keep(event) ? 1 : 0;
  }
  return kept;
}

template <class Keep>
void keep_events(EventStream& stream, Keep&& keep) {
  stream.events.resize(keep_events(stream.events.data(), stream.events.size(), keep));
}

}  // namespace spikeloom::events
