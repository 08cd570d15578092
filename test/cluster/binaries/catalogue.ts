// Which programs a local cluster is made of, in which versions, and where each comes from.

export const binaryNames = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubectl",
  "prometheus",
] as const;

export type BinaryName = (typeof binaryNames)[number];

/** Numbers of a version: `[1, 36, 3]`. */
export type Version = readonly [number, number, number];

export interface Binary {
  readonly name: BinaryName;
  /** The version that is downloaded or built. */
  readonly version: string;
  /** From `from` on, up to but without `below`. */
  readonly accepted: { readonly from: Version; readonly below: Version };
  /** Arguments that make it print its version. */
  readonly versionArguments: readonly string[];
  /** Folder beside this file that holds its go.mod. */
  readonly module: "kubernetes" | "etcd" | "prometheus";
  readonly goPackage: string;
  readonly linkerFlags: string;
  readonly tags?: string;
  /** For people: how long a build takes on two cores when nothing is cached. */
  readonly usualBuildTime: string;
}

const kubernetesVersion = "1.36.3";
const kubernetesVersionVariable = "k8s.io/component-base/version";

function kubernetes(name: BinaryName, usualBuildTime: string): Binary {
  const [major, minor] = kubernetesVersion.split(".");
  const variables = { gitVersion: `v${kubernetesVersion}`, gitMajor: major, gitMinor: minor };
  const set = Object.entries(variables).map(([key, value]) => `-X ${kubernetesVersionVariable}.${key}=${value}`);
  return {
    name,
    version: kubernetesVersion,
    // A client may be one minor version older or newer than the API server.
    accepted: name === "kubectl" ? { from: [1, 35, 0], below: [1, 38, 0] } : { from: [1, 36, 0], below: [1, 37, 0] },
    versionArguments: name === "kubectl" ? ["version", "--client"] : ["--version"],
    module: "kubernetes",
    goPackage: `k8s.io/kubernetes/cmd/${name}`,
    linkerFlags: ["-s", "-w", ...set].join(" "),
    usualBuildTime,
  };
}

const etcd: Binary = {
  name: "etcd",
  version: "3.6.8",
  accepted: { from: [3, 6, 0], below: [4, 0, 0] },
  versionArguments: ["--version"],
  module: "etcd",
  goPackage: "go.etcd.io/etcd/server/v3",
  linkerFlags: "-s -w",
  usualBuildTime: "1 minute",
};

const prometheus: Binary = {
  name: "prometheus",
  version: "3.15.0",
  // Debian 12 has 2.42, which is enough for what is asked of it here.
  accepted: { from: [2, 40, 0], below: [4, 0, 0] },
  versionArguments: ["--version"],
  module: "prometheus",
  goPackage: "github.com/prometheus/prometheus/cmd/prometheus",
  linkerFlags: "-s -w -X github.com/prometheus/common/version.Version=3.15.0",
  // Leaves out the discovery plugins of two dozen clouds, of which none is used here, and a third of the packages.
  tags: "remove_all_sd",
  usualBuildTime: "4 minutes",
};

export const catalogue: Readonly<Record<BinaryName, Binary>> = {
  etcd,
  "kube-apiserver": kubernetes("kube-apiserver", "4 minutes"),
  "kube-controller-manager": kubernetes("kube-controller-manager", "1 minute more"),
  "kube-scheduler": kubernetes("kube-scheduler", "20 seconds more"),
  kubectl: kubernetes("kubectl", "20 seconds more"),
  prometheus,
};

/** The first version number in `text`: `Kubernetes v1.36.3` is `[1, 36, 3]`. */
export function parseVersion(text: string): Version | undefined {
  const match = /\bv?(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3])];
}

function isBefore(left: Version, right: Version): boolean {
  const differing = left.findIndex((part, index) => part !== right[index]);
  return differing !== -1 && left[differing]! < right[differing]!;
}

export function isAccepted(binary: Binary, version: Version): boolean {
  return !isBefore(version, binary.accepted.from) && isBefore(version, binary.accepted.below);
}

/** For people: `from 1.36.0 to below 1.37.0`. */
export function acceptedRange({ accepted }: Binary): string {
  return `${accepted.from.join(".")} or later, below ${accepted.below.join(".")}`;
}
