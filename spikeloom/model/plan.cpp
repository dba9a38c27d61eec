#include "spikeloom/model/plan.h"

#include <algorithm>

#include "spikeloom/base/errors.h"

namespace spikeloom::model {
namespace {

/// 64-bit arithmetic that names the layer instead of wrapping around.
class Checked {
 public:
  explicit Checked(const std::string& layer) : layer_(layer) {}

  std::int64_t multiply(std::int64_t a, std::int64_t b) const {
    std::int64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) fail();
    return product;
  }

  std::int64_t add(std::int64_t a, std::int64_t b) const {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) fail();
    return sum;
  }

 private:
  [[noreturn]] void fail() const {
    throw ShapeError(layer_ +
                     ": parameters or operations exceed 2^63 - 1; make the layer or its input smaller");
  }

  const std::string& layer_;
};

/// Over all windows along an extent: how many of their positions are no padding.
std::int64_t positions_inside(const LayerSpec& spec, std::int64_t extent, std::int64_t outputs) {
  std::int64_t inside = 0;
  for (std::int64_t output = 0; output < outputs; ++output) {
    const std::int64_t from = output * spec.stride - spec.padding;
    inside +=
        std::max<std::int64_t>(0, std::min(from + spec.kernel, extent) - std::max<std::int64_t>(from, 0));
  }
  return inside;
}

/// Windows of side `kernel` along an extent, 0 where none fits.
std::int64_t windows(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  const std::int64_t room = extent + 2 * padding - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

Shape output_shape(const LayerPlan& layer) {
  const LayerSpec& spec = layer.spec;
  const Shape output{spec.is_pool() ? layer.input.channels : spec.features,
                     windows(layer.input.height, spec.kernel, spec.stride, spec.padding),
                     windows(layer.input.width, spec.kernel, spec.stride, spec.padding)};
  if (output.height == 0 || output.width == 0) {
    throw ShapeError(layer.name + " (" + to_string(spec) + "): its input " + to_string(layer.input) +
                     " is smaller than its window of " + std::to_string(spec.kernel) +
                     "; take layers with stride or pooling out before it, or use a larger input");
  }
  return output;
}

/// Marks the layers that NeuNorm follows and counts its U.
void place_neunorm(std::vector<LayerPlan>& layers, const NeuNormSettings& settings) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].spec.kind != LayerKind::kConvolution) continue;
    std::size_t last_pool = i;
    while (layers[last_pool + 1].spec.is_pool()) ++last_pool;
    if (layers[last_pool + 1].spec.kind != LayerKind::kConvolution) return;
    LayerPlan& layer = layers[settings.after_pooling ? last_pool : i];
    layer.neunorm_after = true;
    Shape u = layer.output;
    if (!settings.per_channel_u) u.channels = 1;
    layer.parameters = Checked(layer.name).add(layer.parameters, u.size());
  }
}

void check(const NetworkSettings& settings, const Shape& input, int num_classes) {
  if (num_classes < 1) {
    throw ConfigError("num_classes is " + std::to_string(num_classes) + ", expected at least 1");
  }
  if (settings.voting.neurons_per_class < 1) {
    throw ConfigError("neurons_per_class is " + std::to_string(settings.voting.neurons_per_class) +
                      ", expected at least 1");
  }
  for (const std::int64_t extent : {input.channels, input.height, input.width}) {
    if (extent < 1 || extent > 65536) {
      throw ShapeError("the network's input is " + to_string(input) + ", expected sizes from 1 to 65536");
    }
  }
}

std::int64_t total(const std::vector<LayerPlan>& layers, std::int64_t LayerPlan::*member) {
  std::int64_t sum = 0;
  for (const LayerPlan& layer : layers) sum = Checked(layer.name).add(sum, layer.*member);
  return sum;
}

/// What a pool does behind what was there; the pools of one way are of one kind.
Pool behind(const Pool& before, const Pool& pool, const std::string& layer) {
  if (before.kind != Pool::kNone && pool.kind != Pool::kNone && before.kind != pool.kind) {
    throw ConfigError(
        layer + ": spikes would go through " + to_string(before) + " and then " + to_string(pool) +
        " on their way, and only pools of one kind can follow each other; use one kind of pool, or "
        "put a convolution between them");
  }
  // Pools of one kind in a row are one: a rest that is dropped in two goes is dropped in one as well.
  return {pool.kind != Pool::kNone ? pool.kind : before.kind, before.factor * pool.factor};
}

/// Goes through the layers with what the next one takes.
class Planner {
 public:
  Planner(const NetworkSettings& settings, const Shape& input, int num_classes)
      : settings_(settings), plan_{input, num_classes, {}}, shape_(input), open_{Source{}} {}

