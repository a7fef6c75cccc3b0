// Certificates made in memory, so that no key lies in the repository and none expires.
#pragma once

#include <string>
#include <vector>

namespace codeexec::testing {

struct certificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// A certificate authority of its own for each instance: a root, unless intermediate() made it.
class test_pki {
 public:
  test_pki();

  /// Another authority, certified by this one.
  test_pki intermediate() const;

  std::string const& ca_pem() const { return ca_.certificate_pem; }

  /// Subject alternative names in OpenSSL's spelling: "DNS:localhost", "IP:127.0.0.1". `valid_days` negative: expired.
  certificate issue(std::string const& common_name, std::vector<std::string> const& alternative_names = {},
                    int valid_days = 1) const;

 private:
  explicit test_pki(test_pki const* parent);
  certificate ca_;
};

}  // namespace codeexec::testing
