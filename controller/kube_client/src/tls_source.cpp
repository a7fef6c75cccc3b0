#include "tls_source.hpp"

#include "codeexec/base/log.hpp"

namespace codeexec::kube {
namespace {

constexpr std::chrono::seconds look_again_after{60};

bool same_client(net::tls_options const& a, net::tls_options const& b) {
  return a.certificate_pem == b.certificate_pem && a.key_pem == b.key_pem;
}

}  // namespace

tls_source::tls_source(cluster_config const& config, base::clock const& clock, config_environment environment)
    : certificate_authority_(config.certificate_authority),
      client_certificate_(config.client_certificate),
      client_key_(config.client_key),
      verify_(!config.insecure_skip_tls_verify),
      clock_(clock),
      environment_(std::move(environment)),
      looked_at_(clock.steady_now()) {}

base::result<net::tls_options> tls_source::read() const {
  net::tls_options options;
  options.verify = verify_;
  struct part {
    pem_source const& from;
    std::string& to;
  };
  for (auto const& [from, to] :
       {part{certificate_authority_, options.ca_pem}, part{client_certificate_, options.certificate_pem},
        part{client_key_, options.key_pem}}) {
    to = from.data;
    if (from.file.empty()) continue;
    auto text = environment_.read_file(from.file);
    if (!text) return text.error();
    if (text->empty()) return base::error(from.file + ": is empty");
    to = std::move(*text);
  }
  if (given_) {
    options.certificate_pem = given_->certificate_pem;
    options.key_pem = given_->key_pem;
  }
  return options;
}

result<net::tls_context> tls_source::load() {
  auto options = read();
  if (!options) return error(error_kind::config, options.error().message);
  auto context = net::make_client_tls(*options);
  if (!context) return error(error_kind::config, context.error().message);
  in_use_ = std::move(*options);
  return std::move(*context);
}

result<tls_source::change> tls_source::poll(std::shared_ptr<client_certificate const> const& certificate) {
  if (certificate == given_) return poll_files();
  auto options = in_use_;
  options.certificate_pem = certificate ? certificate->certificate_pem : std::string();
  options.key_pem = certificate ? certificate->key_pem : std::string();
  auto context = net::make_client_tls(options);
  if (!context)
    return error(error_kind::connect,
                 "getting credentials: the credential plugin's certificate: " + context.error().message);
  given_ = certificate;
  in_use_ = std::move(options);
  return change{std::move(*context), true};
}

tls_source::change tls_source::poll_files() {
  if (certificate_authority_.file.empty() && client_certificate_.file.empty() && client_key_.file.empty()) return {};
  auto const now = clock_.steady_now();
  if (looked_at_ && now - *looked_at_ < look_again_after) return {};
  looked_at_ = now;
  auto options = read();
  bool const another_client = options && !same_client(*options, in_use_);
  if (options && !another_client && options->ca_pem == in_use_.ca_pem) return {};
  // A certificate and its key are two files, replaced one after the other: in between they do not fit.
  auto context = options ? net::make_client_tls(*options) : base::result<net::tls_context>(options.error());
  if (!context) {
    base::log::warn("changed certificates cannot be used; the last ones stay in use",
                    {base::log::kv("error", context.error().message)});
    return {};
  }
  base::log::info("certificates were read again");
  in_use_ = std::move(*options);
  return {std::move(*context), another_client};
}

}  // namespace codeexec::kube
