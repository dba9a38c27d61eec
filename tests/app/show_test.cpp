// spikeloom show: a recording as text and as pictures.
#include "tests/app/program.h"

namespace spikeloom::app::testing {
namespace {

class Show : public ProgramTest {
 protected:
  /// 34 x 34, 1,000 events over all pixels and 500 of the pixel (7, 5), all on.
  Show() {
    std::string text = "# geometry: 34,34\nt,x,y,p\n";
    for (int i = 0; i < 1000; ++i) {
      text += std::to_string(100 * i) + "," + std::to_string(i % 34) + "," + std::to_string(i / 34) + "," +
              std::to_string(i % 2) + "\n";
      if (i % 2 == 0) text += std::to_string(100 * i) + ",7,5,1\n";
    }
    write("a.csv", text);
  }
};

TEST_F(Show, SummarisesInText) {
  const Outcome outcome = run({"show", "a.csv"});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_TRUE(contains(outcome.out, "1,500 events on 34x34 pixels in 99.900 ms")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "66.7 % on, 33.3 % off")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "hot pixels  1 with more than")) << outcome.out;
  EXPECT_TRUE(contains(outcome.out, "most active (7, 5) 501")) << outcome.out;
  expect_plain_text(outcome);
}

TEST_F(Show, BeforeAndAfterTransforms) {
  const std::vector<std::string> command = {"show", "a.csv", "--transform", "drop_hot_pixels(rate_hz=1000)",
                                            "--json"};
  const auto json = run(command).json();
  EXPECT_EQ(json.at("before").at("events"), 1500);
  EXPECT_EQ(json.at("after").at("events"), 1500 - 501);
  EXPECT_EQ(json.at("after").at("hot_pixels"), 0);
  // Random transforms act where a seed is given, the same way for the same seed.
  std::vector<std::string> random = {"show", "a.csv", "--transform", "drop_events(ratio=0.5)", "--json"};
  EXPECT_EQ(run(random).json().at("after").at("events"), 1500);
  random.insert(random.end(), {"--seed", "4"});
  const auto seeded = run(random).json();
  EXPECT_EQ(seeded.at("after").at("events"), 750);
  EXPECT_EQ(run(random).json(), seeded);
}

TEST_F(Show, WritesPicturesByTheirSuffix) {
  for (const auto& [name, start] : {std::pair<std::string, std::string>{"a.png", "\x89PNG\r\n\x1a\n"},
                                    {"a.gif", "GIF89a"},
                                    {"a.html", "<!DOCTYPE html>"}}) {
    const Outcome outcome =
        run({"show", "a.csv", "--out", name, "--frames", "8", "--transform", "resize(width=17, height=17)"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_TRUE(contains(outcome.out, name + ": 8 frames of equal time")) << outcome.out;
    EXPECT_EQ(read(name).rfind(start, 0), 0u) << name;
  }
  // As a recipe sees it.
  write("dvs.toml",
        "[data]\ndataset = \"folder\"\nfolder = \".\"\nslicing = \"window\"\nwindow_us = 5000\ntransforms = "
        "[\"crop(width=20, height=20)\"]\n"
        "[network]\nstructure = \"4C3-Voting\"\nnum_steps = 6\n");
  const Outcome seen = run({"show", "a.csv", "--recipe", "dvs.toml", "--out", "r.png"});
  EXPECT_EQ(seen.exit_code, 0) << seen.err;
  EXPECT_TRUE(contains(seen.out, "6 frames of the recipe dvs of 5000 us each")) << seen.out;
  EXPECT_TRUE(contains(seen.out, "on 20x20 pixels")) << seen.out;
}

TEST_F(Show, DrawsEveryFrameThatItSays) {
  write("one.csv", "%geometry:34,34\nt,x,y,p\n1,2,3,1\n");
  const Outcome one = run({"show", "one.csv", "--out", "one.png", "--frames", "1"});
  EXPECT_TRUE(contains(one.out, "1 event on 34x34 pixels")) << one.out;
  EXPECT_TRUE(contains(one.out, "one.png: 1 frame of the whole time\n")) << one.out;
  const Outcome few = run({"show", "a.csv", "--out", "few.png", "--frames", "16"});
  ASSERT_EQ(few.exit_code, 0) << few.err;
  const Outcome many = run({"show", "a.csv", "--out", "many.png", "--frames", "160"});
  EXPECT_TRUE(contains(many.out, "many.png: 160 frames of equal time\n")) << many.out;
  const auto height_of = [&](const std::string& name) {
    const std::string head = read(name).substr(20, 4);
    return static_cast<unsigned char>(head[2]) * 256 + static_cast<unsigned char>(head[3]);
  };
  // 15 frames of 102 pixels and gaps of 4 a row: 2 rows, and 11.
  EXPECT_EQ(height_of("many.png") - height_of("few.png"), (11 - 2) * (102 + 4));
  write("long.toml",
        "[data]\ndataset = \"folder\"\nfolder = \".\"\n"
        "[network]\nstructure = \"4C3-Voting\"\nnum_steps = 300\n");
  const Outcome steps = run({"show", "a.csv", "--recipe", "long.toml", "--out", "steps.gif"});
  EXPECT_TRUE(contains(steps.out, ", 200 of them drawn")) << steps.out << steps.err;
}

TEST_F(Show, ARecipeOfOtherRecordingsIsNotPassedOver) {
  const Outcome other = run({"show", "a.csv", "--recipe", "dvs-cifar10/s"});
  EXPECT_EQ(other.exit_code, 0) << other.err;
  EXPECT_TRUE(contains(other.err, "has 128x128 pixels, a.csv has 34x34")) << other.err;
  EXPECT_EQ(run({"show", "a.csv", "--recipe", "n-mnist/small"}).err, "");
  expect_error(run({"show", "a.csv", "--recipe", "fashion-mnist"}), 2,
               {"--recipe fashion-mnist", "still images"});
}

TEST_F(Show, NoEventsOfAPolarityAreNone) {
  write("on.csv", "# geometry: 34,34\nt,x,y,p\n0,1,1,1\n100,2,2,1\n");
  const Outcome outcome = run({"show", "on.csv"});
  EXPECT_TRUE(contains(outcome.out, "  off         none\n")) << outcome.out << outcome.err;
}

TEST_F(Show, RefusesInOneLine) {
  expect_error(run({"show", "a.csv", "--out", "a.jpg"}), 2,
               {"--out must end in .png, .gif or .html", "a.jpg"});
  expect_error(run({"show", "a.csv", "--transform", "nonsense"}), 2, {"nonsense"});
  expect_error(run({"show", "none.csv"}), 3, {"none.csv"});
  write("empty.csv", "t,x,y,p\n");
  expect_error(run({"show", "empty.csv", "--sensor", "34x34"}), 3, {"empty.csv", "no event"});
  expect_error(run({"show", "a.csv", "--out", "no/folder/a.png"}), 3, {"no/folder/a.png"});
  write("cut.bin", "\x01\x02\x03");
  expect_error(run({"show", "cut.bin", "--format", "atis-bin", "--out", "c.png"}), 3, {"cut.bin"});
  EXPECT_FALSE(exists("c.png"));
}

}  // namespace
}  // namespace spikeloom::app::testing
