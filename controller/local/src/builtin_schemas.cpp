// Field names and types of the built-in kinds, written once as text and turned into structural schemas.
//
// One struct a line: "Name: field:type ...". Types: s string, i int32, l int64, b bool, q quantity, t time, m map of
// strings, mq map of quantities, * anything, @Name a struct, [x] a list of x. Field names from Kubernetes 1.36's API.
#include <map>
#include <sstream>

#include "codeexec/local/builtin_types.hpp"

namespace codeexec::local {
namespace {

using nlohmann::json;

constexpr char const* structs = R"(
ConfigMap: immutable:b data:m binaryData:m
Lease: spec:@LeaseSpec
LeaseSpec: holderIdentity:s leaseDurationSeconds:i acquireTime:t renewTime:t leaseTransitions:i strategy:s preferredHolder:s
RuntimeClass: handler:s overhead:@Overhead scheduling:@Scheduling
Overhead: podFixed:mq
Scheduling: nodeSelector:m tolerations:[*]
Event: involvedObject:@ObjectReference reason:s message:s source:@EventSource firstTimestamp:t lastTimestamp:t count:i type:s eventTime:t series:* action:s related:@ObjectReference reportingComponent:s reportingInstance:s
EventSource: component:s host:s
ObjectReference: kind:s namespace:s name:s uid:s apiVersion:s resourceVersion:s fieldPath:s
Namespace: spec:@NamespaceSpec status:*
NamespaceSpec: finalizers:[s]
Job: spec:@JobSpec status:*
JobSpec: parallelism:i completions:i activeDeadlineSeconds:l podFailurePolicy:* successPolicy:* backoffLimit:i backoffLimitPerIndex:i maxFailedIndexes:i selector:@LabelSelector manualSelector:b template:@PodTemplateSpec ttlSecondsAfterFinished:i completionMode:s suspend:b podReplacementPolicy:s managedBy:s
LabelSelector: matchLabels:m matchExpressions:[*]
PodTemplateSpec: metadata:* spec:@PodSpec
Pod: spec:@PodSpec status:*
PodSpec: volumes:[@Volume] initContainers:[@Container] containers:[@Container] ephemeralContainers:[*] restartPolicy:s terminationGracePeriodSeconds:l activeDeadlineSeconds:l dnsPolicy:s nodeSelector:m serviceAccountName:s serviceAccount:s automountServiceAccountToken:b nodeName:s hostNetwork:b hostPID:b hostIPC:b shareProcessNamespace:b securityContext:@PodSecurityContext imagePullSecrets:[*] hostname:s subdomain:s affinity:* schedulerName:s tolerations:[*] hostAliases:[*] priorityClassName:s priority:i dnsConfig:@PodDNSConfig readinessGates:[*] runtimeClassName:s enableServiceLinks:b preemptionPolicy:s overhead:mq topologySpreadConstraints:[*] setHostnameAsFQDN:b os:* hostUsers:b schedulingGates:[*] resourceClaims:[*] resources:@ResourceRequirements hostnameOverride:s
PodDNSConfig: nameservers:[s] searches:[s] options:[*]
PodSecurityContext: seLinuxOptions:* windowsOptions:* runAsUser:l runAsGroup:l runAsNonRoot:b supplementalGroups:[l] supplementalGroupsPolicy:s fsGroup:l sysctls:[*] fsGroupChangePolicy:s seccompProfile:@SeccompProfile appArmorProfile:* seLinuxChangePolicy:s
SeccompProfile: type:s localhostProfile:s
Container: name:s image:s command:[s] args:[s] workingDir:s ports:[*] envFrom:[*] env:[@EnvVar] resources:@ResourceRequirements resizePolicy:[*] restartPolicy:s restartPolicyRules:[*] volumeMounts:[@VolumeMount] volumeDevices:[*] livenessProbe:* readinessProbe:* startupProbe:* lifecycle:* terminationMessagePath:s terminationMessagePolicy:s imagePullPolicy:s securityContext:@SecurityContext stdin:b stdinOnce:b tty:b
EnvVar: name:s value:s valueFrom:*
VolumeMount: name:s readOnly:b recursiveReadOnly:s mountPath:s subPath:s mountPropagation:s subPathExpr:s
Volume: name:s emptyDir:@EmptyDirVolumeSource configMap:@ConfigMapVolumeSource hostPath:* secret:* projected:* downwardAPI:* persistentVolumeClaim:* ephemeral:* nfs:* csi:* image:* iscsi:* fc:* cephfs:* rbd:* glusterfs:* gitRepo:* azureDisk:* azureFile:* awsElasticBlockStore:* gcePersistentDisk:* vsphereVolume:* portworxVolume:* scaleIO:* storageos:* quobyte:* photonPersistentDisk:* cinder:* flocker:* flexVolume:*
EmptyDirVolumeSource: medium:s sizeLimit:q
ConfigMapVolumeSource: name:s items:[@KeyToPath] defaultMode:i optional:b
KeyToPath: key:s path:s mode:i
SecurityContext: capabilities:@Capabilities privileged:b seLinuxOptions:* windowsOptions:* runAsUser:l runAsGroup:l runAsNonRoot:b readOnlyRootFilesystem:b allowPrivilegeEscalation:b procMount:s seccompProfile:@SeccompProfile appArmorProfile:*
Capabilities: add:[s] drop:[s]
ResourceRequirements: limits:mq requests:mq claims:[*]
)";

class schema_text {
 public:
  schema_text() {
    std::istringstream lines(structs);
    for (std::string line; std::getline(lines, line);) {
      auto const colon = line.find(": ");
      if (colon != std::string::npos) {
        fields_.emplace(line.substr(0, colon), line.substr(colon + 2));
      }
    }
  }

