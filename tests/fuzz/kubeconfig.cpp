// A kubeconfig: parsed, merged, resolved.
//
// Holds: nothing throws; a refusal names the file and can be shown; no message repeats a secret; merging a file with
// itself changes nothing; what resolves has a server.
#include "kubeconfig.hpp"

#include "codeexec/base/encoding.hpp"

#include "property.hpp"

namespace codeexec::fuzz {
namespace {

constexpr auto path = "/home/somebody/.kube/config";

/// Tokens long enough to be told from other words, and written nowhere else in the file.
std::vector<std::string> secrets_of(kube::kubeconfig const& config, std::string const& text) {
  std::vector<std::string> out;
  for (auto const& [name, user] : config.users) {
    auto const first = user.token.size() < 6 ? std::string::npos : text.find(user.token);
    if (first != std::string::npos && text.find(user.token, first + 1) == std::string::npos) out.push_back(user.token);
  }
  return out;
}

void check_message(std::string const& message, std::vector<std::string> const& secrets) {
  hold(message.find(path) != std::string::npos, "a refusal names the file");
  hold(base::is_valid_utf8(message), "a refusal can be shown");
  for (auto const& secret : secrets)
    hold(message.find(secret) == std::string::npos, "a refusal repeats no secret");
}

void check(std::string_view input) {
  std::string const text(input);
  auto const parsed = kube::parse_kubeconfig(text, path);
  if (!parsed) {
    check_message(parsed.error().message, {});
    return;
  }
  auto merged = *parsed;
  kube::merge_into(merged, *parsed);
  hold(merged.current_context == parsed->current_context && merged.clusters.size() == parsed->clusters.size() &&
           merged.users.size() == parsed->users.size() && merged.contexts.size() == parsed->contexts.size(),
       "merging a file with itself changes nothing");

  auto const secrets = secrets_of(*parsed, text);
  auto const check_context = [&](std::string const& name) {
    auto const found = kube::resolve(merged, name, kube::attendance());
    if (!found) return check_message(found.error().message, secrets);
    hold(!found->server.empty(), "what resolves has a server");
    hold(!found->namespace_.empty(), "what resolves has a namespace");
  };
  check_context("");
  for (auto const& [name, context] : parsed->contexts)
    check_context(name);
}

}  // namespace
}  // namespace codeexec::fuzz

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  codeexec::fuzz::check(codeexec::fuzz::as_text(data, size));
  return 0;
}
