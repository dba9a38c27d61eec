#include "tests/kernels/backends.h"

#include "spikeloom/base/threads.h"
#include "spikeloom/kernels/cpu/avg_pool.h"
#include "spikeloom/kernels/cpu/dropout.h"
#include "spikeloom/kernels/cpu/lif.h"
#include "spikeloom/kernels/cpu/neunorm.h"
#include "spikeloom/kernels/cpu/simd_level.h"
#include "spikeloom/kernels/cpu/voting.h"
#include "spikeloom/kernels/reference/avg_pool.h"
#include "spikeloom/kernels/reference/dropout.h"
#include "spikeloom/kernels/reference/lif.h"
#include "spikeloom/kernels/reference/neunorm.h"
#include "spikeloom/kernels/reference/voting.h"

namespace spikeloom::kernels::test {
namespace {

// True if the CPU kernels are meant; they then run at the level that the backend names.
bool use_cpu(const Backend& backend) {
  if (backend.name == "reference") return false;
  if (backend.name != cpu::simd_level()) cpu::set_simd_level(backend.name);
  return true;
}

}  // namespace

template <class T>
std::int64_t Backend::lif_forward(const LifSize& size, const NeuronParams& params, const T* input, T* v_pre,
                                  T* spikes) const {
  return use_cpu(*this) ? cpu::lif_forward(size, params, input, v_pre, spikes)
                        : reference::lif_forward(size, params, input, v_pre, spikes);
}

template <class T>
void Backend::lif_backward(const LifSize& size, const NeuronParams& params, const T* grad_spikes,
                           const T* v_pre, const T* spikes, T* grad_input,
                           LifParameterGradients* gradients) const {
  return use_cpu(*this)
             ? cpu::lif_backward(size, params, grad_spikes, v_pre, spikes, grad_input, gradients)
             : reference::lif_backward(size, params, grad_spikes, v_pre, spikes, grad_input, gradients);
}

template <class T>
void Backend::neunorm_forward(const NeuNormSize& size, const NeuNormParams& params, const T* spikes,
                              const T* u, T* x, T* output) const {
  return use_cpu(*this) ? cpu::neunorm_forward(size, params, spikes, u, x, output)
                        : reference::neunorm_forward(size, params, spikes, u, x, output);
}

template <class T>
void Backend::neunorm_backward(const NeuNormSize& size, const NeuNormParams& params, const T* grad_output,
                               const T* u, const T* x, T* grad_spikes, T* grad_u) const {
  return use_cpu(*this) ? cpu::neunorm_backward(size, params, grad_output, u, x, grad_spikes, grad_u)
                        : reference::neunorm_backward(size, params, grad_output, u, x, grad_spikes, grad_u);
}

template <class T>
void Backend::avg_pool_forward(const PoolSize& size, const T* input, T* output) const {
  return use_cpu(*this) ? cpu::avg_pool_forward(size, input, output)
                        : reference::avg_pool_forward(size, input, output);
}

template <class T>
void Backend::avg_pool_backward(const PoolSize& size, const T* grad_output, T* grad_input) const {
  return use_cpu(*this) ? cpu::avg_pool_backward(size, grad_output, grad_input)
                        : reference::avg_pool_backward(size, grad_output, grad_input);
}

template <class T>
void Backend::dropout_apply(const DropoutSize& size, double p, DropoutKey key, const T* input,
                            T* output) const {
  return use_cpu(*this) ? cpu::dropout_apply(size, p, key, input, output)
                        : reference::dropout_apply(size, p, key, input, output);
}

template <class T>
void Backend::voting_forward(const VotingSize& size, const std::int32_t* class_of, const T* spikes,
                             T* votes) const {
  return use_cpu(*this) ? cpu::voting_forward(size, class_of, spikes, votes)
                        : reference::voting_forward(size, class_of, spikes, votes);
}

template <class T>
void Backend::voting_backward(const VotingSize& size, const std::int32_t* class_of, const T* grad_votes,
                              T* grad_spikes) const {
  return use_cpu(*this) ? cpu::voting_backward(size, class_of, grad_votes, grad_spikes)
                        : reference::voting_backward(size, class_of, grad_votes, grad_spikes);
}

template std::int64_t Backend::lif_forward(const LifSize&, const NeuronParams&, const float*, float*,
                                           float*) const;
template std::int64_t Backend::lif_forward(const LifSize&, const NeuronParams&, const double*, double*,
                                           double*) const;
template void Backend::lif_backward(const LifSize&, const NeuronParams&, const float*, const float*,
                                    const float*, float*, LifParameterGradients*) const;
template void Backend::lif_backward(const LifSize&, const NeuronParams&, const double*, const double*,
                                    const double*, double*, LifParameterGradients*) const;
template void Backend::neunorm_forward(const NeuNormSize&, const NeuNormParams&, const float*, const float*,
                                       float*, float*) const;
template void Backend::neunorm_forward(const NeuNormSize&, const NeuNormParams&, const double*, const double*,
                                       double*, double*) const;
template void Backend::neunorm_backward(const NeuNormSize&, const NeuNormParams&, const float*, const float*,
                                        const float*, float*, float*) const;
template void Backend::neunorm_backward(const NeuNormSize&, const NeuNormParams&, const double*,
                                        const double*, const double*, double*, double*) const;
template void Backend::avg_pool_forward(const PoolSize&, const float*, float*) const;
template void Backend::avg_pool_forward(const PoolSize&, const double*, double*) const;
template void Backend::avg_pool_backward(const PoolSize&, const float*, float*) const;
template void Backend::avg_pool_backward(const PoolSize&, const double*, double*) const;
template void Backend::dropout_apply(const DropoutSize&, double, DropoutKey, const float*, float*) const;
template void Backend::dropout_apply(const DropoutSize&, double, DropoutKey, const double*, double*) const;
template void Backend::voting_forward(const VotingSize&, const std::int32_t*, const float*, float*) const;
template void Backend::voting_forward(const VotingSize&, const std::int32_t*, const double*, double*) const;
template void Backend::voting_backward(const VotingSize&, const std::int32_t*, const float*, float*) const;
template void Backend::voting_backward(const VotingSize&, const std::int32_t*, const double*, double*) const;

std::vector<Backend> cpu_backends() {
  std::vector<Backend> backends;
  for (const std::string& level : cpu::available_simd_levels()) backends.push_back({level});
  return backends;
}

std::vector<Backend> all_backends() {
  std::vector<Backend> backends = cpu_backends();
  backends.insert(backends.begin(), Backend{"reference"});
  return backends;
}

ThreadCount::ThreadCount(int count) : before_(num_threads()) { set_num_threads(count); }
ThreadCount::~ThreadCount() { set_num_threads(before_); }

}  // namespace spikeloom::kernels::test
