#pragma once
#include "spikeloom/events/event.h"

namespace spikeloom::events {

/// x becomes width - 1 - x. In place; twice gives the recording back. Throws ShapeError, with the recording
/// as it was, for an event outside the sensor. Source: tonic.transforms.RandomFlipLR (its deterministic
/// part).
void flip_left_right(EventStream& stream);

/// y becomes height - 1 - y. As flip_left_right(). Source: tonic.transforms.RandomFlipUD.
void flip_up_down(EventStream& stream);

/// On becomes off and off on, of all events. Twice gives the recording back. Source:
/// tonic.transforms.RandomFlipPolarity: its text says that single events flip, its code flips all, as here.
void flip_polarity(EventStream& stream);

/// Makes every event an off event (polarity 0). Source: tonic.transforms.MergePolarities.
void merge_polarities(EventStream& stream);

}  // namespace spikeloom::events
