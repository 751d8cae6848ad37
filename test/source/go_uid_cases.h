// Manifests and the uids that the Go kubelet 1.36.2 gives them: as the file
// /etc/kubernetes/manifests/x.yaml on node-1, and as the answer of http://h/x. Written by a program
// that was built against its packages; the Go kubelet itself, run standalone, gives the same.
#pragma once

namespace kubelet::source {

struct GoUidCase {
  const char* name;
  const char* manifest;
  const char* file_uid;
  const char* url_uid;
};

// clang-format off
inline constexpr GoUidCase kGoUidCases[] = {
{"the least", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: c
    image: b:1
)yaml",
 "cbc34bfe55391241d292485e089f90ef", "dafe5e8455de082ff45d0638757c920e"},
{"lists and maps that are empty, null and absent are three things", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a, labels: {}, annotations: null}
spec:
  volumes: []
  nodeSelector: {}
  tolerations: null
  containers:
  - name: c
    image: b
    args: []
    command: null
    env: []
    resources: {limits: {}, requests: {}}
)yaml",
 "c45afa352327a8599eea542b31810b5d", "48ae85a312c1946448021ce5e0b5e2c4"},
{"json keeps what it says", R"yaml({"kind":"Pod","apiVersion":"v1","metadata":{"name":"j","labels":{"a":"<b>&\u00e9","z":""}},
 "spec":{"containers":[{"name":"c","image":"x:latest","command":["a b","\"q\"","\u2028"]}],"hostNetwork":true}}
)yaml",
 "c8d0222ffbb0ad206b34c7f3a335645c", "e51732e21d4b0945eec5ad3590ac7295"},
{"kubeadm: etcd", R"yaml(apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise: https://10.0.0.1:2381
  creationTimestamp: null
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    image: registry.k8s.io/etcd:v1.36.2
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: 2381
        scheme: HTTPS
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: etcd
    ports:
    - containerPort: 2381
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: 2381
      periodSeconds: 10
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: data
      readOnly: true
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: data
status: {}
)yaml",
 "a2fd83ab909093089a763bbaca781dce", "fcaa99de879149d9d5b1360867f7674f"},
{"kubeadm: kube-apiserver", R"yaml(apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise: https://10.0.0.1:6443
  creationTimestamp: null
  labels:
    component: kube-apiserver
    tier: control-plane
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --data-dir=/var/lib/kube-apiserver
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    image: registry.k8s.io/kube-apiserver:v1.36.2
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: probe-port
        scheme: HTTPS
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: kube-apiserver
    ports:
    - containerPort: 6443
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: 6443
      periodSeconds: 10
    volumeMounts:
    - mountPath: /var/lib/kube-apiserver
      name: data
      readOnly: true
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/kube-apiserver
      type: DirectoryOrCreate
    name: data
status: {}
)yaml",
 "4c71da56744e888bb0b281488f54d3f6", "25e6d05bd98539abd786a65e1c5647f7"},
{"kubeadm: kube-controller-manager", R"yaml(apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-controller-manager.advertise: https://10.0.0.1:10257
  creationTimestamp: null
  labels:
    component: kube-controller-manager
    tier: control-plane
  name: kube-controller-manager
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-controller-manager
    - --data-dir=/var/lib/kube-controller-manager
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    image: registry.k8s.io/kube-controller-manager:v1.36.2
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: probe-port
        scheme: HTTPS
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: kube-controller-manager
    ports:
    - containerPort: 10257
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: 10257
      periodSeconds: 10
    volumeMounts:
    - mountPath: /var/lib/kube-controller-manager
      name: data
      readOnly: true
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/kube-controller-manager
      type: DirectoryOrCreate
    name: data
status: {}
)yaml",
 "65153289d589a67bd4860f963ef23609", "764c5096b77adf8420a88b5fa1194c68"},
{"kubeadm: kube-scheduler", R"yaml(apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-scheduler.advertise: https://10.0.0.1:10259
  creationTimestamp: null
  labels:
    component: kube-scheduler
    tier: control-plane
  name: kube-scheduler
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-scheduler
    - --data-dir=/var/lib/kube-scheduler
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379
    image: registry.k8s.io/kube-scheduler:v1.36.2
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: probe-port
        scheme: HTTPS
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: kube-scheduler
    ports:
    - containerPort: 10259
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: 10259
      periodSeconds: 10
    volumeMounts:
    - mountPath: /var/lib/kube-scheduler
      name: data
      readOnly: true
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/kube-scheduler
      type: DirectoryOrCreate
    name: data
status: {}
)yaml",
 "27f692ef5d648cad3f6af6dff870f20c", "b7b027639957281521d7e91170ecd9e5"},
{"quantities 0", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  overhead: {x.y/r0: "1500m", x.y/r1: "0.1", x.y/r2: "1", x.y/r3: "0"}
  volumes: [{name: e, emptyDir: {medium: Memory, sizeLimit: "1500m"}}]
  containers:
  - name: c
    image: b
    resources:
      limits: {x.y/r0: "1500m", x.y/r1: "0.1", x.y/r2: "1", x.y/r3: "0"}
      requests: {x.y/r0: 0.1}
)yaml",
 "705cf03391e49962381bb2a3ff564f05", "85d2248b47e2c0f097eb95b24dafff8c"},
{"quantities 1", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  overhead: {x.y/r0: "1.5Gi", x.y/r1: "64Mi", x.y/r2: "8Mi", x.y/r3: "1e3"}
  volumes: [{name: e, emptyDir: {medium: Memory, sizeLimit: "1.5Gi"}}]
  containers:
  - name: c
    image: b
    resources:
      limits: {x.y/r0: "1.5Gi", x.y/r1: "64Mi", x.y/r2: "8Mi", x.y/r3: "1e3"}
      requests: {x.y/r0: 64Mi}
)yaml",
 "6498ebb2c4d1b3e8ce72273528c2904f", "05a6963e3f23c97199097a8465fcc7ee"},
{"quantities 2", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  overhead: {x.y/r0: "100u", x.y/r1: "1n", x.y/r2: "100000m", x.y/r3: "1000"}
  volumes: [{name: e, emptyDir: {medium: Memory, sizeLimit: "100u"}}]
  containers:
  - name: c
    image: b
    resources:
      limits: {x.y/r0: "100u", x.y/r1: "1n", x.y/r2: "100000m", x.y/r3: "1000"}
      requests: {x.y/r0: 1n}
)yaml",
 "e681f572c0ae5c49eeee8067b66e97a8", "9bf57892621dd4236be8cceac1c2dd69"},
{"quantities 3", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  overhead: {x.y/r0: "123456789012345678901", x.y/r1: ".5Mi", x.y/r2: "0.0Gi", x.y/r3: "100Ei"}
  volumes: [{name: e, emptyDir: {medium: Memory, sizeLimit: "123456789012345678901"}}]
  containers:
  - name: c
    image: b
    resources:
      limits: {x.y/r0: "123456789012345678901", x.y/r1: ".5Mi", x.y/r2: "0.0Gi", x.y/r3: "100Ei"}
      requests: {x.y/r0: .5Mi}
)yaml",
 "25458d28eb803c25941970d155066a23", "8b915ce2a186d8990c00cd7646aa32ea"},
{"resources of the pod from those of its containers", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  resources: {limits: {cpu: "3", memory: 1Gi}}
  initContainers:
  - {name: i, image: i, restartPolicy: Always, resources: {requests: {cpu: 100m}, limits: {memory: 32Mi, hugepages-2Mi: 4Mi}}}
  - {name: j, image: i, resources: {requests: {cpu: 1.5}, limits: {memory: 1.25Gi}}}
  containers:
  - name: c
    image: b
    resources: {requests: {cpu: 250m}, limits: {memory: 64Mi, hugepages-2Mi: 2Mi}}
  - {name: d, image: b, resources: {limits: {cpu: "1", memory: 0.1Gi}}}
)yaml",
 "6c46aa198c834a03ec5d4c96a654ecc7", "e7e40cface799162a835da99d8bd33e6"},
{"every kind of volume", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  volumes:
  - {name: a, hostPath: {path: /x}}
  - {name: b}
  - {name: c, secret: {secretName: s, items: [{key: k, path: p, mode: 256}], optional: true}}
  - {name: d, configMap: {name: m, defaultMode: 0}}
  - {name: e, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}, {path: r, resourceFieldRef: {containerName: c, resource: limits.cpu, divisor: 1m}}]}}
  - {name: f, projected: {sources: [{serviceAccountToken: {path: t}}, {configMap: {name: m}}, {downwardAPI: {items: []}}, {secret: {name: s}}]}}
  - {name: g, nfs: {server: s, path: /p}}
  - {name: h, iscsi: {targetPortal: t, iqn: q, lun: 1, portals: []}}
  - {name: i, csi: {driver: d, volumeAttributes: {a: b}}}
  - {name: j, persistentVolumeClaim: {claimName: p}}
  - {name: k, ephemeral: {volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1500u}}}}}}
  - {name: l, image: {reference: "r:v1"}}
  - {name: m, rbd: {monitors: [a, b], image: i}}
  - {name: nn, azureDisk: {diskName: dn, diskURI: u}}
  - {name: o, scaleIO: {gateway: g, system: s, secretRef: {name: x}, volumeName: v}}
  - {name: p, cephfs: {monitors: [m]}}
  - {name: q, fc: {wwids: [w]}}
  - {name: r, glusterfs: {endpoints: e, path: p}}
  containers:
  - name: c
    image: b:1
)yaml",
 "f7bef03a912749c1b4d3a0083d256aa7", "659534c5693f5d03a2c557c636a47d46"},
{"probes, hooks, security, environment", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  securityContext: {runAsUser: 0, fsGroup: 5, supplementalGroups: [1, 2], sysctls: [{name: a.b, value: "1"}], seccompProfile: {type: Localhost, localhostProfile: p}, seLinuxOptions: {level: "s0:c1"}}
  hostPID: true
  hostUsers: false
  shareProcessNamespace: true
  dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: "5"}, {name: rotate}]}
  hostAliases: [{ip: 1.2.3.4, hostnames: [x]}]
  serviceAccount: old
  setHostnameAsFQDN: false
  terminationGracePeriodSeconds: 0
  readinessGates: [{conditionType: g}]
  containers:
  - name: c
    image: b
    livenessProbe: {exec: {command: [a]}, terminationGracePeriodSeconds: 5}
    readinessProbe: {tcpSocket: {port: web}}
    startupProbe: {grpc: {port: 5}}
    lifecycle: {preStop: {sleep: {seconds: 3}}, postStart: {httpGet: {port: "80"}}, stopSignal: SIGINT}
    securityContext: {capabilities: {add: [A], drop: []}, privileged: false, procMount: Default}
    env: [{name: A, value: ""}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: C, valueFrom: {resourceFieldRef: {resource: requests.memory}}}]
    envFrom: [{configMapRef: {name: m, optional: true}}, {prefix: P_, secretRef: {name: s}}]
    ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP, hostPort: 5353, hostIP: 127.0.0.1, name: dns}]
    resizePolicy: [{resourceName: cpu, restartPolicy: NotRequired}]
    restartPolicy: Always
    restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42, 1]}}]
    volumeDevices: []
)yaml",
 "9f0a82aa84e1eb5cac2003603c8a5858", "efcbd381ff15419bdb88709a2ec42279"},
{"affinity and spreading", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  affinity:
    nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchFields: [{key: k, operator: In, values: [v]}]}}]}
    podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: t, labelSelector: {matchLabels: {}, matchExpressions: [{key: k, operator: Exists}]}}]}
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}]
  tolerations: [{operator: Exists}, {key: k, effect: NoExecute, tolerationSeconds: 0}]
  containers:
  - name: c
    image: b:1
)yaml",
 "4e1fdf48bd0c77c3b50be05981e5e7a3", "818ac32e0302d08e0c6719c95d14cc6a"},
{"with host network, ports of containers are ports of the host", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostNetwork: true
  containers:
  - name: c
    image: b
    ports: [{containerPort: 80}, {containerPort: 81, hostPort: 82}]
)yaml",
 "1445cff7a3b10f9fb6add8da62690bc3", "956086627808805f9e6c3440c9b57f0a"},
{"a pod as kubectl shows it", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a, creationTimestamp: "2024-01-02T03:04:05Z", generation: 3, resourceVersion: "77", ownerReferences: [{apiVersion: v1, kind: Node, name: n1, uid: u1, controller: true}], managedFields: [{manager: m, operation: Update, apiVersion: v1, time: "2024-01-02T03:04:05Z", fieldsType: FieldsV1, fieldsV1: {"f:metadata": {"f:labels": {}}}}]}
spec:
  containers:
  - name: c
    image: b:1
