#pragma once
#include <filesystem>

#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {

/// Source functions of the sets that come as four IDX files of 28 x 28 grey images: MNIST and Fashion-MNIST.
bool recognizes_idx_images(const std::filesystem::path& root);
DataSplits open_idx_images(const Source& source, const DataSettings& settings, int num_steps,
                           const std::filesystem::path& root, Parts parts);
void verify_idx_images(const Source& source, const VerifyRequest& request, const std::filesystem::path& root,
                       VerifyReport& report);

}  // namespace spikeloom::data
