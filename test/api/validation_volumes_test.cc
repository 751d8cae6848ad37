#include "pod_text.h"

namespace kubelet::api {
namespace {

using Rows = std::vector<std::pair<std::string, std::vector<std::string>>>;

// Rows of volume sources; error paths are relative to the volume unless they begin with `spec`.
void CheckSources(const Rows& rows) {
  std::vector<test::Case> cases;
  for (const auto& [source, errors] : rows) {
    test::Case one;
    one.spec = "'serviceAccountName':'a','volumes':[{'name':'v'," + source + "}]";
    for (const std::string& error : errors) one.errors.push_back("spec.volumes[0]" + error);
    cases.push_back(one);
  }
  test::CheckCases(cases);
}

TEST_CASE("names of volumes") {
  test::CheckCases(test::SpecCases({
      {"'volumes':[{'name':'a'},{'name':'b'}]", {}},
      {"'volumes':[{'name':''}]", {"spec.volumes[0].name: Required value"}},
      {"'volumes':[{'name':'A'}]", {"spec.volumes[0].name: Invalid value: \"A\""}},
      {"'volumes':[{'name':'a.b'}]",
       {"spec.volumes[0].name: Invalid value: \"a.b\": must not contain dots"}},
      {"'volumes':[{'name':'a'},{'name':'a'}]", {"spec.volumes[1].name: Duplicate value: \"a\""}},
      {"'volumes':[{'name':'a','emptyDir':{},'hostPath':{'path':'/x'},'nfs':{}}]",
       {"spec.volumes[0].emptyDir: Forbidden", "spec.volumes[0].nfs: Forbidden"}},
  }));
  core::Pod pod = test::MakePod("'volumes':[{'name':'a'}]");
  std::vector<FieldError> errors;
  for (FieldError& error : ValidatePodCreate(pod)) {
    if (error.path == "spec.volumes[0]") errors.push_back(error);
  }
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].kind == FieldError::Kind::kRequired);
}

TEST_CASE("local volumes") {
  CheckSources({
      {"'emptyDir':{'medium':'Memory','sizeLimit':'1Gi'}", {}},
      {"'emptyDir':{'sizeLimit':'-1'}", {".emptyDir.sizeLimit: Forbidden"}},
      {"'hostPath':{'path':'relative/is/fine','type':'Socket'}", {}},
      {"'hostPath':{}", {".hostPath.path: Required"}},
      {"'hostPath':{'path':'/a/../b'}", {".hostPath.path: Invalid value: \"/a/../b\""}},
      {"'hostPath':{'path':'/a..b'}", {}},
      {"'hostPath':{'path':'/a','type':'directory'}",
       {".hostPath.type: Unsupported value: \"directory\""}},
      {"'secret':{'secretName':'s','items':[{'key':'k','path':'a/"
       "b','mode':256}],'defaultMode':511}",
       {}},
      {"'secret':{'defaultMode':512}",
       {".secret.secretName: Required", ".secret.defaultMode: Invalid value: 512"}},
      {"'secret':{'secretName':'s','items':[{'path':'/"
       "a'},{'key':'k','path':'..data'},{'key':'k','path':'../a'}]}",
       {".secret.items[0].key: Required",
        ".secret.items[0].path: Invalid value: \"/a\": must be a relative path",
        ".secret.items[1].path: Invalid value: \"..data\": must not start with '..'",
        ".secret.items[2].path: Invalid value: \"../a\": must not contain '..'"}},
      {"'configMap':{'name':'c'}", {}},
      {"'configMap':{'items':[{'key':'k','path':'p','mode':-1}]}",
       {".configMap.name: Required", ".configMap.items[0].mode: Invalid value: -1"}},
      {"'image':{'reference':'i','pullPolicy':'Never'}", {}},
      {"'image':{'pullPolicy':'Often'}",
       {".image.reference: Required", ".image.pullPolicy: Unsupported value"}},
  });
}

