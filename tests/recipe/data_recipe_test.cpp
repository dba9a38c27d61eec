// Keys of [data] that are more than a number: transforms, and steps that overlap.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/recipe.h"

namespace spikeloom::train {
namespace {

const std::string kNetwork = "[network]\nstructure = \"8C3-Voting\"\n[data]\n";

std::string refusal(const std::string& data, const std::vector<std::string>& overrides = {}) {
  try {
    parse_recipe(kNetwork + data, "r.toml", overrides);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

void says(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(DataRecipe, TransformsAreReadAndWritten) {
  const Recipe recipe = parse_recipe(kNetwork + R"toml(
dataset = "n-mnist"
transforms = ["drop_background(filter_us=5000)", "rotate(degrees=-10..10)",
              "flip_left_right"]
)toml",
                                     "r.toml");
  EXPECT_EQ(recipe.data.transforms, (std::vector<std::string>{"drop_background(filter_us=5000)",
                                                              "rotate(degrees=-10..10)", "flip_left_right"}));
  const Recipe back = parse_recipe(to_toml(recipe), "other.toml", {"name=" + recipe.name});
  EXPECT_EQ(back.data.transforms, recipe.data.transforms);
  EXPECT_TRUE(back == recipe);
  EXPECT_TRUE(parse_recipe(kNetwork, "r.toml").data.transforms.empty());
  const Recipe changed = parse_recipe(kNetwork, "r.toml", {"data.transforms=[\"roll(right=-2..2)\"]"});
  EXPECT_EQ(changed.data.transforms, std::vector<std::string>{"roll(right=-2..2)"});
}

TEST(DataRecipe, AWrongTransformIsRefusedWhereItStands) {
  const std::string wrong = refusal("transforms = [\"align_time\", \"rotat(degrees=3)\"]\n");
  says(wrong, "r.toml:4: key 'data.transforms'");
  says(wrong, "there is no 'rotat'");
  says(refusal("transforms = \"align_time\"\n"), "data.transforms");
  says(refusal("transforms = [3]\n"), "data.transforms");
  says(refusal("", {"data.transforms=[\"roll(up=1)\"]"}),
       "--set: key 'data.transforms': transform 'roll(up=1)': 'up'");
}

TEST(DataRecipe, StepsByCountAndOverlapsAreReadAndChecked) {
  const Recipe recipe = parse_recipe(
      kNetwork + "slicing = \"count\"\nevents_per_step = 200\noverlap_events = 199\noverlap_us = 4999\n",
      "r.toml");
  EXPECT_EQ(recipe.data.slicing, data::Slicing::kCount);
  EXPECT_EQ(recipe.data.events_per_step, 200);
  EXPECT_EQ(recipe.data.overlap_events, 199);
  EXPECT_EQ(recipe.data.overlap_us, 4999);
  says(refusal("overlap_us = 5000\n"), "r.toml:4: key 'data.overlap_us': must be below window_us = 5000");
  says(refusal("events_per_step = 7\noverlap_events = 7\n"), "below events_per_step = 7");
  says(refusal("events_per_step = 0\n"), "data.events_per_step");
}

TEST(DataRecipe, ChangesOfStillImagesAreReadAndWritten) {
  const Recipe recipe =
      parse_recipe(kNetwork + "cutout = 8\nbrightness = 0.25\ncontrast = 1\nsaturation = 255\n", "r.toml");
  EXPECT_EQ(recipe.data.cutout, 8);
  EXPECT_EQ(recipe.data.brightness, 0.25);
  EXPECT_EQ(recipe.data.contrast, 1.0);
  EXPECT_EQ(recipe.data.saturation, 255.0);
  EXPECT_TRUE(parse_recipe(to_toml(recipe), "other.toml") == recipe);
  const data::DataSettings plain = parse_recipe(kNetwork, "r.toml").data;
  EXPECT_EQ(plain.cutout, 0);
  EXPECT_EQ(plain.brightness + plain.contrast + plain.saturation, 0.0);
}

}  // namespace
}  // namespace spikeloom::train