status:
  phase: Running
  podIP: 10.0.0.1
  startTime: "2024-01-02T03:04:06Z"
  conditions: [{type: Ready, status: "True", lastProbeTime: null, lastTransitionTime: "2024-01-02T03:04:07Z"}]
  containerStatuses: [{name: c, state: {running: {startedAt: "2024-01-02T03:04:07Z"}}, lastState: {}, ready: true, restartCount: 1, image: b, imageID: ""}]
)yaml",
 "43e358250eb5ee450e77e1e5fda339bb", "d80b31748e4c8df4ce6d1f474934f062"},
{"annotations of the time before init containers were a field", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {pod.beta.kubernetes.io/init-containers: "[]"}}
spec:
  containers:
  - name: c
    image: b:1
)yaml",
 "9b48f53bfea7a0988b395dfbee9dee58", "4b1d9041e7f90c1612a1d51117852879"},
{"yaml scalars", R"yaml(apiVersion: v1
kind: Pod
metadata: {name: a, labels: {a: "1.10", b: "yes"}}
spec:
  priority: 0x10
  containers:
  - name: c
    image: b
    args: [!!str 1, "0o7", '~']
    resources: {limits: {cpu: 1.50, memory: 1e9}}
)yaml",
 "6f72749e1304d74b0afac87dec021c01", "01a85f0c21eb778f70676ee2c2821600"},
};
// clang-format on

}  // namespace kubelet::source