TEST_CASE("downward API volumes") {
  auto item = [](const std::string& fields) {
    return "'downwardAPI':{'items':[{'path':'p'," + fields + "}]}";
  };
  const std::string at = ".downwardAPI.items[0]";
  CheckSources({
      {item("'fieldRef':{'fieldPath':'metadata.labels'}"), {}},
      {item("'fieldRef':{'fieldPath':'metadata.annotations[`Example.com/X`]'}"), {}},
      {item("'fieldRef':{'fieldPath':'metadata.labels[`a b`]'}"),
       {at + ".fieldRef: Invalid value: \"a b\""}},
      {item("'fieldRef':{'fieldPath':'metadata.name[`a`]'}"),
       {at + ".fieldRef.fieldPath: Invalid value"}},
      {item("'fieldRef':{'fieldPath':'status.podIP'}"),
       {at + ".fieldRef.fieldPath: Unsupported value: \"status.podIP\""}},
      {item("'fieldRef':{'fieldPath':'spec.nothing'}"),
       {at + ".fieldRef.fieldPath: Invalid value: \"spec.nothing\""}},
      {item("'fieldRef':{}"), {at + ".fieldRef.fieldPath: Required"}},
      {item("'fieldRef':{'apiVersion':'v2','fieldPath':'metadata.name'}"),
       {at + ".fieldRef.fieldPath: Invalid value"}},
      {item("'resourceFieldRef':{'containerName':'c','resource':'limits.memory','divisor':'1Mi'}"),
       {}},
      {item("'resourceFieldRef':{'resource':'limits.memory'}"),
       {at + ".resourceFieldRef.containerName: Required"}},
      {item("'resourceFieldRef':{'containerName':'c','resource':'limits.disk'}"),
       {at + ".resourceFieldRef.resource: Unsupported value"}},
      {item("'resourceFieldRef':{'containerName':'c','resource':'limits.memory','divisor':'1m'}"),
       {at + ".resourceFieldRef.divisor: Invalid value: \"1m\""}},
      {item("'resourceFieldRef':{'containerName':'c','resource':'requests.cpu','divisor':'2'}"),
       {at + ".resourceFieldRef.divisor: Invalid value: \"2\""}},
      {item("'mode':512"), {at + ": Required", at + ".mode: Invalid value: 512"}},
      {item("'fieldRef':{'fieldPath':'metadata.name'},'resourceFieldRef':{}"),
       {at + ": Invalid value"}},
  });
}

TEST_CASE("projected volumes") {
  auto sources = [](const std::string& list) { return "'projected':{'sources':[" + list + "]}"; };
  const std::string at = ".projected.sources[0]";
  const std::string certificate = "'signerName':'a.b/c','keyType':'ED25519'";
  CheckSources({
      {sources(""), {}},
      {"'projected':{'defaultMode':-1}", {".projected.defaultMode: Invalid value: -1"}},
      {sources("{'secret':{'name':'s'},'configMap':{'name':'c'}}"), {at + ": Forbidden"}},
      {sources("{'secret':{}}"), {at + ".secret.name: Required"}},
      {sources("{'secret':{'name':'s','items':[{'key':'k','path':'p'}]}},{'configMap':{'name':'c','"
               "items':"
               "[{'key':'k','path':'p'}]}}"),
       {".projected: Invalid value: \"c\": conflicting duplicate paths"}},
      {sources("{'serviceAccountToken':{'path':'t'}}"), {}},
      {sources("{'serviceAccountToken':{'expirationSeconds':599}}"),
       {at + ".serviceAccountToken.expirationSeconds: Invalid value: 599",
        at + ".serviceAccountToken.path: Required"}},
      {sources("{'serviceAccountToken':{'path':'/t','expirationSeconds':4294967297}}"),
       {at + ".serviceAccountToken.expirationSeconds: ",
        at + ".serviceAccountToken.path: Invalid value: \"/t\""}},
      {sources("{'clusterTrustBundle':{'name':'a.b:c:live','path':'p'}}"), {}},
      {sources("{'clusterTrustBundle':{'name':'a:B','path':'p'}}"),
       {at + ".clusterTrustBundle.name: Invalid value"}},
      {sources("{'clusterTrustBundle':{'signerName':'a.b/c','labelSelector':{},'path':'p'}}"), {}},
      {sources("{'clusterTrustBundle':{'signerName':'a','path':'p'}}"),
       {at + ".clusterTrustBundle.signerName: "}},
      {sources("{'clusterTrustBundle':{}}"),
       {at + ".clusterTrustBundle: Required", at + ".clusterTrustBundle.path: Required"}},
      {sources("{'clusterTrustBundle':{'name':'a','signerName':'b.c/d','path':'p'}}"),
       {at + ".clusterTrustBundle: Invalid value"}},
      {sources("{'podCertificate':{" + certificate +
               ",'credentialBundlePath':'p','maxExpirationSeconds':7862400}}"),
       {}},
      {sources("{'podCertificate':{" + certificate + ",'keyPath':'p','certificateChainPath':'p'}}"),
       {".projected: Invalid value: \"p\": conflicting"}},
      {sources("{'podCertificate':{'keyType':'RSA1','maxExpirationSeconds':1,'userAnnotations':{'a'"
               ":'b'}}}"),
       {at + ".podCertificate.signerName: Required",
        at + ".podCertificate.userAnnotations: Invalid value: \"a\"",
        at + ".podCertificate.keyType: Unsupported value: \"RSA1\"",
        at + ".podCertificate.maxExpirationSeconds: Invalid value: 1",
        at + ".podCertificate: Required"}},
      {sources(
           "{'podCertificate':{'signerName':'kubernetes.io/x','keyType':'ED25519','keyPath':'p',"
           "'maxExpirationSeconds':86401}}"),
       {at + ".podCertificate.maxExpirationSeconds: Invalid value: 86401"}},
  });
}

