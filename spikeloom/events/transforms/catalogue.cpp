// Every transform as it stands in a chain: its name, settings, and which function it calls.
#include <limits>

#include "spikeloom/events/transforms/crop.h"
#include "spikeloom/events/transforms/denoise.h"
#include "spikeloom/events/transforms/downsample.h"
#include "spikeloom/events/transforms/draw.h"
#include "spikeloom/events/transforms/drop.h"
#include "spikeloom/events/transforms/jitter.h"
#include "spikeloom/events/transforms/mirror.h"
#include "spikeloom/events/transforms/move.h"
#include "spikeloom/events/transforms/noise.h"
#include "spikeloom/events/transforms/pixels.h"
#include "spikeloom/events/transforms/refractory.h"
#include "spikeloom/events/transforms/time.h"
#include "spikeloom/events/transforms/transform.h"

namespace spikeloom::events {
namespace {

constexpr std::int64_t kSide = 1 << 16;
constexpr std::int64_t kAnyTime = std::numeric_limits<std::int64_t>::max();
constexpr double kAnyNumber = 1e12;
constexpr std::int64_t kMustBeGiven = std::numeric_limits<std::int64_t>::min();
constexpr double kNumberMustBeGiven = -1.0;

/// A transform without settings.
template <void (*kFunction)(EventStream&)>
class Plain : public Transform {
 public:
  explicit Plain(const char* name) : name_(name) {}
  const char* name() const override { return name_; }
  void apply(EventStream& stream, RandomStream*) const override { kFunction(stream); }

 private:
  const char* name_;
};

/// Done or not done, by chance.
template <void (*kFunction)(EventStream&)>
class Sometimes : public Transform {
 public:
  explicit Sometimes(const char* name) : name_(name) {}
  const char* name() const override { return name_; }
  void visit(SettingVisitor& visitor) override { visitor.number("probability", probability_, 0.0, 1.0); }
  bool is_random() const override { return probability_ > 0.0 && probability_ < 1.0; }
  void apply(EventStream& stream, RandomStream* random) const override {
    if (is_random() ? uniform_double(*random) < probability_ : probability_ == 1.0) kFunction(stream);
  }

 private:
  const char* name_;
  double probability_ = 0.5;
};

/// One number, which may be a range, and what else is random besides.
template <void (*kFunction)(EventStream&, double, RandomStream&)>
class RandomRatio : public Transform {
 public:
  RandomRatio(const char* name, const char* key, double ratio)
      : name_(name), key_(key), ratio_{ratio, ratio} {}
  const char* name() const override { return name_; }
  void visit(SettingVisitor& visitor) override { visitor.number(key_, ratio_, 0.0, 1.0); }
  bool is_random() const override { return true; }
  void apply(EventStream& stream, RandomStream* random) const override {
    const double ratio = ratio_.draw(random);
    kFunction(stream, ratio, *random);
  }

 private:
  const char* name_;
  const char* key_;
  NumberRange ratio_;
};

class Crop : public Transform {
 public:
  const char* name() const override { return "crop"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("x", x_, -kSide, kSide);
    visitor.integer("y", y_, -kSide, kSide);
    visitor.integer("width", width_, 1, kSide);
    visitor.integer("height", height_, 1, kSide);
  }
  SensorSize output_size(SensorSize) const override {
    return {static_cast<int>(width_), static_cast<int>(height_)};
  }
  void apply(EventStream& stream, RandomStream*) const override {
    const SensorSize size = output_size({});
    crop(stream, {static_cast<int>(x_), static_cast<int>(y_), size.width, size.height});
  }

 private:
  std::int64_t x_ = 0, y_ = 0, width_ = kMustBeGiven, height_ = kMustBeGiven;
};

/// In the middle, or at random in training.
class SizedCrop : public Transform {
 public:
  explicit SizedCrop(bool random) : random_(random) {}
  const char* name() const override { return random_ ? "random_crop" : "center_crop"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("width", width_, 1, kSide);
    visitor.integer("height", height_, 1, kSide);
  }
  bool is_random() const override { return random_; }
  bool acts_without_random() const override { return true; }
  SensorSize output_size(SensorSize sensor) const override {
    const SensorSize size{static_cast<int>(width_), static_cast<int>(height_)};
    if (random_) {
      RandomStream unused(0, RandomPurpose::kAugment);
      random_box(sensor, size, unused);  // refuses what does not fit
    }
    return size;
  }
  void apply(EventStream& stream, RandomStream* random) const override {
    const SensorSize sensor{stream.width, stream.height};
    const SensorSize size = output_size(sensor);
    crop(stream,
         random_ && random != nullptr ? random_box(sensor, size, *random) : centred_box(sensor, size));
  }

