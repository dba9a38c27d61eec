// Forward and backward pass of the device chain, layer by layer.
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <tuple>
#include <type_traits>

#include "spikeloom/kernels/cuda/bias_gradient.h"
#include "spikeloom/kernels/cuda/layer_input.h"
#include "spikeloom/kernels/cuda/neunorm.h"
#include "spikeloom/nn/dense_product.h"
#include "spikeloom/nn/device_chain.h"
#include "spikeloom/nn/layer_timer.h"
#include "spikeloom/ops/device.h"
#include "spikeloom/ops/layout.h"

namespace spikeloom::nn {
namespace {

using kernels::BFloat16;

const float* pointer_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

std::int64_t neunorm_positions(const kernels::PackedImages& images, bool after_pooling) {
  return after_pooling ? images.pooled_height() * images.pooled_width() : images.height * images.width;
}

}  // namespace

std::vector<DeviceChain::Kept> DeviceChain::forward(const at::Tensor& input, bool keep, std::uint64_t seed,
                                                    const at::Tensor& iteration, DeviceSums* sums,
                                                    std::vector<LayerCost>* costs) const {
  const auto queue = ops::queue_of(device_);
  const std::int64_t batch = input.size(1);
  std::vector<Kept> kept(layers_.size());
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto start = Clock::now();
    const Layer& layer = layers_[l];
    const auto& plan = layer.block->plan();
    Kept& here = kept[l];
    here.static_input = l == 0 && input.size(0) == 1 && num_steps_ > 1;
    here.images = {num_steps_,           batch,     plan.output.height, plan.output.width,
                   plan.output.channels, layer.pool};
    const auto draw = draw_of(l, seed, iteration);
    at::Tensor x;
    if (l == 0) {
      x = first_input(input, draw);
    } else {
      x = kept[l - 1].pooled.defined() ? as_rows(l, kept[l - 1].pooled) : layer_input(l, kept[l - 1], draw);
      kept[l - 1].pooled.reset();
    }
    const at::Tensor current = dense_current(plan, x, weight_of(l), {});
    x.reset();

    const kernels::LifSize size{num_steps_, here.images.neurons(), here.static_input};
    here.spikes = bytes(num_steps_ * kernels::packed_bytes(size.neurons));
    if (keep) here.state = bytes(num_steps_ * kernels::state_bytes(layer.neuron, size.neurons));
    // Where nothing else happens to the spikes, the neurons write them as the next layer's products want
    // them.
    if (l + 1 < layers_.size() && !layer.u.defined() && dtype_of(l) == dtype_ &&
        draw_of(l + 1, seed, iteration).rate <= 0.0) {
      here.pooled = empty_images(num_steps_ * batch, here.images.channels, here.images.pooled_height(),
                                 here.images.pooled_width(), dtype_, device_);
    }
    with_pointer(current, [&](auto* values) {
      using T = std::remove_pointer_t<decltype(values)>;
      kernels::cuda::CompactLifOutput<T> output;
      output.spikes = here.spikes.data_ptr<std::uint8_t>();
      output.state = keep ? here.state.data_ptr<std::uint8_t>() : nullptr;
      output.pooled = here.pooled.defined() ? static_cast<T*>(here.pooled.data_ptr()) : nullptr;
      if (sums != nullptr) {
        output.spike_count = reinterpret_cast<unsigned long long*>(sums->spikes.data_ptr<std::int64_t>()) + l;
      }
      kernels::cuda::compact_lif_forward(queue, size, layer.neuron, here.images,
                                         static_cast<const T*>(values), pointer_or_null(layer.block->bias()),
                                         output);
    });
    if (layer.u.defined()) {
      here.u = ops::channels_last(layer.u.detach());
      here.x = at::empty({num_steps_, batch, neunorm_positions(here.images, layer.after_pooling)},
                         at::TensorOptions(at::kFloat).device(device_));
      kernels::cuda::neunorm_scan(queue, here.images, layer.neunorm, layer.after_pooling,
                                  here.spikes.data_ptr<std::uint8_t>(), here.x.data_ptr<float>());
    }
    if (costs != nullptr) {
      ops::synchronize(device_);
      (*costs)[l].forward_ms = milliseconds_since(start);
    }
    if (!keep && l > 0) kept[l - 1] = Kept();
  }
  return kept;
}

