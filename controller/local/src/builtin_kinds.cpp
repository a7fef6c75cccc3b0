#include "builtin_kinds.hpp"

#include <map>
#include <sstream>

namespace codeexec::local {
namespace {

// PACKAGE.STRUCT: description, then a line for each field: name, protobuf number, type, description. Names and numbers
// are those of Kubernetes 1.36's API; the sentences are ours.
//
// Types: s string, i int32, l int64, b boolean, q quantity, t time, x integer or string, m map of strings, mb map of
// bytes, mq map of quantities, * anything, @Name a struct, [x] a list of x. Capital I and B: the API's struct has no
// pointer there, so 0 and false mean absent. ! required; ^name: lists are merged by this field of their elements.
constexpr char const* all_kinds = R"(
meta.ObjectMeta: What every object says of itself: its name, its place, who owns it, and what the server wrote down about it.
  name 1 s: The name, unique within a namespace for objects of one kind. It cannot be changed.
  generateName 2 s: A prefix; where no name is given the server appends five characters to it to make one.
  namespace 3 s: The namespace that the object is in. Absent for kinds that are in none.
  selfLink 0 s: No longer set.
  uid 0 s: Set by the server: unlike a name it is never used again, so it tells an object from a later one of that name.
  resourceVersion 6 s: Changes with each write. Send it back to have a write refused where somebody else was first. Compare it for equality only.
  generation 0 l: Counts the changes of what is wanted (spec), not those of status.
  creationTimestamp 0 t: When the object was created, by the server's clock.
  deletionTimestamp 0 t: Set by a deletion: the object goes once its finalizers are empty and its grace period is over.
  deletionGracePeriodSeconds 10 l: How long the deletion leaves it to stop.
  labels 11 m: Short words to find and group objects by, with selectors.
  annotations 12 m: Text that tools keep with the object. Not for finding it.
  ownerReferences 13 [@OwnerReference]^uid: The objects that this one exists for. It is deleted once all of them are gone.
  finalizers 14 [s]: Who still has something to do before the object may go. Each removes its own entry.
  managedFields 0 [@ManagedFieldsEntry]: Which writer set which fields; kept by the server for server-side apply.
meta.OwnerReference: An owner, in the same namespace or in none.
  apiVersion 5 s!: Group and version of the owner's kind.
  kind 1 s!: The owner's kind.
  name 3 s!: The owner's name.
  uid 4 s!: The owner's uid.
  controller 6 b: True for the one owner that manages this object.
  blockOwnerDeletion 7 b: True to hold a foreground deletion of the owner until this object is gone.
meta.ManagedFieldsEntry: The fields that one writer set.
  manager 0 s: The writer's name, as it gave it.
  operation 0 s: Apply or Update.
  apiVersion 0 s: The version that the fields are written in.
  time 0 t: When the entry was last changed.
  fieldsType 0 s: The form of fieldsV1: FieldsV1.
  fieldsV1 0 *: The fields, as a tree of names.
  subresource 0 s: The subresource that was written to, if any.
meta.ListMeta: What a list says of itself.
  selfLink 0 s: No longer set.
  resourceVersion 0 s: The state that the list shows. A watch that starts here misses nothing.
  continue 0 s: Where the next page starts. Absent on the last one.
  remainingItemCount 0 l: How many objects the pages after this one hold.
meta.LabelSelector: Objects by their labels; all conditions must hold. An empty one selects everything.
  matchLabels 1 m: Labels with the value they must have.
  matchExpressions 2 [@LabelSelectorRequirement]: Conditions that are more than one value.
meta.LabelSelectorRequirement: A condition on one label.
  key 1 s!: The label.
  operator 2 s!: In, NotIn, Exists or DoesNotExist.
  values 3 [s]: For In and NotIn: the values.
meta.Status: How a call ended that has no object to answer with.
  metadata 0 @ListMeta: Empty.
  status 0 s: Success or Failure.
  message 0 s: What happened, in a sentence.
  reason 0 s: Why, in one word: NotFound, Conflict, Invalid.
  details 0 *: Which object, and what is wrong with which field.
  code 0 i: The HTTP status.
meta.DeleteOptions: How an object is to be deleted.
  gracePeriodSeconds 0 l: How long it has to stop; 0 for at once.
  preconditions 0 @Preconditions: What must hold, or nothing is deleted.
  orphanDependents 0 b: Old form of propagationPolicy.
  propagationPolicy 0 s: What becomes of the objects that it owns: Background, Foreground or Orphan.
  dryRun 0 [s]: All: answer only.
  ignoreStoreReadErrorWithClusterBreakingPotential 0 b: Delete even what cannot be read.
meta.Preconditions: What must hold for a deletion.
  uid 0 s: It must still be this object.
  resourceVersion 0 s: Nobody may have written it since.

core.Namespace: A space for names: objects in different namespaces do not meet. Deleting it deletes everything in it.
  spec 2 @NamespaceSpec: How the namespace is to be treated.
  status 3 @NamespaceStatus: Whether it is in use or going.
core.NamespaceSpec: How a namespace is to be treated.
  finalizers 1 [s]: Who has to clear up before the namespace is gone.
core.NamespaceStatus: How a namespace stands.
  phase 0 s: Active, or Terminating while it is being deleted.
  conditions 0 [*]: What holds up its deletion.
core.ConfigMap: Settings and files as text, for pods to read.
  data 2 m: Keys and their text. A key is a file name where the map is mounted.
  binaryData 3 mb: Keys and their bytes, in base64.
  immutable 4 b: True: data can never be changed.
core.ServiceAccount: A name that programs in pods act under.
  secrets 0 [@ObjectReference]: Secrets that pods of the account may use.
  imagePullSecrets 0 [@LocalObjectReference]: Secrets that images are pulled with.
  automountServiceAccountToken 4 b: Whether pods find a token of the account in their files.
core.LocalObjectReference: An object of the same namespace.
  name 1 s: Its name.
core.ObjectReference: An object, named in full.
  kind 1 s: Its kind.
  namespace 2 s: Its namespace.
  name 3 s: Its name.
  uid 4 s: Its uid.
  apiVersion 5 s: Group and version.
  resourceVersion 6 s: The version of it that is meant.
  fieldPath 7 s: The part of it that is meant, as spec.containers{code}.
core.Event: Something that happened to an object, told for people. It is kept for an hour.
  involvedObject 0 @ObjectReference!: The object that it happened to.
  reason 0 s: Why, in one word for programs.
  message 0 s: What happened, in a sentence.
  source 0 @EventSource: Who tells it.
  firstTimestamp 0 t: When it happened first.
  lastTimestamp 0 t: When it happened last.
  count 0 i: How often it happened.
  type 0 s: Normal or Warning.
  eventTime 0 t: When it happened, to the microsecond.
  series 0 @EventSeries: How it went on, where it happened more than once.
  action 0 s: What was done about the object.
  related 0 @ObjectReference: Another object that it is about.
  reportingComponent 0 s: The controller that tells it.
  reportingInstance 0 s: Which of its instances.
core.EventSource: Who tells an event.
  component 0 s: The program.
  host 0 s: Its node.
core.EventSeries: An event that repeats itself.
  count 0 i: How often it happened.
  lastObservedTime 0 t: When it happened last.
core.Pod: Containers that run together on one node.
  spec 2 @PodSpec: What to run. Nearly all of it is fixed once the pod exists.
  status 3 @PodStatus: How it stands, written by the node.
core.PodTemplateSpec: The pods that a controller makes.
  metadata 1 @ObjectMeta: Their labels and annotations.
  spec 2 @PodSpec: What they run.
core.PodSpec: What a pod runs, and where.
  volumes 1 [@Volume]^name: Folders that its containers can mount.
  initContainers 20 [@Container]^name: Containers that run to their end, one after the other, before the others start.
  containers 2 [@Container]!^name: The containers. At least one.
  ephemeralContainers 0 [*]^name: Containers added later to look into it.
  restartPolicy 3 s: What follows when a container ends: Always (default), OnFailure or Never.
  terminationGracePeriodSeconds 4 l: How long after SIGTERM the containers get SIGKILL; 30 by default.
  activeDeadlineSeconds 5 l: How long the pod may be on its node before it is ended as Failed.
  dnsPolicy 6 s: Where names are looked up: ClusterFirst (default), Default, ClusterFirstWithHostNet or None.
  nodeSelector 7 m: Labels that the node must have.
  serviceAccountName 8 s: The account that the pod acts under; default where none is named.
  serviceAccount 9 s: Old name of serviceAccountName.
  automountServiceAccountToken 21 b: Whether the containers find a token of the account in their files.
  nodeName 10 s: The node, once one is chosen.
  hostNetwork 11 B: True: the pod uses the node's own network.
  hostPID 12 B: True: the pod sees the node's processes.
  hostIPC 13 B: True: the pod shares the node's IPC.
  shareProcessNamespace 27 b: True: the containers see each other's processes.
  securityContext 14 @PodSecurityContext: As whom and with which rights the containers run.
  imagePullSecrets 15 [@LocalObjectReference]^name: Secrets that images are pulled with.
  hostname 16 s: The pod's host name; its own name where absent.
  subdomain 17 s: The domain that the host name is in.
  affinity 0 *: Which nodes and pods it should be near to, or far from.
  schedulerName 19 s: Who chooses the node.
  tolerations 22 [@Toleration]: Taints of nodes that it does not mind.
  hostAliases 23 [*]^ip: Lines for /etc/hosts.
  priorityClassName 24 s: How important the pod is, by the name of a PriorityClass.
  priority 25 i: How important the pod is, as a number.
  dnsConfig 26 @PodDNSConfig: More for the name lookup.
  readinessGates 28 [*]: Conditions that must be True, too, before the pod is ready.
  runtimeClassName 29 s: The RuntimeClass that runs the containers; gvisor puts them into a sandbox.
  enableServiceLinks 30 b: Whether each Service is told to the containers in environment variables.
  preemptionPolicy 31 s: Whether less important pods are put out for it: PreemptLowerPriority or Never.
  overhead 32 mq: What the RuntimeClass needs besides the containers.
  topologySpreadConstraints 0 [*]^topologyKey: How pods are spread over zones and nodes.
  setHostnameAsFQDN 35 b: True: the host name is the full domain name.
  os 0 *: The operating system that the containers are made for.
  hostUsers 37 b: False: the pod has users of its own, root in it is none on the node.
  schedulingGates 0 [*]^name: Who must agree before a node is chosen.
  resourceClaims 0 [*]^name: Devices that must be there first.
  resources 40 @ResourceRequirements: What all containers together are given.
  hostnameOverride 41 s: The host name, word for word.
core.PodDNSConfig: How names are looked up, besides dnsPolicy.
  nameservers 1 [s]: Servers to ask.
  searches 2 [s]: Domains to try.
  options 0 [*]: Options of the resolver.
core.Toleration: A taint that a pod does not mind.
  key 1 s: The taint's key; all where absent.
  operator 2 s: Equal (default) or Exists.
  value 3 s: For Equal: the taint's value.
  effect 4 s: NoSchedule, PreferNoSchedule or NoExecute; all where absent.
  tolerationSeconds 5 l: For NoExecute: for how long.
core.PodSecurityContext: As whom and with which rights the containers of a pod run.
  seLinuxOptions 0 *: SELinux labels.
  windowsOptions 0 *: For Windows.
  runAsUser 2 l: The numeric user.
  runAsGroup 6 l: The numeric group.
  runAsNonRoot 3 b: True: a container that would run as root is not started.
  supplementalGroups 4 [l]: More groups.
  supplementalGroupsPolicy 12 s: Merge (default): the image's own groups too. Strict: only those given.
  fsGroup 5 l: The group that owns the volumes.
  sysctls 0 [*]: Kernel settings.
  fsGroupChangePolicy 9 s: Always or OnRootMismatch.
  seccompProfile 10 @SeccompProfile: Which system calls are allowed.
  appArmorProfile 0 *: Which AppArmor profile applies.
  seLinuxChangePolicy 13 s: How volumes get their SELinux label.
core.SeccompProfile: Which system calls are allowed.
  type 1 s!: RuntimeDefault, Localhost or Unconfined.
  localhostProfile 2 s: For Localhost: the profile's file.
core.Container: A program in an image, and what it is given.
  name 1 s!: Its name, unique in the pod.
  image 2 s: The image.
  command 3 [s]: The program and its arguments, instead of the image's entrypoint. No shell.
  args 4 [s]: Arguments, instead of the image's.
  workingDir 5 s: The folder that it starts in.
  ports 6 [@ContainerPort]^containerPort: Ports that it listens on, for people to know.
  envFrom 0 [*]: Environment variables from whole ConfigMaps and Secrets.
  env 7 [@EnvVar]^name: Environment variables.
  resources 8 @ResourceRequirements: What it is given, and at most.
  resizePolicy 0 [*]: What follows when its resources are changed.
  restartPolicy 24 s: Always, for an init container that goes on beside the others.
  restartPolicyRules 0 [*]: When it is started again, by its exit code.
  volumeMounts 9 [@VolumeMount]^mountPath: Where it finds which volumes.
  volumeDevices 0 [*]^devicePath: Block devices.
  livenessProbe 0 *: How to see that it must be started again.
  readinessProbe 0 *: How to see that it is ready.
  startupProbe 0 *: How to see that it has started.
  lifecycle 0 *: What to do after its start and before its end.
  terminationMessagePath 13 s: A file; what it holds at the end is in the status. /dev/termination-log by default.
  terminationMessagePolicy 20 s: File (default), or FallbackToLogsOnError: the end of the log where it failed without a message.
  imagePullPolicy 14 s: Always, IfNotPresent or Never.
  securityContext 15 @SecurityContext: As whom and with which rights it runs; wins over the pod's.
  stdin 16 B: True: it has a standard input to write to.
  stdinOnce 17 B: True: its standard input ends with the first client.
  tty 18 B: True: it has a terminal.
core.ContainerPort: A port.
  name 1 s: Its name, unique in the pod.
  hostPort 2 I: The same on the node.
  containerPort 3 i!: The number.
  protocol 4 s: TCP (default), UDP or SCTP.
  hostIP 5 s: The node's address that hostPort is on.
core.EnvVar: An environment variable.
  name 1 s!: Its name.
  value 2 s: Its value; $(NAME) stands for an earlier one.
  valueFrom 3 @EnvVarSource: Where its value comes from.
core.EnvVarSource: Where a value comes from: one of them.
  fieldRef 1 *: A field of the pod.
  resourceFieldRef 2 *: A resource of the container.
  configMapKeyRef 3 @ConfigMapKeySelector: A key of a ConfigMap.
  secretKeyRef 4 *: A key of a Secret.
  fileKeyRef 0 *: A key of a file.
core.ConfigMapKeySelector: A key of a ConfigMap.
  name 0 s: The ConfigMap.
  key 2 s!: The key.
  optional 3 b: True: it may be missing.
core.VolumeMount: Where a container finds a volume.
  name 1 s!: The volume.
  readOnly 2 B: True: nothing can be written.
  recursiveReadOnly 7 s: Whether mounts below it are read-only, too.
  mountPath 3 s!: The path in the container.
  subPath 4 s: A path in the volume, instead of its root.
  mountPropagation 5 s: Whether mounts made later are seen: None (default), HostToContainer or Bidirectional.
  subPathExpr 6 s: As subPath, with $(NAME) replaced.
core.Volume: A folder for containers: exactly one source.
  name 1 s!: Its name, unique in the pod.
  emptyDir 0 @EmptyDirVolumeSource: An empty folder that is gone with the pod.
  configMap 0 @ConfigMapVolumeSource: A ConfigMap, a file for each key.
  hostPath 0 *: A path of the node.
  secret 0 *: A Secret, a file for each key.
  projected 0 *: Several sources in one folder.
  downwardAPI 0 *: Fields of the pod, as files.
  persistentVolumeClaim 0 *: Storage that outlives the pod.
  ephemeral 0 *: A claim made and removed with the pod.
  image 0 *: What is in an image.
  csi 0 *: A CSI driver's volume.
  nfs 0 *
  iscsi 0 *
  fc 0 *
  cephfs 0 *
  rbd 0 *
  glusterfs 0 *
  gitRepo 0 *
  azureDisk 0 *
  azureFile 0 *
  awsElasticBlockStore 0 *
  gcePersistentDisk 0 *
  vsphereVolume 0 *
  portworxVolume 0 *
  scaleIO 0 *
  storageos 0 *
  quobyte 0 *
  photonPersistentDisk 0 *
  cinder 0 *
  flocker 0 *
  flexVolume 0 *
core.EmptyDirVolumeSource: An empty folder that is gone with the pod.
  medium 1 s: Memory, or the node's disk where absent.
  sizeLimit 2 q: How much it may hold.
core.ConfigMapVolumeSource: A ConfigMap, a file for each key.
  name 0 s: The ConfigMap.
  items 2 [@KeyToPath]: Only these keys, under these paths.
  defaultMode 3 i: Permissions of the files; 0644 by default.
  optional 4 b: True: it may be missing.
core.KeyToPath: A key, and the file that it becomes.
  key 1 s!: The key.
  path 2 s!: The path, relative to the mount.
  mode 3 i: Its permissions.
core.SecurityContext: As whom and with which rights a container runs.
  capabilities 1 @Capabilities: Rights of root that it has or has not.
  privileged 2 b: True: it may do all that the node may.
  seLinuxOptions 0 *: SELinux labels.
  windowsOptions 0 *: For Windows.
  runAsUser 4 l: The numeric user.
  runAsGroup 8 l: The numeric group.
  runAsNonRoot 5 b: True: not started where it would be root.
  readOnlyRootFilesystem 6 b: True: only volumes can be written to.
  allowPrivilegeEscalation 7 b: False: it can never have more rights than it starts with.
  procMount 9 s: How much of /proc it sees: Default or Unmasked.
  seccompProfile 11 @SeccompProfile: Which system calls are allowed.
  appArmorProfile 0 *: Which AppArmor profile applies.
core.Capabilities: Capabilities, as in capabilities(7) without CAP_.
  add 1 [s]: Given besides the usual ones.
  drop 2 [s]: Taken away; ALL for all.
core.ResourceRequirements: What is set aside for a container, and what it can have at most.
  limits 1 mq: At most.
  requests 2 mq: Set aside; as the limits where absent.
  claims 0 [*]: Devices.
core.PodStatus: How a pod stands.
  observedGeneration 0 l: The metadata.generation that this speaks of.
  phase 0 s: Pending, Running, Succeeded, Failed or Unknown.
  conditions 0 [@PodCondition]^type: PodScheduled, Initialized, ContainersReady, Ready and others.
  message 0 s: Why, in a sentence.
  reason 0 s: Why, in one word: Evicted.
  nominatedNodeName 0 s: The node that is being freed for it.
  hostIP 0 s: The node's address.
  hostIPs 0 [@HostIP]^ip: The node's addresses.
  podIP 0 s: The pod's address.
  podIPs 0 [@PodIP]^ip: The pod's addresses.
  startTime 0 t: When the node took it.
  initContainerStatuses 0 [@ContainerStatus]: Its init containers.
  containerStatuses 0 [@ContainerStatus]: Its containers.
  qosClass 0 s: Guaranteed, Burstable or BestEffort: who is put out last where memory runs out.
  ephemeralContainerStatuses 0 [@ContainerStatus]: Its ephemeral containers.
  resize 0 s: How far a change of its resources is.
  resourceClaimStatuses 0 [*]^name: Its devices.
  extendedResourceClaimStatus 0 *: Devices claimed as resources.
  allocatedResources 0 mq: What it is given.
  resources 0 @ResourceRequirements: What it has.
core.PodCondition: One aspect of a pod, as True or False.
  type 0 s!: Which aspect.
  observedGeneration 0 l: The metadata.generation that this speaks of.
  status 0 s!: True, False or Unknown.
  lastProbeTime 0 t: When it was last looked at.
  lastTransitionTime 0 t: When it last changed.
  reason 0 s: Why, in one word.
  message 0 s: Why, in a sentence.
core.HostIP: An address of the node.
  ip 0 s!: The address.
core.PodIP: An address of the pod.
  ip 0 s!: The address.
core.ContainerStatus: How a container stands.
  name 0 s!: The container.
  state 0 @ContainerState: What it does now.
  lastState 0 @ContainerState: How its last run ended.
  ready 0 b!: Whether it is ready.
  restartCount 0 i!: How often it was started again.
  image 0 s!: The image that it runs.
  imageID 0 s!: The same, with its digest.
  containerID 0 s: Its name at the runtime.
  started 0 b: Whether it has started.
  allocatedResources 0 mq: What it is given.
  resources 0 @ResourceRequirements: What it has.
  volumeMounts 0 [*]^mountPath: What is mounted.
  user 0 *: As whom it runs.
  allocatedResourcesStatus 0 [*]^name: How its devices do.
  stopSignal 0 s: The signal that ends it.
core.ContainerState: What a container does: one of them.
  waiting 0 @ContainerStateWaiting: It has not started.
  running 0 @ContainerStateRunning: It runs.
  terminated 0 @ContainerStateTerminated: It has ended.
core.ContainerStateWaiting: Why a container does not run yet.
  reason 0 s: In one word: ContainerCreating, ErrImagePull.
  message 0 s: In a sentence.
core.ContainerStateRunning: A container that runs.
  startedAt 0 t: Since when.
core.ContainerStateTerminated: How a container ended.
  exitCode 0 i!: Its exit code.
  signal 0 i: The signal that ended it.
  reason 0 s: In one word: Completed, Error, OOMKilled.
  message 0 s: What it wrote to its termination message.
  startedAt 0 t: From when ...
  finishedAt 0 t: ... to when it ran.
  containerID 0 s: Its name at the runtime.
core.Node: A machine that pods run on.
  spec 0 @NodeSpec: How it is to be used.
  status 3 @NodeStatus: How it stands, written by its kubelet.
core.NodeSpec: How a node is to be used.
  podCIDR 0 s: The addresses of its pods.
  podCIDRs 0 [s]: The addresses of its pods.
  providerID 0 s: What the cloud calls it.
  unschedulable 0 b: True: it gets no new pods (kubectl cordon).
  taints 0 [@Taint]: What pods must tolerate to come here.
  configSource 0 *
  externalID 0 s
core.Taint: What pods must tolerate to come to a node.
  key 0 s!: Its name.
  value 0 s: Its value.
  effect 0 s!: NoSchedule, PreferNoSchedule or NoExecute.
  timeAdded 0 t: When it was set.
core.NodeStatus: How a node stands.
  capacity 0 mq: What it has.
  allocatable 0 mq: What it has for pods.
  phase 0 s: No longer set.
  conditions 0 [@NodeCondition]^type: Ready and others.
  addresses 0 [@NodeAddress]^type: Where it can be reached.
  daemonEndpoints 0 *: The kubelet's port.
  nodeInfo 0 @NodeSystemInfo: What it is.
  images 0 [*]: Images that it has.
  volumesInUse 0 [s]: Volumes in use.
  volumesAttached 0 [*]: Volumes attached.
  config 0 *
  runtimeHandlers 0 [*]: The handlers of RuntimeClasses that it knows.
  features 0 *: What its runtime can do.
  declaredFeatures 0 [s]: What its kubelet can do.
core.NodeCondition: One aspect of a node, as True or False.
  type 0 s!: Which aspect.
  status 0 s!: True, False or Unknown.
  lastHeartbeatTime 0 t: When the kubelet last said so.
  lastTransitionTime 0 t: When it last changed.
  reason 0 s: Why, in one word.
  message 0 s: Why, in a sentence.
core.NodeAddress: Where a node can be reached.
  type 0 s!: InternalIP, ExternalIP, Hostname...
  address 0 s!: The address.
core.NodeSystemInfo: What a node is.
  machineID 0 s!: Its machine id.
  systemUUID 0 s!: Its hardware's id.
  bootID 0 s!: Changes with each boot.
  kernelVersion 0 s!: Its kernel.
  osImage 0 s!: Its operating system, for people.
  containerRuntimeVersion 0 s!: What runs containers there.
  kubeletVersion 0 s!: Its kubelet.
  kubeProxyVersion 0 s!: Its kube-proxy.
  operatingSystem 0 s!: linux or windows.
  architecture 0 s!: amd64, arm64...
  swap 0 *: Its swap space.

apps.Deployment: Pods of one kind that are kept running, and replaced step by step where they are to change.
  spec 2 @DeploymentSpec: Which pods, how many.
  status 3 @DeploymentStatus: How it stands, written by its controller.
apps.DeploymentSpec: Which pods, how many, and how one kind follows another.
  replicas 1 i: How many; 1 by default.
  selector 2 @LabelSelector!: Its pods. It cannot be changed, and the template's labels must match it.
  template 3 @PodTemplateSpec!: The pods that it makes.
  strategy 4 @DeploymentStrategy: How old pods give way to new ones.
  minReadySeconds 5 I: How long a pod must have been ready to count as available.
  revisionHistoryLimit 6 i: How many old ReplicaSets stay, to go back to; 10 by default.
  paused 7 B: True: a change of the template waits.
  progressDeadlineSeconds 9 i: How long nothing may move before the Deployment says that it is stuck; 600 by default.
apps.DeploymentStrategy: How old pods give way to new ones.
  type 1 s: RollingUpdate (default) or Recreate: all old ones first.
  rollingUpdate 2 @RollingUpdateDeployment: For RollingUpdate: the bounds.
apps.RollingUpdateDeployment: Bounds while pods are replaced.
  maxUnavailable 1 x: How many of the wanted pods may be missing, as a number or as 25%.
  maxSurge 2 x: How many pods there may be beyond those wanted, as a number or as 25%.
apps.DeploymentStatus: How a Deployment stands.
  observedGeneration 0 l: The metadata.generation that this speaks of.
  replicas 0 i: Its pods, those that are going left out.
  updatedReplicas 0 i: Those of the present template.
  readyReplicas 0 i: Those that are ready.
  availableReplicas 0 i: Those that have been ready for minReadySeconds.
  unavailableReplicas 0 i: How many more are needed.
  terminatingReplicas 0 i: Those that are going.
  conditions 0 [@DeploymentCondition]^type: Available, Progressing and ReplicaFailure.
  collisionCount 0 i: Counts names that were taken.
apps.DeploymentCondition: One aspect of a Deployment, as True or False.
  type 0 s!: Which aspect.
  status 0 s!: True, False or Unknown.
  lastUpdateTime 0 t: When it was last written.
  lastTransitionTime 0 t: When it last changed.
  reason 0 s: Why, in one word.
  message 0 s: Why, in a sentence.
apps.ReplicaSet: A number of equal pods. Usually a Deployment makes it.
  spec 2 @ReplicaSetSpec: Which pods, how many.
  status 3 @ReplicaSetStatus: How it stands, written by its controller.
apps.ReplicaSetSpec: Which pods, how many.
  replicas 1 i: How many; 1 by default.
  selector 2 @LabelSelector!: Its pods. It cannot be changed.
  template 3 @PodTemplateSpec: The pods that it makes.
  minReadySeconds 4 I: How long a pod must have been ready to count as available.
apps.ReplicaSetStatus: How a ReplicaSet stands.
  observedGeneration 0 l: The metadata.generation that this speaks of.
  replicas 0 i!: Its pods, those that are going left out.
  fullyLabeledReplicas 0 i: Those with the template's labels.
  readyReplicas 0 i: Those that are ready.
  availableReplicas 0 i: Those that have been ready for minReadySeconds.
  terminatingReplicas 0 i: Those that are going.
  conditions 0 [*]^type: ReplicaFailure: a pod cannot be made.
autoscaling.Scale: How many of a thing there are to be, whatever else it is.
  spec 2 @ScaleSpec: How many.
  status 3 @ScaleStatus: How many there are.
autoscaling.ScaleSpec: How many there are to be.
  replicas 1 I: How many.
autoscaling.ScaleStatus: How many there are.
  replicas 0 i!: How many.
  selector 0 s: Their labels, as in kubectl get -l.
policy.PodDisruptionBudget: How many of some pods must stay when nodes are emptied.
  spec 2 @PodDisruptionBudgetSpec: Which pods, how many.
  status 3 @PodDisruptionBudgetStatus: How many may go now.
policy.PodDisruptionBudgetSpec: Which pods, and how many must stay.
  minAvailable 1 x: At least so many must stay healthy, as a number or as 50%.
  selector 2 @LabelSelector: The pods.
  maxUnavailable 3 x: At most so many may be missing; instead of minAvailable.
  unhealthyPodEvictionPolicy 4 s: Whether pods that are not ready may go anyway: IfHealthyBudget (default) or AlwaysAllow.
policy.PodDisruptionBudgetStatus: How many pods may go now.
  observedGeneration 0 l: The metadata.generation that this speaks of.
  disruptedPods 0 *: Pods that are being evicted.
  disruptionsAllowed 0 i!: How many may go now.
  currentHealthy 0 i!: How many are ready.
  desiredHealthy 0 i!: How many must be.
  expectedPods 0 i!: How many there are to be.
  conditions 0 [*]^type: DisruptionAllowed.
scheduling.PriorityClass: How important pods are, as a number with a name.
  value 2 l!: The higher, the more important.
  globalDefault 3 B: True: for pods that name none. At most one class.
  description 4 s: For whom it is meant.
  preemptionPolicy 5 s: Whether less important pods are put out for its pods: PreemptLowerPriority (default) or Never.
core.Service: A name for pods. Here only headless ones: there is no network between pods.
  spec 2 @ServiceSpec: Which pods, which ports.
  status 3 *: Empty.
core.ServiceSpec: Which pods a service stands for, and their ports.
  ports 1 [@ServicePort]^port: The ports.
  selector 2 m: The pods, by their labels.
  clusterIP 3 s: None. Anything else is refused here: nothing could reach the address.
  clusterIPs 18 [s]: The same.
  type 4 s: ClusterIP.
  sessionAffinity 7 s: None.
  ipFamilies 19 [s]: IPv4.
  ipFamilyPolicy 17 s: SingleStack.
  internalTrafficPolicy 22 s: Cluster.
  publishNotReadyAddresses 13 B: True: pods that are not ready count.
core.ServicePort: A port of a service.
  name 1 s: Its name.
  protocol 2 s: TCP (default), UDP or SCTP.
  appProtocol 6 s: What is spoken on it.
  port 3 i!: The number.
  targetPort 4 x: The pods' port, as a number or by its name; the same number where absent.

events.Event: Something that happened to an object, told for people. It is kept for an hour.
  eventTime 0 t!: When it happened, to the microsecond.
  series 0 @EventSeries: How it went on, where it happened more than once.
  reportingController 0 s: The controller that tells it.
  reportingInstance 0 s: Which of its instances.
  action 0 s: What was done about the object.
  reason 0 s: Why, in one word for programs.
  regarding 0 @ObjectReference: The object that it happened to.
  related 0 @ObjectReference: Another object that it is about.
  note 0 s: What happened, in a sentence.
  type 0 s: Normal or Warning.
  deprecatedSource 0 @EventSource: As source in core/v1.
  deprecatedFirstTimestamp 0 t: As firstTimestamp in core/v1.
  deprecatedLastTimestamp 0 t: As lastTimestamp in core/v1.
  deprecatedCount 0 i: As count in core/v1.

batch.Job: A program that runs until it has ended well, or often enough.
  spec 2 @JobSpec: What to run, how often, for how long.
  status 3 @JobStatus: How it stands, written by the Job controller.
batch.JobSpec: What a Job runs, how often, for how long.
  parallelism 1 i: How many pods run at once; 1 by default.
  completions 2 i: How many pods must succeed; 1 by default.
  activeDeadlineSeconds 3 l: How long the Job may take, all tries together. Then it fails with DeadlineExceeded.
  podFailurePolicy 0 *: What follows from which failure, by exit code and condition.
  successPolicy 0 *: When enough has succeeded.
  backoffLimit 7 i: How many failures are tried again; 6 by default.
  backoffLimitPerIndex 12 i: The same, for each index.
  maxFailedIndexes 13 i: How many indexes may fail.
  selector 4 @LabelSelector: Its pods. Made by the server.
  manualSelector 5 b: True: selector is the writer's.
  template 6 @PodTemplateSpec!: The pods that it makes. restartPolicy must be Never or OnFailure.
  ttlSecondsAfterFinished 8 i: How long it stays once it is finished; for ever where absent.
  completionMode 9 s: NonIndexed (default) or Indexed.
  suspend 10 b: True: no pods; those that run are ended.
  podReplacementPolicy 14 s: When a pod that is going is replaced: TerminatingOrFailed (default) or Failed.
  managedBy 15 s: Who looks after the Job, if not the built-in controller.
batch.JobStatus: How a Job stands.
  conditions 0 [@JobCondition]^type: Complete or Failed once it is finished; SuccessCriteriaMet and FailureTarget shortly before; Suspended.
  startTime 0 t: When the controller took it.
  completionTime 0 t: When it succeeded.
  active 0 i: Pods that are pending or run.
  succeeded 0 i: Pods that succeeded.
  failed 0 i: Pods that failed.
  terminating 0 i: Pods that are going.
  completedIndexes 0 s: For Indexed: what is done.
  failedIndexes 0 s: For Indexed: what failed for good.
  uncountedTerminatedPods 0 @UncountedTerminatedPods: Ended pods not yet counted above.
  ready 0 i: Pods that are ready.
batch.UncountedTerminatedPods: Pods that have ended and are not counted yet, by uid.
  succeeded 0 [s]: Those that succeeded.
  failed 0 [s]: Those that failed.
batch.JobCondition: One aspect of a Job, as True or False.
  type 0 s!: Which aspect.
  status 0 s!: True, False or Unknown.
  lastProbeTime 0 t: When it was last looked at.
  lastTransitionTime 0 t: When it last changed.
  reason 0 s: Why, in one word: BackoffLimitExceeded, DeadlineExceeded.
  message 0 s: Why, in a sentence.

coordination.Lease: Who of several holds something, and until when.
  spec 2 @LeaseSpec: Holder and times.
coordination.LeaseSpec: Holder and times of a lease.
  holderIdentity 1 s: Who holds it.
  leaseDurationSeconds 2 i: How long after renewTime others may take it.
  acquireTime 0 t: When the holder took it.
  renewTime 0 t: When the holder last renewed it.
  leaseTransitions 5 i: How often it went from one holder to another.
  strategy 6 s: How the holder is chosen.
  preferredHolder 7 s: Who should have it next.

node.RuntimeClass: A way to run containers, by name: gvisor.
  handler 2 s!: What the node's container runtime calls it.
  overhead 3 @Overhead: What it needs for each pod besides the containers.
  scheduling 4 @Scheduling: The nodes that have it.
node.Overhead: What a RuntimeClass needs for each pod.
  podFixed 1 mq: Resources.
node.Scheduling: The nodes that have a RuntimeClass.
  nodeSelector 1 m: Labels that they have.
  tolerations 2 [@Toleration]: Taints that its pods do not mind.

rbac.Role: What may be done in one namespace.
  rules 2 [@PolicyRule]: What may be done; each rule adds.
rbac.ClusterRole: What may be done in all namespaces, and outside of them.
  rules 2 [@PolicyRule]: What may be done; each rule adds.
  aggregationRule 3 @AggregationRule: ClusterRoles whose rules are taken over.
rbac.AggregationRule: ClusterRoles whose rules are taken over.
  clusterRoleSelectors 1 [@LabelSelector]: Which, by their labels.
rbac.PolicyRule: Verbs on resources.
  verbs 1 [s]!: get, list, watch, create, update, patch, delete... or *.
  apiGroups 2 [s]: Groups of the resources; "" is the core group.
  resources 3 [s]: Resources, with subresources as pods/log; or *.
  resourceNames 4 [s]: Only these objects.
  nonResourceURLs 5 [s]: Paths outside the API's resources: /healthz.
rbac.RoleBinding: Gives what a role allows to somebody, in one namespace.
  subjects 2 [@Subject]: To whom.
  roleRef 3 @RoleRef!: The role. It cannot be changed.
rbac.ClusterRoleBinding: Gives what a ClusterRole allows to somebody, everywhere.
  subjects 2 [@Subject]: To whom.
  roleRef 3 @RoleRef!: The ClusterRole. It cannot be changed.
rbac.Subject: A user, a group or a service account.
  kind 1 s!: User, Group or ServiceAccount.
  apiGroup 2 s: rbac.authorization.k8s.io for users and groups.
  name 3 s!: The name.
  namespace 4 s: The service account's namespace.
rbac.RoleRef: A role.
  apiGroup 1 s: rbac.authorization.k8s.io
  kind 2 s!: Role or ClusterRole.
  name 3 s!: Its name.

networking.NetworkPolicy: Which traffic pods may have. Pods that no policy selects may have any.
  spec 2 @NetworkPolicySpec: Which pods, which traffic.
networking.NetworkPolicySpec: Which pods may have which traffic.
  podSelector 1 @LabelSelector: The pods; all where it is empty.
  ingress 2 [@NetworkPolicyIngressRule]: What they may receive; nothing where it is empty.
  egress 3 [@NetworkPolicyEgressRule]: What they may send; nothing where it is empty.
  policyTypes 4 [s]: Ingress, Egress or both: what the policy is about.
networking.NetworkPolicyIngressRule: Traffic that may come in: from these, to these ports.
  ports 1 [@NetworkPolicyPort]: Ports of the selected pods; all where it is empty.
  from 2 [@NetworkPolicyPeer]: Who may send; everybody where it is empty.
networking.NetworkPolicyEgressRule: Traffic that may go out: to these, at these ports.
  ports 1 [@NetworkPolicyPort]: Ports of the receivers; all where it is empty.
  to 2 [@NetworkPolicyPeer]: Who may receive; everybody where it is empty.
networking.NetworkPolicyPort: A port, or a range of them.
  protocol 1 s: TCP (default), UDP or SCTP.
  port 2 x: Its number, or its name in the pod; all where it is absent.
  endPort 3 i: The last port of a range that begins with port.
networking.NetworkPolicyPeer: The other end: pods by their labels and their namespace's, or addresses.
  podSelector 1 @LabelSelector: Pods of the policy's namespace, or of those that namespaceSelector selects.
  namespaceSelector 2 @LabelSelector: Namespaces; all where it is empty.
  ipBlock 3 @IPBlock: Addresses. Then neither of the other two.
networking.IPBlock: Addresses with a common prefix.
  cidr 1 s!: The prefix: 192.168.1.0/24.
  except 2 [s]: Prefixes within it that are left out.

apiextensions.CustomResourceDefinition: A kind of one's own, served like the built-in ones.
  spec 0 @CustomResourceDefinitionSpec!: Its names and its schema.
  status 0 *: Whether it is served.
apiextensions.CustomResourceDefinitionSpec: Names and schema of a kind.
  group 0 s!: Its API group.
  names 0 @CustomResourceDefinitionNames!: What it is called.
  scope 0 s!: Namespaced or Cluster.
  versions 0 [@CustomResourceDefinitionVersion]!: Its versions.
  conversion 0 *: How one version becomes another.
  preserveUnknownFields 0 b: False: fields that the schema does not name are dropped.
apiextensions.CustomResourceDefinitionNames: What a kind is called.
  plural 0 s!: In paths: codeexecutions.
  singular 0 s: In commands: codeexecution.
  shortNames 0 [s]: In commands, for the hurried: cex.
  kind 0 s!: In manifests: CodeExecution.
  listKind 0 s: The kind of its lists.
  categories 0 [s]: Groups of kinds that it is shown with: all.
apiextensions.CustomResourceDefinitionVersion: A version of a kind.
  name 0 s!: v1alpha1
  served 0 b!: Whether it is served.
  storage 0 b!: Whether objects are stored in it; true for exactly one.
  deprecated 0 b: True: who uses it is warned.
  deprecationWarning 0 s: The warning's words.
  schema 0 *: The fields, their types and their bounds, as OpenAPI.
  subresources 0 *: status and scale.
  additionalPrinterColumns 0 [*]: What kubectl get shows.
  selectableFields 0 [*]: Fields for field selectors.

core.ResourceQuota: How much a namespace may hold and use, all objects together.
  spec 2 @ResourceQuotaSpec: How much.
  status 3 @ResourceQuotaStatus: How much it is.
core.ResourceQuotaSpec: How much a namespace may hold and use.
  hard 1 mq: At most, by name: pods, requests.cpu, count/jobs.batch.
  scopes 2 [s]: Only what these scopes describe.
  scopeSelector 0 *: Only what this describes.
core.ResourceQuotaStatus: How much a namespace holds and uses.
  hard 0 mq: At most.
  used 0 mq: Now.
core.LimitRange: How large the pods of a namespace may be, each by itself.
  spec 2 @LimitRangeSpec: How large.
core.LimitRangeSpec: How large pods and containers may be.
  limits 1 [@LimitRangeItem]!: One entry for each type.
core.LimitRangeItem: Bounds of one type of thing.
  type 1 s!: Container, Pod or PersistentVolumeClaim. Here, Container is honoured.
  max 2 mq: At most, by resource.
  min 3 mq: At least, by resource.
  default 4 mq: The limit of who names none. Not filled in here.
  defaultRequest 5 mq: The request of who names none. Not filled in here.
  maxLimitRequestRatio 6 mq: How many times its request a limit may be. Not checked here.

authorization.SelfSubjectAccessReview: Asks whether one may do something.
  spec 2 @SelfSubjectAccessReviewSpec!: What.
  status 3 *: The answer.
authorization.SelfSubjectAccessReviewSpec: What one asks for: one of them.
  resourceAttributes 1 @ResourceAttributes: A verb on a resource.
  nonResourceAttributes 2 @NonResourceAttributes: A verb on a path.
authorization.ResourceAttributes: A verb on a resource.
  namespace 1 s: Its namespace; all where absent.
  verb 2 s: get, list, watch, create... or *.
  group 3 s: Its group.
  version 4 s: Its version.
  resource 5 s: Its plural.
  subresource 6 s: Its subresource.
  name 7 s: Its name; all where absent.
  fieldSelector 0 *: Only objects with these fields.
  labelSelector 0 *: Only objects with these labels.
authorization.NonResourceAttributes: A verb on a path.
  path 1 s: The path.
  verb 2 s: The HTTP verb.
authorization.SelfSubjectRulesReview: Asks what one may do in a namespace.
  spec 2 @SelfSubjectRulesReviewSpec!: Where.
  status 3 *: The answer.
authorization.SelfSubjectRulesReviewSpec: Where.
  namespace 1 s: The namespace.
authorization.SubjectAccessReview: Asks whether somebody may do something.
  spec 2 @SubjectAccessReviewSpec!: Who, and what.
  status 3 *: The answer.
authorization.LocalSubjectAccessReview: Asks whether somebody may do something in the namespace.
  spec 2 @SubjectAccessReviewSpec!: Who, and what.
  status 3 *: The answer.
authorization.SubjectAccessReviewSpec: Who, and what.
  resourceAttributes 1 @ResourceAttributes: A verb on a resource.
  nonResourceAttributes 2 @NonResourceAttributes: A verb on a path.
  user 3 s: The user.
  groups 4 [s]: The user's groups.
  extra 0 *: What else is known of the user.
  uid 6 s: The user's uid.
authentication.TokenReview: Asks whose token it is.
  spec 2 @TokenReviewSpec!: The token.
  status 3 *: The answer.
authentication.TokenReviewSpec: A token.
  token 1 s: The token.
  audiences 2 [s]: For whom it must have been made.
authentication.TokenRequest: Asks for a token of a service account.
  spec 2 @TokenRequestSpec!: Which.
  status 3 *: The token.
authentication.TokenRequestSpec: A token of a service account.
  audiences 1 [s]: For whom it is made.
  expirationSeconds 4 l: For how long; an hour by default.
  boundObjectRef 0 *: An object; the token ends with it.
authentication.SelfSubjectReview: Asks who one is.
  status 2 *: The answer.
)";

class kinds {
 public:
  kinds() {
    std::istringstream lines(all_kinds);
    builtin_struct* current = nullptr;
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) {
        continue;
      }
      auto const colon = line.find(':');
      std::string const head = line.substr(0, colon);
      std::string const description = colon == std::string::npos ? std::string() : line.substr(colon + 2);
      if (line.front() != ' ') {
        auto const dot = head.find('.');
        current = &structs_[{head.substr(0, dot), head.substr(dot + 1)}];
        current->package = head.substr(0, dot);
        current->name = head.substr(dot + 1);
        current->description = description;
      } else {
        current->fields.push_back(parse_field(head, description));
      }
    }
  }

  builtin_struct const* find(std::string_view package, std::string_view name) const {
    auto const found = structs_.find({std::string(package), std::string(name)});
    return found == structs_.end() ? nullptr : &found->second;
  }

 private:
  static builtin_field parse_field(std::string const& head, std::string const& description) {
    builtin_field out;
    std::istringstream words(head);
    words >> out.name >> out.number >> out.type;
    if (auto const hat = out.type.find('^'); hat != std::string::npos) {
      out.merge_key = out.type.substr(hat + 1);
      out.type.erase(hat);
    }
    if (out.type.ends_with('!')) {
      out.required = true;
      out.type.pop_back();
    }
    out.description = description;
    return out;
  }

  std::map<std::pair<std::string, std::string>, builtin_struct> structs_;
};

kinds const& known_structs() {
  static kinds const all;
  return all;
}

}  // namespace

builtin_field const* builtin_struct::field(int number) const {
  for (builtin_field const& one : fields) {
    if (one.number == number && number != 0) {
      return &one;
    }
  }
  return nullptr;
}

builtin_struct const* find_builtin(std::string_view package, std::string_view name) {
  return known_structs().find(package, name);
}

builtin_struct const* resolve_builtin(builtin_struct const& from, std::string_view name) {
  for (std::string_view const package :
       {std::string_view(from.package), std::string_view("core"), std::string_view("meta")}) {
    if (auto const* found = known_structs().find(package, name)) {
      return found;
    }
  }
  return nullptr;
}

std::string builtin_package(std::string_view group) {
  return group.empty() ? std::string("core") : std::string(group.substr(0, group.find('.')));
}

}  // namespace codeexec::local
