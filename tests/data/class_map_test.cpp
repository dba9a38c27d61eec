#include "spikeloom/data/class_map.h"

#include <gtest/gtest.h>

#include "made_sets.h"
#include "spikeloom/base/errors.h"

namespace spikeloom::data {
namespace {

/// Sample i has label labels[i] and the value i.
class MadeSet : public Dataset {
 public:
  MadeSet(std::vector<std::string> names, std::vector<int> labels)
      : names_(std::move(names)), labels_(std::move(labels)) {}
  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  SampleShape shape() const override { return {1, 1, 1, 1, true}; }
  const std::vector<std::string>& class_names() const override { return names_; }
  int label(std::int64_t index) const override { return labels_[static_cast<std::size_t>(index)]; }
  void read(std::int64_t index, const AugmentKey*, float* sample) const override {
    *sample = static_cast<float>(index);
  }

 private:
  std::string name_ = "folder";
  std::vector<std::string> names_;
  std::vector<int> labels_;
};

std::vector<int> labels_of(const Dataset& dataset) {
  std::vector<int> labels;
  for (std::int64_t i = 0; i < dataset.size(); ++i) labels.push_back(dataset.label(i));
  return labels;
}

TEST(ClassMap, TheSameClassesStayAsTheyAre) {
  const auto set = std::make_shared<MadeSet>(std::vector<std::string>{"a", "b"}, std::vector<int>{0, 1, 0});
  EXPECT_EQ(with_classes(set, {"a", "b"}, {}), set);
}

TEST(ClassMap, LabelsFollowTheNamesNotThePlaces) {
  const auto set =
      std::make_shared<MadeSet>(std::vector<std::string>{"b", "c"}, std::vector<int>{0, 1, 1, 0});
  const auto mapped = with_classes(set, {"a", "b", "c"}, {});
  EXPECT_EQ(labels_of(*mapped), (std::vector<int>{1, 2, 2, 1}));
  EXPECT_EQ(mapped->class_names(), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(mapped->size(), 4);
  EXPECT_EQ(read_sample(*mapped, 2), std::vector<float>{2.0f});
}

TEST(ClassMap, OtherNamesAreRefusedWithBothLists) {
  const auto set =
      std::make_shared<MadeSet>(std::vector<std::string>{"klm", "other"}, std::vector<int>{0, 1});
  const std::string message = message_of<ConfigError>([&] {
    with_classes(set, {"class a", "klasse b"}, {});
  });
  EXPECT_TRUE(contains(message, "'klm', 'other' (2)")) << message;
  EXPECT_TRUE(contains(message, "'class a', 'klasse b' (2)")) << message;
  EXPECT_TRUE(contains(message, "--class-map")) << message;
  EXPECT_FALSE(contains(message, "\n"));
  const auto mapped =
      with_classes(set, {"class a", "klasse b"}, parse_class_map("klm=klasse b, other = class a"));
  EXPECT_EQ(labels_of(*mapped), (std::vector<int>{1, 0}));
  EXPECT_TRUE(contains(message_of<ConfigError>([&] {
                         with_classes(set, {"klm", "x"}, {});
                       }),
                       "class 'other'"));
  EXPECT_TRUE(contains(message_of<ConfigError>([&] {
                         with_classes(set, {"klm", "other"}, parse_class_map("kln=klm"));
                       }),
                       "no class 'kln'"));
  EXPECT_TRUE(contains(message_of<ConfigError>([&] {
                         with_classes(set, {"klm", "other"}, parse_class_map("klm=othr"));
                       }),
                       "no class 'othr'"));
}

TEST(ClassMap, ManyClassesAreShownShort) {
  std::vector<std::string> many;
  for (int i = 0; i < 101; ++i) many.push_back("c" + std::to_string(i));
  const std::string text = class_list(many);
  EXPECT_TRUE(contains(text, "'c0', 'c1'")) << text;
  EXPECT_TRUE(contains(text, "..., 'c100' (101)")) << text;
  EXPECT_LT(text.size(), 120u);
}

TEST(ClassMap, IsReadFromTextOrFile) {
  const ClassMap expected = {{"a b", "c"}, {"d", "e=f"}};
  EXPECT_EQ(parse_class_map("a b=c,d=e=f"), expected);
  const TemporaryFolder folder;
  const std::string text = "# made by hand\n\n a b = c\r\nd=e=f\n";
  write_bytes(folder / "map.txt", Bytes(text.begin(), text.end()));
  EXPECT_EQ(parse_class_map(folder / "map.txt"), expected);
  EXPECT_TRUE(contains(message_of<ConfigError>([] { parse_class_map("nothing.txt"); }), "'nothing.txt'"));
  EXPECT_TRUE(contains(message_of<ConfigError>([] { parse_class_map("a="); }), "'a='"));
  EXPECT_TRUE(contains(message_of<ConfigError>([] { parse_class_map("a=b,a=c"); }), "'a' is mapped twice"));
  const std::string wrong = "a=b\n=c\n";
  write_bytes(folder / "wrong.txt", Bytes(wrong.begin(), wrong.end()));
  EXPECT_TRUE(
      contains(message_of<ConfigError>([&] { parse_class_map(folder / "wrong.txt"); }), "wrong.txt:2"));
}

}  // namespace
}  // namespace spikeloom::data
