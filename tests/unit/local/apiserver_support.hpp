// What the API server's tests share: a clock that stands still and a store with a few types.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "codeexec/base/time.hpp"
#include "codeexec/local/store.hpp"

namespace codeexec::local::testing {

class fixed_clock : public base::clock {
 public:
  base::wall_time wall_now() const override { return now; }
  base::steady_time steady_now() const override { return base::steady_time(now.time_since_epoch()); }

  base::wall_time now = *base::parse_time("2026-01-31T10:00:00Z");
};

inline constexpr kube::resource widgets{"example.dev", "v1", "widgets", "Widget", true};

inline resource_type type_of(kube::resource const& id) {
  resource_type t;
  t.group = id.group;
  t.version = id.version;
  t.plural = id.plural;
  t.kind = id.kind;
  t.list_kind = t.kind + "List";
  t.namespaced = id.namespaced;
  return t;
}

/// A store that serves namespaces (with "ns" in it), ConfigMaps and widgets with a status subresource.
class store_test : public ::testing::Test {
 protected:
  explicit store_test(store::settings limits = store::settings()) : objects(clock, base::rng(1), limits) {
    objects.add_type(type_of(kube::namespaces), std::make_unique<strategy>());
    objects.add_type(type_of(kube::config_maps), std::make_unique<strategy>());
    resource_type widget = type_of(widgets);
    widget.has_status = true;
    widget.has_generation = true;
    widget.custom = true;
    objects.add_type(widget, std::make_unique<strategy>());
    (void)objects.create(kube::namespaces, {{"metadata", {{"name", "ns"}}}});
  }

  static nlohmann::json widget(std::string const& name, nlohmann::json spec = {{"size", 1}}) {
    return {{"apiVersion", "example.dev/v1"},
            {"kind", "Widget"},
            {"metadata", {{"name", name}, {"namespace", "ns"}}},
            {"spec", std::move(spec)}};
  }
  object made(std::string const& name) { return *objects.create(widgets, widget(name)); }

  fixed_clock clock;
  store objects;
};

}  // namespace codeexec::local::testing
