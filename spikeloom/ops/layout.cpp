#include "spikeloom/ops/layout.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>

#include <sstream>

#include "spikeloom/base/errors.h"

namespace spikeloom::ops {

at::Tensor time_outermost(const at::Tensor& x) {
  if (x.dim() == 0 || x.numel() == 0 || x.size(0) == 1) {
    return x.is_non_overlapping_and_dense() ? x : x.contiguous();
  }
  const bool outermost = x.stride(0) == x.numel() / x.size(0);
  return x.is_non_overlapping_and_dense() && outermost ? x : x.contiguous();
}

at::Tensor channels_last(const at::Tensor& x) { return x.movedim(-3, -1).contiguous().movedim(-1, -3); }

at::Tensor empty_channels_last(at::IntArrayRef leading, std::int64_t channels, std::int64_t height,
                               std::int64_t width, const at::TensorOptions& options) {
  std::vector<std::int64_t> sizes = leading.vec();
  sizes.insert(sizes.end(), {height, width, channels});
  return at::empty(sizes, options).movedim(-1, -3);
}

at::Tensor with_strides_of(const at::Tensor& x, const at::Tensor& like) {
  if (x.strides() == like.strides()) return x;
  at::Tensor copy = at::empty_strided(like.sizes(), like.strides(), x.options());
  copy.copy_(x);
  return copy;
}

void check_shape(bool condition, const char* name, const std::string& message, const at::Tensor& x) {
  if (condition) return;
  std::ostringstream text;
  text << name << ": " << message << ", not " << x.sizes();
  throw ShapeError(text.str());
}

void check_same_dtype(const char* name, const at::Tensor& x, const at::Tensor& like) {
  if (x.scalar_type() == like.scalar_type()) return;
  throw ShapeError(std::string(name) + ": must have the dtype " + at::toString(like.scalar_type()) +
                   " of the spikes, not " + at::toString(x.scalar_type()));
}

void check_floating_cpu(const char* name, const at::Tensor& x) {
  if (!x.device().is_cpu()) {
    throw DeviceError(std::string(name) + ": this operator runs on the CPU, the tensor is on " +
                      x.device().str());
  }
  if (x.scalar_type() != at::kFloat && x.scalar_type() != at::kDouble) {
    throw ShapeError(std::string(name) + ": must be float or double, not " + at::toString(x.scalar_type()));
  }
}

}  // namespace spikeloom::ops