TEST_CASE("tokens need a service account") {
  test::CheckCases(test::SpecCases({
      {"'volumes':[{'name':'v','projected':{'sources':[{'serviceAccountToken':{'path':'t'}}]}}]",
       {"spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden"}},
      {"'serviceAccount':'a','volumes':[{'name':'v','projected':{'sources':[{'serviceAccountToken':"
       "{'path':'t'}}]}}]",
       {}},
  }));
}

TEST_CASE("claims and CSI") {
  auto ephemeral = [](const std::string& spec) {
    return "'ephemeral':{'volumeClaimTemplate':{'spec':{" + spec + "}}}";
  };
  const std::string at = ".ephemeral.volumeClaimTemplate.spec";
  const std::string good =
      "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}";
  CheckSources({
      {"'persistentVolumeClaim':{'claimName':'c'}", {}},
      {"'persistentVolumeClaim':{}", {".persistentVolumeClaim.claimName: Required"}},
      {"'csi':{'driver':'Driver.example.com','nodePublishSecretRef':{'name':'s'}}", {}},
      {"'csi':{'nodePublishSecretRef':{}}",
       {".csi.driver: Required", ".csi.nodePublishSecretRef.name: Required"}},
      {"'csi':{'driver':'a_b'}", {".csi.driver: Invalid value: \"a_b\""}},
      {"'csi':{'driver':'" + std::string(64, 'a') + "'}", {".csi.driver: Too long"}},
      {"'ephemeral':{}", {".ephemeral.volumeClaimTemplate: Required"}},
      {ephemeral(good), {}},
      {ephemeral(
           good +
           ",'storageClassName':'','volumeMode':'Block','selector':{'matchLabels':{'a':'b'}}"),
       {}},
      {ephemeral(""), {at + ".accessModes: Required", at + ".resources[storage]: Required"}},
      {ephemeral("'accessModes':['ReadWriteOncePod','ReadWriteOnce','Write'],'resources':{'"
                 "requests':{'storage':'0'}}"),
       {at + ".accessModes: Unsupported value: \"Write\"", at + ".accessModes: Forbidden",
        at + ".resources[storage]: Invalid value: \"0\""}},
      {ephemeral(good + ",'volumeMode':'Raw','storageClassName':'A'"),
       {at + ".storageClassName: Invalid value", at + ".volumeMode: Unsupported value"}},
      {ephemeral(good + ",'dataSource':{'kind':'PersistentVolumeClaim','name':'a'}"), {}},
      {ephemeral(good + ",'dataSource':{'kind':'Thing','name':'a'}"),
       {at + ".dataSource: Invalid value: \"Thing\""}},
      {ephemeral(good + ",'dataSource':{'apiGroup':'a.b','kind':'T','name':'a'},'dataSourceRef':{'"
                        "apiGroup':'a.b',"
                        "'kind':'T','name':'b'}"),
       {at + ": Invalid value: \"dataSource\": must match dataSourceRef"}},
      {"'ephemeral':{'volumeClaimTemplate':{'metadata':{'name':'x','labels':{'a':'b'}},'spec':{" +
           good + "}}}",
       {".ephemeral.volumeClaimTemplate.metadata.name: Forbidden"}},
  });
  test::CheckCases(test::SpecCases({
      {"'volumes':[{'name':'v'," + ephemeral(good) +
           "},{'name':'w','persistentVolumeClaim':{'claimName':'p-v'}}]",
       {"spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: \"p-v\""}},
  }));
}