void DeviceChain::backward(const at::Tensor& input, std::vector<Kept>& kept, at::Tensor gradient,
                           std::uint64_t seed, const at::Tensor& iteration, std::vector<LayerCost>* costs) {
  const auto queue = ops::queue_of(device_);
  const at::TensorOptions floats = at::TensorOptions(at::kFloat).device(device_);
  at::Tensor dx;  // of the NeuNorm behind the layer at hand
  for (std::size_t l = layers_.size(); l-- > 0;) {
    const auto start = Clock::now();
    const Layer& layer = layers_[l];
    const auto& plan = layer.block->plan();
    Kept& here = kept[l];
    const kernels::PackedImages images = here.images;
    const kernels::LifSize size{images.num_steps, images.neurons(), here.static_input};
    const std::int64_t rows = (here.static_input ? 1 : images.num_steps) * images.batch;
    const at::Tensor grad_current =
        empty_images(rows, images.channels, images.height, images.width, dtype_of(l), device_);
    const kernels::cuda::NeuNormGradient neunorm{pointer_or_null(dx), layer.neunorm.coefficient,
                                                 layer.after_pooling};
    const auto run = [&](const auto* from, auto* to) {
      kernels::cuda::compact_lif_backward(queue, size, layer.neuron, images, from, neunorm,
                                          here.spikes.data_ptr<std::uint8_t>(),
                                          here.state.data_ptr<std::uint8_t>(), to);
    };
    if (gradient.scalar_type() == at::kFloat) {
      run(gradient.data_ptr<float>(), grad_current.data_ptr<float>());
    } else {
      with_pointer(grad_current,
                   [&](auto* to) { run(static_cast<const BFloat16*>(gradient.data_ptr()), to); });
    }
    gradient.reset();
    dx.reset();
    here = Kept();

    if (layer.block->bias().defined()) {
      at::Tensor& sums = gradients_[layer.bias];
      sums = at::empty({images.channels}, floats);
      const std::int64_t lines = grad_current.numel() / images.channels;
      const at::Tensor workspace = bytes(kernels::cuda::bias_gradient_workspace(lines, images.channels));
      with_pointer(grad_current, [&](auto* values) {
        using T = std::remove_pointer_t<decltype(values)>;
        kernels::cuda::bias_gradient(queue, lines, images.channels, static_cast<const T*>(values),
                                     sums.data_ptr<float>(), workspace.data_ptr());
      });
    }
    const auto draw = draw_of(l, seed, iteration);
    const at::Tensor x = l == 0 ? first_input(input, draw) : layer_input(l, kept[l - 1], draw);
    at::Tensor grad_x, grad_weight, none;
    std::tie(grad_x, grad_weight, none) =
        dense_backward(plan, grad_current, x, weight_of(l), {l > 0, true, false});
    // The optimiser walks weights and gradients in the same memory order.
    gradients_[layer.weight] = ops::with_strides_of(grad_weight, parameters_[layer.weight]);
    if (l > 0) {
      const Layer& before = layers_[l - 1];
      const auto& seen = kept[l - 1].images;
      gradient =
          is_convolution(l)
              ? grad_x
              : grad_x.view({rows, plan.input.height, plan.input.width, plan.input.channels}).movedim(-1, 1);
      gradient = ops::channels_last(gradient);
      if (draw.rate > 0.0) {
        const kernels::DropoutSize elements{images.num_steps, gradient.numel() / images.num_steps,
                                            draw.same_mask_each_step};
        with_pointer(gradient, [&](auto* values) {
          using T = std::remove_pointer_t<decltype(values)>;
          kernels::cuda::apply_dropout(queue, elements, draw, static_cast<const T*>(values), values);
        });
      }
      if (before.u.defined()) {
        dx = at::empty_like(kept[l - 1].x);
        at::Tensor& grad_u = gradients_[before.neunorm_u];
        const bool shared = before.u.size(0) == 1;
        const at::Tensor by_position =
            at::empty({before.u.size(1), before.u.size(2), before.u.size(0)}, floats);
        const at::Tensor workspace =
            bytes(kernels::cuda::neunorm_backward_workspace(seen, shared, before.after_pooling));
        with_pointer(gradient, [&](auto* values) {
          using T = std::remove_pointer_t<decltype(values)>;
          kernels::cuda::neunorm_backward(
              queue, seen, before.neunorm, {kept[l - 1].u.data_ptr<float>(), shared, before.after_pooling},
              static_cast<const T*>(values), kept[l - 1].x.data_ptr<float>(), dx.data_ptr<float>(),
              by_position.data_ptr<float>(), workspace.data_ptr());
        });
        grad_u = by_position.movedim(-1, 0).contiguous();
      }
    }
    if (costs != nullptr) {
      ops::synchronize(device_);
      (*costs)[l].backward_ms = milliseconds_since(start);
    }
  }
}

}  // namespace spikeloom::nn
