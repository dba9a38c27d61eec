#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace spikeloom::kernels::cpu {

/// The codes of the membrane potential (v_pre_code.h) that are not 0, i.e. those at open surrogate windows.
/// Which neuron of which step one belongs to is in the bits of the windows. Kept by chunks of neurons, each
/// over all steps, so that the neuron kernels write and read them while the chunk is in cache.
class CodeStore {
 public:
  static constexpr std::int64_t kChunk = 2048;  ///< neurons: a multiple of 64

  /// For neurons over num_steps steps; allocates as chunks come.
  CodeStore(std::int64_t neurons, std::int64_t num_steps);

  /// Room for `count` codes of a chunk, in order of steps and neurons. Each chunk once; from any thread.
  std::uint8_t* add(std::int64_t chunk, std::int64_t count);

  /// Behind the last code of a chunk: backward begins with the last step.
  const std::uint8_t* end(std::int64_t chunk) const { return chunks_[static_cast<std::size_t>(chunk)]; }

  /// Memory that is held.
  std::int64_t bytes() const;

 private:
  struct Slab {
    std::unique_ptr<std::uint8_t[]> data;
    std::int64_t size = 0;
  };

  std::int64_t slab_size_;
  std::int64_t used_ = 0;  // of the last slab
  std::vector<Slab> slabs_;
  std::vector<const std::uint8_t*> chunks_;
  std::mutex mutex_;
};

}  // namespace spikeloom::kernels::cpu
