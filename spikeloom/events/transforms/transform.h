#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spikeloom/base/random.h"
#include "spikeloom/events/event.h"
#include "spikeloom/events/sensor.h"

namespace spikeloom::events {

/// A setting that is a value (min == max) or drawn anew for each recording: an integer of [min, max], or a
/// number of [min, max).
struct IntegerRange {
  std::int64_t min = 0, max = 0;
  bool is_random() const { return min != max; }
  /// min where it is not random, and nothing is drawn. random may be null only then.
  std::int64_t draw(RandomStream* random) const;
};
struct NumberRange {
  double min = 0.0, max = 0.0;
  bool is_random() const { return min != max; }
  double draw(RandomStream* random) const;
};

/// Is shown each setting of a transform, to read or write it. `low` and `high` are the smallest and largest
/// value allowed; a default outside them means that the setting must be given.
class SettingVisitor {
 public:
  virtual ~SettingVisitor() = default;
  virtual void integer(const char* key, IntegerRange& value, std::int64_t low, std::int64_t high) = 0;
  virtual void number(const char* key, NumberRange& value, double low, double high) = 0;
  virtual void flag(const char* key, bool& value) = 0;
  /// The same without ranges.
  void integer(const char* key, std::int64_t& value, std::int64_t low, std::int64_t high);
  void number(const char* key, double& value, double low, double high);

 protected:
  /// Whether integer() and number() may take "a..b".
  bool ranges_allowed_ = true;
};

/// One transform with its settings, as it stands in a chain.
class Transform {
 public:
  virtual ~Transform() = default;
  /// The name it has in a chain.
  virtual const char* name() const = 0;
  virtual void visit(SettingVisitor&) {}
  /// Whether the settings leave anything to chance. If so it augments: it acts in training only.
  virtual bool is_random() const { return false; }
  /// Whether it also acts, in its way, where nothing may be random (random_crop then crops the middle).
  virtual bool acts_without_random() const { return !is_random(); }
  /// Size of the sensor behind it. Throws ShapeError or ConfigError if this sensor does not suit it.
  virtual SensorSize output_size(SensorSize sensor) const { return sensor; }
  /// `random` may be null only if acts_without_random().
  virtual void apply(EventStream& stream, RandomStream* random) const = 0;
};

/// A transform by name, with its default settings; null if there is none of that name.
std::unique_ptr<Transform> make_transform(const std::string& name);

/// All names, in the order of docs/transforms.md.
std::vector<std::string> transform_names();

/// Reads "name" or "name(key=value, key=value)". A value is a number, true, false, or a range "a..b". Throws
/// ConfigError naming what is wrong in the text and what there is to choose from.
std::unique_ptr<Transform> parse_transform(const std::string& text);

/// The text that parse_transform() reads back, with all settings, in one form only: name(key=value,...).
std::string transform_text(const Transform& transform);

}  // namespace spikeloom::events
