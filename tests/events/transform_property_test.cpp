// What holds for every recording and every setting.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/denoise.h"
#include "spikeloom/events/transforms/downsample.h"
#include "spikeloom/events/transforms/drop.h"
#include "spikeloom/events/transforms/jitter.h"
#include "spikeloom/events/transforms/mirror.h"
#include "spikeloom/events/transforms/move.h"
#include "spikeloom/events/transforms/noise.h"
#include "spikeloom/events/transforms/pixels.h"
#include "spikeloom/events/transforms/refractory.h"
#include "spikeloom/events/transforms/time.h"
#include "tests/events/streams.h"

namespace spikeloom::events {
namespace {

void check_valid(const EventStream& stream) {
  RC_ASSERT(is_sorted_by_time(stream.events));
  RC_ASSERT(all_inside(stream));
}

/// Nothing added, nothing changed, the sensor as it was.
void check_only_dropped(const EventStream& after, const EventStream& before) {
  RC_ASSERT(is_subsequence(after.events, before.events));
  RC_ASSERT(after.width == before.width);
  RC_ASSERT(after.height == before.height);
}

RC_GTEST_PROP(TransformProperty, FlippingTwiceIsTheIdentity, ()) {
  const EventStream before = drawn_stream();
  for (const auto flip : {flip_left_right, flip_up_down, flip_polarity}) {
    EventStream stream = before;
    flip(stream);
    check_valid(stream);
    flip(stream);
    RC_ASSERT(stream.events == before.events);
  }
}

RC_GTEST_PROP(TransformProperty, RollsAddUpAndAFullRollIsTheIdentity, ()) {
  const EventStream before = drawn_stream();
  const auto right = *rc::gen::inRange<std::int64_t>(-50, 50);
  const auto down = *rc::gen::inRange<std::int64_t>(-50, 50);
  EventStream stream = before;
  roll(stream, right, down);
  check_valid(stream);
  RC_ASSERT(stream.events.size() == before.events.size());
  roll(stream, -right, -down);
  RC_ASSERT(stream.events == before.events);
  roll(stream, before.width, -3 * before.height);
  RC_ASSERT(stream.events == before.events);
}

RC_GTEST_PROP(TransformProperty, AShiftIsARollWithoutWhatLeaves, ()) {
  const EventStream before = drawn_stream();
  const int right = *rc::gen::inRange(-15, 15);
  const int down = *rc::gen::inRange(-15, 15);
  EventStream shifted = before;
  shift(shifted, right, down);
  EventStream rolled = before;
  rolled.events.clear();
  for (const Event& event : before.events) {
    const int x = event.x + right, y = event.y + down;
    if (x >= 0 && x < before.width && y >= 0 && y < before.height) rolled.events.push_back(event);
  }
  roll(rolled, right, down);
  RC_ASSERT(shifted.events == rolled.events);
}

RC_GTEST_PROP(TransformProperty, RotationAndShearStayInsideAndDropOnly, ()) {
  const EventStream before = drawn_stream();
  EventStream stream = before;
  rotate(stream, *rc::gen::inRange(-7200, 7200) / 10.0);
  check_valid(stream);
  RC_ASSERT(stream.events.size() <= before.events.size());
  shear(stream, *rc::gen::inRange(-300, 300) / 100.0, *rc::gen::inRange(-300, 300) / 100.0);
  check_valid(stream);
  stream = before;
  rotate(stream, 360.0 * *rc::gen::inRange(-3, 4));
  shear(stream, 0.0, 0.0);
  RC_ASSERT(stream.events == before.events);
  // A half turn is both mirrors, on every sensor; four quarter turns are none, on a square one.
  EventStream mirrored = before;
  rotate(stream, 180.0);
  flip_left_right(mirrored);
  flip_up_down(mirrored);
  RC_ASSERT(stream.events == mirrored.events);
  const int side = std::max(before.width, before.height);
  EventStream square = stream_of(side, side, before.events);
  for (int quarter = 0; quarter < 4; ++quarter) rotate(square, 90.0);
  RC_ASSERT(square.events == before.events);
}

RC_GTEST_PROP(TransformProperty, CropsKeepExactlyWhatLiesInTheBox, ()) {
  const EventStream before = drawn_stream();
  const Box box{*rc::gen::inRange(-5, 12), *rc::gen::inRange(-5, 12), *rc::gen::inRange(1, 15),
                *rc::gen::inRange(1, 15)};
  EventStream stream = before;
  crop(stream, box);
  check_valid(stream);
  RC_ASSERT(stream.width == box.width);
  std::vector<Event> expected;
  for (Event event : before.events) {
    const int x = event.x - box.x, y = event.y - box.y;
    if (x < 0 || y < 0 || x >= box.width || y >= box.height) continue;
    event.x = static_cast<std::uint16_t>(x);
    event.y = static_cast<std::uint16_t>(y);
    expected.push_back(event);
  }
  RC_ASSERT(stream.events == expected);
  auto random = drawn_random();
  const Box inside = random_box({before.width, before.height}, {1, 1}, random);
  RC_ASSERT((inside.x >= 0 && inside.x < before.width && inside.y >= 0 && inside.y < before.height));
}

RC_GTEST_PROP(TransformProperty, SmallerSensorsHoldEveryEventThatIsLeft, ()) {
  const EventStream before = drawn_stream();
  const int factor = *rc::gen::inRange(1, std::min(before.width, before.height) + 1);
  EventStream pooled = before, strided = before, resized = before;
  downsample_pool(pooled, factor);
  downsample_stride(strided, factor);
  check_valid(pooled);
  check_valid(strided);
  RC_ASSERT(is_subsequence(strided.events, pooled.events));
  resize(resized, {*rc::gen::inRange(1, 20), *rc::gen::inRange(1, 20)});
  check_valid(resized);
  RC_ASSERT(resized.events.size() == before.events.size());
  if (before.width % factor == 0 && before.height % factor == 0) {
    EventStream same = before;
    resize(same, {pooled.width, pooled.height});
    RC_ASSERT(same.events == pooled.events);
  }
}

RC_GTEST_PROP(TransformProperty, TimeStaysSorted, ()) {
  const EventStream before = drawn_stream();
  auto random = drawn_random();
  EventStream stream = before;
  skew_time(stream, *rc::gen::inRange(0, 300) / 100.0, *rc::gen::inRange(-500, 500) / 10.0);
  check_valid(stream);
  RC_ASSERT(stream.events.size() == before.events.size());
  stream = before;
  jitter_time(stream, *rc::gen::inRange(0, 5000) / 10.0, false, random);
  check_valid(stream);
  RC_ASSERT(stream.events.size() == before.events.size());
  EventStream aligned = before, reversed = before;
  align_time(aligned);
  reverse_time(reversed);
  check_valid(reversed);
  RC_ASSERT((aligned.events.empty() || aligned.events.front().t_us == 0));
  reverse_time(reversed);
  RC_ASSERT(reversed.events == aligned.events);
}

RC_GTEST_PROP(TransformProperty, FiltersOnlyDropAndAreFinishedAfterOnePass, ()) {
  const EventStream before = drawn_stream(200);
  const auto period = *rc::gen::inRange<std::int64_t>(0, 8000);
  for (const bool from_dropped : {true, false}) {
    EventStream stream = before;
    drop_refractory(stream, {period, from_dropped});
    check_only_dropped(stream, before);
    std::map<std::pair<int, int>, std::int64_t> last;
    for (const Event& event : stream.events) {
      const auto [pixel, is_first] = last.try_emplace({event.x, event.y}, event.t_us);
      RC_ASSERT((is_first || event.t_us - pixel->second > period));
      pixel->second = event.t_us;
    }
    std::set<std::pair<int, int>> pixels;  // the first event of each pixel is there
    for (const Event& event : before.events) pixels.insert({event.x, event.y});
    RC_ASSERT(last.size() == pixels.size());
    const EventStream once = stream;
    drop_refractory(stream, {period, from_dropped});
    RC_ASSERT(stream.events == once.events);
  }
  EventStream stream = before;
  const PixelMask hot = find_hot_pixels(before, *rc::gen::inRange(1, 2000));
  drop_pixels(stream, hot);
  check_only_dropped(stream, before);
  const EventStream once = stream;
  drop_pixels(stream, hot);
  RC_ASSERT(stream.events == once.events);
}

RC_GTEST_PROP(TransformProperty, BackgroundFilterIsItsDefinition, ()) {
  const EventStream before = drawn_stream(120);
  const auto filter = *rc::gen::inRange<std::int64_t>(1, 5000);
  EventStream stream = before;
  drop_background(stream, filter);
  std::vector<Event> expected;
  for (std::size_t i = 0; i < before.events.size(); ++i) {
    bool supported = false;
    for (std::size_t j = 0; j < i; ++j) {
      const Event &now = before.events[i], &then = before.events[j];
      supported |= std::abs(now.x - then.x) + std::abs(now.y - then.y) == 1 && now.t_us - then.t_us < filter;
    }
    if (supported) expected.push_back(before.events[i]);
  }
  RC_ASSERT(stream.events == expected);
  check_only_dropped(stream, before);
}

RC_GTEST_PROP(TransformProperty, FiltersGiveTheSameInPieces, ()) {
  const EventStream before = drawn_stream(150);
  EventStream whole = before, pieces = before;
  drop_background(whole, 2000);
  drop_refractory(whole, {700, true});
  BackgroundFilter background({before.width, before.height}, 2000);
  RefractoryFilter refractory({before.width, before.height}, {700, true});
  std::vector<Event> kept;
  for (std::size_t begin = 0; begin < before.events.size();) {
    const std::size_t count =
        std::min<std::size_t>(*rc::gen::inRange<std::size_t>(1, 40), before.events.size() - begin);
    Event* piece = pieces.events.data() + begin;
    const std::size_t left = refractory.apply(piece, background.apply(piece, count));
    kept.insert(kept.end(), piece, piece + left);
    begin += count;
  }
  RC_ASSERT(kept == whole.events);
}

RC_GTEST_PROP(TransformProperty, DropsNeverAddAndDropTheirShare, ()) {
  const EventStream before = drawn_stream();
  const double ratio = *rc::gen::inRange(0, 1001) / 1000.0;
  auto random = drawn_random();
  EventStream stream = before;
  drop_events(stream, ratio, random);
  check_only_dropped(stream, before);
  const auto count = static_cast<double>(before.events.size());
  RC_ASSERT(before.events.size() - stream.events.size() ==
            static_cast<std::size_t>(std::floor(ratio * count + 0.5)));
  using Drop = void (*)(EventStream&, double, RandomStream&);
  for (const Drop drop : {Drop{drop_interval}, Drop{drop_area}, Drop{drop_random_pixels}}) {
    stream = before;
    drop(stream, ratio, random);
    check_only_dropped(stream, before);
  }
  stream = before;
  event_drop(stream, random);
  check_only_dropped(stream, before);
  stream = before;
  decimate(stream, *rc::gen::inRange(1, 6));
  check_only_dropped(stream, before);
}

RC_GTEST_PROP(TransformProperty, AnIntervalIsDroppedWholeAndNothingElse, ()) {
  const EventStream before = drawn_stream();
  RC_PRE(!before.events.empty());
  const double ratio = *rc::gen::inRange(0, 1001) / 1000.0;
  auto random = drawn_random();
  EventStream stream = before;
  drop_interval(stream, ratio, random);
  const auto duration = static_cast<double>(before.events.back().t_us - before.events.front().t_us);
  std::multiset<Event> left(stream.events.begin(), stream.events.end());
  std::vector<Event> dropped;
  for (const Event& event : before.events) {
    const auto found = left.find(event);
    if (found == left.end()) {
      dropped.push_back(event);
    } else {
      left.erase(found);
    }
  }
  if (dropped.empty()) return;
  RC_ASSERT(static_cast<double>(dropped.back().t_us - dropped.front().t_us) < std::floor(ratio * duration));
  for (const Event& event : stream.events) {
    RC_ASSERT((event.t_us < dropped.front().t_us || event.t_us > dropped.back().t_us));
  }
}

RC_GTEST_PROP(TransformProperty, NoiseAddsExactlyWhatIsAsked, ()) {
  const EventStream before = drawn_stream();
  RC_PRE(!before.events.empty());
  const auto count = *rc::gen::inRange<std::int64_t>(0, 200);
  auto random = drawn_random();
  EventStream stream = before;
  add_uniform_noise(stream, count, random);
  check_valid(stream);
  RC_ASSERT(stream.events.size() == before.events.size() + static_cast<std::size_t>(count));
  RC_ASSERT(is_subsequence(before.events, stream.events));
  RC_ASSERT(stream.events.front().t_us == before.events.front().t_us);
  RC_ASSERT(stream.events.back().t_us == before.events.back().t_us);
}

RC_GTEST_PROP(TransformProperty, PlacesJitteredStayInside, ()) {
  const EventStream before = drawn_stream();
  auto random = drawn_random();
  EventStream stream = before;
  const double var_x = *rc::gen::inRange(0, 50) / 10.0;
  const double var_y = *rc::gen::inRange(0, 50) / 10.0;
  jitter_place(stream, {var_x, var_y, 0.99 * std::sqrt(var_x * var_y)}, random);
  check_valid(stream);
  RC_ASSERT(stream.events.size() <= before.events.size());
  stream = before;
  jitter_place(stream, {0.0, 0.0, 0.0}, random);
  RC_ASSERT(stream.events == before.events);
}

}  // namespace
}  // namespace spikeloom::events
