#include "spikeloom/data/datasets/idx_images.h"

namespace spikeloom::data {

const Source& mnist_source() {
  static const Source source = [] {
    Source mnist{};
    DatasetInfo& info = mnist.info;
    info.name = "mnist";
    info.title = "MNIST";
    info.description =
        "handwritten digits, grey, 28 x 28, 10 classes, 60,000 training and 10,000 test images";
    info.home_page = "http://yann.lecun.com/exdb/mnist/";
    info.how_to_get = "spikeloom data fetch mnist, or download the four .gz files from " + info.home_page +
                      " into DATA/mnist (unpacking is not needed)";
    info.citation =
        "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, "
        "Proceedings of the IEEE 86 (1998)";
    info.licence = "not stated by its authors";
    info.folders = {"mnist", "MNIST", "MNIST/raw"};
    info.layout =
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte, "
        "each "
        "plain or .gz";
    // Contents: of the official compressed files, whose sums are those in the last column.
    info.files = {{"train-images-idx3-ubyte", 47040016, "6bbc9ace898e44ae57da46a324031adb",
                   "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
                  {"train-labels-idx1-ubyte", 60008, "a25bea736e30d166cdddb491f175f624",
                   "d53e105ee54ea40749a09fcbcd1e9432"},
                  {"t10k-images-idx3-ubyte", 7840016, "2646ac647ad5339dbf082846283269ea",
                   "9fb629c4189551a2d022fa330f9573f3"},
                  {"t10k-labels-idx1-ubyte", 10008, "27ae3e4e09519cfbb04c329615203637",
                   "ec29112dd5afa0611ce80d1b7f02629c"}};
    // The mirror that PyTorch uses: the authors' own page often refuses.
    for (const ExpectedFile& file : info.files) {
      info.downloads.push_back({file.name + ".gz",
                                "https://ossci-datasets.s3.amazonaws.com/mnist/" + file.name + ".gz",
                                file.gz_md5});
    }
    info.splits = {{"train", {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}},
                   {"test", {980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}}};
    info.class_names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    mnist.recognizes = recognizes_idx_images;
    mnist.open = open_idx_images;
    mnist.verify = verify_idx_images;
    return mnist;
  }();
  return source;
}

}  // namespace spikeloom::data
