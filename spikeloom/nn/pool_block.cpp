#include "spikeloom/nn/block.h"
#include "spikeloom/ops/avg_pool.h"

namespace spikeloom::nn {

PoolBlock::PoolBlock(const model::LayerPlan& plan, const model::NetworkSettings& settings,
                     at::ScalarType dtype)
    : Block(plan), neunorm_(settings.neunorm) {
  if (plan_.neunorm_after) neunorm_u_ = make_neunorm_u(plan_.output, neunorm_, dtype);
}

at::Tensor PoolBlock::forward(const at::Tensor& x, const ForwardOptions&) {
  const at::Tensor y = ops::avg_pool(x, plan_.spec.kernel);
  return neunorm_u_.defined() ? apply_neunorm(y, neunorm_u_, neunorm_) : y;
}

void PoolBlock::collect(std::vector<Parameter>& parameters) {
  if (neunorm_u_.defined())
    parameters.push_back({name() + ".neunorm_u", neunorm_u_, ParameterRole::kNeuNorm});
}

}  // namespace spikeloom::nn
