#include "spikeloom/train/network/membrane_potentials.h"

#include <utility>

#include "spikeloom/kernels/reference/lif.h"

namespace spikeloom::train {
namespace {

class Potentials : public engine::CurrentObserver {
 public:
  explicit Potentials(Network& network)
      : network_(network),
        values_(network.program().stages.size()),
        first_spikes_(network.program().stages.size()) {}

  void current(int stage, const engine::Buffer& current, const engine::Samples& samples) override {
    const model::Program& program = network_.program();
    const model::Stage& here = program.stages[static_cast<std::size_t>(stage)];
    if (!here.neuron.fires() || here.recurrent != model::kNoSlot) return;
    const kernels::NeuronParams params =
        here.neuron.params_now([&](int slot) { return network_.engine().read(slot)[0]; });
    kernels::LifSize size;
    size.num_steps = program.num_steps;
    size.neurons = here.product.output.size() * samples.count;
    size.static_input = current.count == size.neurons && program.num_steps > 1;
    const std::vector<float> input = on_host(current);
    std::vector<float>& all = values_[static_cast<std::size_t>(stage)];
    const std::size_t before = all.size();
    const auto count = static_cast<std::size_t>(size.num_steps * size.neurons);
    all.resize(before + count);
    std::vector<float> spikes(count);
    kernels::reference::lif_forward_range(size, params, input.data(), all.data() + before, spikes.data(),
                                          std::int64_t{0}, size.neurons);
    if (before > 0) return;  // a later slice
    const std::int64_t of_sample = here.product.output.size();
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const auto from = spikes.begin() + t * size.neurons;
      auto& first = first_spikes_[static_cast<std::size_t>(stage)];
      first.insert(first.end(), from, from + of_sample);
    }
  }

  std::vector<LayerPotentials> take() {
    std::vector<LayerPotentials> result;
    for (std::size_t stage = 0; stage < values_.size(); ++stage) {
      if (values_[stage].empty()) continue;
      const Span<const float> values(values_[stage].data(), values_[stage].size());
      result.push_back({network_.program().stages[stage].name, formats::histogram_of(values),
                        std::move(first_spikes_[stage])});
    }
    return result;
  }

 private:
  std::vector<float> on_host(const engine::Buffer& buffer) {
    engine::Memory& memory = network_.engine().backend().memory();
    std::vector<float> values(static_cast<std::size_t>(buffer.count));
    if (buffer.type == engine::Type::kFloat) {
      memory.to_host(buffer, values.data());
      return values;
    }
    std::vector<kernels::BFloat16> rounded(values.size());
    memory.to_host(buffer, rounded.data());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = kernels::to_float(rounded[i]);
    return values;
  }

  Network& network_;
  std::vector<std::vector<float>> values_;  ///< of each stage; a batch may come in slices
  std::vector<std::vector<float>> first_spikes_;
};

}  // namespace

std::vector<LayerPotentials> membrane_potentials(Network& network, const engine::Batch& batch) {
  Potentials potentials(network);
  engine::Pass pass;
  pass.observer = &potentials;
  network.engine().collect();
  network.engine().infer(batch, pass);
  network.engine().collect();
  return potentials.take();
}

}  // namespace spikeloom::train
