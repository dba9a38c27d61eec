#include "spikeloom/formats/cifar10.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "spikeloom/base/errors.h"
#include "spikeloom/data/datasets/image_dataset.h"
#include "spikeloom/data/datasets/source.h"

namespace spikeloom::data {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSide = 32;
constexpr std::int64_t kChannels = 3;
constexpr std::size_t kTrainFiles = 5;
constexpr std::int64_t kImagesPerFile = 10000;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool recognizes_cifar10(const fs::path& root) {
  const auto& files = cifar10_source().info.files;
  return std::any_of(files.begin(), files.end(),
                     [&](const ExpectedFile& file) { return is_file(root / file.name); });
}

/// Appends a file, planes turned into pixels.
void append(const formats::Cifar10Batch& batch, ImageStore& store) {
  constexpr auto kPlane = static_cast<std::size_t>(kSide * kSide);
  store.labels.insert(store.labels.end(), batch.labels.begin(), batch.labels.end());
  const std::size_t old_size = store.pixels.size();
  store.pixels.resize(old_size + batch.images.size());
  for (std::size_t image = 0; image < batch.labels.size(); ++image) {
    const std::size_t start = image * kPlane * kChannels;
    std::uint8_t* to = store.pixels.data() + old_size + start;
    for (std::size_t i = 0; i < kPlane; ++i) {
      for (std::size_t c = 0; c < kChannels; ++c) *to++ = batch.images[start + c * kPlane + i];
    }
  }
}

DataSplits open_cifar10(const Source& source, const DataSettings& settings, int /*num_steps*/,
                        const fs::path& root, Parts parts) {
  std::vector<std::string> missing;
  const bool training_needed = parts == Parts::kAll || settings.standardize;
  for (std::size_t i = training_needed ? 0 : kTrainFiles; i < source.info.files.size(); ++i) {
    const ExpectedFile& file = source.info.files[i];
    if (!is_file(root / file.name)) missing.push_back(file.name);
  }
  if (!missing.empty()) {
    throw DataError(fmt::format("{} in {} is not complete: missing {}. To get it: {}", source.info.title,
                                root.string(), fmt::join(missing, ", "), source.info.how_to_get));
  }
  ImageStore training{kSide, kSide, kChannels, {}, {}, {}}, test = training;
  for (std::size_t i = training_needed ? 0 : kTrainFiles; i < source.info.files.size(); ++i) {
    append(formats::read_cifar10_batch((root / source.info.files[i].name).string()),
           i < kTrainFiles ? training : test);
  }
  return open_images(source, settings, std::move(training), std::move(test), parts);
}

void verify_cifar10(const Source& source, const VerifyRequest& request, const fs::path& root,
                    VerifyReport& report) {
  for (std::size_t i = 0; i < source.info.files.size(); ++i) {
    FileCheck check{(root / source.info.files[i].name).string(), false, ""};
    if (!is_file(check.path)) {
      check.message = "missing";
      check.missing = true;
    } else {
      try {
        const formats::Cifar10Batch batch = formats::read_cifar10_batch(check.path);
        for (const std::uint8_t label : batch.labels)
          ++report.counts[i < kTrainFiles ? 0 : 1].per_class[label];
        const auto images = static_cast<std::int64_t>(batch.labels.size());
        check.ok = images == kImagesPerFile;
        check.message =
            check.ok ? fmt::format("{} images, labels 0 to 9 (no official sum of this file is known)", images)
                     : fmt::format("{} images, expected {}: get the file again", images, kImagesPerFile);
      } catch (const Error& error) {
        check.message = error.what();
      }
    }
    report.checks.push_back(check);
    if (request.progress) {
      request.progress(root.string(), static_cast<std::int64_t>(i + 1),
                       static_cast<std::int64_t>(source.info.files.size()));
    }
  }
}

}  // namespace

const Source& cifar10_source() {
  static const Source source = [] {
    Source cifar{};
    DatasetInfo& info = cifar.info;
    info.name = "cifar10";
    info.title = "CIFAR-10";
    info.description = "photographs, colour, 32 x 32, 10 classes, 50,000 training and 10,000 test images";
    info.home_page = "https://www.cs.toronto.edu/~kriz/cifar.html";
    info.how_to_get =
        "spikeloom data fetch cifar10, or download the binary version (cifar-10-binary.tar.gz, MD5 "
        "c32a1d4ab5d03f1284b67883e8d87530) from " +
        info.home_page + " and unpack it in DATA, which makes DATA/cifar-10-batches-bin";
    info.citation = "Krizhevsky: Learning multiple layers of features from tiny images (2009)";
    info.licence = "not stated by its authors, who ask to be cited";
    info.folders = {"cifar10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"};
    info.layout = "data_batch_1.bin to data_batch_5.bin and test_batch.bin, 30,730,000 bytes each";
    for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                             "data_batch_5.bin", "test_batch.bin"}) {
      info.files.push_back({name, kImagesPerFile * (kSide * kSide * kChannels + 1), "", ""});
    }
    // MD5: from its home page.
    info.downloads = {{"cifar-10-binary.tar.gz", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                       "c32a1d4ab5d03f1284b67883e8d87530"}};
    info.splits = {{"train", std::vector<std::int64_t>(10, 5000)},
                   {"test", std::vector<std::int64_t>(10, 1000)}};
    info.class_names = {"airplane", "automobile", "bird",  "cat",  "deer",
                        "dog",      "frog",       "horse", "ship", "truck"};
    cifar.recognizes = recognizes_cifar10;
    cifar.open = open_cifar10;
    cifar.verify = verify_cifar10;
    return cifar;
  }();
  return source;
}

}  // namespace spikeloom::data