TEST_CASE("volumes of storage systems") {
  const std::string iqn = "iqn.2001-04.com.example:storage.x";
  auto iscsi = [](const std::string& fields) {
    return "'iscsi':{'targetPortal':'1.2.3.4'," + fields + "}";
  };
  CheckSources({
      {"'nfs':{'server':'s','path':'/p'}", {}},
      {"'nfs':{'path':'p'}", {".nfs.server: Required", ".nfs.path: Invalid value: \"p\""}},
      {"'gitRepo':{'repository':'r','directory':'.'}", {}},
      {"'gitRepo':{'directory':'../x'}",
       {".gitRepo.repository: Required", ".gitRepo.directory: Invalid value"}},
      {"'gcePersistentDisk':{'pdName':'d','partition':255}", {}},
      {"'gcePersistentDisk':{'partition':256}",
       {".gcePersistentDisk.pdName: Required", ".gcePersistentDisk.partition: Invalid value: 256"}},
      {"'awsElasticBlockStore':{'partition':-1}",
       {".awsElasticBlockStore.volumeID: Required",
        ".awsElasticBlockStore.partition: Invalid value: -1"}},
      {iscsi("'iqn':'" + iqn + "','lun':0"), {}},
      {iscsi("'iqn':'eui.0123456789abcdef','lun':1"), {}},
      {iscsi("'iqn':'naa.0123456789abcdef0123456789abcdef','lun':1"), {}},
      {iscsi("'iqn':'eui.01'"), {".iscsi.iqn: Invalid value"}},
      {iscsi("'iqn':'iqn.2001-4.com:x'"), {".iscsi.iqn: Invalid value"}},
      {iscsi("'iqn':'abc','lun':256"),
       {".iscsi.iqn: Invalid value: \"abc\"", ".iscsi.lun: Invalid value: 256"}},
      {iscsi("'iqn':'" + iqn + "','chapAuthSession':true"), {".iscsi.secretRef: Required"}},
      {iscsi("'iqn':'" + iqn + "','initiatorName':'x'"), {".iscsi.initiatorName: Invalid value"}},
      {"'iscsi':{'targetPortal':'" + std::string(63, '1') + "','iqn':'" + iqn +
           "','initiatorName':'" + iqn + "'}",
       {".name: Invalid value: \"v\""}},
      {"'glusterfs':{}", {".glusterfs.endpoints: Required", ".glusterfs.path: Required"}},
      {"'flocker':{'datasetName':'a'}", {}},
      {"'flocker':{}", {".flocker: Required"}},
      {"'flocker':{'datasetName':'a/b','datasetUUID':'c'}",
       {".flocker: Invalid", ".flocker.datasetName: Invalid"}},
      {"'rbd':{}", {".rbd.monitors: Required", ".rbd.image: Required"}},
      {"'cinder':{'secretRef':{}}",
       {".cinder.volumeID: Required", ".cinder.secretRef.name: Required"}},
      {"'cephfs':{}", {".cephfs.monitors: Required"}},
      {"'quobyte':{'registry':'a:1,[::1]:2','volume':'v'}", {}},
      {"'quobyte':{'registry':'a,b:1:2'}",
       {".quobyte.registry: Invalid", ".quobyte.registry: Invalid", ".quobyte.volume: Required"}},
      {"'quobyte':{'volume':'v'}", {".quobyte.registry: Required"}},
      {"'fc':{'targetWWNs':['a'],'lun':1}", {}},
      {"'fc':{'wwids':['a']}", {}},
      {"'fc':{}", {".fc.targetWWNs: Required"}},
      {"'fc':{'targetWWNs':['a'],'wwids':['b']}", {".fc.targetWWNs: Invalid", ".fc.lun: Required"}},
      {"'flexVolume':{'driver':'d','options':{'a/b':'c'}}", {}},
      {"'flexVolume':{'options':{'x.K8s.io/b':'c','kubernetes.io':'d','mykubernetes.io':'e'}}",
       {".flexVolume.driver: Required", ".flexVolume.options[kubernetes.io]: Invalid",
        ".flexVolume.options[x.K8s.io/b]: Invalid"}},
      {"'azureFile':{}", {".azureFile.secretName: Required", ".azureFile.shareName: Required"}},
      {"'azureDisk':{'diskName':'a','diskURI':'https://b'}", {}},
      {"'azureDisk':{'diskName':'a','diskURI':'/subscriptions/b','kind':'Managed'}", {}},
      {"'azureDisk':{'diskName':'a','diskURI':'https://b','kind':'Managed','cachingMode':'Some'}",
       {".azureDisk.cachingMode: Unsupported", ".azureDisk.diskURI: Unsupported"}},
      {"'vsphereVolume':{}", {".vsphereVolume.volumePath: Required"}},
      {"'photonPersistentDisk':{}", {".photonPersistentDisk.pdID: Required"}},
      {"'portworxVolume':{}", {".portworxVolume.volumeID: Required"}},
      {"'scaleIO':{}",
       {".scaleIO.gateway: Required", ".scaleIO.system: Required",
        ".scaleIO.volumeName: Required"}},
      {"'storageos':{'volumeName':'a','volumeNamespace':'b'}", {}},
      {"'storageos':{'volumeNamespace':'A','secretRef':{}}",
       {".storageos.volumeName: Required", ".storageos.volumeNamespace: Invalid",
        ".storageos.secretRef.name: Required"}},
  });
}

}  // namespace
}  // namespace kubelet::api
