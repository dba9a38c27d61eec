#include "spikeloom/train/network/membrane_potentials.h"

#include <cmath>
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
    kernels::LifSize size;
    size.num_steps = program.num_steps;
    size.neurons = here.product.output.size() * samples.count;
    size.static_input = current.count == size.neurons && program.num_steps > 1;
    const std::vector<float> input = on_host(current);
    std::vector<float>& all = values_[static_cast<std::size_t>(stage)];
    if (!here.neuron.fires()) {
      all.insert(all.end(), input.begin(), input.end());
      return;
    }
    const kernels::NeuronParams params =
        here.neuron.params_now([&](int slot) { return network_.engine().read(slot)[0]; });
    const std::size_t before = all.size();
    const auto count = static_cast<std::size_t>(size.num_steps * size.neurons);
    all.resize(before + count);
    std::vector<float> spikes(count);
    if (here.recurrent == model::kNoSlot) {
      kernels::reference::lif_forward_range(size, params, input.data(), all.data() + before, spikes.data(),
                                            std::int64_t{0}, size.neurons);
    } else {
      run_recurrent(size, params, input, network_.engine().read(here.recurrent), all.data() + before, spikes);
    }
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
      const model::Stage& here = network_.program().stages[stage];
      result.push_back(
          {here.name, here.neuron.fires(), formats::histogram_of(values), std::move(first_spikes_[stage])});
    }
    return result;
  }

 private:
  /// Step by step, as backends/cpu/recurrent.cpp has it: spikes of the step before come in through `weight`,
  /// [neurons, neurons] of a sample.
  static void run_recurrent(const kernels::LifSize& size, const kernels::NeuronParams& params,
                            const std::vector<float>& input, const std::vector<float>& weight, float* v_pre,
                            std::vector<float>& spikes) {
    const auto neurons =
        static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(weight.size()))));
    const std::int64_t samples = size.neurons / neurons;
    const auto decay = static_cast<float>(params.decay),
               current_decay = static_cast<float>(params.current_decay);
    std::vector<float> synapse(static_cast<std::size_t>(size.neurons)), v(synapse);
    for (std::int64_t t = 0; t < size.num_steps; ++t) {
      const float* const outside = input.data() + (size.static_input ? 0 : t * size.neurons);
      float* const now = spikes.data() + t * size.neurons;
      const float* const last = now - size.neurons;
      for (std::int64_t i = 0; i < samples * neurons; ++i) {
        const std::int64_t first = i / neurons * neurons;
        const float* const of_neuron = weight.data() + (i - first) * neurons;
        float sum = outside[i];
        for (std::int64_t j = 0; t > 0 && j < neurons; ++j)
          if (last[first + j] != 0.0f) sum += of_neuron[j];
        const auto at = static_cast<std::size_t>(i);
        synapse[at] = current_decay * synapse[at] + sum;
        const float potential = decay * v[at] + synapse[at];
        now[i] = potential >= static_cast<float>(params.v_threshold) ? 1.0f : 0.0f;
        v_pre[t * size.neurons + i] = potential;
        v[at] = kernels::reference::smooth_reset(params, potential, now[i]);
      }
    }
  }

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
