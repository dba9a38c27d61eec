#pragma once
#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::events {

/// A rectangle of pixels: columns [x, x + width), rows [y, y + height). It may reach over the sensor's edge.
struct Box {
  int x = 0, y = 0;
  int width = 0, height = 0;
};

/// Keeps the events inside the box and makes it the sensor: (x, y) goes to (x - box.x, y - box.y). What the
/// box has beyond the old sensor stays empty. In place, the order is kept. Throws ShapeError unless the sides
/// of the box are in 1..65536.
void crop(EventStream& stream, const Box& box);

/// The box of this size in the middle of the sensor: x = floor((sensor.width - size.width) / 2), the rows
/// alike. A size above the sensor's pads it. Source: tonic.transforms.CenterCrop.
Box centred_box(SensorSize sensor, SensorSize size);

/// A box of this size inside the sensor, every place equally likely. Throws ShapeError if it does not fit.
/// tonic.transforms.RandomCrop, whose last column and row of places are never drawn.
Box random_box(SensorSize sensor, SensorSize size, RandomStream& random);

}  // namespace spikeloom::events