  NetworkPlan plan(const Structure& structure) {
    auto block = structure.blocks.begin();
    for (std::size_t i = 0; i < structure.layers.size();) {
      if (block != structure.blocks.end() && block->first == i) {
        add_block(structure, *block);
        i = block->last + 1;
        ++block;
      } else {
        add_layer(structure.layers[i++]);
      }
    }
    return std::move(plan_);
  }

 private:
  int last() const { return static_cast<int>(plan_.layers.size()) - 1; }

  std::string name(const LayerSpec& spec) {
    if (spec.is_pool()) return "pool" + std::to_string(++pools_);
    switch (spec.kind) {
      case LayerKind::kConvolution:
        return "conv" + std::to_string(++convolutions_);
      case LayerKind::kFullyConnected:
        return "fc" + std::to_string(++connected_);
      case LayerKind::kRecurrent:
        return "rfc" + std::to_string(++recurrent_);
      case LayerKind::kVoting:
        return "voting";
      default:
        return "readout";
    }
  }

  std::int64_t neurons(const LayerSpec& spec) const {
    if (spec.kind == LayerKind::kReadout) return plan_.num_classes;
    if (spec.kind == LayerKind::kVoting) {
      return std::int64_t{plan_.num_classes} * settings_.voting.neurons_per_class;
    }
    return spec.features;
  }

  void add_layer(const LayerSpec& spec) {
    LayerPlan layer;
    layer.spec = spec;
    layer.name = name(spec);
    layer.input = shape_;
    if (spec.is_pool()) {
      add_pool(std::move(layer));
    } else {
      add_weights(std::move(layer));
    }
    shape_ = plan_.layers.back().output;
  }

  void add_pool(LayerPlan layer) {
    if (layer.spec.kind == LayerKind::kGlobalAveragePool) {
      if (shape_.height != shape_.width) {
        throw ShapeError(layer.name + " (GAP): its input " + to_string(shape_) +
                         " is not square; use AP, or a square input");
      }
      layer.spec.kernel = layer.spec.stride = static_cast<int>(shape_.height);
    }
    layer.output = output_shape(layer);
    for (Source& source : open_) source.pool = behind(source.pool, layer.spec.pool(), layer.name);
    plan_.layers.push_back(std::move(layer));
  }

  void add_weights(LayerPlan layer) {
    const LayerSpec& spec = layer.spec;
    const bool convolution = spec.kind == LayerKind::kConvolution;
    layer.output = convolution ? output_shape(layer) : Shape{neurons(spec), 1, 1};
    layer.sources = open_;
    layer.normalised = settings_.norm.kind != NormKind::kNone && !spec.is_last();
    layer.has_neurons = spec.kind != LayerKind::kReadout;
    layer.dropout_before = settings_.dropout.rate > 0.0 && !plan_.layers.empty() && !spec.is_last();
    count(layer);
    plan_.layers.push_back(std::move(layer));
    open_ = {Source{last(), {}}};
  }

  void count(LayerPlan& layer) const {
    const Checked checked(layer.name);
    const std::int64_t channels = layer.output.channels;
    const bool convolution = layer.spec.kind == LayerKind::kConvolution;
    const std::int64_t window = std::int64_t{layer.spec.kernel} * layer.spec.kernel;
    const std::int64_t fan_in =
        convolution ? checked.multiply(window, layer.input.channels) : layer.input.size();
    layer.parameters = checked.multiply(channels, fan_in);
    layer.macs_per_step = checked.multiply(layer.output.size(), fan_in);
    if (layer.spec.kind == LayerKind::kRecurrent) {
      const std::int64_t recurrent = checked.multiply(channels, channels);
      layer.parameters = checked.add(layer.parameters, recurrent);
      layer.macs_per_step = checked.add(layer.macs_per_step, recurrent);
    }
    if (layer.normalised) {
      layer.parameters = checked.add(layer.parameters, 2 * channels);
      layer.statistics = 2 * channels;
      if (settings_.norm.kind == NormKind::kTebn) {
        layer.parameters = checked.add(layer.parameters, settings_.num_steps);
      }
    } else if (settings_.bias) {
      layer.parameters = checked.add(layer.parameters, channels);
    }
  }

