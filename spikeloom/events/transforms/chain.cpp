#include "spikeloom/events/transforms/chain.h"

#include <algorithm>

namespace spikeloom::events {

TransformChain::TransformChain(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) transforms_.push_back(parse_transform(text));
}

bool TransformChain::has_random() const {
  return std::any_of(transforms_.begin(), transforms_.end(),
                     [](const auto& one) { return one->is_random(); });
}

SensorSize TransformChain::output_size(SensorSize sensor) const {
  for (const auto& transform : transforms_) sensor = transform->output_size(sensor);
  return sensor;
}

void TransformChain::apply(EventStream& stream, const TransformKey* key) const {
  if (transforms_.empty()) return;
  check_inside(stream);
  for (std::size_t i = 0; i < transforms_.size(); ++i) {
    const Transform& transform = *transforms_[i];
    if (key == nullptr) {
      if (transform.acts_without_random()) transform.apply(stream, nullptr);
      continue;
    }
    const std::uint64_t item = static_cast<std::uint64_t>(key->index) + ((std::uint64_t{i} + 1) << 32);
    RandomStream random(key->seed, RandomPurpose::kAugment, item, static_cast<std::uint64_t>(key->epoch));
    transform.apply(stream, &random);
  }
}

std::vector<std::string> TransformChain::texts() const {
  std::vector<std::string> texts;
  for (const auto& transform : transforms_) texts.push_back(transform_text(*transform));
  return texts;
}

std::string TransformChain::fixed_text() const {
  std::string text;
  for (const auto& transform : transforms_) {
    if (!transform->acts_without_random()) continue;
    if (!text.empty()) text += "; ";
    text += transform_text(*transform);
  }
  return text;
}

}  // namespace spikeloom::events
