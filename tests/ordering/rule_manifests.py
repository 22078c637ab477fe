"""Manifests that show one rule each; the edges that follow stand in rule_cases.py."""

from __future__ import annotations

CONVERTED = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.g.io, annotations: {cert-manager.io/inject-ca-from: n/c}}
spec:
  group: g.io
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions: [{name: v1, served: SERVED, storage: false}, {name: v2, served: true, storage: true}]
  conversion: {strategy: STRATEGY, webhook: {clientConfig: {service: {name: w, namespace: n}}}}
---
{apiVersion: g.io/v1, kind: Thing, metadata: {name: old, namespace: n}}
---
{apiVersion: g.io/v2, kind: Thing, metadata: {name: new, namespace: n}}
---
{apiVersion: v1, kind: Service, metadata: {name: w, namespace: n}, spec: {selector: {app: w}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w, namespace: n}
spec: {template: {metadata: {labels: {app: w}}}}
"""
PODS = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: inject}
webhooks:
- name: inject.io
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {service: {name: istiod, namespace: mesh}}
  namespaceSelector: {matchLabels: {mesh: "on"}}
  objectSelector: {matchExpressions: [{key: mesh, operator: NotIn, values: ["off"]}]}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
---
{apiVersion: v1, kind: Namespace, metadata: {name: in, labels: {mesh: "on"}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: out}}
---
{apiVersion: v1, kind: Service, metadata: {name: istiod, namespace: mesh}, spec: {selector: {app: istiod}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: istiod, namespace: mesh},
  spec: {template: {metadata: {labels: {app: istiod, mesh: "off"}}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: cni, namespace: kube-system},
  spec: {template: {metadata: {labels: {k8s-app: istio-cni-node}}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: in}, spec: {template: {}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: b, namespace: in}, spec: {jobTemplate: {spec: {template: {}}}}}
---
{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: c, namespace: in}, spec: {template: {}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: in}, spec: {template: {metadata: {labels: {mesh: "off"}}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: e, namespace: out}, spec: {template: {}}}
"""

AMBIENT = """
{apiVersion: v1, kind: Namespace, metadata: {name: in, labels: {istio.io/dataplane-mode: ambient}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: cni, namespace: kube-system},
  spec: {template: {metadata: {labels: {k8s-app: istio-cni-node}}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: zt, namespace: mesh},
  spec: {template: {metadata: {labels: {app: ztunnel}}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: in}, spec: {template: {}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: in},
  spec: {template: {metadata: {labels: {istio.io/dataplane-mode: none}}}}}
"""

AGGREGATED = """
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.m.io, annotations: {cert-manager.io/inject-ca-from-secret: n/ca}}
spec: {group: m.io, version: v1beta1, service: {name: m, namespace: n}}
---
{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.l.io}, spec: {group: l.io, version: v1}}
---
{apiVersion: v1, kind: Service, metadata: {name: m, namespace: n}, spec: {selector: {app: m}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: m, namespace: n}, spec: {template: {metadata: {labels: {app: m}}}}}
---
{apiVersion: m.io/v1beta1, kind: Reading, metadata: {name: a, namespace: n}}
---
{apiVersion: m.io/v1, kind: Reading, metadata: {name: b, namespace: n}}
---
{apiVersion: l.io/v1, kind: Local, metadata: {name: c, namespace: n}}
"""

ROLES = """
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: whole},
  aggregationRule: {clusterRoleSelectors: [{matchLabels: {a: "1"}}, {matchLabels: {b: "1"}}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: part, labels: {b: "1"}}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: other, labels: {c: "1"}}}
"""

ISSUED = """
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: n}, spec: {secretName: made}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: d, namespace: n}, spec: {secretName: written}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: e, namespace: other}, spec: {secretName: made}}
---
{apiVersion: v1, kind: Secret, metadata: {name: written, namespace: n}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: w, namespace: n}
spec:
  template:
    spec:
      containers: [{name: c}]
      volumes: [{name: a, secret: {secretName: made}}, {name: b, secret: {secretName: written}}]
"""

GATEWAYS = """
{apiVersion: apps/v1, kind: Deployment, metadata: {name: istiod, namespace: mesh},
  spec: {template: {metadata: {labels: {app: istiod}}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n},
  spec: {template: {spec: {containers: [{name: p, image: auto}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: n},
  spec: {template: {spec: {containers: [{name: p, args: [proxy, router]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: c, namespace: n},
  spec: {template: {spec: {containers: [{name: p, image: x, args: [proxy]}]}}}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g, namespace: n}}
---
{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: h, namespace: m}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: v, namespace: n}, spec: {gateways: [g, m/h, mesh]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: u, namespace: n}}
"""

CLAIMS = """
{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: fast}, provisioner: csi.io}
---
{apiVersion: storage.k8s.io/v1, kind: StorageClass,
  metadata: {name: usual, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}, provisioner: local.io}
---
{apiVersion: storage.k8s.io/v1, kind: CSIDriver, metadata: {name: csi.io}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: p, namespace: s},
  spec: {template: {spec: {containers: [{name: p, args: [--driver=csi.io]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: q, namespace: s}, spec: {template: {spec: {containers: [{name: q,
  env: [{name: NAME, value: local.io}]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: r, namespace: s},
  spec: {template: {spec: {containers: [{name: r, args: [notlocal.io]}]}}}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a, namespace: n}, spec: {storageClassName: fast}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: b, namespace: n}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: n}, spec: {storageClassName: ""}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d, namespace: n},
  spec: {volumeClaimTemplates: [{spec: {storageClassName: fast}}]}}
"""

COMPANIONS = """
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: n}}
---
{apiVersion: v1, kind: Service, metadata: {name: s, namespace: m}}
---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: k}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: n}, spec: {secretName: tls}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: d, namespace: n},
  spec: {serviceName: s, template: {metadata: {labels: {app: d}}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h, namespace: n},
  spec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: d}}}
---
{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: k, namespace: n},
  spec: {scaleTargetRef: {kind: StatefulSet, name: d}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: p, namespace: n}, spec: {selector: {matchLabels: {app: d}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: q, namespace: n}, spec: {selector: {matchLabels: {app: e}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: n}
spec:
  ingressClassName: k
  tls: [{secretName: tls}]
  rules: [{http: {paths: [{backend: {service: {name: s}}}]}}]
"""

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps, secrets]}]
    excludeResourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [secrets], resourceNames: [free]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec:
  policyName: p
  paramRef: {name: settings, namespace: n}
  matchResources: {objectSelector: {matchLabels: {checked: "yes"}}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: loose},
  spec: {policyName: elsewhere}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: n, labels: {checked: "yes"}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: n, labels: {checked: "yes"}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: d, namespace: n}}
