// Keys of [data] that are more than a number: transforms, and steps that overlap.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/train/recipe/recipe.h"

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
       "--set: key 'data.transforms': transform 'roll(up=1)': the setting 'up' is unknown; roll has right, "
       "down");
}

TEST(DataRecipe, HowFilesAreReadIsReadAndWritten) {
  const Recipe recipe = parse_recipe(kNetwork + R"toml(
dataset = "folder"
folder = "mine"
format = "dat-v1"
sensor = "304x240"
chip = "davis346"
camera = "1"
time_unit = "ms"
columns = "t,x,y,p,_"
drop_outside = false
partial = true
image_size = "32x24"
resize = "pad"
channels = 3
)toml",
                                     "r.toml");
  EXPECT_EQ(recipe.data.format, "dat-v1");
  EXPECT_EQ(recipe.data.sensor, "304x240");
  EXPECT_EQ(recipe.data.chip, "davis346");
  EXPECT_EQ(recipe.data.camera, "1");
  EXPECT_EQ(recipe.data.time_unit, "ms");
  EXPECT_EQ(recipe.data.columns, "t,x,y,p,_");
  EXPECT_FALSE(recipe.data.drop_outside);
  EXPECT_TRUE(recipe.data.partial);
  EXPECT_EQ(recipe.data.image_size, "32x24");
  EXPECT_EQ(recipe.data.resize, data::Resize::kPad);
  EXPECT_EQ(recipe.data.channels, 3);
  EXPECT_TRUE(parse_recipe(to_toml(recipe), "other.toml", {"name=" + recipe.name}) == recipe);
  for (const char* change :
       {"data.format=evt3", "data.sensor=\"3x4\"", "data.chip=dvs128", "data.camera=\"2\"",
        "data.time_unit=us", "data.columns=\"t,x,y,p\"", "data.drop_outside=true", "data.partial=false",
        "data.image_size=\"4x4\"", "data.resize=crop", "data.channels=1"}) {
    EXPECT_FALSE(parse_recipe(to_toml(recipe), "other.toml", {"name=" + recipe.name, change}) == recipe)
        << change;
  }
  const Recipe defaults = parse_recipe(kNetwork, "r.toml");
  EXPECT_TRUE(defaults.data.drop_outside);
  EXPECT_FALSE(defaults.data.partial);
}

TEST(DataRecipe, HowFilesAreReadIsCheckedWhereItStands) {
  says(refusal("format = \"dat-v3\"\n"), "r.toml:4: key 'data.format': there is no event format 'dat-v3'");
  says(refusal("format = \"dat-v3\"\n"), "dat-v1");
  says(refusal("sensor = \"304\"\n"), "r.toml:4: key 'data.sensor'");
  says(refusal("time_unit = \"hour\"\n"), "r.toml:4: key 'data.time_unit'");
  says(refusal("columns = \"t,x,z\"\n"), "r.toml:4: key 'data.columns'");
  says(refusal("image_size = \"32\"\n"), "r.toml:4: key 'data.image_size'");
  says(refusal("image_size = \"32\"\n"), "32x32");
  says(refusal("channels = 2\n"), "r.toml:4: key 'data.channels'");
  says(refusal("resize = \"zoom\"\n"), "data.resize");
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
