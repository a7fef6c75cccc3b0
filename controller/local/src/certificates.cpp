#include "codeexec/local/certificates.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codeexec/base/encoding.hpp"
#include "codeexec/base/file.hpp"
#include "codeexec/net/openssl_handles.hpp"

namespace codeexec::local {
namespace {

namespace fs = std::filesystem;

constexpr long day = 24L * 60 * 60;
constexpr long authority_days = 3650;
constexpr long server_days = 365;

using net::bio_ptr;
using net::certificate_ptr;
using net::extension_ptr;
using net::key_ptr;

/// OpenSSL's last word. Its queue is emptied: the next call starts clean.
base::error failure(std::string const& doing) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return base::error(doing + ": " + text.data());
}

template <class T, class Read>
T read_pem(std::string const& pem, Read read) {
  bio_ptr const bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No passphrase is asked for on the terminal.
  auto const no_passphrase = [](char*, int, int, void*) { return 0; };
  return T(read(bio.get(), nullptr, no_passphrase, nullptr));
}

template <class Write>
std::string to_pem(Write write) {
  bio_ptr const bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get()) != 1) {
    return {};
  }
  char* data = nullptr;
  auto const size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool add_extension(X509* certificate, X509* issuer, int nid, std::string const& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  extension_ptr const extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

certificate_ptr new_certificate(std::string const& common_name, EVP_PKEY* key, long days) {
  certificate_ptr out(X509_new());
  std::array<unsigned char, 8> serial{};
  RAND_bytes(serial.data(), static_cast<int>(serial.size()));
  std::uint64_t number = 0;
  std::memcpy(&number, serial.data(), sizeof number);
  auto const* const name = reinterpret_cast<unsigned char const*>(common_name.c_str());
  bool const good =
      out && X509_set_version(out.get(), X509_VERSION_3) == 1 &&
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(out.get()), number >> 1) == 1 &&
      // A clock that is a little behind must not refuse it.
      X509_gmtime_adj(X509_getm_notBefore(out.get()), -day) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(out.get()), days * day) != nullptr &&
      X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1 &&
      X509_set_pubkey(out.get(), key) == 1;
  return good ? std::move(out) : nullptr;
}

key_pair to_pair(X509* certificate, EVP_PKEY* key) {
  return {to_pem([certificate](BIO* to) { return PEM_write_bio_X509(to, certificate); }),
          to_pem([key](BIO* to) { return PEM_write_bio_PrivateKey(to, key, nullptr, nullptr, 0, nullptr, nullptr); })};
}

bool is_address(std::string const& name) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return inet_pton(AF_INET, name.c_str(), ignored.data()) == 1 ||
         inet_pton(AF_INET6, name.c_str(), ignored.data()) == 1;
}

}  // namespace

base::result<key_pair> make_authority(std::string const& common_name) {
  key_ptr const key(EVP_EC_gen("P-256"));
  certificate_ptr const made = key ? new_certificate(common_name, key.get(), authority_days) : nullptr;
  if (!made || X509_set_issuer_name(made.get(), X509_get_subject_name(made.get())) != 1 ||
      !add_extension(made.get(), made.get(), NID_basic_constraints, "critical,CA:TRUE") ||
      !add_extension(made.get(), made.get(), NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature") ||
      !add_extension(made.get(), made.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(made.get(), key.get(), EVP_sha256()) == 0) {
    return failure("cannot make a certificate authority");
  }
  return to_pair(made.get(), key.get());
}

base::result<key_pair> make_server_certificate(key_pair const& authority, std::vector<std::string> const& names) {
  auto const issuer = read_pem<certificate_ptr>(authority.certificate_pem, PEM_read_bio_X509);
  auto const issuer_key = read_pem<key_ptr>(authority.key_pem, PEM_read_bio_PrivateKey);
  if (!issuer || !issuer_key) {
    return failure("the certificate authority is unusable");
  }
  std::string alternative;
  for (std::string const& name : names) {
    alternative += (alternative.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
  }
  key_ptr const key(EVP_EC_gen("P-256"));
  certificate_ptr const made = key ? new_certificate("codeexec-local", key.get(), server_days) : nullptr;
  if (!made || X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get())) != 1 ||
      !add_extension(made.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(made.get(), issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(made.get(), issuer.get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(made.get(), issuer.get(), NID_authority_key_identifier, "keyid") ||
      !add_extension(made.get(), issuer.get(), NID_subject_alt_name, alternative) ||
      X509_sign(made.get(), issuer_key.get(), EVP_sha256()) == 0) {
    return failure("cannot make a certificate for " + alternative);
  }
  return to_pair(made.get(), key.get());
}

base::result<void> write_private_file(fs::path const& file, std::string const& text) {
  std::string const fresh = file.string() + ".new";
  auto const fail = [&file] { return base::error("cannot write " + file.string() + ": " + std::strerror(errno)); };
  ::unlink(fresh.c_str());
  int const fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    return fail();
  }
  std::size_t done = 0;
  while (done < text.size()) {
    auto const wrote = ::write(fd, text.data() + done, text.size() - done);
    if (wrote < 0 && errno != EINTR) {
      auto const why = fail();
      ::close(fd);
      return why;
    }
    done += wrote > 0 ? static_cast<std::size_t>(wrote) : 0;
  }
  if (::close(fd) != 0 || ::rename(fresh.c_str(), file.c_str()) != 0) {
    return fail();
  }
  return {};
}

base::result<server_identity> load_identity(fs::path const& folder) {
  server_identity out;
  if (!folder.empty() && fs::exists(folder / "ca.crt")) {
    std::string signing_key;
    for (auto const& [name, into] :
         {std::pair("ca.crt", &out.authority.certificate_pem), std::pair("ca.key", &out.authority.key_pem),
          std::pair("token.key", &signing_key), std::pair("admin.token", &out.tokens.administrator_token)}) {
      auto text = base::read_file((folder / name).string());
      if (!text) {
        return text.error();
      }
      *into = std::move(*text);
    }
    out.tokens.signing_key = base::base64_decode(signing_key).value_or(std::string());
    if (out.tokens.signing_key.size() < 32 || out.tokens.administrator_token.size() < 16) {
      return base::error("the keys in " + folder.string() + " are unusable; remove the folder to have new ones made");
    }
    return out;
  }
  // Another name than the server: a certificate whose issuer is its subject counts as signed by itself.
  auto authority = make_authority("codeexec-local authority");
  if (!authority) {
    return authority.error();
  }
  out.authority = std::move(*authority);
  out.tokens = token_authority::make_secrets();
  if (folder.empty()) {
    return out;
  }
  std::error_code ec;
  fs::create_directories(folder, ec);
  fs::permissions(folder, fs::perms::owner_all, ec);
  if (ec) {
    return base::error("cannot make " + folder.string() + ": " + ec.message());
  }
  // ca.crt last: where it is, the others are.
  for (auto const& [name, text] :
       {std::pair("ca.key", out.authority.key_pem), std::pair("token.key", base::base64_encode(out.tokens.signing_key)),
        std::pair("admin.token", out.tokens.administrator_token), std::pair("ca.crt", out.authority.certificate_pem)}) {
    auto const written = write_private_file(folder / name, text);
    if (!written) {
      return written.error();
    }
  }
  return out;
}

}  // namespace codeexec::local
