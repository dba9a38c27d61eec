#include "spikeloom/data/class_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/text.h"

namespace spikeloom::data {
namespace {

/// Index of a name, or -1.
int place_of(const std::string& name, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? -1 : static_cast<int>(found - names.begin());
}

class Relabelled : public Dataset {
 public:
  Relabelled(std::shared_ptr<const Dataset> dataset, std::vector<std::string> classes,
             std::vector<int> labels)
      : dataset_(std::move(dataset)), classes_(std::move(classes)), labels_(std::move(labels)) {}

  const std::string& name() const override { return dataset_->name(); }
  std::int64_t size() const override { return dataset_->size(); }
  SampleShape shape() const override { return dataset_->shape(); }
  const std::vector<std::string>& class_names() const override { return classes_; }
  int label(std::int64_t index) const override {
    return labels_[static_cast<std::size_t>(dataset_->label(index))];
  }
  void read(std::int64_t index, const AugmentKey* augment, float* sample) const override {
    dataset_->read(index, augment, sample);
  }
  const RawImages* raw_images() const override { return dataset_->raw_images(); }
  kernels::cuda::ImageDraw image_draw(std::int64_t index, const AugmentKey* augment) const override {
    return dataset_->image_draw(index, augment);
  }
  bool prepare(const PrepareProgress& progress) const override { return dataset_->prepare(progress); }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::string> classes_;
  std::vector<int> labels_;  ///< of each class of the data
};

}  // namespace

std::string class_list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names.size() > kShown && i == kShown - 1) {
      text += ", ...";
      i = names.size() - 1;
    }
    text += fmt::format("{}'{}'", text.empty() ? "" : ", ", names[i]);
  }
  return fmt::format("{} ({})", text.empty() ? "none" : text, names.size());
}

ClassMap parse_class_map(const std::string& text_or_path) {
  std::error_code ignored;
  const bool is_file = std::filesystem::is_regular_file(text_or_path, ignored);
  std::istringstream pairs(is_file ? read_text_file(text_or_path) : text_or_path);
  ClassMap map;
  int line = 0;
  for (std::string pair; std::getline(pairs, pair, is_file ? '\n' : ',');) {
    ++line;
    const std::string text = trimmed(pair);
    if (is_file && (text.empty() || text.front() == '#')) continue;
    const std::size_t equals = text.find('=');
    const std::string from = trimmed(text.substr(0, equals));
    const std::string to = equals == std::string::npos ? "" : trimmed(text.substr(equals + 1));
    const auto fail = [&](const std::string& message) {
      throw ConfigError("class map: " + message, is_file ? text_or_path : "", is_file ? line : 0);
    };
    if (from.empty() || to.empty()) {
      fail(fmt::format("'{}' is not 'class of the data=class of the model'{}", text,
                       is_file ? "" : " and there is no file of this name"));
    }
    if (std::any_of(map.begin(), map.end(), [&](const auto& other) { return other.first == from; })) {
      fail(fmt::format("'{}' is mapped twice", from));
    }
    map.emplace_back(from, to);
  }
  return map;
}

std::shared_ptr<const Dataset> with_classes(std::shared_ptr<const Dataset> dataset,
                                            const std::vector<std::string>& classes, const ClassMap& map) {
  const std::vector<std::string>& own = dataset->class_names();
  const auto fail = [&](const std::string& what) {
    throw ConfigError(
        fmt::format("{}: the data set '{}' has the classes {}, the model {}; map them by name, as in "
                    "--class-map 'class of the data=class of the model,...'",
                    what, dataset->name(), class_list(own), class_list(classes)));
  };
  for (const auto& [from, to] : map) {
    if (place_of(from, own) < 0) fail(fmt::format("class map: the data has no class '{}'", from));
    if (place_of(to, classes) < 0) fail(fmt::format("class map: the model has no class '{}'", to));
  }
  if (map.empty() && own == classes) return dataset;
  std::vector<int> labels;
  std::vector<std::string> unknown;
  for (const std::string& name : own) {
    const auto mapped =
        std::find_if(map.begin(), map.end(), [&](const auto& pair) { return pair.first == name; });
    labels.push_back(place_of(mapped == map.end() ? name : mapped->second, classes));
    if (labels.back() < 0) unknown.push_back(name);
  }
  // A class without samples in this part cannot be counted wrongly.
  std::vector<bool> used(own.size());
  for (std::int64_t i = 0; i < dataset->size(); ++i) used[static_cast<std::size_t>(dataset->label(i))] = true;
  unknown.erase(
      std::remove_if(unknown.begin(), unknown.end(),
                     [&](const auto& name) { return !used[static_cast<std::size_t>(place_of(name, own))]; }),
      unknown.end());
  if (!unknown.empty())
    fail(fmt::format("the model does not know the {} {}",
                     noun_for(static_cast<std::int64_t>(unknown.size()), "class", "classes"),
                     class_list(unknown)));
  return std::make_shared<Relabelled>(std::move(dataset), classes, std::move(labels));
}

}  // namespace spikeloom::data
