#include "spikeloom/report/weights.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "spikeloom/formats/safetensors.h"

namespace spikeloom::report {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

/// "conv1" of "conv1.weight", "" of what is no weight.
std::string title_of(const std::string& tensor) {
  if (tensor.rfind("optimizer.", 0) == 0) return "";
  const std::string recurrent = ".recurrent_weight", weight = ".weight";
  if (ends_with(tensor, recurrent)) return tensor.substr(0, tensor.size() - recurrent.size()) + " recurrent";
  return ends_with(tensor, weight) ? tensor.substr(0, tensor.size() - weight.size()) : "";
}

/// "conv2" before "conv10": letters, then the number, then what follows it.
bool comes_before(const std::string& a, const std::string& b) {
  const auto parts = [](const std::string& name) {
    const std::size_t from = std::min(name.find_first_of("0123456789"), name.size());
    const std::size_t to = std::min(name.find_first_not_of("0123456789", from), name.size());
    const std::string digits = name.substr(from, to - from);
    return std::make_tuple(name.substr(0, from), digits.size(), digits, name.substr(to));
  };
  return parts(a) < parts(b);
}

WeightStatistics statistics_of(const std::vector<float>& values) {
  constexpr int kBins = 40;
  WeightStatistics result;
  double sum = 0.0, squares = 0.0;
  std::int64_t count = 0, zeros = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    result.least = count == 0 ? value : std::min<double>(result.least, value);
    result.most = count == 0 ? value : std::max<double>(result.most, value);
    ++count;
    zeros += value == 0.0f ? 1 : 0;
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  if (count == 0) return result;
  const auto n = static_cast<double>(count);
  result.mean = sum / n;
  result.deviation = std::sqrt(std::max(0.0, squares / n - result.mean * result.mean));
  result.zeros = static_cast<double>(zeros) / n;
  const double side = std::max({std::fabs(result.least), std::fabs(result.most), 1e-30});
  result.histogram = {-side, side, std::vector<std::int64_t>(kBins)};
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const int bin = static_cast<int>((value + side) / (2.0 * side) * kBins);
    ++result.histogram.counts[static_cast<std::size_t>(std::clamp(bin, 0, kBins - 1))];
  }
  return result;
}

}  // namespace

std::vector<WeightStatistics> read_weights(const std::string& path) {
  const auto file = formats::SafetensorsFile::open(path);
  std::vector<WeightStatistics> result;
  for (const auto& tensor : file.tensors()) {
    const std::string title = title_of(tensor.name);
    if (tensor.name.rfind("optimizer.", 0) == 0) continue;
    if (title.empty() || tensor.dtype != formats::DType::kF32) {
      std::vector<char> others(static_cast<std::size_t>(tensor.size_bytes));
      file.read(tensor, others.data());  // which compares the checksum
      continue;
    }
    std::vector<float> values(static_cast<std::size_t>(tensor.size_bytes) / sizeof(float));
    file.read(tensor, values.data());
    result.push_back(statistics_of(values));
    result.back().name = title;
    result.back().shape = tensor.shape;
  }
  std::sort(result.begin(), result.end(),
            [](const auto& a, const auto& b) { return comes_before(a.name, b.name); });
  return result;
}

}  // namespace spikeloom::report
