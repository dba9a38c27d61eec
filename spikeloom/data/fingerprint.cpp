#include "spikeloom/data/fingerprint.h"

#include <fmt/format.h>

#include "spikeloom/base/text.h"
#include "spikeloom/data/class_map.h"
#include "spikeloom/data/content_hash.h"

namespace spikeloom::data {
namespace {

std::string digits(const ContentHash& hash) { return fmt::format("{:016x}{:016x}", hash.high, hash.low); }

template <class Value>
std::string hash_of(const std::vector<Value>& values) {
  return digits(hash_bytes(values.data(), values.size() * sizeof(Value)));
}

std::optional<PartFingerprint> part_fingerprint(const std::shared_ptr<const Dataset>& dataset) {
  if (dataset == nullptr) return std::nullopt;
  PartFingerprint part;
  part.samples = dataset->size();
  std::string names;
  std::vector<std::int64_t> sizes;
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < part.samples; ++i) {
    SampleOrigin origin = dataset->origin(i);
    names += std::move(origin.name);
    names += '\0';  // no file name holds it
    sizes.push_back(origin.bytes);
    labels.push_back(dataset->label(i));
  }
  part.names = digits(hash_text(names));
  part.sizes = hash_of(sizes);
  part.labels = hash_of(labels);
  return part;
}

class Differences {
 public:
  void add(const std::string& text) { text_ += (text_.empty() ? "" : "; ") + text; }

  void compare(const std::string& name, const std::optional<PartFingerprint>& before,
               const std::optional<PartFingerprint>& now) {
    if (before.has_value() != now.has_value()) {
      return add(now ? fmt::format("there is a {} part ({}), and there was none", name,
                                   counted(now->samples, "sample"))
                     : fmt::format("the {} part ({}) is gone", name, counted(before->samples, "sample")));
    }
    if (!now) return;
    if (now->samples != before->samples) {
      return add(fmt::format("the {} part has {} instead of {}", name, counted(now->samples, "sample"),
                             with_separators(before->samples)));
    }
    if (now->names != before->names) return add(fmt::format("the {} part holds different samples", name));
    if (now->labels != before->labels)
      return add(fmt::format("samples of the {} part have different labels", name));
    if (now->sizes != before->sizes) add(fmt::format("files of the {} part have different sizes", name));
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

Fingerprint fingerprint(const DataSplits& splits) {
  Fingerprint result;
  const auto& any = splits.train ? splits.train : splits.test;
  if (any) {
    const SampleShape shape = any->shape();
    result.shape = fmt::format("{}x{}x{}x{}", shape.num_steps, shape.channels, shape.height, shape.width);
    result.class_names = any->class_names();
  }
  result.train = part_fingerprint(splits.train);
  result.validation = part_fingerprint(splits.validation);
  result.test = part_fingerprint(splits.test);
  return result;
}

std::string difference(const Fingerprint& before, const Fingerprint& now) {
  Differences differences;
  if (before.shape != now.shape) {
    differences.add(fmt::format("samples have the shape {} instead of {}", now.shape, before.shape));
  }
  if (before.class_names != now.class_names) {
    differences.add(fmt::format("the classes are {} instead of {}", class_list(now.class_names),
                                class_list(before.class_names)));
  }
  differences.compare("training", before.train, now.train);
  differences.compare("validation", before.validation, now.validation);
  differences.compare("test", before.test, now.test);
  return differences.text();
}

}  // namespace spikeloom::data
