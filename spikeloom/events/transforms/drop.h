#pragma once
#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"

namespace spikeloom::events {

// Events dropped at random. In place, the order is kept, nothing is added. Ratios and probabilities are in
// [0, 1], or ConfigError.

/// Drops exactly floor(ratio * events + 1/2) events, every choice of them equally likely. Source:
/// tonic.transforms.DropEvent.
void drop_events(EventStream& stream, double ratio, RandomStream& random);

/// Drops the events of one interval, floor(ratio * duration) long, somewhere between the first and the last
/// event: start <= t < start + length. Source: tonic.transforms.DropEventByTime, which measures from time 0
/// instead of the first event and includes the end.
void drop_interval(EventStream& stream, double ratio, RandomStream& random);

/// Drops the events of one box of floor(ratio * width) x floor(ratio * height) pixels, every place inside the
/// sensor equally likely. The ratio is that of the sides, not of the area, as in tonic. Source:
/// tonic.transforms.DropEventByArea, whose box never reaches the last column and row. Also the cutout of Li
/// et al., ECCV 2022. Throws ShapeError if a side of the sensor is below 1.
void drop_area(EventStream& stream, double ratio, RandomStream& random);

/// One of four, equally likely: nothing; drop_interval() with a ratio of 0.1, 0.2 .. 0.9; drop_area() with
/// 0.05, 0.1 .. 0.25; drop_events() with 0.1 .. 0.9. Source: Gu et al., "EventDrop: data augmentation for
/// event-based learning", IJCAI 2021; tonic.transforms.EventDrop.
void event_drop(EventStream& stream, RandomStream& random);

}  // namespace spikeloom::events
