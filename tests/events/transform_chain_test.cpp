#include <gtest/gtest.h>

#include <set>

#include "spikeloom/base/errors.h"
#include "spikeloom/events/transforms/chain.h"
#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/denoise.h"
#include "spikeloom/events/transforms/drop.h"
#include "spikeloom/events/transforms/mirror.h"
#include "tests/events/streams.h"

namespace spikeloom::events {
namespace {

/// A setting of each transform that can be used on 20 x 16 pixels.
const std::vector<std::string> kAll = {
    "drop_background(filter_us=900)",
    "drop_refractory(period_us=100..200)",
    "drop_hot_pixels(rate_hz=5000)",
    "decimate(n=2)",
    "downsample(factor=2, stride=true)",
    "resize(width=11, height=30)",
    "crop(x=2, y=-1, width=9, height=9)",
    "center_crop(width=12, height=10)",
    "random_crop(width=12, height=10)",
    "flip_left_right",
    "flip_up_down(probability=1)",
    "roll(right=-3..3, down=2)",
    "shift(right=-3..3)",
    "rotate(degrees=-15..15)",
    "shear(x=-0.5..0.5, y=0.1)",
    "jitter_place(var_x=2)",
    "flip_polarity(probability=0.25)",
    "merge_polarities",
    "align_time",
    "crop_time(first_us=100, last_us=4000)",
    "skew_time(coefficient=0.8..1.2)",
    "reverse_time",
    "jitter_time(std_us=30)",
    "drop_events(ratio=0..0.5)",
    "drop_interval",
    "drop_area(ratio=0.3)",
    "event_drop()",
    "drop_random_pixels(probability=0.1)",
    "add_uniform_noise(count=10..50)",
};

EventStream recording(std::uint64_t item = 0) {
  EventStream stream{20, 16, {}};
  RandomStream random(5, RandomPurpose::kBench, item);
  for (int i = 0; i < 400; ++i) {
    stream.events.push_back({i * 12, static_cast<std::uint16_t>(random.below(20)),
                             static_cast<std::uint16_t>(random.below(16)),
                             static_cast<std::uint8_t>(random.below(2))});
  }
  return stream;
}

EventStream transformed(const TransformChain& chain, const TransformKey* key) {
  EventStream stream = recording();
  chain.apply(stream, key);
  return stream;
}

std::string refusal(const std::string& text) {
  try {
    parse_transform(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(TransformChain, EveryTransformIsTriedHere) {
  std::set<std::string> tried;
  for (const std::string& text : kAll) tried.insert(parse_transform(text)->name());
  const std::vector<std::string> names = transform_names();
  EXPECT_EQ(tried, (std::set<std::string>(names.begin(), names.end())));
  EXPECT_EQ(kAll.size(), names.size());
}

TEST(TransformChain, EachKeepsItsPromises) {
  for (const std::string& text : kAll) {
    SCOPED_TRACE(text);
    const TransformChain chain({text});
    const SensorSize size = chain.output_size({20, 16});
    bool differs = false;
    for (std::int64_t index = 0; index < 20; ++index) {
      const TransformKey key{1, index, 3};
      const EventStream stream = transformed(chain, &key);
      EXPECT_EQ((SensorSize{stream.width, stream.height}), size);
      EXPECT_TRUE(all_inside(stream));
      EXPECT_TRUE(is_sorted_by_time(stream.events));
      EXPECT_EQ(stream.events, transformed(chain, &key).events) << "the same key, other events";
      const TransformKey epoch{1, index, 4}, seed{2, index, 3}, other{1, index + 1, 3};
      for (const TransformKey* another : {&epoch, &seed, &other}) {
        differs |= !(transformed(chain, another).events == stream.events);
      }
    }
    EXPECT_EQ(differs, chain.has_random());
    const EventStream fixed = transformed(chain, nullptr);
    EXPECT_EQ((SensorSize{fixed.width, fixed.height}), size);
    EXPECT_EQ(chain.fixed_text().empty(), chain.has_random() && text.rfind("random_crop", 0) != 0);
    if (chain.fixed_text().empty()) {
      EXPECT_EQ(fixed.events, recording().events);
    }
  }
}

TEST(TransformChain, TextsReadBackToThemselves) {
  const TransformChain chain(kAll);
  const std::vector<std::string> texts = chain.texts();
  EXPECT_EQ(TransformChain(texts).texts(), texts);
  EXPECT_EQ(texts[1], "drop_refractory(period_us=100..200, from_dropped=true)");
  EXPECT_EQ(texts[9], "flip_left_right(probability=0.5)");
  EXPECT_EQ(texts[14], "shear(x=-0.5..0.5, y=0.1)");
  EXPECT_EQ(texts[17], "merge_polarities");
  EXPECT_EQ(TransformChain({"  rotate ( degrees = 1e1 .. 20 )  "}).texts()[0], "rotate(degrees=10..20)");
}

TEST(TransformChain, ATransformsNumbersDoNotDependOnTheOthers) {
  const TransformKey key{9, 4, 2};
  const TransformChain alone({"align_time", "drop_events(ratio=0.5)"});
  const TransformChain behind({"flip_left_right(probability=1)", "drop_events(ratio=0.5)"});
  EventStream first = transformed(alone, &key);
  const EventStream second = transformed(behind, &key);
  flip_left_right(first);
  EXPECT_EQ(first.events, second.events);
  // The stream that the documentation names.
  EventStream by_hand = recording();
  RandomStream random(9, RandomPurpose::kAugment, 4 + 2 * (std::uint64_t{1} << 32), 2);
  drop_events(by_hand, 0.5, random);
  flip_left_right(by_hand);
  EXPECT_EQ(by_hand.events, second.events);
}

TEST(TransformChain, WithoutAKeyRandomOnesAreLeftOutAndRandomCropTakesTheMiddle) {
  const TransformChain chain({"drop_background(filter_us=900)", "flip_left_right",
                              "random_crop(width=10, height=8)", "drop_events(ratio=0.9)"});
  EventStream expected = recording();
  drop_background(expected, 900);
  crop(expected, {5, 4, 10, 8});
  EXPECT_EQ(transformed(chain, nullptr).events, expected.events);
  EXPECT_EQ(chain.fixed_text(), "drop_background(filter_us=900); random_crop(width=10, height=8)");
  EXPECT_TRUE(chain.has_random());
  EXPECT_FALSE(TransformChain({"flip_left_right(probability=1)", "roll(right=2)"}).has_random());
  EXPECT_FALSE(TransformChain().has_random());
}

TEST(TransformChain, TheOrderIsThatOfTheList) {
  const TransformChain chain({"crop(width=5, height=16)", "flip_left_right(probability=1)"});
  EventStream expected = recording();
  crop(expected, {0, 0, 5, 16});
  flip_left_right(expected);
  EXPECT_EQ(transformed(chain, nullptr).events, expected.events);
  EXPECT_EQ(chain.output_size({20, 16}), (SensorSize{5, 16}));
}

TEST(TransformChain, SizesThatDoNotFitAreRefusedBeforehand) {
  EXPECT_THROW(TransformChain({"random_crop(width=21, height=1)"}).output_size({20, 16}), ShapeError);
  EXPECT_THROW(TransformChain({"downsample(factor=17)"}).output_size({20, 16}), ShapeError);
  EXPECT_THROW(TransformChain({"jitter_place(sigma_xy=2)"}).output_size({20, 16}), ConfigError);
  EXPECT_THROW(TransformChain({"resize(width=65536, height=65536)", "drop_refractory(period_us=1)"})
                   .output_size({2, 2}),
               ShapeError);
  EventStream outside{2, 2, {{0, 2, 0, 0}}};
  EXPECT_THROW(TransformChain({"align_time"}).apply(outside, nullptr), ShapeError);
}

TEST(TransformText, SaysWhatIsWrongAndWhatThereIs) {
  EXPECT_NE(refusal("denoise(filter_us=1)").find("there is no 'denoise'; choose from drop_background, "),
            std::string::npos);
  EXPECT_NE(refusal("rotate").find("needs degrees"), std::string::npos);
  // What was written wrong is said before what is missing for that reason.
  EXPECT_NE(refusal("rotate(angle=3)").find("the setting 'angle' is unknown; rotate has degrees"),
            std::string::npos);
  EXPECT_NE(refusal("rotate(10)").find("'10' has no key, expected key=value; rotate has degrees"),
            std::string::npos);
  EXPECT_NE(refusal("foo(1)").find("there is no 'foo'; choose from "), std::string::npos);
  EXPECT_NE(refusal("roll(left=3)").find("'left' is unknown; roll has right, down"), std::string::npos);
  EXPECT_NE(refusal("align_time(x=3)").find("align_time takes no settings, so 'x' has no meaning here"),
            std::string::npos);
  EXPECT_NE(refusal("rotate(degrees=ten)").find("must be a number or a range a..b, not 'ten'"),
            std::string::npos);
  EXPECT_NE(refusal("decimate(n=1..2)").find("n must be an integer, not '1..2'"), std::string::npos);
  EXPECT_NE(refusal("decimate(n=2.5)").find("n must be an integer"), std::string::npos);
  EXPECT_NE(refusal("decimate(n=0)").find("n must be from 1 to 4294967295, not 0"), std::string::npos);
  EXPECT_NE(refusal("rotate(degrees=5..-5)").find("degrees must be"), std::string::npos);
  EXPECT_NE(refusal("drop_refractory(period_us=1, from_dropped=yes)").find("true or false"),
            std::string::npos);
  EXPECT_NE(refusal("roll(right=1, right=2)").find("the setting 'right' is there twice"), std::string::npos);
  for (const char* text : {"",
                           "(",
                           ")",
                           "roll(",
                           "roll)",
                           "roll(right)",
                           "roll(right=1))",
                           "roll(right=1) x",
                           "roll(=1)",
                           "roll(right=)",
                           "roll(,)",
                           "roll(right=1,)",
                           "roll(right=..)",
                           "roll(right=1..)",
                           "roll(right=1..2..3)",
                           "rotate(degrees=nan)",
                           "rotate(degrees=inf)",
                           "rotate(degrees=1e999)",
                           "decimate(n=99999999999999999999)",
                           "roll(right= 1 2)"}) {
    EXPECT_NE(refusal(text), "") << text;
  }
}

}  // namespace
}  // namespace spikeloom::events