 private:
  bool random_;
  std::int64_t width_ = kMustBeGiven, height_ = kMustBeGiven;
};

class Downsample : public Transform {
 public:
  const char* name() const override { return "downsample"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("factor", factor_, 1, kSide);
    visitor.flag("stride", stride_);
  }
  SensorSize output_size(SensorSize sensor) const override {
    EventStream empty{sensor.width, sensor.height, {}};
    apply(empty, nullptr);  // refuses a factor above the sensor's sides
    return {empty.width, empty.height};
  }
  void apply(EventStream& stream, RandomStream*) const override {
    (stride_ ? downsample_stride : downsample_pool)(stream, static_cast<int>(factor_));
  }

 private:
  std::int64_t factor_ = kMustBeGiven;
  bool stride_ = false;
};

class Resize : public Transform {
 public:
  const char* name() const override { return "resize"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("width", width_, 1, kSide);
    visitor.integer("height", height_, 1, kSide);
  }
  SensorSize output_size(SensorSize) const override {
    return {static_cast<int>(width_), static_cast<int>(height_)};
  }
  void apply(EventStream& stream, RandomStream*) const override { resize(stream, output_size({})); }

 private:
  std::int64_t width_ = kMustBeGiven, height_ = kMustBeGiven;
};

template <void (*kFunction)(EventStream&, std::int64_t, std::int64_t)>
class Moved : public Transform {
 public:
  explicit Moved(const char* name) : name_(name) {}
  const char* name() const override { return name_; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("right", right_, -kSide, kSide);
    visitor.integer("down", down_, -kSide, kSide);
  }
  bool is_random() const override { return right_.is_random() || down_.is_random(); }
  void apply(EventStream& stream, RandomStream* random) const override {
    const std::int64_t right = right_.draw(random);
    kFunction(stream, right, down_.draw(random));
  }

 private:
  const char* name_;
  IntegerRange right_, down_;
};

class Rotate : public Transform {
 public:
  const char* name() const override { return "rotate"; }
  void visit(SettingVisitor& visitor) override { visitor.number("degrees", degrees_, -360.0, 360.0); }
  bool is_random() const override { return degrees_.is_random(); }
  void apply(EventStream& stream, RandomStream* random) const override {
    rotate(stream, degrees_.draw(random));
  }

 private:
  NumberRange degrees_{-1000.0, -1000.0};  // must be given
};

class Shear : public Transform {
 public:
  const char* name() const override { return "shear"; }
  void visit(SettingVisitor& visitor) override {
    visitor.number("x", x_, -kAnyNumber, kAnyNumber);
    visitor.number("y", y_, -kAnyNumber, kAnyNumber);
  }
  bool is_random() const override { return x_.is_random() || y_.is_random(); }
  void apply(EventStream& stream, RandomStream* random) const override {
    const double x = x_.draw(random);
    shear(stream, x, y_.draw(random));
  }

 private:
  NumberRange x_, y_;
};

class SkewTime : public Transform {
 public:
  const char* name() const override { return "skew_time"; }
  void visit(SettingVisitor& visitor) override {
    visitor.number("coefficient", coefficient_, 0.0, kAnyNumber);
    visitor.number("offset_us", offset_us_, -kAnyNumber, kAnyNumber);
  }
  bool is_random() const override { return coefficient_.is_random() || offset_us_.is_random(); }
  void apply(EventStream& stream, RandomStream* random) const override {
    const double coefficient = coefficient_.draw(random);
    skew_time(stream, coefficient, offset_us_.draw(random));
  }