---
{apiVersion: v1, kind: Secret, metadata: {name: free, namespace: n, labels: {checked: "yes"}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: n, labels: {checked: "yes"}}}
"""

KNATIVE = """
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-logging, namespace: k}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-features, namespace: k, labels: {app.kubernetes.io/name: serving}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-other, namespace: k, labels: {app.kubernetes.io/name: eventing}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: values, namespace: k, labels: {app.kubernetes.io/name: serving}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: config-logging, namespace: other}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: webhook, namespace: k}
spec:
  template:
    metadata: {labels: {app.kubernetes.io/name: serving}}
    spec: {containers: [{name: c, env: [{name: CONFIG_LOGGING_NAME, value: config-logging}, {name: CONFIG_X, value: values}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plain, namespace: k}
spec: {template: {metadata: {labels: {app.kubernetes.io/name: serving}}, spec: {containers: [{name: c}]}}}
"""

CONTROLLED = """
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: as.g.io},
  spec: {group: g.io, scope: Namespaced, names: {kind: A, plural: as}}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: bs.g.io},
  spec: {group: g.io, scope: Namespaced, names: {kind: B, plural: bs}}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: cs.h.io},
  spec: {group: h.io, scope: Namespaced, names: {kind: C, plural: cs}}}
---
{apiVersion: g.io/v1, kind: A, metadata: {name: a, namespace: n}}
---
{apiVersion: g.io/v1, kind: B, metadata: {name: b, namespace: n}}
---
{apiVersion: h.io/v1, kind: C, metadata: {name: c, namespace: n}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: whole},
  aggregationRule: {clusterRoleSelectors: [{matchLabels: {part: "1"}}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: part, labels: {part: "1"}}
rules:
- {apiGroups: [g.io], resources: [as/status, bs/status], verbs: [update]}
- {apiGroups: [h.io], resources: [cs/status], verbs: [patch]}
- {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: second}
rules: [{apiGroups: [g.io], resources: [bs/status], verbs: [update]}, {apiGroups: [g.io], resources: [as/status], verbs: [get]}]
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: owner},
  rules: [{apiGroups: [h.io], resources: ["*"], verbs: [watch]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: x},
  roleRef: {kind: ClusterRole, name: whole}, subjects: [{kind: ServiceAccount, name: x, namespace: n}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: y},
  roleRef: {kind: ClusterRole, name: second}, subjects: [{kind: ServiceAccount, name: y, namespace: n}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: z},
  roleRef: {kind: ClusterRole, name: owner}, subjects: [{kind: ServiceAccount, name: z, namespace: n}]}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: x, namespace: n}, spec: {template: {spec: {serviceAccountName: x}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: y, namespace: n}, spec: {template: {spec: {serviceAccountName: y}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: z, namespace: n}, spec: {template: {spec: {serviceAccountName: z}}}}
"""

PROFILE = """
{apiVersion: kubeflow.org/v1, kind: Profile, metadata: {name: user}}
---
{apiVersion: kubeflow.org/v1, kind: Profile, metadata: {name: known}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: known}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: user}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: b, namespace: known}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: nobody}}
"""

DIALS = """
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: d}, spec: {selector: {app: db}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: db, namespace: d}, spec: {template: {metadata: {labels: {app: db}},
  spec: {containers: [{name: c, args: [db.d.svc]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n}, spec: {template: {spec: {containers: [{name: c,
  env: [{name: A, value: "http://db.d.svc.cluster.local:80/x"}]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: n},
  spec: {template: {spec: {containers: [{name: c, args: ["--host=db.d:5432"]}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: c, namespace: n},
  spec: {template: {spec: {containers: [{name: c, args: [db.d.example.org, mydb.d]}]}}}}
"""

CLASSES = """
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: high}}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gpu}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n},
  spec: {template: {spec: {priorityClassName: high, runtimeClassName: gpu}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: n},
  spec: {template: {spec: {priorityClassName: system-node-critical}}}}
"""

READS_A_CLAIM = """
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: c, namespace: n}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: n},
  spec: {template: {spec: {volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]}}}}
"""