  void add_block(const Structure& structure, const BlockSpec& block) {
    const std::vector<Source> entry = open_;
    const Shape shape = shape_;
    Pool::Kind pool = Pool::kNone;
    std::int64_t factor = 1, stride = 1;
    int last_convolution = 0;
    for (std::size_t i = block.first; i <= block.last; ++i) {
      add_layer(structure.layers[i]);
      const LayerSpec& spec = plan_.layers.back().spec;
      // Beyond the size of any map they are all the same.
      if (spec.is_pool()) {
        pool = spec.pool().kind;
        factor = std::min(factor * spec.kernel, kBeyondAnyMap);
      } else {
        stride = std::min(stride * spec.stride, kBeyondAnyMap);
        last_convolution = last();
      }
    }
    const bool spikes = block.kind == BlockKind::kSpikes;
    const bool one_layer = entry.size() == 1 && entry.front().pool.factor == 1;
    const bool direct = shape == shape_ && (spikes || one_layer);
    std::vector<Source> shortcut = entry;
    if (!direct) {
      insert_projection(last_convolution, entry, shape, {pool, static_cast<int>(factor)},
                        static_cast<int>(stride), spikes);
      shortcut = {Source{last_convolution, {}}};
      ++last_convolution;
      for (Source& source : open_) source.layer = last_convolution;
    }
    if (!spikes) {
      plan_.layers[static_cast<std::size_t>(last_convolution)].shortcuts = {shortcut.front().layer};
      return;
    }
    open_.insert(open_.begin(), shortcut.begin(), shortcut.end());
    if (open_.size() > kMaxSources) {
      throw ConfigError(plan_.layers.back().name + ": more than " + std::to_string(kMaxSources) +
                        " sets of spikes would be summed; put a layer between the blocks");
    }
  }

  /// The projection becomes layer `index`; that layer, the block's last convolution, moves behind it.
  void insert_projection(int index, const std::vector<Source>& entry, const Shape& shape, const Pool& pool,
                         int stride, bool has_neurons) {
    LayerPlan layer;
    layer.name = plan_.layers[static_cast<std::size_t>(index)].name + "_shortcut";
    layer.spec.features = static_cast<int>(shape_.channels);
    layer.spec.kernel = 1;
    layer.spec.stride = stride;
    layer.is_shortcut = true;
    layer.has_neurons = has_neurons;
    layer.input = {shape.channels, shape.height / pool.factor, shape.width / pool.factor};
    layer.output = {shape_.channels, windows(layer.input.height, 1, stride, 0),
                    windows(layer.input.width, 1, stride, 0)};
    if (layer.output != shape_) {
      throw ShapeError(layer.name + ": the block makes " + to_string(shape_) + " of " + to_string(shape) +
                       ", and a shortcut with " +
                       (pool.factor > 1 ? "a pool of " + std::to_string(pool.factor) + " and " : "") +
                       "stride " + std::to_string(stride) + " makes " + to_string(layer.output) +
                       "; pad the block's convolutions by half their kernels, or use an input whose size the "
                       "strides and pools divide");
    }
    layer.sources = entry;
    for (Source& source : layer.sources) source.pool = behind(source.pool, pool, layer.name);
    layer.normalised = settings_.norm.kind != NormKind::kNone;
    count(layer);
    plan_.layers.insert(plan_.layers.begin() + index, std::move(layer));
  }

  static constexpr std::int64_t kBeyondAnyMap = std::int64_t{1} << 30;

  const NetworkSettings& settings_;
  NetworkPlan plan_;
  Shape shape_;               // of what the next layer takes
  std::vector<Source> open_;  // and whose spikes that are
  int convolutions_ = 0, pools_ = 0, connected_ = 0, recurrent_ = 0;
};

}  // namespace

std::int64_t NetworkPlan::parameters() const { return total(layers, &LayerPlan::parameters); }

std::int64_t LayerPlan::synapses() const {
  if (spec.kind != LayerKind::kConvolution) return macs_per_step;
  return output.channels * input.channels * positions_inside(spec, input.height, output.height) *
         positions_inside(spec, input.width, output.width);
}

std::int64_t NetworkPlan::macs_per_step() const { return total(layers, &LayerPlan::macs_per_step); }

NetworkPlan plan_network(const NetworkSettings& settings, Shape input, int num_classes) {
  check(settings, input, num_classes);
  const Structure structure = parse_structure(settings.structure);
  if (const auto wrong = contradiction(settings, !structure.blocks.empty())) {
    throw ConfigError(wrong->message, "", 0, wrong->table + "." + wrong->key);
  }
  NetworkPlan plan = Planner(settings, input, num_classes).plan(structure);
  if (settings.neunorm.enabled) place_neunorm(plan.layers, settings.neunorm);
  // So that a plan that is returned can always be summed.
  plan.parameters();
  plan.macs_per_step();
  return plan;
}

std::string source_text(const NetworkPlan& plan, const Source& source) {
  if (source.layer == kInput) return "input";
  const std::string& name = plan.layers[static_cast<std::size_t>(source.layer)].name;
  return source.pool.kind == Pool::kNone ? name : name + " " + to_string(source.pool);
}

std::string sources_text(const NetworkPlan& plan, const LayerPlan& layer) {
  std::string text;
  for (const Source& source : layer.sources) {
    text += (text.empty() ? "" : " + ") + source_text(plan, source);
  }
  return text;
}

}  // namespace spikeloom::model