 private:
  NumberRange coefficient_{1.0, 1.0}, offset_us_;
};

class CropTime : public Transform {
 public:
  const char* name() const override { return "crop_time"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("first_us", first_us_, -kAnyTime, kAnyTime);
    visitor.integer("last_us", last_us_, -kAnyTime, kAnyTime);
  }
  void apply(EventStream& stream, RandomStream*) const override { crop_time(stream, first_us_, last_us_); }

 private:
  std::int64_t first_us_ = 0, last_us_ = kMustBeGiven;
};

class ReverseTime : public Transform {
 public:
  const char* name() const override { return "reverse_time"; }
  void visit(SettingVisitor& visitor) override {
    visitor.number("probability", probability_, 0.0, 1.0);
    visitor.flag("flip_polarities", flip_polarities_);
  }
  bool is_random() const override { return probability_ > 0.0 && probability_ < 1.0; }
  void apply(EventStream& stream, RandomStream* random) const override {
    const bool reversed = is_random() ? uniform_double(*random) < probability_ : probability_ == 1.0;
    if (!reversed) return;
    reverse_time(stream);
    if (flip_polarities_) flip_polarity(stream);
  }

 private:
  double probability_ = 0.5;
  bool flip_polarities_ = true;
};

class JitterTime : public Transform {
 public:
  const char* name() const override { return "jitter_time"; }
  void visit(SettingVisitor& visitor) override {
    visitor.number("std_us", std_us_, 0.0, kAnyNumber);
    visitor.flag("drop_negative", drop_negative_);
  }
  bool is_random() const override { return true; }
  void apply(EventStream& stream, RandomStream* random) const override {
    jitter_time(stream, std_us_, drop_negative_, *random);
  }

 private:
  double std_us_ = kNumberMustBeGiven;
  bool drop_negative_ = true;
};

class JitterPlace : public Transform {
 public:
  const char* name() const override { return "jitter_place"; }
  void visit(SettingVisitor& visitor) override {
    visitor.number("var_x", covariance_.var_x, 0.0, kAnyNumber);
    visitor.number("var_y", covariance_.var_y, 0.0, kAnyNumber);
    visitor.number("sigma_xy", covariance_.sigma_xy, -kAnyNumber, kAnyNumber);
  }
  bool is_random() const override { return true; }
  SensorSize output_size(SensorSize sensor) const override {
    EventStream empty{sensor.width, sensor.height, {}};
    RandomStream unused(0, RandomPurpose::kAugment);
    jitter_place(empty, covariance_, unused);  // refuses what is no covariance
    return sensor;
  }
  void apply(EventStream& stream, RandomStream* random) const override {
    jitter_place(stream, covariance_, *random);
  }

 private:
  JitterCovariance covariance_;
};

class EventDrop : public Transform {
 public:
  const char* name() const override { return "event_drop"; }
  bool is_random() const override { return true; }
  void apply(EventStream& stream, RandomStream* random) const override { event_drop(stream, *random); }
};

class UniformNoise : public Transform {
 public:
  const char* name() const override { return "add_uniform_noise"; }
  void visit(SettingVisitor& visitor) override { visitor.integer("count", count_, 0, std::int64_t{1} << 32); }
  bool is_random() const override { return true; }
  void apply(EventStream& stream, RandomStream* random) const override {
    const std::int64_t count = count_.draw(random);
    add_uniform_noise(stream, count, *random);
  }

 private:
  IntegerRange count_{kMustBeGiven, kMustBeGiven};
};

class Refractory : public Transform {
 public:
  const char* name() const override { return "drop_refractory"; }
  void visit(SettingVisitor& visitor) override {
    visitor.integer("period_us", period_us_, 0, kAnyTime);
    visitor.flag("from_dropped", from_dropped_);
  }
  bool is_random() const override { return period_us_.is_random(); }
  SensorSize output_size(SensorSize sensor) const override {
    checked_pixels(sensor);
    return sensor;
  }
  void apply(EventStream& stream, RandomStream* random) const override {
    drop_refractory(stream, {period_us_.draw(random), from_dropped_});
  }

