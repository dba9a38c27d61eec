#include "spikeloom/train/recipe/recipe_changes.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "spikeloom/base/errors.h"

namespace spikeloom::train {
namespace {

Recipe small() {
  return parse_recipe("name = \"small\"\n[network]\nstructure = \"4C3(Encoding)-Voting\"\n", "small.toml");
}

std::string refused(const std::vector<std::string>& assignments) {
  try {
    changed_recipe(small(), assignments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(RecipeChanges, AreFoundKeyByKey) {
  const Recipe before = small();
  EXPECT_TRUE(recipe_changes(before, before).empty());
  Recipe after = before;
  after.seed = 7;
  after.data.transforms = {"a", "b = c"};
  after.schedule.kind = ScheduleSettings::kCosine;
  const auto changes = recipe_changes(before, after);
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key, "seed");
  EXPECT_EQ(changes[0].before, "1");
  EXPECT_EQ(changes[0].after, "7");
  EXPECT_EQ(changes[1].key, "data.transforms");
  EXPECT_EQ(changes[1].after, "[\"a\", \"b = c\"]");
  EXPECT_EQ(describe({changes[2]}), "schedule.kind = \"cosine\" (was \"constant\")");
}

TEST(RecipeChanges, ThatAResumedRunMayMake) {
  const Recipe changed =
      changed_recipe(small(), {"training.epochs=20", "schedule.kind=step", "schedule.factor=0.5",
                               "optimizer.learning_rate=0.01", "training.workers=0"});
  EXPECT_EQ(changed.training.epochs, 20);
  EXPECT_EQ(changed.schedule.factor, 0.5);
  EXPECT_EQ(changed.name, "small");
  EXPECT_EQ(changed_recipe(small(), {"seed=1"}), small()) << "the same value is no change";
}

TEST(RecipeChanges, ThatItMayNotMake) {
  for (const char* assignment :
       {"training.batch_size=7", "seed=2", "network.num_steps=3", "training.keep_best=true",
        "data.dataset=mnist", "compute.precision=bf16", "optimizer.kind=adam"}) {
    const std::string message = refused({"training.epochs=3", assignment, "data.validation_samples=5"});
    EXPECT_TRUE(has(message, "in this run and cannot change when it is resumed")) << message;
    EXPECT_TRUE(has(message, "training.epochs, training.max_iterations")) << message;
  }
  EXPECT_TRUE(has(refused({"training.epoch=3"}), "training.epoch"));
  EXPECT_TRUE(has(refused({"training.epochs=0"}), "training.epochs"));
}

TEST(RecipeChanges, EachKeyThatMayChangeExists) {
  Recipe other = small();
  other.network.kind = model::NetworkKind::kAnn;
  for (const std::string& key : keys_that_may_change()) {
    EXPECT_TRUE(may_change(key));
    if (key.back() == '*') continue;
    const std::string name = key.substr(key.find('.') + 1);
    EXPECT_TRUE(has(to_toml(other), "\n" + name + " = ")) << key;
  }
  EXPECT_TRUE(may_change("schedule.warmup_epochs"));
  EXPECT_FALSE(may_change("schedul"));
  EXPECT_FALSE(may_change("training.epochs2"));
}

TEST(RecipeChanges, OfTheFileAreRefused) {
  std::string pattern = (std::filesystem::temp_directory_path() / "spikeloom_changes_XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  const std::string path = folder / "recipe.toml";
  EXPECT_NO_THROW(check_unedited(small(), path)) << "it is written again";
  std::ofstream(path) << to_toml(small()) << "# a comment\n";
  EXPECT_NO_THROW(check_unedited(small(), path));
  std::ofstream(path) << to_toml(changed_recipe(small(), {"training.epochs=12"}));
  try {
    check_unedited(small(), path);
    ADD_FAILURE() << "not refused";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(has(error.what(), path + ": was edited after the run began")) << error.what();
    EXPECT_TRUE(has(error.what(), "resume with --set training.epochs=12")) << error.what();
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace spikeloom::train
