#include "spikeloom/model/plan.h"

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

/// Windows of side `kernel` along an extent, 0 where none fits.
std::int64_t windows(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t padding) {
  const std::int64_t room = extent + 2 * padding - kernel;
  return room < 0 ? 0 : room / stride + 1;
}

Shape output_shape(const LayerPlan& layer) {
  const LayerSpec& spec = layer.spec;
  const bool pool = spec.kind == LayerKind::kAveragePool;
  const Shape output{pool ? layer.input.channels : spec.features,
                     windows(layer.input.height, spec.kernel, spec.stride, spec.padding),
                     windows(layer.input.width, spec.kernel, spec.stride, spec.padding)};
  if (output.height == 0 || output.width == 0) {
    throw ShapeError(layer.name + " (" + to_string(spec) + "): its input " + to_string(layer.input) +
                     " is smaller than its window of " + std::to_string(spec.kernel) +
                     "; take layers with stride or pooling out before it, or use a larger input");
  }
  return output;
}

std::string layer_name(const LayerSpec& spec, int& convolutions, int& pools, int& connected) {
  switch (spec.kind) {
    case LayerKind::kConvolution:
      return "conv" + std::to_string(++convolutions);
    case LayerKind::kAveragePool:
      return "pool" + std::to_string(++pools);
    case LayerKind::kFullyConnected:
      return "fc" + std::to_string(++connected);
    case LayerKind::kVoting:
      break;
  }
  return "voting";
}

void count(LayerPlan& layer, std::int64_t outputs, std::int64_t fan_in, bool bias) {
  const Checked checked(layer.name);
  layer.parameters = checked.multiply(layer.output.channels, fan_in);
  if (bias) layer.parameters = checked.add(layer.parameters, layer.output.channels);
  layer.macs_per_step = checked.multiply(outputs, fan_in);
}

/// Marks the layers that NeuNorm follows and counts its U.
void place_neunorm(std::vector<LayerPlan>& layers, const NeuNormSettings& settings) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].spec.kind != LayerKind::kConvolution) continue;
    std::size_t last_pool = i;
    while (layers[last_pool + 1].spec.kind == LayerKind::kAveragePool) ++last_pool;
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
  if (settings.neunorm.enabled && settings.kind == NetworkKind::kAnn) {
    throw ConfigError(
        "NeuNorm acts on spikes and an ANN has none; set neunorm.enabled = false or network.kind = "
        "\"snn\"");
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

}  // namespace

std::int64_t NetworkPlan::parameters() const { return total(layers, &LayerPlan::parameters); }

std::int64_t NetworkPlan::macs_per_step() const { return total(layers, &LayerPlan::macs_per_step); }

NetworkPlan plan_network(const NetworkSettings& settings, Shape input, int num_classes) {
  check(settings, input, num_classes);
  const Structure structure = parse_structure(settings.structure);
  NetworkPlan plan{input, num_classes, {}};
  Shape current = input;
  int convolutions = 0, pools = 0, connected = 0;
  for (const LayerSpec& spec : structure.layers) {
    LayerPlan layer;
    layer.spec = spec;
    layer.name = layer_name(spec, convolutions, pools, connected);
    layer.input = current;
    if (spec.kind == LayerKind::kAveragePool) {
      layer.output = output_shape(layer);
    } else if (spec.kind == LayerKind::kConvolution) {
      layer.output = output_shape(layer);
      const std::int64_t window = std::int64_t{spec.kernel} * spec.kernel;
      count(layer, layer.output.size(), Checked(layer.name).multiply(window, current.channels),
            settings.bias);
    } else {
      const bool voting = spec.kind == LayerKind::kVoting;
      layer.output = {voting ? std::int64_t{num_classes} * settings.voting.neurons_per_class : spec.features,
                      1, 1};
      count(layer, layer.output.channels, current.size(), settings.bias);
    }
    layer.dropout_before = settings.dropout.rate > 0.0 && spec.has_weights() && !plan.layers.empty() &&
                           spec.kind != LayerKind::kVoting;
    current = layer.output;
    plan.layers.push_back(layer);
  }
  if (settings.neunorm.enabled) place_neunorm(plan.layers, settings.neunorm);
  // So that a plan that is returned can always be summed.
  plan.parameters();
  plan.macs_per_step();
  return plan;
}

}  // namespace spikeloom::model
