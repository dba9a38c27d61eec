#include "spikeloom/data/datasets/idx_images.h"

namespace spikeloom::data {

const Source& fashion_mnist_source() {
  static const Source source = [] {
    Source fashion{};
    DatasetInfo& info = fashion.info;
    info.name = "fashion-mnist";
    info.title = "Fashion-MNIST";
    info.description =
        "pictures of clothes, grey, 28 x 28, 10 classes, 60,000 training and 10,000 test images";
    info.home_page = "https://github.com/zalandoresearch/fashion-mnist";
    info.how_to_get =
        "spikeloom data fetch fashion-mnist, or install the Debian package dataset-fashion-mnist, or "
        "download the four .gz files from " +
        info.home_page + " into DATA/fashion-mnist (unpacking is not needed)";
    info.citation =
        "Xiao, Rasul, Vollgraf: Fashion-MNIST: a novel image dataset for benchmarking machine learning "
        "algorithms, "
        "arXiv 1708.07747 (2017)";
    info.licence = "MIT";
    info.folders = {"fashion-mnist", "FashionMNIST/raw", "FashionMNIST"};
    info.system_folders = {"/usr/share/datasets/fashion-mnist"};
    info.layout =
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, "
        "each "
        "plain or .gz";
    info.files = {{"train-images-idx3-ubyte", 47040016, "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                   "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
                  {"train-labels-idx1-ubyte", 60008, "9018921c3c673c538a1fc5bad174d6f9",
                   "25c81989df183df01b3e8a0aad5dffbe"},
                  {"t10k-images-idx3-ubyte", 7840016, "8181f5470baa50b63fa0f6fddb340f0a",
                   "bef4ecab320f06d8554ea6380940ec79"},
                  {"t10k-labels-idx1-ubyte", 10008, "15d484375f8d13e6eb1aabb0c3f46965",
                   "bb300cfdad3c16e7a12a480ee83cd310"}};
    // The authors' repository.
    for (const ExpectedFile& file : info.files) {
      info.downloads.push_back(
          {file.name + ".gz",
           "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/" + file.name + ".gz",
           file.gz_md5});
    }
    info.splits = {{"train", {6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000, 6000}},
                   {"test", {1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}}};
    info.class_names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    fashion.recognizes = recognizes_idx_images;
    fashion.open = open_idx_images;
    fashion.verify = verify_idx_images;
    return fashion;
  }();
  return source;
}

}  // namespace spikeloom::data
