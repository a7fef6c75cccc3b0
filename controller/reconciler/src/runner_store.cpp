#include "codeexec/reconciler/runner_store.hpp"

#include <nlohmann/json.hpp>

#include "codeexec/api/names.hpp"
#include "codeexec/base/encoding.hpp"
#include "codeexec/base/log.hpp"
#include "codeexec/execution/build.hpp"
#include "codeexec/kube_core/json.hpp"
#include "codeexec/kube_core/request.hpp"

#include "request_timeout.hpp"

namespace codeexec::reconciler {

runner_store::runner_store(boost::asio::any_io_executor executor, kube::client& client, base::clock const& clock,
                           std::string_view runner)
    : client_(client),
      runner_(runner),
      sha256_(base::sha256_hex(runner)),
      name_(execution::runner_config_map_name(sha256_)),
      checks_(std::move(executor), clock, "the runner's ConfigMap",
              [this](std::string ns, bool expect_it) { return check(std::move(ns), expect_it); }) {}

kube::task<kube::result<void>> runner_store::check(std::string ns, bool expect_it) {
  for (int tries = 0; tries < 3; ++tries) {
    auto const by = base::deadline::after(request_timeout);
    if (!expect_it) {
      auto body = execution::make_runner_config_map(ns, runner_, sha256_).dump();
      auto request = kube::make_create(kube::config_maps, ns, std::move(body), api::field_manager);
      auto sending = client_.send(std::move(request), by);
      auto const made = co_await std::move(sending);
      if (made) {
        base::log::info("runner installed", {base::log::kv("namespace", ns), base::log::kv("configmap", name_)});
        co_return kube::result<void>();
      }
      if (!made.error().is_already_exists()) co_return made.error();
    }
    auto request = kube::make_get(kube::config_maps, ns, name_);
    auto sending = client_.send(std::move(request), by);
    auto const found = co_await std::move(sending);
    if (found) co_return compare(ns, *found);
    if (!found.error().is_not_found()) co_return found.error();
    expect_it = false;
  }
  co_return kube::error(kube::error_kind::protocol, "the runner's ConfigMap comes and goes");
}

kube::result<void> runner_store::compare(std::string_view ns, std::string_view body) const {
  auto const object = kube::parse_answer(body);
  if (!object.is_object()) return kube::error(kube::error_kind::decode, "the runner's ConfigMap is not an object");
  auto const binary = object.find("binaryData");
  if (binary != object.end() && binary->is_object()) {
    auto const content = binary->find(execution::runner_key);
    if (content != binary->end() && content->is_string()) {
      auto const bytes = base::base64_decode(content->get_ref<std::string const&>());
      if (bytes && base::sha256_hex(*bytes) == sha256_) return {};
    }
  }
  base::log::error("runner's ConfigMap holds something else",
                   {base::log::kv("namespace", ns), base::log::kv("configmap", name_)});
  return kube::error(kube::error_kind::config,
                     "the ConfigMap " + name_ + " in namespace " + std::string(ns) +
                         " does not hold the runner it is named after, and is not used: delete it");
}

}  // namespace codeexec::reconciler
