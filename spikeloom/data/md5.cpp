#include "spikeloom/data/md5.h"

#include <openssl/evp.h>

#include <array>

#include "spikeloom/base/errors.h"

namespace spikeloom::data {
namespace {

EVP_MD_CTX* as_context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

[[noreturn]] void fail() {
  throw DataError(
      "the system's OpenSSL does not compute MD5 (FIPS mode?): the data set's sums cannot be checked");
}

}  // namespace

Md5::Md5() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr) fail();
  if (EVP_DigestInit_ex(as_context(context_), EVP_md5(), nullptr) != 1) {
    EVP_MD_CTX_free(as_context(context_));
    fail();
  }
}

Md5::~Md5() { EVP_MD_CTX_free(as_context(context_)); }

void Md5::add(const void* data, std::size_t size) {
  if (EVP_DigestUpdate(as_context(context_), data, size) != 1) fail();
}

std::string Md5::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_DigestFinal_ex(as_context(context_), digest.data(), &size) != 1) fail();
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

}  // namespace spikeloom::data
