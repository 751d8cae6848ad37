// What must never be refused: the manifests kubeadm writes, and pods as people write them.
#include "kubelet/api/pod.h"
#include "pod_text.h"

namespace kubelet::api {
namespace {

void CheckAccepted(const std::string& text) {
  INFO(text);
  std::vector<std::string> errors = test::ErrorsOf(test::DecodePod(text));
  for (const std::string& error : errors) UNSCOPED_INFO(error);
  CHECK(errors.empty());
}

// As the file source hands it over: node name behind the name, namespace, toleration, config
// annotations.
std::string ControlPlane(const std::string& name, const std::string& container,
                         const std::string& volumes) {
  return "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'" + name +
         "-node1','namespace':'kube-system','uid':'0123456789abcdef0123456789abcdef','"
         "creationTimestamp':null,"
         "'annotations':{'kubeadm.kubernetes.io/"
         "kube-apiserver.advertise-address.endpoint':'10.0.0.1:6443',"
         "'kubernetes.io/config.hash':'0123456789abcdef0123456789abcdef','kubernetes.io/"
         "config.source':'file',"
         "'kubernetes.io/config.seen':'2026-01-02T03:04:05.678901234Z'},"
         "'labels':{'component':'" +
         name +
         "','tier':'control-plane'}},"
         "'spec':{'containers':[{'name':'" +
         name + "'," + container +
         "}],'hostNetwork':true,'priority':2000001000,'priorityClassName':'system-node-critical',"
         "'nodeName':'node1','tolerations':[{'operator':'Exists','effect':'NoExecute'}],"
         "'securityContext':{'seccompProfile':{'type':'RuntimeDefault'}},'volumes':[" +
         volumes + "]},'status':{}}";
}

std::string Probes(const std::string& path, int port) {
  auto probe = [&](const std::string& at, const std::string& more) {
    return "{'httpGet':{'host':'127.0.0.1','path':'" + at + "','port':" + std::to_string(port) +
           ",'scheme':'HTTPS'},'timeoutSeconds':15," + more + "}";
  };
  return "'livenessProbe':" +
         probe(path, "'failureThreshold':8,'initialDelaySeconds':10,'periodSeconds':10") +
         ",'readinessProbe':" + probe("/readyz", "'failureThreshold':3,'periodSeconds':1") +
         ",'startupProbe':" +
         probe(path, "'failureThreshold':24,'initialDelaySeconds':10,'periodSeconds':10");
}

std::string HostDirectory(const std::string& name, const std::string& path,
                          const std::string& type) {
  return "{'hostPath':{'path':'" + path + "','type':'" + type + "'},'name':'" + name + "'}";
}

TEST_CASE("kubeadm's static pods are valid") {
  CheckAccepted(ControlPlane(
      "kube-apiserver",
      "'command':['kube-apiserver','--secure-port=6443','--service-cluster-ip-range=10.96.0.0/12'],"
      "'image':'registry.example/kube-apiserver:v1.36.2','imagePullPolicy':'IfNotPresent'," +
          Probes("/livez", 6443) +
          ",'resources':{'requests':{'cpu':'250m'}},"
          "'volumeMounts':[{'mountPath':'/etc/ssl/certs','name':'ca-certs','readOnly':true},"
          "{'mountPath':'/etc/kubernetes/pki','name':'k8s-certs','readOnly':true}]",
      HostDirectory("ca-certs", "/etc/ssl/certs", "DirectoryOrCreate") + "," +
          HostDirectory("k8s-certs", "/etc/kubernetes/pki", "DirectoryOrCreate")));
  CheckAccepted(ControlPlane(
      "kube-controller-manager",
      "'command':['kube-controller-manager'],'image':'registry.example/"
      "kube-controller-manager:v1.36.2'," +
          Probes("/healthz", 10257) +
          ",'resources':{'requests':{'cpu':'200m'}},'volumeMounts':[{'mountPath':"
          "'/usr/libexec/kubernetes/kubelet-plugins/volume/exec','name':'flexvolume-dir'},"
          "{'mountPath':'/etc/kubernetes/"
          "controller-manager.conf','name':'kubeconfig','readOnly':true}]",
      HostDirectory("flexvolume-dir", "/usr/libexec/kubernetes/kubelet-plugins/volume/exec",
                    "DirectoryOrCreate") +
          "," +
          HostDirectory("kubeconfig", "/etc/kubernetes/controller-manager.conf", "FileOrCreate")));
  CheckAccepted(ControlPlane(
      "kube-scheduler",
      "'command':['kube-scheduler'],'image':'registry.example/kube-scheduler:v1.36.2'," +
          Probes("/livez", 10259) +
          ",'volumeMounts':[{'mountPath':'/etc/kubernetes/scheduler.conf',"
          "'name':'kubeconfig','readOnly':true}]",
      HostDirectory("kubeconfig", "/etc/kubernetes/scheduler.conf", "FileOrCreate")));
  CheckAccepted(ControlPlane(
      "etcd",
      "'command':['etcd'],'image':'registry.example/etcd:3.6.5-0'," + Probes("/livez", 2381) +
          ",'ports':[{'containerPort':2381,'name':'probe-port','protocol':'TCP'}],"
          "'resources':{'requests':{'cpu':'100m','memory':'100Mi'}},"
          "'volumeMounts':[{'mountPath':'/var/lib/etcd','name':'etcd-data'}]",
      HostDirectory("etcd-data", "/var/lib/etcd", "DirectoryOrCreate")));
}

TEST_CASE("a kubeadm static pod has no reference to the API") {
  core::Pod pod = test::DecodePod(
      ControlPlane("etcd", "'image':'etcd:1'",
                   HostDirectory("etcd-data", "/var/lib/etcd", "DirectoryOrCreate")));
  CHECK(StaticPodReference(pod).empty());
  CHECK(IsCritical(pod));
}

TEST_CASE("a pod of the API with all that admission adds is valid") {
  CheckAccepted(
      "{'metadata':{'name':'web-7d9c6f5b8-x2x7k','generateName':'web-7d9c6f5b8-','namespace':'"
      "default',"
      "'uid':'6b8b9e6e-0000-4000-8000-000000000000','resourceVersion':'12','generation':1,"
      "'labels':{'app.kubernetes.io/name':'web','pod-template-hash':'7d9c6f5b8'},"
      "'annotations':{'Example.COM/Upper':'ok','kubectl.kubernetes.io/default-container':'web'},"
      "'ownerReferences':[{'apiVersion':'apps/"
      "v1','kind':'ReplicaSet','name':'web-7d9c6f5b8','uid':'u',"
      "'controller':true,'blockOwnerDeletion':true}],'finalizers':['example.com/f'],"
      "'managedFields':[{'manager':'kube-controller-manager','operation':'Update','apiVersion':'v1'"
      ","
      "'fieldsType':'FieldsV1','fieldsV1':{'f:metadata':{}}}]},"
      "'spec':{'containers':[{'name':'web','image':'nginx','ports':[{'containerPort':80,'name':'"
      "http'},"
      "{'containerPort':80,'name':'http-udp','protocol':'UDP'}],"
      "'env':[{'name':'POD_IP','valueFrom':{'fieldRef':{'fieldPath':'status.podIP'}}},"
      "{'name':'CPU','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'1m'}}},"
      "{'name':'HUGE','valueFrom':{'resourceFieldRef':{'resource':'limits.hugepages-2Mi','divisor':"
      "'1Mi'}}},"
      "{'name':'LABEL','valueFrom':{'fieldRef':{'fieldPath':'metadata.labels[`app.kubernetes.io/"
      "name`]'}}},"
      "{'name':'S','valueFrom':{'secretKeyRef':{'name':'s','key':'password','optional':true}}},"
      "{'name':'lower.case-name','value':'$(POD_IP)'}],"
      "'envFrom':[{'prefix':'P_','configMapRef':{'name':'c'}},{'secretRef':{'name':'s'}}],"
      "'resources':{'limits':{'cpu':'1','memory':'1Gi','example.com/"
      "gpu':'1','hugepages-2Mi':'4Mi'},"
      "'requests':{'cpu':'100m'}},'resizePolicy':[{'resourceName':'cpu','restartPolicy':'"
      "NotRequired'}],"
      "'volumeMounts':[{'name':'kube-api-access-abcde','mountPath':'/var/run/secrets/kubernetes.io/"
      "serviceaccount',"
      "'readOnly':true,'recursiveReadOnly':'IfPossible'},{'name':'data','mountPath':'/"
      "data','subPath':'a/b'},"
      "{'name':'data','mountPath':'/other','subPathExpr':'$(POD_IP)'}],"
      "'lifecycle':{'preStop':{'exec':{'command':['sleep','1']}}},"
      "'securityContext':{'allowPrivilegeEscalation':false,'capabilities':{'drop':['ALL'],'add':['"
      "NET_BIND_SERVICE']},"
      "'runAsNonRoot':true,'runAsUser':1000,'readOnlyRootFilesystem':true,'procMount':'Default',"
      "'seccompProfile':{'type':'RuntimeDefault'},'appArmorProfile':{'type':'RuntimeDefault'}}}],"
      "'initContainers':[{'name':'proxy','image':'proxy:1','restartPolicy':'Always',"
      "'startupProbe':{'tcpSocket':{'port':15021}},'lifecycle':{'preStop':{'sleep':{'seconds':5}}}}"
      ","
      "{'name':'migrate','image':'web:1','command':['migrate']}],"
      "'volumes':[{'name':'kube-api-access-abcde','projected':{'defaultMode':420,'sources':["
      "{'serviceAccountToken':{'expirationSeconds':3607,'path':'token'}},"
      "{'configMap':{'name':'kube-root-ca.crt','items':[{'key':'ca.crt','path':'ca.crt'}]}},"
      "{'downwardAPI':{'items':[{'path':'namespace','fieldRef':{'apiVersion':'v1',"
      "'fieldPath':'metadata.namespace'}}]}}]}},{'name':'data','persistentVolumeClaim':{'claimName'"
      ":'data'}}],"
      "'serviceAccountName':'default','serviceAccount':'default','nodeName':'node1','hostname':'"
      "web',"
      "'subdomain':'svc','hostUsers':true,'shareProcessNamespace':false,"
      "'nodeSelector':{'kubernetes.io/os':'linux'},'imagePullSecrets':[{'name':'pull'}],"
      "'hostAliases':[{'ip':'127.0.0.1','hostnames':['foo.local']},{'ip':'::1'}],"
      "'dnsConfig':{'nameservers':['10.0.0.10'],'searches':['a_b.c','svc.cluster.local.','.'],"
      "'options':[{'name':'ndots','value':'2'},{'name':'edns0'}]},"
      "'affinity':{'podAntiAffinity':{'preferredDuringSchedulingIgnoredDuringExecution':[{'weight':"
      "100,"
      "'podAffinityTerm':{'topologyKey':'kubernetes.io/"
      "hostname','labelSelector':{'matchLabels':{'a':'b'}}}}]},"
      "'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{'"
      "matchFields':"
      "[{'key':'metadata.name','operator':'In','values':['node1']}]}]}}},"
      "'topologySpreadConstraints':[{'maxSkew':1,'topologyKey':'topology.kubernetes.io/zone',"
      "'whenUnsatisfiable':'ScheduleAnyway','labelSelector':{'matchLabels':{'app':'web'}},"
      "'matchLabelKeys':['pod-template-hash']}],"
      "'tolerations':[{'key':'node.kubernetes.io/"
      "not-ready','operator':'Exists','effect':'NoExecute',"
      "'tolerationSeconds':300},{'operator':'Exists'},{'key':'k','value':'v'}],"
      "'preemptionPolicy':'PreemptLowerPriority','priority':0,'os':{'name':'linux'},"
      "'readinessGates':[{'conditionType':'example.com/ready'}],'runtimeClassName':'gvisor',"
      "'overhead':{'cpu':'10m','memory':'10Mi'},'activeDeadlineSeconds':60,"
      "'securityContext':{'fsGroup':2000,'fsGroupChangePolicy':'OnRootMismatch','"
      "supplementalGroups':[1,2],"
      "'supplementalGroupsPolicy':'Strict','seLinuxOptions':{'level':'s0:c1,c2'},"
      "'sysctls':[{'name':'net.core.somaxconn','value':'1024'},{'name':'kernel/"
      "shm_rmid_forced','value':'1'}]}}}");
}

TEST_CASE("references that static pods may not have") {
  const std::string token = "'projected':{'sources':[";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"'serviceAccountName':'a'", "serviceaccounts"},
      {"'serviceAccount':'a'", "serviceaccounts"},
      {"'imagePullSecrets':[{'name':'s'}]", "secrets"},
      {"'containers':[{'name':'c','env':[{'name':'A','valueFrom':{'secretKeyRef':{'name':'s','key':"
       "'k'}}}]}]",
       "secrets"},
      {"'containers':[{'name':'c'}],'initContainers':[{'name':'i','envFrom':[{'secretRef':{'name':'"
       "s'}}]}]",
       "secrets"},
      {"'containers':[{'name':'c'}],'ephemeralContainers':[{'name':'e','envFrom':[{'configMapRef':{"
       "'name':'s'}}]}]",
       "configmaps"},
      {"'containers':[{'name':'c','env':[{'name':'A','valueFrom':{'configMapKeyRef':{'name':'s','"
       "key':'k'}}}]}]",
       "configmaps"},
      {"'volumes':[{'name':'v','secret':{'secretName':'s'}}]", "secrets"},
      {"'volumes':[{'name':'v','secret':{}}]", "secrets (via secret volumes)"},
      {"'volumes':[{'name':'v','configMap':{'name':'s'}}]", "configmaps"},
      {"'volumes':[{'name':'v','configMap':{}}]", "configmaps (via configmap volumes)"},
      {"'volumes':[{'name':'v','rbd':{'secretRef':{'name':'s'}}}]", "secrets"},
      {"'volumes':[{'name':'v','csi':{'driver':'d','nodePublishSecretRef':{'name':'s'}}}]",
       "secrets"},
      {"'resourceClaims':[{'name':'c'}]", "resourceclaims"},
      {"'volumes':[{'name':'v','csi':{'driver':'d'}}]", "csidrivers (via CSI volumes)"},
      {"'volumes':[{'name':'v','glusterfs':{}}]", "endpoints (via glusterFS volumes)"},
      {"'volumes':[{'name':'v','persistentVolumeClaim':{}}]", "persistentvolumeclaims"},
      {"'volumes':[{'name':'v','ephemeral':{}}]", "persistentvolumeclaims (via ephemeral volumes)"},
      {"'volumes':[{'name':'v','azureFile':{}}]", "secrets (via azureFile volumes)"},
      {"'volumes':[{'name':'v'," + token + "{'configMap':{}}]}}]",
       "configmaps (via projected volumes)"},
      {"'volumes':[{'name':'v'," + token + "{'configMap':{'name':'c'}}]}}]", "configmaps"},
      {"'volumes':[{'name':'v'," + token + "{'secret':{}}]}}]", "secrets (via projected volumes)"},
      {"'volumes':[{'name':'v'," + token + "{'secret':{'name':'s'}}]}}]", "secrets"},
      {"'volumes':[{'name':'v'," + token + "{'serviceAccountToken':{}}]}}]",
       "serviceaccounts (via projected volumes)"},
      {"'volumes':[{'name':'v'," + token + "{'clusterTrustBundle':{}}]}}]", "clustertrustbundles"},
      {"'volumes':[{'name':'v'," + token + "{'podCertificate':{}}]}}]", "podcertificates"},
      // The order of the checks: account, secrets, config maps, claims, then volumes.
      {"'resourceClaims':[{'name':'c'}],'volumes':[{'name':'v','csi':{}}]", "resourceclaims"},
      {"'imagePullSecrets':[{'name':'s'}],'serviceAccountName':'a'", "serviceaccounts"},
      {"'volumes':[{'name':'w','configMap':{'name':'m'}},{'name':'v','secret':{'secretName':'s'}}]",
       "secrets"},
  };
  for (const auto& [spec, token_text] : rows) {
    INFO(spec);
    CHECK(StaticPodReference(test::MakePod(spec)) == "static pods may not reference " + token_text);
  }
}