 private:
  IntegerRange period_us_{kMustBeGiven, kMustBeGiven};
  bool from_dropped_ = true;
};

/// A filter over pixels with one whole-number setting.
template <void (*kFunction)(EventStream&, std::int64_t)>
class PixelFilter : public Transform {
 public:
  PixelFilter(const char* name, const char* key, std::int64_t high) : name_(name), key_(key), high_(high) {}
  const char* name() const override { return name_; }
  void visit(SettingVisitor& visitor) override { visitor.integer(key_, value_, 1, high_); }
  SensorSize output_size(SensorSize sensor) const override {
    checked_pixels(sensor);
    return sensor;
  }
  void apply(EventStream& stream, RandomStream*) const override { kFunction(stream, value_); }

 private:
  const char* name_;
  const char* key_;
  std::int64_t high_;
  std::int64_t value_ = kMustBeGiven;
};

class HotPixels : public Transform {
 public:
  const char* name() const override { return "drop_hot_pixels"; }
  void visit(SettingVisitor& visitor) override { visitor.number("rate_hz", rate_hz_, 1e-9, kAnyNumber); }
  SensorSize output_size(SensorSize sensor) const override {
    checked_pixels(sensor);
    return sensor;
  }
  void apply(EventStream& stream, RandomStream*) const override { drop_hot_pixels(stream, rate_hz_); }

 private:
  double rate_hz_ = kNumberMustBeGiven;
};

/// The one list of all transforms, in the order of the documentation. Hands each, new, to take() until that
/// returns true.
template <class Take>
void for_each_transform(Take&& take) {
  const auto all = {
      +[]() -> Transform* {
        return new PixelFilter<drop_background>("drop_background", "filter_us", kAnyTime);
      },
      +[]() -> Transform* { return new Refractory; },
      +[]() -> Transform* { return new HotPixels; },
      +[]() -> Transform* { return new PixelFilter<decimate>("decimate", "n", 0xFFFFFFFF); },
      +[]() -> Transform* { return new Downsample; },
      +[]() -> Transform* { return new Resize; },
      +[]() -> Transform* { return new Crop; },
      +[]() -> Transform* { return new SizedCrop(false); },
      +[]() -> Transform* { return new SizedCrop(true); },
      +[]() -> Transform* { return new Sometimes<flip_left_right>("flip_left_right"); },
      +[]() -> Transform* { return new Sometimes<flip_up_down>("flip_up_down"); },
      +[]() -> Transform* { return new Moved<roll>("roll"); },
      +[]() -> Transform* { return new Moved<shift>("shift"); },
      +[]() -> Transform* { return new Rotate; },
      +[]() -> Transform* { return new Shear; },
      +[]() -> Transform* { return new JitterPlace; },
      +[]() -> Transform* { return new Sometimes<flip_polarity>("flip_polarity"); },
      +[]() -> Transform* { return new Plain<merge_polarities>("merge_polarities"); },
      +[]() -> Transform* { return new Plain<align_time>("align_time"); },
      +[]() -> Transform* { return new CropTime; },
      +[]() -> Transform* { return new SkewTime; },
      +[]() -> Transform* { return new ReverseTime; },
      +[]() -> Transform* { return new JitterTime; },
      +[]() -> Transform* {
        return new RandomRatio<drop_events>("drop_events", "ratio", kNumberMustBeGiven);
      },
      +[]() -> Transform* { return new RandomRatio<drop_interval>("drop_interval", "ratio", 0.2); },
      +[]() -> Transform* { return new RandomRatio<drop_area>("drop_area", "ratio", 0.2); },
      +[]() -> Transform* { return new EventDrop; },
      +[]() -> Transform* {
        return new RandomRatio<drop_random_pixels>("drop_random_pixels", "probability", kNumberMustBeGiven);
      },
      +[]() -> Transform* { return new UniformNoise; },
  };
  for (const auto make : all) {
    if (take(std::unique_ptr<Transform>(make()))) return;
  }
}

}  // namespace

std::unique_ptr<Transform> make_transform(const std::string& name) {
  std::unique_ptr<Transform> found;
  for_each_transform([&](std::unique_ptr<Transform> transform) {
    const bool is_it = name == transform->name();
    if (is_it) found = std::move(transform);
    return is_it;
  });
  return found;
}

std::vector<std::string> transform_names() {
  std::vector<std::string> names;
  for_each_transform([&](const std::unique_ptr<Transform>& transform) {
    names.emplace_back(transform->name());
    return false;
  });
  return names;
}

}  // namespace spikeloom::events
