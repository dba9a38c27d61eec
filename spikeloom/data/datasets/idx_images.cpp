#include "spikeloom/data/datasets/idx_images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/base/files.h"
#include "spikeloom/base/text.h"
#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/md5.h"
#include "spikeloom/formats/idx.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 28;

/// Order of DatasetInfo::files.
enum FileNumber { kTrainImages, kTrainLabels, kTestImages, kTestLabels };

/// The file of that name in one of the spellings in use, or an empty path.
fs::path find_file(const fs::path& root, const std::string& name) {
  std::string dotted = name;
  dotted.replace(dotted.find("-idx"), 1, ".");
  for (const std::string& spelling : {name, name + ".gz", dotted, dotted + ".gz"}) {
    std::error_code ignored;
    if (fs::is_regular_file(root / spelling, ignored)) return root / spelling;
  }
  return {};
}

/// MD5 of the file as it is before compression: what was published, however it was packed since.
std::string content_md5(const formats::IdxArray& array) {
  std::vector<std::uint8_t> header = {0, 0, 0x08, static_cast<std::uint8_t>(array.shape.size())};
  for (const std::int64_t extent : array.shape) {
    for (const int shift : {24, 16, 8, 0}) header.push_back(static_cast<std::uint8_t>(extent >> shift));
  }
  Md5 sum;
  sum.add(header.data(), header.size());
  sum.add(array.values.data(), array.values.size());
  return sum.hex();
}

void check_labels(const formats::IdxArray& labels, const std::string& path, std::size_t classes) {
  if (labels.shape.size() != 1) {
    throw FormatError(fmt::format("labels have 1 dimension, not {}", labels.shape.size()), path, 3);
  }
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    if (labels.values[i] >= classes) {
      constexpr std::size_t kHeader = 8;
      throw FormatError(fmt::format("label {} is not below {}", labels.values[i], classes), path,
                        static_cast<std::int64_t>(kHeader + i));
    }
  }
}

void check_images(const formats::IdxArray& images, const std::string& path) {
  if (images.shape.size() != 3 || images.shape[1] != kSide || images.shape[2] != kSide) {
    throw FormatError(
        fmt::format("images are [n, {}, {}], not [{}]", kSide, kSide, fmt::join(images.shape, ", ")), path,
        4);
  }
}

/// MNIST and Fashion-MNIST have the same file names: a folder given directly may hold the other one.
void check_not_the_other(const DatasetInfo& info, const formats::IdxArray& labels, const fs::path& root) {
  const std::string sum = content_md5(labels);
  for (const Source* other : {&mnist_source(), &fashion_mnist_source()}) {
    if (other->info.name == info.name) continue;
    for (const FileNumber number : {kTrainLabels, kTestLabels}) {
      if (other->info.files[number].content_md5 == sum) {
        throw DataError(fmt::format("{} holds {}, not {}: name the right folder or data set", root.string(),
                                    other->info.title, info.title));
      }
    }
  }
}

ImageStore read_part(const DatasetInfo& info, const fs::path& root, FileNumber images_number,
                     FileNumber labels_number) {
  const fs::path labels_path = find_file(root, info.files[labels_number].name);
  const fs::path images_path = find_file(root, info.files[images_number].name);
  formats::IdxArray labels = formats::read_idx(labels_path.string());
  check_labels(labels, labels_path.string(), info.class_names.size());
  check_not_the_other(info, labels, root);
  formats::IdxArray images = formats::read_idx(images_path.string());
  check_images(images, images_path.string());
  if (images.shape[0] != labels.shape[0]) {
    throw FormatError(fmt::format("{} for the {} of {}", counted(labels.shape[0], "label"),
                                  counted(images.shape[0], "image"), images_path.filename().string()),
                      labels_path.string(), 4);
  }
  return {kSide, kSide, 1, std::move(images.values), {labels.values.begin(), labels.values.end()}, {}};
}

void verify_file(const DatasetInfo& info, const fs::path& root, FileNumber number, VerifyReport& report) {
  const ExpectedFile& expected = info.files[number];
  const fs::path path = find_file(root, expected.name);
  if (path.empty()) {
    report.checks.push_back({(root / expected.name).string(), false, "missing (also as .gz)", true});
    return;
  }
  FileCheck check{path.string(), false, ""};
  try {
    const formats::IdxArray array = formats::read_idx(path.string());
    if (number == kTrainLabels || number == kTestLabels) {
      check_labels(array, path.string(), info.class_names.size());
      auto& per_class = report.counts[number == kTrainLabels ? 0 : 1].per_class;
      for (const std::uint8_t label : array.values) ++per_class[label];
    } else {
      check_images(array, path.string());
    }
    if (report.depth == VerifyDepth::kQuick) {
      check.ok = true;
      check.message = "the published size after decompression, MD5 not computed";
      const auto header = static_cast<std::int64_t>(4 + 4 * array.shape.size());
      const auto size = header + static_cast<std::int64_t>(array.values.size());
      if (size != expected.content_size) {
        check.ok = false;
        check.message = fmt::format("{} bytes after decompression, the published file has {}", size,
                                    expected.content_size);
      }
      report.checks.push_back(check);
      return;
    }
    const std::string sum = content_md5(array);
    const std::vector<std::uint8_t> bytes = read_file(path.string());
    Md5 file_sum;
    file_sum.add(bytes.data(), bytes.size());
    check.ok = sum == expected.content_md5;
    if (!check.ok) {
      check.message =
          fmt::format("the content is not the published one: MD5 {}, expected {}; get the file again", sum,
                      expected.content_md5);
    } else if (file_sum.hex() == expected.gz_md5) {
      check.message = fmt::format("the published file, MD5 {}", expected.gz_md5);
    } else {
      check.message = fmt::format("the published content, MD5 {}, packed otherwise", sum);
    }
  } catch (const Error& error) {
    check.message = error.what();
  }
  report.checks.push_back(check);
}

}  // namespace

bool recognizes_idx_images(const fs::path& root) {
  const auto& files = mnist_source().info.files;
  return std::any_of(files.begin(), files.end(),
                     [&](const ExpectedFile& file) { return !find_file(root, file.name).empty(); });
}

DataSplits open_idx_images(const Source& source, const DataSettings& settings, int /*num_steps*/,
                           const fs::path& root, Parts parts) {
  std::vector<std::string> missing;
  const bool training_needed = parts == Parts::kAll || settings.standardize;
  for (std::size_t i = training_needed ? 0 : kTestImages; i < source.info.files.size(); ++i) {
    const ExpectedFile& file = source.info.files[i];
    if (find_file(root, file.name).empty()) missing.push_back(file.name);
  }
  if (!missing.empty()) {
    throw DataError(fmt::format("{} in {} is not complete: missing {} (plain or .gz). To get it: {}",
                                source.info.title, root.string(), fmt::join(missing, ", "),
                                source.info.how_to_get));
  }
  ImageStore training{kSide, kSide, 1, {}, {}, {}};
  if (training_needed) training = read_part(source.info, root, kTrainImages, kTrainLabels);
  return open_images(source, settings, std::move(training),
                     read_part(source.info, root, kTestImages, kTestLabels), parts);
}

void verify_idx_images(const Source& source, const VerifyRequest& request, const fs::path& root,
                       VerifyReport& report) {
  for (const FileNumber number : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    verify_file(source.info, root, number, report);
    if (request.progress) request.progress(root.string(), number + 1, 4);
  }
}

}  // namespace spikeloom::data