  bool knows(std::string const& name) const { return fields_.contains(name); }

  json expand(std::string const& name) const {
    json out = {{"type", "object"}, {"properties", json::object()}};
    std::istringstream words(fields_.at(name));
    for (std::string word; words >> word;) {
      auto const colon = word.find(':');
      out["properties"][word.substr(0, colon)] = type(word.substr(colon + 1));
    }
    return out;
  }

 private:
  json type(std::string const& word) const {
    if (word.front() == '@') {
      return expand(word.substr(1));
    }
    if (word.front() == '[') {
      return {{"type", "array"}, {"items", type(word.substr(1, word.size() - 2))}};
    }
    static json const quantity = {{"x-kubernetes-int-or-string", true}};
    static std::map<std::string, json, std::less<>> const simple = {
        {"s", {{"type", "string"}}},
        {"i", {{"type", "integer"}, {"format", "int32"}}},
        {"l", {{"type", "integer"}, {"format", "int64"}}},
        {"b", {{"type", "boolean"}}},
        {"q", quantity},
        {"t", {{"type", "string"}, {"format", "date-time"}}},
        {"m", {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}}},
        {"mq", {{"type", "object"}, {"additionalProperties", quantity}}},
        {"*", {{"x-kubernetes-preserve-unknown-fields", true}}}};
    return simple.at(word);
  }

  std::map<std::string, std::string, std::less<>> fields_;
};

schema_text const& text() {
  static schema_text const all;
  return all;
}

bool has_schema(kube::resource const& type) {
  static std::map<std::string, std::string, std::less<>> const groups = {{"ConfigMap", ""},
                                                                         {"Namespace", ""},
                                                                         {"Pod", ""},
                                                                         {"Event", ""},
                                                                         {"Job", "batch"},
                                                                         {"Lease", "coordination.k8s.io"},
                                                                         {"RuntimeClass", "node.k8s.io"}};
  auto const found = groups.find(type.kind);
  return found != groups.end() && found->second == type.group && text().knows(std::string(type.kind));
}

}  // namespace

json builtin_open_api(kube::resource const& type) {
  return has_schema(type) ? text().expand(std::string(type.kind)) : json::object();
}

structural_schema const* builtin_schema(kube::resource const& type) {
  static std::map<std::string, structural_schema, std::less<>> compiled;
  if (!has_schema(type)) {
    return nullptr;
  }
  auto found = compiled.find(type.kind);
  if (found == compiled.end()) {
    found = compiled.emplace(std::string(type.kind), structural_schema::compile(builtin_open_api(type)).value()).first;
  }
  return &found->second;
}

}  // namespace codeexec::local
