#include "codeexec/testing/test_pki.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>

#include "codeexec/net/openssl_handles.hpp"

namespace codeexec::testing {
namespace {

using net::bio_ptr;
using net::certificate_ptr;
using net::extension_ptr;
using net::key_ptr;

void check(bool ok, char const* what) {
  if (!ok) throw std::runtime_error(std::string("test certificates: ") + what);
}

key_ptr new_key() {
  key_ptr key(EVP_EC_gen("P-256"));
  check(key != nullptr, "no key");
  return key;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  auto const size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

certificate to_pem(X509* cert, EVP_PKEY* key) {
  bio_ptr const cert_bio(BIO_new(BIO_s_mem()));
  bio_ptr const key_bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(cert_bio.get(), cert) == 1, "no certificate text");
  check(PEM_write_bio_PrivateKey(key_bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "no key text");
  return {text_of(cert_bio.get()), text_of(key_bio.get())};
}

certificate_ptr read_certificate(std::string const& pem) {
  bio_ptr const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  certificate_ptr cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  check(cert != nullptr, "unreadable certificate");
  return cert;
}

key_ptr read_key(std::string const& pem) {
  bio_ptr const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  key_ptr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  check(key != nullptr, "unreadable key");
  return key;
}

void add_extension(X509* cert, X509* issuer, int nid, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
  extension_ptr const extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  check(extension != nullptr, value.c_str());
  check(X509_add_ext(cert, extension.get(), -1) == 1, value.c_str());
}

certificate_ptr new_certificate(std::string const& common_name, EVP_PKEY* key, int valid_days) {
  static long serial = 1;
  certificate_ptr cert(X509_new());
  check(cert != nullptr, "no memory");
  X509_set_version(cert.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial);
  constexpr long day = 24L * 60 * 60;
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -10 * day);
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), valid_days * day);
  auto* const name = X509_get_subject_name(cert.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<unsigned char const*>(common_name.c_str()), -1,
                             -1, 0);
  check(X509_set_pubkey(cert.get(), key) == 1, "no public key");
  return cert;
}

}  // namespace

test_pki::test_pki() : test_pki(nullptr) {}

test_pki::test_pki(test_pki const* parent) {
  auto const key = new_key();
  auto const cert = new_certificate(parent == nullptr ? "test authority" : "test intermediate", key.get(), 2);
  auto const parent_cert = parent == nullptr ? nullptr : read_certificate(parent->ca_.certificate_pem);
  auto const parent_key = parent == nullptr ? nullptr : read_key(parent->ca_.key_pem);
  auto* const issuer = parent_cert ? parent_cert.get() : cert.get();
  X509_set_issuer_name(cert.get(), X509_get_subject_name(issuer));
  add_extension(cert.get(), issuer, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(cert.get(), issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(cert.get(), issuer, NID_subject_key_identifier, "hash");
  check(X509_sign(cert.get(), parent_key ? parent_key.get() : key.get(), EVP_sha256()) > 0, "not signed");
  ca_ = to_pem(cert.get(), key.get());
}

test_pki test_pki::intermediate() const {
  return test_pki(this);
}

certificate test_pki::issue(std::string const& common_name, std::vector<std::string> const& alternative_names,
                            int valid_days) const {
  auto const ca_cert = read_certificate(ca_.certificate_pem);
  auto const ca_key = read_key(ca_.key_pem);
  auto const key = new_key();
  auto const cert = new_certificate(common_name, key.get(), valid_days);
  X509_set_issuer_name(cert.get(), X509_get_subject_name(ca_cert.get()));
  add_extension(cert.get(), ca_cert.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(cert.get(), ca_cert.get(), NID_authority_key_identifier, "keyid");
  std::string names;
  for (auto const& one : alternative_names)
    names += (names.empty() ? "" : ",") + one;
  if (!names.empty()) add_extension(cert.get(), ca_cert.get(), NID_subject_alt_name, names);
  check(X509_sign(cert.get(), ca_key.get(), EVP_sha256()) > 0, "not signed");
  return to_pem(cert.get(), key.get());
}

}  // namespace codeexec::testing
