// Command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler, and the audit policy.

import { apiServerPort, etcdPort, hostAddress, serviceCidr } from "./addresses.ts";
import { operatorUser, writeVerbs } from "./audit-log.ts";
import type { CertificateFiles } from "./certificates.ts";
import type { ComponentSpec } from "./component.ts";

/** What the control plane's command lines are made of; all paths are absolute. */
export interface ControlPlaneOptions {
  readonly binaries: {
    readonly etcd: string;
    readonly "kube-apiserver": string;
    readonly "kube-controller-manager": string;
    readonly "kube-scheduler": string;
  };
  readonly certificates: CertificateFiles;
  readonly etcdDirectory: string;
  readonly auditPolicyFile: string;
  readonly auditLogFile: string;
  readonly controllerManagerKubeconfig: string;
  readonly schedulerKubeconfig: string;
  /** How often the HorizontalPodAutoscaler controller looks at each autoscaler. Kubernetes' default is 15. */
  readonly horizontalPodAutoscalerSyncPeriodSeconds: number;
  /** kube-controller-manager's client limits, one for all of its controllers. Kubernetes' defaults are 20 and 30. */
  readonly controllerManagerRequestsPerSecond: number;
  readonly controllerManagerBurst: number;
  /** `*` for those that run by default, `-NAME` for one that shall not. */
  readonly controllers: readonly string[];
}

/**
 * Who, what and the answer's code: of everybody's writes, so that a test can count them, and of the operator's reads,
 * so that a test can tell which of its permissions it uses. JSON is YAML.
 */
export const auditPolicy = JSON.stringify({
  apiVersion: "audit.k8s.io/v1",
  kind: "Policy",
  omitStages: ["RequestReceived"],
  rules: [
    { level: "Metadata", verbs: [...writeVerbs] },
    { level: "Metadata", users: [operatorUser], verbs: ["get", "list", "watch"] },
    { level: "None" },
  ],
});

const etcdUrl = `http://127.0.0.1:${etcdPort}`;

function flags(values: Record<string, string | number | boolean>): string[] {
  return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

function etcd(options: ControlPlaneOptions): ComponentSpec {
  return {
    name: "etcd",
    command: options.binaries.etcd,
    args: flags({
      "data-dir": options.etcdDirectory,
      "listen-client-urls": etcdUrl,
      "advertise-client-urls": etcdUrl,
      "listen-peer-urls": "http://127.0.0.1:2380",
      // The data ends with the cluster: a crash of the machine is nothing to be safe from.
      "unsafe-no-fsync": true,
      "log-level": "warn",
    }),
  };
}

function apiServer(options: ControlPlaneOptions): ComponentSpec {
  const { certificates } = options;
  return {
    name: "kube-apiserver",
    command: options.binaries["kube-apiserver"],
    args: flags({
      "etcd-servers": etcdUrl,
      "advertise-address": hostAddress,
      "secure-port": apiServerPort,
      "service-cluster-ip-range": serviceCidr,
      "authorization-mode": "RBAC",
      "allow-privileged": true,
      profiling: false,
      // As on OpenShift: who makes a child that blocks the deletion of its owner must be allowed to.
      "enable-admission-plugins": "OwnerReferencesPermissionEnforcement",
      // An APIService then reaches EndpointSlice addresses itself, without kube-proxy's rules.
      "enable-aggregator-routing": true,
      "client-ca-file": certificates.authority,
      "tls-cert-file": certificates.apiServer.certificate,
      "tls-private-key-file": certificates.apiServer.key,
      "kubelet-certificate-authority": certificates.authority,
      "kubelet-client-certificate": certificates.kubeletClient.certificate,
      "kubelet-client-key": certificates.kubeletClient.key,
      "kubelet-preferred-address-types": "InternalIP",
      "service-account-issuer": "https://kubernetes.default.svc",
      "service-account-key-file": certificates.serviceAccount.certificate,
      "service-account-signing-key-file": certificates.serviceAccount.key,
      "requestheader-client-ca-file": certificates.frontProxyAuthority,
      "requestheader-allowed-names": "front-proxy-client",
      "requestheader-username-headers": "X-Remote-User",
      "requestheader-group-headers": "X-Remote-Group",
      "requestheader-extra-headers-prefix": "X-Remote-Extra-",
      "proxy-client-cert-file": certificates.frontProxyClient.certificate,
      "proxy-client-key-file": certificates.frontProxyClient.key,
      "audit-policy-file": options.auditPolicyFile,
      "audit-log-path": options.auditLogFile,
    }),
  };
}

function controllerManager(options: ControlPlaneOptions): ComponentSpec {
  const { certificates } = options;
  return {
    name: "kube-controller-manager",
    command: options.binaries["kube-controller-manager"],
    args: flags({
      kubeconfig: options.controllerManagerKubeconfig,
      "bind-address": "127.0.0.1",
      "leader-elect": false,
      profiling: false,
      "use-service-account-credentials": true,
      "service-account-private-key-file": certificates.serviceAccount.key,
      "root-ca-file": certificates.authority,
      "horizontal-pod-autoscaler-sync-period": `${options.horizontalPodAutoscalerSyncPeriodSeconds}s`,
      "kube-api-qps": options.controllerManagerRequestsPerSecond,
      "kube-api-burst": options.controllerManagerBurst,
      controllers: options.controllers.join(","),
    }),
  };
}

function scheduler(options: ControlPlaneOptions): ComponentSpec {
  return {
    name: "kube-scheduler",
    command: options.binaries["kube-scheduler"],
    args: flags({
      kubeconfig: options.schedulerKubeconfig,
      "bind-address": "127.0.0.1",
      "leader-elect": false,
      profiling: false,
    }),
  };
}

/** The four components, in the order in which they need each other. */
export function controlPlaneComponents(
  options: ControlPlaneOptions,
): readonly [ComponentSpec, ComponentSpec, ComponentSpec, ComponentSpec] {
  return [etcd(options), apiServer(options), controllerManager(options), scheduler(options)];
}