TEST_CASE("volumes that static pods may have") {
  for (const char* source :
       {"'emptyDir':{}", "'hostPath':{'path':'/x'}", "'downwardAPI':{}",
        "'image':{'reference':'i'}", "'nfs':{'server':'s','path':'/'}", "'iscsi':{}", "'fc':{}",
        "'gitRepo':{}", "'flexVolume':{}", "'cephfs':{}",
        "'projected':{'sources':[{'downwardAPI':{}}]}", "'csi':null,'emptyDir':{}"}) {
    INFO(source);
    CHECK(StaticPodReference(test::MakePod(std::string("'volumes':[{'name':'v',") + source + "}]"))
              .empty());
  }
  // Names without text are no references, as long as nothing else is.
  CHECK(StaticPodReference(test::MakePod("'imagePullSecrets':[{}]")).empty());
}

TEST_CASE("sources of a newer API are refused in static pods") {
  CHECK(StaticPodReference(test::MakePod("'volumes':[{'name':'v'}]")) ==
        "unknown volume type for volume \"v\"");
  CHECK(
      StaticPodReference(test::MakePod("'volumes':[{'name':'v','projected':{'sources':[{}]}}]")) ==
      "unknown source for projected volume \"v\"");
}

}  // namespace
}  // namespace kubelet::api
