#include "spikeloom/backends/device/device_backend.h"

#include <stdexcept>
#include <type_traits>

#include "spikeloom/backends/device/states.h"
#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/round_values.h"

namespace spikeloom::backends {
namespace {

using engine::Activation;
using engine::Buffer;
using engine::Path;
using engine::Type;
using model::Stage;

int readers_of(const model::Program& program, int stage) {
  int count = 0;
  for (const Stage& reader : program.stages) {
    for (const model::Edge& edge : reader.inputs) count += edge.stage == stage ? 1 : 0;
  }
  return count;
}

}  // namespace

DeviceBackend::DeviceBackend(const model::ComputeSettings& compute, std::unique_ptr<Device> device,
                             std::unique_ptr<DenseProducts> products)
    : device_(std::move(device)),
      products_(std::move(products)),
      compact_(compute.state == model::StateMode::kCompact),
      bfloat16_(compute.precision == model::Precision::kBf16) {}

DeviceBackend::~DeviceBackend() = default;

std::string DeviceBackend::refusal(const model::Program& program, const Stage& stage) const {
  const model::Neuron& neuron = stage.neuron;
  if (program.spiking && !compact_)
    return "compute.state = \"exact\" cannot run on a device; use --device cpu";
  if (program.spiking && !neuron.fires())
    return "neurons without spikes cannot run in a spiking network on a device";
  if (neuron.params.smooth) return "smooth spikes are for tests of the reference";
  for (const std::string& extra : stage.extras()) return extra + " cannot run on a device; use --device cpu";
  const model::Edge& edge = stage.inputs.front();
  if (edge.pool.gives_spikes() && !edge.is_plain())
    return "NeuNorm with " + name_of(edge.pool) + " cannot run on a device; use --device cpu";
  if (stage.reads_input() && (edge.pool.kind != model::Pool::kNone || !edge.is_plain())) {
    return "pooling and NeuNorm of the network's input cannot run on a device";
  }
  const bool votes = stage.number + 1 == static_cast<int>(program.stages.size());
  const int readers = readers_of(program, stage.number);
  if (readers > (votes ? 0 : 1)) {
    return "spikes that several layers read cannot run on a device; use --device cpu";
  }
  if (readers == 0 && !votes) return "nobody reads its spikes";
  return "";
}

std::string DeviceBackend::path(const model::Program& program, const Stage& stage) const {
  const bool low = QueueBackend::type_of(program, stage, bfloat16_) == Type::kBFloat16;
  return std::string(stage.neuron.fires() ? "compact state, " : "") + (low ? "bf16" : "fp32") + " products";
}

Type DeviceBackend::output_gradient_type() const { return type_of(program_->stages.back()); }

void DeviceBackend::attach(const model::Program& program, engine::ParameterStore& parameters) {
  QueueBackend::attach(program, parameters);
  readers_.assign(program.stages.size(), {});
  rounded_.assign(program.slots.size(), {});
  for (const Stage& stage : program.stages) {
    for (const model::Edge& edge : stage.inputs) {
      if (edge.stage != model::kInput) readers_[at(edge.stage)] = {stage.number, edge};
    }
    // The same memory always: a captured step reads it.
    if (type_of(stage) == Type::kBFloat16) {
      const int slot = stage.product.weight;
      rounded_[at(slot)] = allocate(program.slot(slot).size, Type::kBFloat16);
    }
  }
}

Buffer DeviceBackend::rounded(int slot) const { return rounded_[at(slot)]; }

void DeviceBackend::refresh() {
  if (rounded_version_ == parameters_->version) return;
  for (std::size_t slot = 0; slot < rounded_.size(); ++slot) {
    if (!rounded_[slot]) continue;
    kernels::cuda::round_values(queue(), rounded_[slot].count, parameters_->of(program_->slots[slot]),
                                static_cast<kernels::BFloat16*>(rounded_[slot].data));
  }
  rounded_version_ = parameters_->version;
}

void DeviceBackend::prepare(std::uint64_t iteration, double learning_rate) {
  QueueBackend::prepare(iteration, learning_rate);
  refresh();
}

void DeviceBackend::update(const engine::UpdateRule& rule, const std::vector<engine::SlotUpdate>& slots,
                           engine::Moments& moments) {
  refresh();
  QueueBackend::update(rule, slots, moments);
  // The update has written the copies as well, and the engine counts a version for it.
  rounded_version_ = parameters_->version + 1;
}

Buffer DeviceBackend::weight_of(const Stage& stage) const {
  const Buffer& low = rounded_[at(stage.product.weight)];
  return low ? low : slot_values(stage.product.weight);
}

Buffer DeviceBackend::current(int index, engine::Samples& samples, const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  const model::Product& product = stage.product;
  Activation& own = samples.stages[at(index)];
  own.images = {program_->num_steps,  samples.count,           product.output.height,
                product.output.width, product.output.channels, 1};
  const bool is_static = stage.reads_input() && samples.input_steps == 1;
  refresh();
  const Buffer x = gather(stage, samples, pass);
  const std::int64_t rows = (is_static ? 1 : program_->num_steps) * samples.count;
  if (pass.costs != nullptr) {
    engine::StageCost& cost = (*pass.costs)[at(index)];
    cost.forward = cost.weight_gradient =
        type_of(stage) == Type::kBFloat16 ? Path::kDenseBf16 : Path::kDenseFp32;
    if (pass.densities) cost.input_density = density_of(x);
  }
  // Neurons that fire add the bias themselves, in float.
  const Buffer bias = stage.neuron.fires() ? Buffer() : slot_values(product.bias);
  return products_->forward(product, rows, x, weight_of(stage), bias, !pass.keep);
}

// A batch is not parted and a slot belongs to one stage: what comes first is the whole gradient.
void DeviceBackend::bias_gradient(const Stage& stage, const Buffer& grad_current) {
  if (stage.product.bias == model::kNoSlot) return;
  const std::int64_t channels = stage.product.output.channels, rows = grad_current.count / channels;
  Buffer sums = allocate(channels, Type::kFloat);
  const Buffer workspace = allocate(kernels::cuda::bias_gradient_workspace(rows, channels), Type::kByte);
  with_pointer(grad_current, [&](auto* values) {
    using T = std::remove_pointer_t<decltype(values)>;
    kernels::cuda::bias_gradient(queue(), rows, channels, static_cast<const T*>(values), sums.floats(),
                                 workspace.data);
  });
  parameters_->gradients[at(stage.product.bias)] = std::move(sums);
}

std::vector<engine::OutputGradient> DeviceBackend::current_backward(int index, engine::Samples& samples,
                                                                    Buffer grad_current,
                                                                    const engine::Pass& pass) {
  const Stage& stage = this->stage(index);
  const bool wants_x = !stage.reads_input();
  bias_gradient(stage, grad_current);
  const Activation& own = samples.stages[at(index)];
  const std::int64_t rows = own.own_count / stage.product.output.size();
  Buffer x = gather(stage, samples, pass);
  auto gradients =
      products_->backward(stage.product, rows, grad_current, x, weight_of(stage), {wants_x, true, false});
  grad_current.reset();
  x.reset();
  parameters_->gradients[at(stage.product.weight)] = std::move(gradients.weight);
  if (!wants_x) return {};
  std::vector<engine::OutputGradient> result;
  result.push_back(gather_backward(stage, samples, pass, std::move(gradients.x)));
  return result;
}

}  // namespace spikeloom::backends
